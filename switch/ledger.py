"""The ledger as the switch sees it: typed calls of the functions in sql/, and what errors mean.

Money is decided by one call, `authorize_batch`. The rest is what a payment looks like and what the
jobs ask for. No rule lives here; the rules are SQL. Look-ups and accounts are in reads.py.
"""

import base64
import os
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct

from switch import limits
from switch.clock import rfc3339
from switch.errors import LedgerUnavailable, OutcomeUnknown
from switch.message import (
    Payment,
    PaymentRequest,
    PaymentType,
)
from switch.outcome import Outcome
from switch.queries import QUERIES
from switch.reply import ANSWER_VERSION

SHARD = 0  # of all accounts, while the ledger has one

Result = TypeVar("Result")


def new_id(now_us: int) -> UUID:
    """A UUID of version 7 (RFC 9562): 48 bits of milliseconds, 74 random bits."""
    value = int.from_bytes(os.urandom(10), "big") | (now_us // 1000) << 80
    value = value & ~(0xF << 76) | 7 << 76
    return UUID(int=value & ~(0x3 << 62) | 2 << 62)


class Disposition(IntEnum):
    """What became of a key."""

    DECIDED = 0  # by this very message
    REPEATED = 1  # before, by the same message
    KEY_REUSED = 2  # spent on something else
    TIER_NOT_OFFERED = 3  # an account operation that spent no key
    NOT_FOUND = 4  # likewise


class Backlog(Exception):  # noqa: N818  a state, not a mistake
    """Accounts for whom more credits wait than one call adds up; nothing was decided."""

    def __init__(self, accounts: frozenset[UUID]) -> None:
        super().__init__(f"too many credits wait for {len(accounts)} accounts")
        self.accounts = accounts


BACKLOG_STATE = "SW003"

# --- deciding payments ---------------------------------------------------------------


class Order(Struct, frozen=True, kw_only=True):
    """A verified, valid message on its way to a decision."""

    participant_no: int
    participant: str
    key: str
    digest: bytes  # SHA-256 of the payload
    payment_id: UUID  # what the payment is called if this message decides the key
    request: PaymentRequest


class Verdict(Struct, frozen=True, kw_only=True):
    """The answer to an order; without a payment when its key was spent on another message."""

    disposition: Disposition
    payment: Payment | None
    answer_version: int = ANSWER_VERSION  # names the renderer of its first answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """What a lane has prepared on its connection, for as long as that lives."""

    connection: asyncpg.Connection
    authorize_batch: "asyncpg.prepared_stmt.PreparedStatement[asyncpg.Record]"


async def prepare(connection: asyncpg.Connection) -> Statements:
    """Prepare a lane's statements."""
    return Statements(
        connection=connection,
        authorize_batch=await connection.prepare(QUERIES["authorize_batch"]),
    )


async def authorize_batch(statements: Statements, orders: Sequence[Order]) -> list[Verdict]:
    """Decide a batch in one call and one commit; one verdict an order, in their order.

    Raises LedgerUnavailable when surely nothing was decided, OutcomeUnknown when the link broke or
    the server gave up after the statement was sent, Backlog when an account needs more waiting
    credits than one call adds up (nothing was decided), asyncpg.PostgresError when the batch is
    refused as a whole.
    """
    assert 0 < len(orders) <= limits.BATCH_SIZE_MAX, "a lane sends between one message and a batch"
    arguments = _columns(orders)

    async def decide() -> asyncpg.Record:
        row = await statements.authorize_batch.fetchrow(*arguments, timeout=limits.STATEMENT_WAIT_S)
        assert row is not None, "the deciding function returns one row"
        return row

    try:
        decided = await surely(statements.connection, decide)
    except asyncpg.PostgresError as error:
        if error.sqlstate == BACKLOG_STATE:
            raise Backlog(_accounts(error)) from None
        raise
    repeated = [
        payment_id
        for payment_id, disposition in zip(
            decided["payment_ids"], decided["dispositions"], strict=True
        )
        if disposition == Disposition.REPEATED
    ]
    stored = await _stored(statements.connection, repeated) if repeated else {}
    created_at = rfc3339(decided["decided_at"])
    verdicts = []
    for order, disposition, outcome, payment_id in zip(
        orders, decided["dispositions"], decided["outcomes"], decided["payment_ids"], strict=True
    ):
        if disposition == Disposition.DECIDED:
            payment = decided_payment(order, Outcome(outcome), created_at)
            verdicts.append(Verdict(disposition=Disposition.DECIDED, payment=payment))
        elif disposition == Disposition.REPEATED and payment_id in stored:
            verdicts.append(stored[payment_id])
        else:
            verdicts.append(Verdict(disposition=Disposition(disposition), payment=None))
    return verdicts


async def fold_backlog(statements: Statements, accounts: Collection[UUID]) -> None:
    """Add up waiting credits of these accounts, one call of them. Raises as authorize_batch."""

    async def fold() -> None:
        await statements.connection.execute(
            QUERIES["fold_backlog"], SHARD, sorted(accounts), timeout=limits.STATEMENT_WAIT_S
        )

    await surely(statements.connection, fold)


def _accounts(error: asyncpg.PostgresError) -> frozenset[UUID]:
    """The accounts that the ledger names in an error's detail, an array of Postgres."""
    listed = (error.detail or "{}").strip("{}")
    return frozenset(UUID(text) for text in listed.split(",") if text)


def _columns(orders: Sequence[Order]) -> tuple[Any, ...]:
    """The batch as arrays, in the order of the function's parameters."""
    requests = [order.request for order in orders]
    return (
        SHARD,
        [order.participant_no for order in orders],
        [order.key for order in orders],
        [order.digest for order in orders],
        [order.payment_id for order in orders],
        [_TYPE_CODES[request.type] for request in requests],
        [request.payer for request in requests],
        [request.payee for request in requests],
        [request.amount for request in requests],
        [request.currency for request in requests],
        _sparse([request.expires_at for request in requests]),
        _sparse([request.reference for request in requests]),
        _sparse([request.payee_reference for request in requests]),
        _sparse([request.description for request in requests]),
        _sparse([_metadata_text(request.metadata) for request in requests]),
    )


def _sparse(column: list[Any]) -> list[Any] | None:
    """Null for a column of nulls, which SQL takes for one: encoding a null costs like a value."""
    return column if any(value is not None for value in column) else None


_TYPE_CODES = {kind.wire: kind.value for kind in PaymentType}


def _metadata_text(metadata: dict[str, str] | None) -> str | None:
    """As text, because the order of the pairs is part of the stored answer."""
    return None if metadata is None else msgspec.json.encode(metadata).decode()


async def surely(
    connection: asyncpg.Connection, statement: Callable[[], Awaitable[Result]]
) -> Result:
    """Run a deciding statement; tell surely undone from unknown."""
    if connection.is_closed():
        raise LedgerUnavailable("the link to the ledger is closed")
    for _ in range(limits.AUTHORIZE_RETRIES_MAX):
        try:
            return await statement()
        except (asyncpg.PostgresError, *BROKEN) as error:
            if leaves_doubt(error):
                with suppress(asyncpg.InterfaceError):  # a pool has taken a lost connection back
                    connection.terminate()  # the backend may still commit; nothing may follow it
                raise OutcomeUnknown("the link to the ledger broke while it decided") from error
            if isinstance(error, asyncpg.InsufficientResourcesError):
                raise LedgerUnavailable("the ledger has no room for the statement") from error
            if not isinstance(error, asyncpg.DeadlockDetectedError | asyncpg.SerializationError):
                raise
            # rolled back as a whole: nothing was decided
    raise LedgerUnavailable("the ledger was too busy to decide")


def leaves_doubt(error: Exception) -> bool:
    """Whether the statement may be committed all the same.

    A server that ends the session with its last word, whatever that is, may do so after the commit
    was written: a disk that fails at the flush of the log makes it panic, and recovery finds it. A
    statement that was cancelled is undone, but it may have waited for an older backend that holds
    the same key and can still commit.
    """
    if getattr(error, "severity_en", None) in ("FATAL", "PANIC"):
        return True
    return isinstance(error, BROKEN)


# What says nothing about whether the statement committed. A time-out is the client's own.
BROKEN = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)


