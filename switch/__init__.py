"""An asyncio payment switch. Its modules, in the order to read them.

The way of one payment: `connection` and `endpoint` (HTTP), `authorize` (the page to begin with),
`admission` (who asks), `signature`, `components`, `structured` and `digest` (RFC 9421, RFC 9530),
`participants` (whose keys), `message` and `json_text` (what may be said), `router`, `lane`,
`ledger`, `doubt` and `sql/` (the decision), `outcome`, `reply`. Many at once: `batch` and
`batch_message`.

Beside it: `accounts`, `lookups`, `timeline` and `reads` (what participants ask), `receipts`,
`receipt` and `jws` (a decision that anyone can prove), `keys`, `key_message`, `key_ledger`,
`introduction` and `key_uses` (the keys participants sign with), `mandate`, `mandate_ledger` and
`payment_code` (what a payee may take), `request_to_pay` and `request_ledger` (what a payee asks
for), `requests` (what endpoints share), `public` (what needs no signature), `openapi`,
`participant_openapi` and `examples`, `budget` (how much one sender may take), `service` and
`services/` (where the city plugs in).

What it stands on: `limits`, `clock`, `errors`, `currencies`, `config`, `log`, `metrics`, `keyfile`,
`secret_file`, `traceparent`, `switch_keys`, `queries`, `db`, `migrate`; the embedded database:
`embedded`, `keeper`, `cluster`, `binaries`.

Banks that hold the money themselves: `banks` (the process that calls them), `bank`, `bank_calls`,
`bank_message`, `bank_answer`, `bank_keys`, `bank_settling`; `pending` (callers that wait for one).

Pushing events: `delivery`, `receiver`, `deliveries`, `callback` (calls participants' servers),
`resolver`, `breaker`.

Processes: `app` (one worker, wired), `worker`, `loops`, `jobs`, `supervisor`, `lifeline`,
`serving`, `admin_port`; the operator: `admin`, `cli` and its parts, `demo` and its parts,
`terminal`.

The other side of the wire: `signing`, `exchange`, `answers`, `batch_exchange`, `patience`,
`client`; participants' own servers: `simulate/`, and `conformance/`, which tries them.
"""

__version__ = "0.1.0"
