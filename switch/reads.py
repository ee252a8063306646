"""Questions that participants ask of the ledger, and what they may do to their own accounts.

Typed calls of the functions in sql/ on a pool of connections that decides no payments.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg
import msgspec

from switch import limits
from switch.account_ledger import (
    AccountChange,
    AccountOrder,
    AccountVerdict,
    changed_account,
    entry,
    opened_account,
    stored_account,
)
from switch.clock import rfc3339
from switch.doubt import BROKEN, surely
from switch.errors import LedgerUnavailable, OutcomeUnknown
from switch.event_message import Event, KeyChange
from switch.fund_ledger import FundVerdict, fund_answer
from switch.gather import Gatherer
from switch.key_ledger import (
    KeyIntroduction,
    KeyRevocation,
    KeyVerdict,
    key_answer,
    stored_key,
)
from switch.key_message import ParticipantKey, public_bytes
from switch.ledger import (
    BarOrder,
    Disposition,
    Verdict,
    present_payment,
    stored_payment,
    stored_verdict,
)
from switch.mandate_ledger import MandateVerdict, mandate_answer
from switch.message import (
    Account,
    AccountOperation,
    Entry,
    Made,
    Payment,
    Step,
)
from switch.queries import QUERIES
from switch.request_ledger import RequestVerdict, request_answer
from switch.timeline import Timeline, event_type
from switch.trail import read_timeline

# Not about a payment.
OtherVerdict = AccountVerdict | KeyVerdict | MandateVerdict | RequestVerdict | FundVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """How far a participant's feed goes, and up to where it is no longer kept."""

    last_no: int
    pruned_no: int


EMPTY_FEED = Feed(last_no=0, pruned_no=0)