async def _stored(
    connection: asyncpg.Connection, payment_ids: Sequence[UUID]
) -> dict[UUID, Verdict]:
    """Decisions made before, for those who sent them. A broken link leaves no doubt to settle here:
    the caller's own messages are committed, so asking again with the same keys answers them."""
    try:
        rows = await connection.fetch(
            QUERIES["read_payments"], None, payment_ids, timeout=limits.STATEMENT_WAIT_S
        )
    except BROKEN as error:
        connection.terminate()
        raise OutcomeUnknown("the link to the ledger broke after it had decided") from error
    return {row["id"]: stored_verdict(row) for row in rows}


# --- what a payment looks like -------------------------------------------------------


def decided_payment(order: Order, outcome: Outcome, created_at: str) -> Payment:
    """The decision of a message just decided."""
    request = order.request
    return _payment(
        payment_id=order.payment_id,
        key=order.key,
        digest=order.digest,
        participant=order.participant,
        type_name=request.type,
        payer=request.payer,
        payee=request.payee,
        amount=request.amount,
        currency=request.currency,
        expires_at=request.expires_at,
        reference=request.reference,
        payee_reference=request.payee_reference,
        description=request.description,
        metadata=request.metadata,
        outcome=outcome,
        created_at=created_at,
    )


def stored_verdict(row: Mapping[str, Any]) -> Verdict:
    """The answer to a repeat, from the decision's row."""
    return Verdict(
        disposition=Disposition.REPEATED,
        payment=stored_payment(row),
        answer_version=row["answer_version"],
    )


