"""The ledger as the switch sees it: typed calls of the functions in sql/, and what errors mean.

Payments are decided by one call, `authorize_batch`, their later steps by another, `decide_steps`.
The rest is what a payment looks like. No rule lives here; the rules are SQL. Look-ups and accounts
are in reads.py, what the jobs ask for in upkeep.py.
"""

import os
from binascii import b2a_base64
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any, Literal
from uuid import UUID

import asyncpg
import msgspec
from asyncpg.pgproto import pgproto
from msgspec import UNSET, Struct

from switch import limits
from switch.clock import rfc3339
from switch.doubt import BROKEN, surely
from switch.errors import OutcomeUnknown
from switch.message import (
    Payment,
    PaymentRequest,
    PaymentType,
    Step,
    hold_seconds,
)
from switch.outcome import Outcome
from switch.queries import QUERIES
from switch.reply import ANSWER_VERSION
from switch.state import payment_status
from switch.traceparent import Trace

SHARD = 0  # of all accounts, while the ledger has one

_VERSION_AND_VARIANT = 7 << 76 | 2 << 62
_RANDOM_BITS = ((1 << 80) - 1) & ~(0xF << 76 | 0x3 << 62)


def new_id(now_us: int) -> UUID:
    """A UUID of version 7 (RFC 9562): 48 bits of milliseconds, 74 random bits."""
    random = int.from_bytes(os.urandom(10), "big") & _RANDOM_BITS
    value = (now_us // 1000) << 80 | _VERSION_AND_VARIANT | random
    made: UUID = pgproto.UUID(value.to_bytes(16, "big"))  # the driver's own: made and sent sooner
    return made


class Disposition(IntEnum):
    """What became of a key."""

    DECIDED = 0  # by this very message
    REPEATED = 1  # before, by the same message
    KEY_REUSED = 2  # spent on something else
    TIER_NOT_OFFERED = 3  # an account operation that spent no key
    NOT_FOUND = 4  # likewise
    BARRED = 5  # so that it can never be decided
    PENDING = 6  # accepted by this very message, for a bank to decide


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
    key_no: int | None = None  # of the key that signed, for the timeline
    trace: Trace | None = None


class StepOrder(Struct, frozen=True, kw_only=True):
    """The same for a capture, a void or a refund of a payment."""

    participant_no: int
    participant: str
    key: str
    digest: bytes
    payment_id: UUID  # what the step is called if this message decides the key
    type: Literal["capture", "void", "refund"]
    parent: UUID
    amount: int | None = None  # all that is left
    final: bool | None = None  # of a capture: whether it releases the rest
    key_no: int | None = None
    trace: Trace | None = None


class BarOrder(Struct, frozen=True, kw_only=True):
    """A verified message that bars a key."""

    participant_no: int
    participant: str
    key: str
    digest: bytes
    payment_id: UUID  # what the decision is called if this message makes it
    key_no: int | None = None
    trace: Trace | None = None


Message = Order | StepOrder


class Verdict(Struct, frozen=True, kw_only=True):
    """The answer to an order; without a payment when its key was spent on another message."""

    disposition: Disposition
    payment: Payment | Step | None
    answer_version: int = ANSWER_VERSION  # names the renderer of its first answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """What a lane has prepared on its connection, for as long as that lives."""

    connection: asyncpg.Connection
    authorize_batch: "asyncpg.prepared_stmt.PreparedStatement[asyncpg.Record]"
    decide_steps: "asyncpg.prepared_stmt.PreparedStatement[asyncpg.Record]"


async def prepare(connection: asyncpg.Connection) -> Statements:
    """Prepare a lane's statements."""
    return Statements(
        connection=connection,
        authorize_batch=await connection.prepare(QUERIES["authorize_batch"]),
        decide_steps=await connection.prepare(QUERIES["decide_steps"]),
    )


async def authorize_batch(
    statements: Statements, orders: Sequence[Order], queue_us: Sequence[int] | None = None
) -> list[Verdict]:
    """Decide a batch in one call and one commit; one verdict an order, in their order.

    `queue_us` is how long each has waited, for its timeline.

    Raises LedgerUnavailable when surely nothing was decided, OutcomeUnknown when the link broke or
    the server gave up after the statement was sent, Backlog when an account needs more waiting
    credits than one call adds up (nothing was decided), asyncpg.PostgresError when the batch is
    refused as a whole.
    """
    assert 0 < len(orders) <= limits.BATCH_SIZE_MAX, "a lane sends between one message and a batch"
    mandates = _sparse([order.request.mandate for order in orders])
    requests = _sparse([order.request.request for order in orders])
    coupons = _sparse([order.request.coupon for order in orders])
    decided = await _decide(
        statements.connection,
        statements.authorize_batch,
        (*_columns(orders), *_origins(orders, queue_us), mandates, requests, coupons),
    )
    repeated = [
        payment_id
        for payment_id, disposition in zip(
            decided["payment_ids"], decided["dispositions"], strict=True
        )
        if disposition in (Disposition.REPEATED, Disposition.PENDING)
    ]
    if mandates is not None:  # whose account it is, the ledger knows
        repeated += [order.payment_id for order in orders if order.request.mandate is not None]
    stored = await _stored(statements.connection, repeated) if repeated else {}
    decided_at = decided["decided_at"]
    created_at = rfc3339(decided_at)
    verdicts = []
    for order, disposition, outcome, payment_id in zip(
        orders, decided["dispositions"], decided["outcomes"], decided["payment_ids"], strict=True
    ):
        if disposition == Disposition.DECIDED and order.request.mandate is None:
            payment = decided_payment(order, _OUTCOMES[outcome], decided_at, created_at)
            verdicts.append(Verdict(disposition=Disposition.DECIDED, payment=payment))
        elif payment_id in stored:
            verdicts.append(_known(stored[payment_id], disposition))
        else:
            verdicts.append(Verdict(disposition=Disposition(disposition), payment=None))
    return verdicts


async def decide_steps(
    statements: Statements, orders: Sequence[StepOrder], queue_us: Sequence[int] | None = None
) -> list[Verdict]:
    """Decide steps in one call and one commit; as authorize_batch, what it raises too."""
    assert 0 < len(orders) <= limits.BATCH_SIZE_MAX, "a lane sends between one message and a batch"
    arguments = (
        SHARD,
        [order.participant_no for order in orders],
        [order.key for order in orders],
        [order.digest for order in orders],
        [order.payment_id for order in orders],
        [_TYPE_CODES[order.type] for order in orders],
        [order.parent for order in orders],
        [order.amount for order in orders],
        [order.final for order in orders],
        *_origins(orders, queue_us),
    )
    decided = await _decide(statements.connection, statements.decide_steps, arguments)
    dispositions, ids = decided["dispositions"], decided["payment_ids"]
    stored = await _stored(statements.connection, [found for found in ids if found is not None])
    return [
        Verdict(disposition=Disposition(disposition), payment=None)
        if payment_id not in stored
        else _known(stored[payment_id], disposition)
        for disposition, payment_id in zip(dispositions, ids, strict=True)
    ]


async def _decide(
    connection: asyncpg.Connection,
    statement: "asyncpg.prepared_stmt.PreparedStatement[asyncpg.Record]",
    arguments: Sequence[Any],
) -> asyncpg.Record:
    async def decide() -> asyncpg.Record:
        row = await statement.fetchrow(*arguments, timeout=limits.STATEMENT_WAIT_S)
        assert row is not None, "a deciding function returns one row"
        return row

    try:
        return await surely(connection, decide)
    except asyncpg.PostgresError as error:
        if error.sqlstate == BACKLOG_STATE:
            raise Backlog(_accounts(error)) from None
        raise


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
    metadata = _sparse([request.metadata for request in requests])
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
        None if metadata is None else [_metadata_text(pairs) for pairs in metadata],
        _sparse([hold_seconds(request) for request in requests]),
    )


