"""An asyncio payment switch. The modules, in the order to read them:

The way of one payment: `endpoint` (HTTP), `authorize` (the page to begin with), `admission` (who
asks), `signature` and `components` and `structured` (RFC 9421), `participants` (whose keys),
`message` (what may be said), `router`, `lane`, `ledger` (the decision), `outcome`, `reply`.

Beside it: `accounts`, `lookups`, `public` (what needs no signature), `openapi`, `budget`, `service`
and `services` (the city plugs in there).

What it stands on: `limits`, `clock`, `errors`, `currencies`, `config`, `log`, `metrics`, `keyfile`,
`queries` and `sql` (the ledger's functions), `db`, `migrate`, `embedded` and `keeper`.

Processes: `app` (one worker, wired), `worker`, `jobs`, `supervisor`, `cli`. The other side of the
wire: `signing` and `client`.
"""

__version__ = "0.1.0"