def stored_payment(row: Mapping[str, Any]) -> Payment:
    """The same decision from its row: byte for byte the same answer."""
    metadata = row["metadata"]
    return _payment(
        payment_id=row["id"],
        key=row["key"],
        digest=row["digest"],
        participant=row["participant"],
        type_name=row["type"],
        payer=row["payer"],
        payee=row["payee"],
        amount=row["amount"],
        currency=row["currency"],
        expires_at=row["expires_at"],
        reference=row["reference"],
        payee_reference=row["payee_reference"],
        description=row["description"],
        metadata=None if metadata is None else msgspec.json.decode(metadata, type=dict[str, str]),
        outcome=Outcome(row["outcome"]),
        created_at=rfc3339(row["created_at"]),
    )


_text: Callable[[UUID], str] = msgspec.to_builtins  # as str(id), in a quarter of the time


def _payment(
    *,
    payment_id: UUID,
    key: str,
    digest: bytes,
    participant: str,
    type_name: str,
    payer: UUID,
    payee: UUID,
    amount: int,
    currency: str,
    expires_at: datetime | None,
    reference: str | None,
    payee_reference: str | None,
    description: str | None,
    metadata: dict[str, str] | None,
    outcome: Outcome,
    created_at: str,
) -> Payment:
    approved = outcome is Outcome.APPROVED
    return Payment(
        id=_text(payment_id),
        idempotency_key=key,
        request_digest=f"sha-256=:{base64.b64encode(digest).decode()}:",
        participant=participant,
        type=type_name,
        payer=_text(payer),
        payee=_text(payee),
        amount=amount,
        currency=currency,
        capture=True,
        hold_seconds=None,
        expires_at=None if expires_at is None else rfc3339(expires_at),
        reference=reference,
        payee_reference=payee_reference,
        description=description,
        metadata=metadata,
        status="completed" if approved else "declined",
        reason=None if approved else outcome.wire,
        amount_held=0,
        amount_captured=amount if approved else 0,
        amount_voided=0,
        amount_refunded=0,
        hold_expires_at=None,
        created_at=created_at,
    )


# --- jobs ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What one fold came to."""

    credits: int
    accounts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """One way in which the books are wrong."""

    check: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerStatus:
    """How far the jobs have come."""

    unfolded_credits: int
    fold_lag_s: float
    books_checked_at: datetime | None
    books_deviations: int | None


async def fold_credits(connection: asyncpg.Connection, limit: int) -> Folded:
    """Add waiting credits to balances, at most about `limit` of them."""
    row = await connection.fetchrow(QUERIES["fold_credits"], SHARD, limit)
    assert row is not None, "a fold returns one row"
    return Folded(credits=row["credits"], accounts=row["accounts"])


async def finish_closing(connection: asyncpg.Connection) -> int:
    """Close what is closing and empty; how many accounts."""
    closed: int = await connection.fetchval(QUERIES["finish_closing"], limits.PAGE_SIZE_MAX)
    return closed


async def check_books(connection: asyncpg.Connection) -> list[Deviation]:
    """Every deviation in one snapshot; empty when the books are right."""
    rows = await connection.fetch(QUERIES["check_books"], timeout=limits.BOOKS_CHECK_S_MAX)
    return [
        Deviation(check=row["check_name"], subject=row["subject"], detail=row["detail"])
        for row in rows
    ]


async def record_books_check(connection: asyncpg.Connection, deviations: int) -> None:
    """Keep the result of a books check."""
    await connection.execute(QUERIES["record_books_check"], deviations)


async def ledger_status(connection: asyncpg.Connection) -> LedgerStatus:
    """The backlog of the fold and the last books check."""
    waiting = await connection.fetchrow(QUERIES["read_waiting"])
    books = await connection.fetchrow(QUERIES["read_books_check"])
    assert waiting is not None, "the backlog is one row"
    return LedgerStatus(
        unfolded_credits=waiting["credits"],
        fold_lag_s=waiting["oldest_age_s"] or 0.0,
        books_checked_at=None if books is None else books["checked_at"],
        books_deviations=None if books is None else books["deviations"],
    )