def _origins(orders: Sequence[Message], queue_us: Sequence[int] | None) -> tuple[Any, ...]:
    """Where the messages came from, likewise."""
    traces = _sparse([order.trace for order in orders])
    return (
        [order.key_no for order in orders],
        queue_us,
        None if traces is None else [trace and trace.received for trace in traces],
        None if traces is None else [trace and trace.span_id for trace in traces],
    )


def _sparse(column: list[Any]) -> list[Any] | None:
    """Null for a column of nulls, which SQL takes for one: encoding a null costs like a value."""
    return None if column.count(None) == len(column) else column


_OUTCOMES = {outcome.value: outcome for outcome in Outcome}  # sooner than calling the class
_TYPE_CODES = {kind.wire: kind.value for kind in PaymentType}


def _metadata_text(metadata: dict[str, str] | None) -> str | None:
    """As text, because the order of the pairs is part of the stored answer."""
    return None if metadata is None else msgspec.json.encode(metadata).decode()


def _known(stored: Verdict, disposition: int) -> Verdict:
    """What is stored, as the answer to the message that met it."""
    return msgspec.structs.replace(stored, disposition=Disposition(disposition))


async def _stored(
    connection: asyncpg.Connection, payment_ids: Sequence[UUID]
) -> dict[UUID, Verdict]:
    """Decisions made before, for those who sent them. Whatever fails, the caller's own messages are
    committed: asking again with the same keys answers them."""
    try:
        rows = await connection.fetch(
            QUERIES["read_payments"], None, payment_ids, timeout=limits.STATEMENT_WAIT_S
        )
    except (asyncpg.PostgresError, *BROKEN) as error:
        connection.terminate()
        raise OutcomeUnknown("the ledger had decided and could not be read") from error
    return {row["id"]: stored_verdict(row) for row in rows}


# --- what a payment looks like -------------------------------------------------------


