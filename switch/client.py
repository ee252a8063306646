"""The participant's library: open accounts, pay, read statements, with typed results.

    async with Client("https://switch.example", key_id="bank-of-qingdao/2026-11",
                      key=Path("bank.pem")) as client:
        payment = await client.pay(type="transfer", payer=payer, payee=payee,
                                   amount=1500, currency="CNY")

Every call signs its request, checks that the answer is signed by the switch to this very request,
and repeats with the same idempotency key until the outcome is known or the deadline has passed
(`exchange` says how). Business outcomes are results: a declined payment is a `Payment` with a
reason. Everything else is an exception: `ProblemError`, `OutcomeUnknown` or `Unreachable`.

Amounts are integers in minor units, ids and times are strings as on the wire.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from switch import answers
from switch.answers import Decoder, Page, all_of, decoded
from switch.batch_exchange import BatchedPayment, settle_batch
from switch.clock import SYSTEM_CLOCK, Clock, rfc3339
from switch.errors import Problem
from switch.event_message import Event, EventPage
from switch.exchange import (
    ClientError,
    Exchange,
    Order,
    OutcomeUnknown,
    ProblemError,
    Unreachable,
)
from switch.key_message import KeyOperation, ParticipantKey, published
from switch.keyfile import PublicKey, public_key
from switch.limits import (
    CLIENT_CONNECTIONS_MAX,
    CLIENT_DEADLINE_S,
    CLIENT_EVENT_WAIT_S_MAX,
    PAGE_SIZE_MAX,
)
from switch.message import Account, AccountOperation, Entry, Payment, Step
from switch.orders import body_of, key_or_new, seed_of, segment
from switch.patience import until_decided
from switch.signature import signing_key
from switch.timeline import Timeline

__all__ = [
    "Account",
    "AccountOperation",
    "BatchedPayment",
    "Client",
    "ClientError",
    "Entry",
    "Event",
    "EventPage",
    "KeyOperation",
    "OutcomeUnknown",
    "Page",
    "ParticipantKey",
    "Payment",
    "Problem",
    "ProblemError",
    "Step",
    "Timeline",
    "Unreachable",
]

Result = TypeVar("Result")


class Client:
    """One participant at one switch. Safe for many tasks at once; connections are shared.

    `key` is a private key file (PEM) or the 32-byte seed itself. `switch_keys` pins the switch's
    public keys (`keyfile.parse_jwks` reads them from the published document); without them they
    are fetched from the switch, which is as trustworthy as the connection to it.
    """

    def __init__(
        self,
        url: str,
        *,
        key_id: str,
        key: Path | bytes,
        switch_keys: Mapping[str, PublicKey] | None = None,
        deadline_s: float = CLIENT_DEADLINE_S,
        connections_max: int = CLIENT_CONNECTIONS_MAX,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._participant = key_id.partition("/")[0]
        self._clock = clock
        self._exchange = Exchange(
            url,
            signing_key(key_id, seed_of(key)),
            switch_keys=switch_keys,
            deadline_s=deadline_s,
            connections_max=connections_max,
            clock=clock,
        )

    async def __aenter__(self) -> Self:
        await self._exchange.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._exchange.__aexit__(kind, error, trace)

    # --- payments

    async def pay(
        self,
        *,
        type: str,  # noqa: A002  the name on the wire
        payer: str,
        payee: str,
        amount: int,
        currency: str,
        capture: bool = True,
        hold_seconds: int | None = None,
        expires_at: datetime | None = None,
        reference: str | None = None,
        payee_reference: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        deadline_s: float | None = None,
        wait_s: float = 0.0,
    ) -> Payment:
        """Have a payment decided; `status` says `completed`, `held` or `declined`, `reason` why.

        With `capture` false the money is held, for `hold_seconds`, until it is captured or voided.

        `status` is `pending` where a bank has to decide and takes its time. For up to `wait_s` the
        payment is sent again until it has; the event, a look-up or a later repeat tells as well.

        Without an idempotency key a random one is used. To survive a crash of the caller, choose
        the key, store it, and after a restart call again with the same key and arguments.
        """
        fields = {
            "type": type,
            "payer": payer,
            "payee": payee,
            "amount": amount,
            "currency": currency,
            "capture": None if capture else False,
            "hold_seconds": hold_seconds,
            "expires_at": None if expires_at is None else rfc3339(expires_at),
            "reference": reference,
            "payee_reference": payee_reference,
            "description": description,
            "metadata": None if metadata is None else dict(metadata),
        }
        body = body_of(fields)
        return await self.pay_bytes(
            body, idempotency_key=idempotency_key, deadline_s=deadline_s, wait_s=wait_s
        )

    async def pay_bytes(
        self,
        body: bytes,
        *,
        idempotency_key: str | None = None,
        deadline_s: float | None = None,
        wait_s: float = 0.0,
    ) -> Payment:
        """As `pay`, with the body ready-made: a repeat must be the same bytes."""
        key = key_or_new(idempotency_key)
        return await until_decided(
            lambda: self._post("/v1/payments", body, answers.PAYMENT, key, deadline_s),
            wait_s=wait_s,
            clock=self._clock,
        )

    async def pay_batch(
        self,
        payments: Mapping[str, Mapping[str, object] | bytes],
        *,
        deadline_s: float | None = None,
    ) -> dict[str, BatchedPayment]:
        """Have up to 1,000 payments decided, by idempotency key, in their order.

        Each is given by its fields, as they stand on the wire, or ready-made as bytes. What is not
        decided at first is sent again, alone or with others, until the deadline; the answer tells
        for each payment what came of it. When all of it was refused, or nothing could be sent, it
        is a ProblemError or Unreachable.
        """
        bodies = {
            key: one if isinstance(one, bytes) else body_of(one) for key, one in payments.items()
        }
        return await settle_batch(self._exchange, bodies, deadline_s=deadline_s, clock=self._clock)

    async def capture(
        self,
        payment_id: str,
        *,
        amount: int | None = None,
        final: bool = False,
        idempotency_key: str | None = None,
    ) -> Payment | Step:
        """Capture all that is held, or an amount of it; `final` releases the rest."""
        body = body_of({"amount": amount, "final": True if final else None})
        return await self._step(payment_id, "capture", body, idempotency_key)

    async def void(self, payment_id: str, *, idempotency_key: str | None = None) -> Payment | Step:
        """Release all that is still held."""
        return await self._step(payment_id, "void", None, idempotency_key)

    async def refund(
        self,
        payment_id: str,
        *,
        amount: int | None = None,
        idempotency_key: str | None = None,
        wait_s: float = 0.0,
    ) -> Payment | Step:
        """Pay back all that was captured, or an amount of it; to a bank it may be `pending`, as in
        `pay`.
        """
        key, body = key_or_new(idempotency_key), body_of({"amount": amount})
        return await until_decided(
            lambda: self._step(payment_id, "refund", body, key), wait_s=wait_s, clock=self._clock
        )

    async def bar(
        self, idempotency_key: str
    ) -> Payment | Step | Account | AccountOperation | ParticipantKey | KeyOperation:
        """See to it that a key is never decided (`reason` is `barred`), or learn its decision."""
        body = body_of({"idempotency_key": idempotency_key})
        return await self._post("/v1/payments/bar", body, answers.ANYTHING, idempotency_key, None)

    async def payment(self, payment_id: str) -> Payment | Step:
        """One payment and what became of it since; ProblemError `not-found` when it is not ours."""
        return await self._get(f"/v1/payments/{segment(payment_id)}", {}, answers.DECISION)

    async def timeline(self, payment_id: str) -> Timeline:
        """What happened to a payment and its steps, in order, as far as we may know it."""
        return await self._get(f"/v1/payments/{segment(payment_id)}/timeline", {}, answers.TIMELINE)

    async def payment_by_key(self, idempotency_key: str) -> Payment | Step | None:
        """What was decided under a key. None: nothing so far, which is no promise."""
        try:
            query = {"idempotency_key": idempotency_key}
            return await self._get("/v1/payments", query, answers.DECISION)
        except ProblemError as error:
            if error.problem.name == "not-found":
                return None
            raise

    async def receipt(self, payment_id: str) -> str:
        """The decision as a compact JWS that anyone can verify offline; to be kept as it is."""
        order = Order(method="GET", path=f"/v1/payments/{segment(payment_id)}/receipt")
        answer = await self._exchange.settle(order)
        return answer.body.decode("ascii", "replace")

    async def payments_page(
        self,
        *,
        reference: str | None = None,
        account: str | None = None,
        from_at: datetime | None = None,
        to_at: datetime | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> Page[Payment | Step]:
        """One piece of the list of payments, in the order they arrived."""
        query = {
            "reference": reference,
            "account": account,
            "from": None if from_at is None else rfc3339(from_at),
            "to": None if to_at is None else rfc3339(to_at),
            "after": after,
            "limit": limit,
        }
        return await self._get("/v1/payments", query, answers.PAYMENTS)

    def payments(
        self,
        *,
        reference: str | None = None,
        account: str | None = None,
        from_at: datetime | None = None,
        to_at: datetime | None = None,
    ) -> AsyncIterator[Payment | Step]:
        """All payments that fit, piece by piece."""

        async def page(after: str | None) -> Page[Payment | Step]:
            return await self.payments_page(
                reference=reference,
                account=account,
                from_at=from_at,
                to_at=to_at,
                after=after,
                limit=PAGE_SIZE_MAX,
            )

        return all_of(page)

    async def events_page(
        self, *, after: str = "0", limit: int | None = None, wait_s: int = 0
    ) -> EventPage:
        """Events of our own feed after a number; waits up to `wait_s` for one when there is none.

        It waits ten seconds at most; call again. Keep `next_after` once what came was dealt with,
        and no event is missed or told twice.
        """
        waited_s = min(wait_s, CLIENT_EVENT_WAIT_S_MAX)
        query = {"after": after, "limit": limit, "wait": waited_s or None}
        return await self._get("/v1/events", query, answers.EVENTS)

    # --- accounts

    async def open_account(
        self,
        *,
        kind: str,
        currency: str,
        reference: str | None = None,
        tier: str | None = None,
        idempotency_key: str | None = None,
        deadline_s: float | None = None,
    ) -> Account:
        """Open an account of one's own."""
        fields = {"currency": currency, "kind": kind, "reference": reference, "tier": tier}
        return await self._post(
            "/v1/accounts", body_of(fields), answers.ACCOUNT, idempotency_key, deadline_s
        )

    async def account(self, account_id: str) -> Account:
        """One account with its balance and what is left of its limits today."""
        return await self._get(f"/v1/accounts/{segment(account_id)}", {}, answers.ACCOUNT)

    async def accounts_page(
        self, *, reference: str | None = None, after: str | None = None, limit: int | None = None
    ) -> Page[Account]:
        """One piece of the list of one's own accounts."""
        query = {"reference": reference, "after": after, "limit": limit}
        return await self._get("/v1/accounts", query, answers.ACCOUNTS)

    def accounts(self, *, reference: str | None = None) -> AsyncIterator[Account]:
        """All of one's own accounts, piece by piece."""

        async def page(after: str | None) -> Page[Account]:
            return await self.accounts_page(reference=reference, after=after, limit=PAGE_SIZE_MAX)

        return all_of(page)

    async def freeze(
        self, account_id: str, *, idempotency_key: str | None = None
    ) -> AccountOperation:
        """Block the debits of an account."""
        return await self._change(account_id, "freeze", idempotency_key)

    async def unfreeze(
        self, account_id: str, *, idempotency_key: str | None = None
    ) -> AccountOperation:
        """Lift one's own freeze."""
        return await self._change(account_id, "unfreeze", idempotency_key)

    async def close_account(
        self, account_id: str, *, idempotency_key: str | None = None
    ) -> AccountOperation:
        """Close an account; it is `closing` until what is under way has ended."""
        return await self._change(account_id, "close", idempotency_key)

    async def entries_page(
        self, account_id: str, *, after: str | None = None, limit: int | None = None
    ) -> Page[Entry]:
        """One piece of an account's statement, in posting order."""
        query = {"after": after, "limit": limit}
        return await self._get(
            f"/v1/accounts/{segment(account_id)}/entries", query, answers.ENTRIES
        )

    def entries(self, account_id: str, *, after: str | None = None) -> AsyncIterator[Entry]:
        """An account's statement from its beginning, or after what was read before."""

        async def page(next_after: str | None) -> Page[Entry]:
            start = after if next_after is None else next_after
            return await self.entries_page(account_id, after=start, limit=PAGE_SIZE_MAX)

        return all_of(page)

    # --- keys

    async def introduce_key(
        self,
        name: str,
        key: Path | bytes,
        *,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> ParticipantKey:
        """Have a new key registered: a private key file or seed, which signs this request as well.

        Its id is the participant's, a slash and the name. Every worker knows it within a second;
        a client that signs with it at once repeats until then.
        """
        seed = seed_of(key)
        fields = {
            "name": name,
            "public_key": published(public_key(seed)),
            "not_before": None if not_before is None else rfc3339(not_before),
            "not_after": None if not_after is None else rfc3339(not_after),
        }
        new_key = signing_key(f"{self._participant}/{name}", seed)
        return await self._post(
            "/v1/keys", body_of(fields), answers.KEY, idempotency_key, None, new_key=new_key
        )

    async def revoke_key(self, name: str, *, idempotency_key: str | None = None) -> KeyOperation:
        """Revoke one of one's own keys, and those it introduced that are not confirmed."""
        path = f"/v1/keys/{segment(name)}/revoke"
        return await self._post(path, None, answers.KEY_OPERATION, idempotency_key, None)

    async def keys_page(
        self, *, after: str | None = None, limit: int | None = None
    ) -> Page[ParticipantKey]:
        """One piece of the list of one's own keys, in the order of their names."""
        return await self._get("/v1/keys", {"after": after, "limit": limit}, answers.KEYS)

    def keys(self) -> AsyncIterator[ParticipantKey]:
        """All of one's own keys, revoked ones included."""

        async def page(after: str | None) -> Page[ParticipantKey]:
            return await self.keys_page(after=after, limit=PAGE_SIZE_MAX)

        return all_of(page)

    # --- the way to the switch

    # --- what has no method of its own here, such as the services of the city

    async def get(self, path: str, **query: str | int | None) -> Any:
        """What a path shows, decoded from JSON."""
        return await self._get(path, query, answers.JSON)

    async def post(
        self,
        path: str,
        body: Mapping[str, object] | bytes,
        *,
        idempotency_key: str | None = None,
        media_type: str = "application/json",
    ) -> Any:
        """What is answered to a message, decoded from JSON; the key is as in `pay`."""
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return await self._post(
            path, content, answers.JSON, idempotency_key, None, media_type=media_type
        )

    async def _step(
        self, payment_id: str, kind: str, body: bytes | None, idempotency_key: str | None
    ) -> Payment | Step:
        path = f"/v1/payments/{segment(payment_id)}/{kind}"
        return await self._post(path, body, answers.DECISION, idempotency_key, None)

    async def _change(
        self, account_id: str, operation: str, idempotency_key: str | None
    ) -> AccountOperation:
        path = f"/v1/accounts/{segment(account_id)}/{operation}"
        return await self._post(path, None, answers.OPERATION, idempotency_key, None)

    async def _post(
        self,
        path: str,
        body: bytes | None,
        decoder: Decoder[Result],
        idempotency_key: str | None,
        deadline_s: float | None,
        **how: Any,
    ) -> Result:
        key = key_or_new(idempotency_key)
        order = Order(method="POST", path=path, body=body, idempotency_key=key, **how)
        return decoded(decoder, await self._exchange.settle(order, deadline_s=deadline_s))

    async def _get(
        self,
        path: str,
        query: Mapping[str, str | int | None],
        decoder: Decoder[Result],
    ) -> Result:
        given = {name: value for name, value in query.items() if value is not None}
        encoded = urlencode(given, quote_via=quote, safe="") if given else None
        order = Order(method="GET", path=path, query=encoded)
        return decoded(decoder, await self._exchange.settle(order))