class Reads:
    """Questions and account operations, on a pool of connections of their own.

    Each method raises LedgerUnavailable when there is no answer; the account operations raise
    OutcomeUnknown when the link broke after they were sent.
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool
        self._by_id = Gatherer(self._fetch, "look_up_payments")
        self._by_key = Gatherer(self._fetch, "look_up_keys", sorted(CLAIMS_OF_NO_PAYMENT))
        self._feeds = Gatherer(self._fetch, "look_up_feeds")

    async def account(self, participant_no: int, account_id: UUID) -> Account | None:
        """One account of the participant, None when it has no such account."""
        rows = await self._fetch("read_accounts", participant_no, account_id, None, None, 1)
        return stored_account(rows[0]) if rows else None

    async def accounts(
        self, participant_no: int, reference: str | None, after: UUID | None, limit: int
    ) -> list[Account]:
        """Accounts of the participant in id order."""
        rows = await self._fetch("read_accounts", participant_no, None, reference, after, limit)
        return [stored_account(row) for row in rows]

    async def entries(
        self, participant_no: int, account_id: UUID, after: tuple[int, int] | None, limit: int
    ) -> list[Entry] | None:
        """The statement after a (posting, item), None when the participant has no such account."""
        posting, item = after or (0, 0)
        rows = await self._fetch("read_entries", participant_no, account_id, posting, item, limit)
        if not rows and await self.account(participant_no, account_id) is None:
            return None
        return [entry(account_id, row) for row in rows]

    async def payment(self, participant_no: int, payment_id: UUID) -> Payment | Step | None:
        """A payment that the participant may see."""
        (rows,) = await self._by_id.ask((participant_no, payment_id))
        return present_payment(rows[0]) if rows else None

    async def decision(self, participant_no: int, payment_id: UUID) -> Payment | Step | None:
        """What was decided, whatever became of it since, of a payment the participant may see."""
        (rows,) = await self._by_id.ask((participant_no, payment_id))
        return stored_payment(rows[0]) if rows else None

    async def fee(self, participant_no: int, payment_id: UUID) -> int | None:
        """What was kept of a payment that the participant was paid; None where nothing was."""
        (row,) = await self._fetch("read_fee", participant_no, payment_id)
        fee: int | None = row["fee"]
        return fee

    async def decided(self, payment_ids: Collection[UUID]) -> dict[UUID, Verdict]:
        """Those of the payments that are decided by now, for their senders."""
        found = await self._fetch("find_decided", list(payment_ids))
        if not found:
            return {}
        rows = await self._fetch("read_payments", None, [row["id"] for row in found])
        return {row["id"]: stored_verdict(row) for row in rows}

    async def timeline(self, participant_no: int, payment_id: UUID) -> Timeline | None:
        """What happened to a payment, None when the participant may not see it."""
        return await read_timeline(self._fetch, participant_no, payment_id)

    async def payment_by_key(
        self, participant_no: int, key: str
    ) -> Payment | Step | Literal[Disposition.KEY_REUSED] | None:
        """What the participant's key was decided to, None for not decided so far."""
        (rows,) = await self._by_key.ask((participant_no, key))
        if not rows or rows[0]["claimed"] is None:
            return None
        if rows[0]["claimed"] in CLAIMS_OF_NO_PAYMENT:
            return Disposition.KEY_REUSED
        return present_payment(rows[0])

    async def payments(
        self,
        participant_no: int,
        reference: str | None,
        account: UUID | None,
        from_at: datetime | None,
        to_at: datetime | None,
        after: UUID | None,
        limit: int,
    ) -> list[Payment | Step]:
        """Payments of one of the participant's accounts, or those it sent, oldest first."""
        rows = await self._fetch(
            "list_payments", participant_no, reference, account, from_at, to_at, after, limit
        )
        return [present_payment(row) for row in rows]

    async def key_is_claimed(self, participant_no: int, key: str) -> bool:
        """Whether the key is spent."""
        rows = await self._fetch("find_claim", participant_no, key)
        return bool(rows) and rows[0]["operation"] is not None

    async def claimed_keys(self, participant_no: int, keys: Collection[str]) -> frozenset[str]:
        """Those of the keys that are spent."""
        rows = await self._fetch("find_claims", participant_no, list(keys))
        return frozenset(row["key"] for row in rows)

    async def open_account(self, order: AccountOrder) -> AccountVerdict:
        """Open an account, once a key."""
        asked = order.request
        row = await self._decide(
            "open_account", order.participant_no, order.key, order.digest, order.account_id,
            asked.kind, asked.currency, asked.reference, asked.tier,
        )  # fmt: skip
        if row["disposition"] == Disposition.BARRED:
            barred = await self.barred(order.participant_no, order.key)
            return AccountVerdict(disposition=Disposition.BARRED, answer=barred)
        opened = None
        if row["account"] is not None:
            opened = opened_account(order.participant, row, msgspec.structs.asdict(asked))
        return AccountVerdict(disposition=Disposition(row["disposition"]), answer=opened)

    async def change_account(self, change: AccountChange) -> AccountVerdict:
        """Freeze, unfreeze or close an account, once a key."""
        row = await self._decide(
            "change_account", change.participant_no, change.key, change.digest, change.account_id,
            change.action,
        )  # fmt: skip
        if row["disposition"] == Disposition.BARRED:
            barred = await self.barred(change.participant_no, change.key)
            return AccountVerdict(disposition=Disposition.BARRED, answer=barred)
        changed = None if row["account"] is None else changed_account(row)
        return AccountVerdict(disposition=Disposition(row["disposition"]), answer=changed)

    async def bar(self, order: BarOrder) -> Verdict | OtherVerdict:
        """Bar a key for good, or find what was decided under it."""
        trace = order.trace
        row = await self._decide(
            "bar_key", order.participant_no, order.key, order.digest, order.payment_id,
            order.key_no, trace and trace.received, trace and trace.span_id,
        )  # fmt: skip
        try:
            return await self._decided_under(order, row)
        except LedgerUnavailable as error:  # the key is spent by now: that is not undecided
            raise OutcomeUnknown("the ledger did not say what the key was decided to") from error

    async def _decided_under(self, order: BarOrder, row: asyncpg.Record) -> Verdict | OtherVerdict:
        disposition = Disposition(row["disposition"])
        if row["operation"] == CLAIM_OF_KEYS:
            rows = await self._fetch("read_key_operation", row["subject"])
            answer = key_answer(order.participant, order.key, rows[0])
            return KeyVerdict(disposition=disposition, answer=answer)
        if row["operation"] == CLAIM_OF_MANDATES:
            rows = await self._fetch("read_mandate_operation", order.participant_no, order.key)
            return mandate_answer(order.participant, rows[0], disposition)
        if row["operation"] == CLAIM_OF_REQUESTS:
            rows = await self._fetch("read_request_operation", order.participant_no, order.key)
            return request_answer(order.participant, rows[0], disposition)
        if row["operation"] == CLAIM_OF_FUNDS:
            rows = await self._fetch("read_fund_operation", order.participant_no, order.key)
            return fund_answer(rows[0], disposition)
        if row["operation"] == CLAIM_OF_SERVICES:
            made = Made(id=str(row["subject"]), idempotency_key=order.key)
            return FundVerdict(disposition=disposition, answer=made)
        if row["operation"] == CLAIM_OF_ACCOUNTS:
            done = await self._account_operation(order)
            return AccountVerdict(disposition=disposition, answer=done)
        rows = await self._fetch("read_payments", None, [row["subject"]])
        return msgspec.structs.replace(stored_verdict(rows[0]), disposition=disposition)

    async def _account_operation(self, order: BarOrder) -> Account | AccountOperation:
        row = (await self._fetch("read_account_operation", order.participant_no, order.key))[0]
        if row["operation"] != "open":
            return changed_account(row)
        found = await self._fetch(
            "read_accounts", order.participant_no, row["account"], None, None, 1
        )
        return opened_account(order.participant, row, found[0])

    async def barred(self, participant_no: int, key: str) -> Payment:
        """The refusal for good of a key that was barred."""
        barred = await self.payment_by_key(participant_no, key)
        assert isinstance(barred, Payment), "a barred key has its decision"
        return barred

    async def keys(
        self, participant_no: int, participant: str, after: str | None, limit: int
    ) -> list[ParticipantKey]:
        """Keys of the participant, in the order of their names."""
        rows = await self._fetch("read_own_keys", participant_no, after, limit)
        return [stored_key(participant, row) for row in rows]

    async def record_key_uses(
        self, participant_nos: list[int], names: list[str], used_at: list[datetime]
    ) -> None:
        """Note when keys last signed; three columns of one table."""
        await self._fetch("record_key_uses", participant_nos, names, used_at)

    async def introduce_key(self, order: KeyIntroduction) -> KeyVerdict:
        """Add a key by a valid one, once an idempotency key."""
        asked = order.request
        row = await self._decide(
            "introduce_key", order.participant_no, order.key, order.digest, order.operation_id,
            order.introducer, asked.name, public_bytes(asked.public_key), asked.not_before,
            asked.not_after, limits.PARTICIPANT_KEYS_MAX,
        )  # fmt: skip
        if row["refusal"] is not None:
            return KeyVerdict(
                disposition=None,
                answer=None,
                refusal=row["refusal"],
                validity_d_max=row["days_max"],
            )
        return await self._key_verdict(order, row)

    async def revoke_key(self, order: KeyRevocation) -> KeyVerdict:
        """Revoke a key and what it introduced, once an idempotency key."""
        row = await self._decide(
            "revoke_own_key", order.participant_no, order.key, order.digest, order.operation_id,
            order.name, order.by,
        )  # fmt: skip
        return await self._key_verdict(order, row)

    async def _key_verdict(
        self, order: KeyIntroduction | KeyRevocation, row: asyncpg.Record
    ) -> KeyVerdict:
        disposition = Disposition(row["disposition"])
        if disposition is Disposition.BARRED:
            barred = await self.barred(order.participant_no, order.key)
            return KeyVerdict(disposition=disposition, answer=barred)
        made = row["name"] is not None
        answer = key_answer(order.participant, order.key, row) if made else None
        return KeyVerdict(disposition=disposition, answer=answer)

    async def events(self, participant_no: int, after: int, limit: int) -> tuple[Feed, list[Event]]:
        """The participant's feed, and its events after a number."""
        (rows,) = await self._feeds.ask((participant_no, after, limit))
        if not rows:
            return EMPTY_FEED, []
        feed = Feed(last_no=rows[0]["last_no"], pruned_no=rows[0]["pruned_no"])
        return feed, await self.told(participant_no, [row for row in rows if row["no"] is not None])

    async def told(self, participant_no: int, rows: Sequence[asyncpg.Record]) -> list[Event]:
        """What a participant is told of each row of its feed; nothing of what is not its own."""
        if not rows:
            return []
        told: dict[UUID, Payment | Step | asyncpg.Record] = {}
        of_payments = {row["subject"] for row in rows if row["kind"] != KIND_OF_KEYS}
        if of_payments:
            found = await self._by_id.ask(*((participant_no, subject) for subject in of_payments))
            told |= {row["id"]: stored_payment(row) for rows in found for row in rows}
        of_keys = {row["subject"] for row in rows} - of_payments
        if of_keys:
            changes = await self._fetch("read_key_changes", participant_no, list(of_keys))
            told |= {row["id"]: row for row in changes}
        return [_event(row, told[row["subject"]]) for row in rows if row["subject"] in told]

    async def feeds(self, participant_nos: Collection[int]) -> dict[int, Feed]:
        """How far the feeds of participants go; a feed without events is missing."""
        rows = await self._fetch("read_feeds", list(participant_nos))
        return {
            row["participant_no"]: Feed(last_no=row["last_no"], pruned_no=row["pruned_no"])
            for row in rows
        }

    async def ask(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """The rows of a statement that only reads. Raises LedgerUnavailable."""
        try:
            async with asyncio.timeout(limits.READ_TIMEOUT_S), self._pool.acquire() as connection:
                rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
                return rows
        except BROKEN as error:
            raise LedgerUnavailable("the ledger does not answer") from error

    async def decide(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """The rows of a statement that may write. Raises as `surely`."""
        try:
            async with asyncio.timeout(limits.READ_TIMEOUT_S):
                connection = await self._pool.acquire()
        except (*BROKEN, asyncpg.PostgresError) as error:
            raise LedgerUnavailable("there is no link to the ledger") from error
        try:
            return await surely(connection, lambda: connection.fetch(statement, *arguments))
        finally:
            await self._pool.release(connection)

    async def _fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        return await self.ask(QUERIES[query], *arguments)

    async def _decide(self, query: str, *arguments: Any) -> asyncpg.Record:
        rows = await self.decide(QUERIES[query], *arguments)
        assert len(rows) == 1, "an account operation returns one row"
        return rows[0]


KIND_OF_KEYS = 4  # ledger.outbox.kind; all others tell of a payment or a step
CLAIM_OF_ACCOUNTS, CLAIM_OF_KEYS, CLAIM_OF_MANDATES = 2, 5, 6  # of key_claim.operation
CLAIM_OF_REQUESTS, CLAIM_OF_FUNDS, CLAIM_OF_SERVICES = 7, 8, 9
CLAIMS_OF_NO_PAYMENT = frozenset(
    {CLAIM_OF_ACCOUNTS, CLAIM_OF_KEYS, CLAIM_OF_MANDATES, CLAIM_OF_REQUESTS, CLAIM_OF_FUNDS}
    | {CLAIM_OF_SERVICES}
)
CLAIMS_OF_PAYMENTS = frozenset({1, 4, 11, 12, 13})  # of payments and steps, and barred


def _event(row: asyncpg.Record, told: Payment | Step | asyncpg.Record) -> Event:
    return Event(
        id=f"{row['subject']}.{row['kind']}",
        number=row["no"],
        type=f"key.{told['change']}"
        if not isinstance(told, Payment | Step)
        else event_type(row["kind"], told.type, told.status),
        occurred_at=rfc3339(row["happened_at"]),
        payment=told if isinstance(told, Payment) else None,
        step=told if isinstance(told, Step) else None,
        key=None if isinstance(told, Payment | Step) else _key_change(told),
    )


def _key_change(row: asyncpg.Record) -> KeyChange:
    by = row["by_key"]
    return KeyChange(
        id=f"{row['participant']}/{row['name']}",
        by=None if by is None else f"{row['participant']}/{by}",
        not_before=rfc3339(row["not_before"]),
        not_after=rfc3339(row["not_after"]),
    )