def decided_payment(
    order: Order, outcome: Outcome, decided_at: datetime, created_at: str
) -> Payment:
    """The decision of a message just decided; `created_at` is `decided_at` as text."""
    request = order.request
    seconds = hold_seconds(request)
    approved = outcome is Outcome.APPROVED
    held = approved and seconds is not None
    expires_at = decided_at + timedelta(seconds=seconds) if held and seconds else None
    return Payment(
        id=_text(order.payment_id),
        idempotency_key=order.key,
        request_digest=_digest_text(order.digest),
        participant=order.participant,
        type=request.type,
        payer=_id_text(request.payer),
        mandate=_id_text(request.mandate),
        payee=_text(request.payee),
        request=_id_text(request.request),
        coupon=_text(request.coupon) if request.coupon else UNSET,
        amount=request.amount,
        currency=request.currency,
        capture=request.capture,
        hold_seconds=seconds,
        expires_at=_time_text(request.expires_at),
        reference=request.reference,
        payee_reference=request.payee_reference,
        description=request.description,
        metadata=request.metadata,
        status="held" if held else "completed" if approved else "declined",
        reason=None if approved else outcome.wire,
        amount_held=request.amount if held else 0,
        amount_captured=request.amount if approved and not held else 0,
        amount_voided=0,
        amount_refunded=0,
        hold_expires_at=_time_text(expires_at),
        created_at=created_at,
    )


def stored_verdict(row: Mapping[str, Any]) -> Verdict:
    """The answer to a repeat, from the decision's row."""
    return Verdict(
        disposition=Disposition.REPEATED,
        payment=stored_payment(row),
        answer_version=row["answer_version"],
    )


def stored_payment(row: Mapping[str, Any]) -> Payment | Step:
    """The same decision from its row: byte for byte the same answer."""
    if row["parent"] is not None:
        return _stored_step(row)
    metadata = row["metadata"]
    outcome, amount, seconds = _outcome(row), row["amount"], row["hold_seconds"]
    approved = outcome is Outcome.APPROVED
    held = approved and seconds is not None
    return Payment(
        id=_text(row["id"]),
        idempotency_key=row["key"],
        request_digest=_digest_text(row["digest"]),
        participant=row["participant"],
        type=row["type"],
        payer=_id_text(row["payer"]),
        mandate=_id_text(row["mandate"]),
        payee=_id_text(row["payee"]),
        request=_id_text(row["request"]),
        coupon=_text(row["coupon"]) if row["coupon"] else UNSET,
        amount=amount,
        currency=row["currency"],
        capture=None if outcome is Outcome.BARRED else seconds is None,
        hold_seconds=seconds,
        expires_at=_time_text(row["expires_at"]),
        reference=row["reference"],
        payee_reference=row["payee_reference"],
        description=row["description"],
        metadata=None if metadata is None else msgspec.json.decode(metadata, type=dict[str, str]),
        status="held" if held else _status(outcome),
        reason=_reason(outcome),
        amount_held=amount if held else 0,
        amount_captured=amount if approved and not held else 0,
        amount_voided=0,
        amount_refunded=0,
        hold_expires_at=_time_text(row["hold_expires_at"]) if held else None,
        created_at=rfc3339(row["created_at"]),
    )


def present_payment(row: Mapping[str, Any]) -> Payment | Step:
    """A decision and what became of it since, from its row."""
    payment = stored_payment(row)
    if isinstance(payment, Step) or row["captured"] is None:
        return payment
    captured, voided, refunded = row["captured"], row["voided"], row["refunded"]
    return msgspec.structs.replace(
        payment,
        status=payment_status(
            captured=captured,
            voided=voided,
            refunded=refunded,
            is_held=bool(row["is_held"]),
            was_held=row["hold_expires_at"] is not None,
        ),
        amount_captured=captured,
        amount_voided=voided,
        amount_refunded=refunded,
    )


def _stored_step(row: Mapping[str, Any]) -> Step:
    outcome = _outcome(row)
    return Step(
        id=_text(row["id"]),
        parent=_text(row["parent"]),
        idempotency_key=row["key"],
        request_digest=_digest_text(row["digest"]),
        participant=row["participant"],
        type=row["type"],
        payer=_id_text(row["payer"]),
        payee=_id_text(row["payee"]),
        amount=row["amount"],
        currency=row["currency"],
        final=row["final"],
        status=_status(outcome),
        reason=_reason(outcome),
        created_at=rfc3339(row["created_at"]),
    )


def _outcome(row: Mapping[str, Any]) -> Outcome | None:
    """What was decided, None while a bank is asked."""
    return None if row["outcome"] is None else Outcome(row["outcome"])


def _status(outcome: Outcome | None) -> str:
    if outcome is None:
        return "pending"
    return "completed" if outcome is Outcome.APPROVED else "declined"


def _reason(outcome: Outcome | None) -> str | None:
    return None if outcome is None or outcome is Outcome.APPROVED else outcome.wire


_text: Callable[[UUID], str] = msgspec.to_builtins  # as str(id), in a quarter of the time


def _id_text(found: UUID | None) -> str | None:
    return None if found is None else _text(found)


def _time_text(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)


def _digest_text(digest: bytes) -> str:
    return f"sha-256=:{b2a_base64(digest, newline=False).decode()}:"
