"""A small city twice: in the database and in the model. Every change is made to both."""

import base64
import hashlib
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import asyncpg
import msgspec
from msgspec import UNSET

from switch import limits
from switch.clock import rfc3339
from switch.ledger import (
    Disposition,
    Message,
    Order,
    Statements,
    StepOrder,
    Verdict,
    authorize_batch,
    decide_steps,
)
from switch.message import Payment, PaymentRequest, Step
from switch.payment_code import CODES, mandate_of
from switch.reply import render_payment
from tests.ledger import model
from tests.ledger.model import Account, Decision, Ledger, Tier
from tests.ledger.records import Asked, Record

CURRENCY = "CNY"
StepKind = Literal["capture", "void", "refund"]
NOON = datetime(2026, 11, 2, 4, tzinfo=UTC)  # of a Monday in Shanghai


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """Who sends messages, by number and by id."""

    no: int
    id: str
    kind: str


class City:
    """Participants, tiers, accounts and money, made by the operator's functions."""

    def __init__(self, admin: asyncpg.Connection, seed: str) -> None:
        self.admin = admin
        self.random = random.Random(seed)
        self.ledger = Ledger()
        self.participants: dict[int, Participant] = {}
        self.answers: dict[tuple[int, str], Payment | Step] = {}

    # --- time ------------------------------------------------------------------------------

    async def own_the_clock(self) -> None:
        """Let the tests say what time it is: a moment, or how far ahead of the real one."""
        await self.admin.execute(
            """
            CREATE TABLE IF NOT EXISTS public.test_clock (at timestamptz, ahead interval);
            GRANT SELECT ON public.test_clock TO PUBLIC;
            CREATE OR REPLACE FUNCTION ledger.decision_time() RETURNS timestamptz
            LANGUAGE sql VOLATILE SET search_path = ledger, pg_temp AS
            $$ SELECT coalesce(at, clock_timestamp() + ahead) FROM public.test_clock $$;
            """
        )
        await self.set_ahead(timedelta())

    async def set_time(self, at: datetime) -> None:
        """Stop the clock at this moment."""
        await self._set_clock(at, timedelta())

    async def set_ahead(self, ahead: timedelta) -> None:
        """Let the clock run, this far ahead of the real one."""
        await self._set_clock(None, ahead)

    async def _set_clock(self, at: datetime | None, ahead: timedelta) -> None:
        async with self.admin.transaction():
            await self.admin.execute("DELETE FROM public.test_clock")
            await self.admin.execute("INSERT INTO public.test_clock VALUES ($1, $2)", at, ahead)

    # --- the operator ------------------------------------------------------------------------

    async def participant(self, kind: str) -> Participant:
        name = f"{kind}-{self.random.randrange(16**12):012x}"
        await self.admin.execute("SELECT ledger.add_participant($1, $2, NULL, NULL)", name, kind)
        no = await self.admin.fetchval(
            "SELECT participant_no FROM ledger.participant WHERE id = $1", name
        )
        self.participants[no] = Participant(no=no, id=name, kind=kind)
        return self.participants[no]

    async def tier(self, name: str, currency: str = CURRENCY, **limits: int | None) -> str:
        tier = Tier(**limits)
        await self.admin.execute(
            "SELECT ledger.set_tier($1, $2, $3, $4, $5, $6, $7)",
            name, currency, tier.payment_limit, tier.daily_limit, tier.yearly_limit,
            tier.balance_limit, True,
        )  # fmt: skip
        self.ledger.tiers[name, currency] = tier
        return name

    async def account(
        self,
        holder: Participant,
        kind: str,
        *,
        currency: str = CURRENCY,
        floor: int = 0,
        tier: str | None = None,
        balance: int = 0,
    ) -> UUID:
        account_id = self.new_id()
        await self.admin.execute(
            "SELECT ledger.operator_open_account($1, $2, $3, $4, $5, $6, $7)",
            account_id, holder.id, kind, currency, floor, tier, None,
        )  # fmt: skip
        self.ledger.accounts[account_id] = Account(
            id=account_id, participant_no=holder.no, participant_kind=holder.kind, kind=kind,
            currency=currency, floor=floor, tier=(tier, currency) if tier else None,
        )  # fmt: skip
        if balance:
            await self.issue(account_id, balance)
        return account_id

    def add_account(self, account: UUID, holder: Account, kind: str) -> None:
        """One that the ledger opened beside another of the holder's."""
        self.ledger.accounts[account] = Account(
            id=account, participant_no=holder.participant_no,
            participant_kind=holder.participant_kind, kind=kind, currency=holder.currency,
        )  # fmt: skip

    async def redeem(self, account: UUID, amount: int) -> None:
        await self.admin.execute(
            "SELECT ledger.redeem_money($1, $2, $3, $4)", self.new_id(), account, amount, "test"
        )
        self.ledger.accounts[account].balance -= amount

    async def issue(self, account: UUID, amount: int) -> None:
        await self.admin.execute(
            "SELECT ledger.issue_money($1, $2, $3, $4)", self.new_id(), account, amount, "test"
        )
        self.ledger.accounts[account].balance += amount

    async def change(self, account: UUID, action: str) -> None:
        """Freeze, unfreeze or close, by the operator."""
        row = await self.admin.fetchrow(
            "SELECT * FROM ledger.operator_change_account($1, $2)", account, action
        )
        changed = self.ledger.accounts[account]
        if row["reason"] == "already_closed":
            assert changed.lifecycle != "open"
        elif action == "close":
            changed.lifecycle = "closing"
        else:
            changed.frozen_by = "operator" if action == "freeze" else None

    async def set_floor(self, account: UUID, floor: int) -> None:
        await self.admin.execute("SELECT ledger.set_account($1, $2, NULL)", account, floor)
        self.ledger.accounts[account].floor = floor

    async def set_tier(self, account: UUID, tier: str) -> None:
        await self.admin.execute("SELECT ledger.set_account($1, NULL, $2)", account, tier)
        changed = self.ledger.accounts[account]
        changed.tier = (tier, changed.currency)

    async def mandate(
        self,
        payer: UUID,
        payee: UUID,
        *,
        not_before: datetime,
        not_after: datetime,
        payment_limit: int | None = None,
        daily_limit: int | None = None,
        monthly_limit: int | None = None,
        uses_max: int | None = None,
    ) -> UUID:
        """A mandate that the payer's holder gives."""
        mandate_id = self.new_id()
        disposition = await self.admin.fetchval(
            "SELECT disposition FROM ledger.give_mandate($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,"
            " $11, $12, $13)",
            self.ledger.accounts[payer].participant_no, f"mandate-{mandate_id}", bytes(32),
            mandate_id, payer, payee, None, payment_limit, daily_limit, monthly_limit, uses_max,
            not_before, not_after,
        )  # fmt: skip
        assert disposition == Disposition.DECIDED
        self.ledger.mandates[mandate_id] = model.Mandate(
            id=mandate_id, payer=payer, payee=payee, payment_limit=payment_limit,
            daily_limit=daily_limit, monthly_limit=monthly_limit, uses_max=uses_max,
            not_before=not_before, not_after=not_after,
        )  # fmt: skip
        return mandate_id

    async def code(self, payer: UUID, payment_limit: int, valid_s: int = 300) -> UUID:
        """The mandate of a payment code that the payer's holder has made."""
        mandate_id = mandate_of(f"{self.random.randrange(CODES):018}")
        row = await self.admin.fetchrow(
            "SELECT disposition, (mandate).not_before, (mandate).not_after"
            " FROM ledger.give_code($1, $2, $3, $4, $5, $6, $7, $8)",
            self.ledger.accounts[payer].participant_no, f"code-{mandate_id}", bytes(32),
            [mandate_id], payer, payment_limit, valid_s, 10**6,
        )  # fmt: skip
        assert row["disposition"] == Disposition.DECIDED
        self.ledger.mandates[mandate_id] = model.Mandate(
            id=mandate_id, payer=payer, payee=None, payment_limit=payment_limit, uses_max=1,
            not_before=row["not_before"], not_after=row["not_after"],
        )  # fmt: skip
        return mandate_id

    async def revoke(self, mandate: UUID) -> None:
        known = self.ledger.mandates[mandate]
        no = self.ledger.accounts[known.payer].participant_no
        known.revoked_at = await self.admin.fetchval(
            "SELECT (mandate).revoked_at FROM ledger.revoke_mandate($1, $2, $3, $4)",
            no, f"revoke-{self.new_id()}", bytes(32), mandate,
        )  # fmt: skip

    async def ask(
        self,
        payee: UUID,
        amount: int,
        *,
        not_after: datetime,
        amount_min: int | None = None,
        late_fee: int = 0,
        late_at: datetime | None = None,
    ) -> UUID:
        """A payment that the payee's holder asks for."""
        request_id, account = self.new_id(), self.ledger.accounts[payee]
        least = amount_min or amount
        disposition = await self.admin.fetchval(
            "SELECT disposition FROM ledger.ask_payment($1, $2, $3, $4, $5, NULL, $6, $7, $8, NULL,"
            " NULL, $9, $10, $11)",
            account.participant_no, f"ask-{request_id}", bytes(32), request_id, payee,
            account.currency, amount, least, not_after, late_fee or None, late_at,
        )  # fmt: skip
        assert disposition == Disposition.DECIDED
        self.ledger.asked[request_id] = Asked(
            id=request_id, payee=payee, amount=amount, amount_min=least, not_after=not_after,
            late_fee=late_fee, late_at=late_at,
        )  # fmt: skip
        return request_id

    async def cancel(self, request: UUID) -> None:
        known = self.ledger.asked[request]
        no = self.ledger.accounts[known.payee].participant_no
        known.cancelled_at = await self.admin.fetchval(
            "SELECT (request).cancelled_at FROM ledger.cancel_payment_request($1, $2, $3, $4)",
            no, f"cancel-{self.new_id()}", bytes(32), request,
        )  # fmt: skip

    # --- messages ----------------------------------------------------------------------------

    def new_id(self) -> UUID:
        """A version 7 id; made of the test's own randomness, so that a run can be repeated."""
        milliseconds = int(datetime.now(UTC).timestamp() * 1000)
        bits = (milliseconds << 80) | self.random.getrandbits(80)
        return UUID(int=bits & ~(0xF << 76) & ~(0x3 << 62) | (0x7 << 76) | (0x2 << 62))

    def order(
        self,
        sender: Participant,
        payer: UUID | None,
        payee: UUID,
        amount: int,
        *,
        type: str = "transfer",  # noqa: A002  the contract's name
        currency: str = CURRENCY,
        key: str | None = None,
        **fields: Any,
    ) -> Order:
        """One message, as the path hands it to the ledger; a key of its own unless one is given."""
        request = PaymentRequest(
            type=type, payer=payer, payee=payee, amount=amount, currency=currency, **fields
        )
        return Order(
            participant_no=sender.no,
            participant=sender.id,
            key=key or f"key-{self.random.randrange(16**16):016x}",
            digest=hashlib.sha256(msgspec.json.encode(request)).digest(),
            payment_id=self.new_id(),
            request=request,
        )

    def step(
        self,
        sender: Participant,
        kind: StepKind,
        parent: UUID,
        *,
        amount: int | None = None,
        final: bool = False,
        key: str | None = None,
    ) -> StepOrder:
        """A step of a payment; its payload says neither which step nor of which payment."""
        return StepOrder(
            participant_no=sender.no,
            participant=sender.id,
            key=key or f"step-{self.random.randrange(16**16):016x}",
            digest=hashlib.sha256(repr((amount, final)).encode()).digest(),
            payment_id=self.new_id(),
            type=kind,
            parent=parent,
            amount=amount,
            final=final if kind == "capture" else None,
        )

    async def decide(self, lane: Statements, orders: list[Order]) -> list[Decision]:
        """Let the ledger decide, check that the answers are complete, and say what they came to."""
        verdicts = await authorize_batch(lane, orders)
        assert len(verdicts) == len(orders)
        return [self.read(order, verdict) for order, verdict in zip(orders, verdicts, strict=True)]

    async def take(self, lane: Statements, orders: list[StepOrder]) -> list[Decision]:
        """The same for steps."""
        verdicts = await decide_steps(lane, orders)
        assert len(verdicts) == len(orders)
        return [self.read(order, verdict) for order, verdict in zip(orders, verdicts, strict=True)]

    def read(self, order: Message, verdict: Verdict) -> Decision:
        """An answer in the model's words; a repeat must be the first answer, byte for byte."""
        key = (order.participant_no, order.key)
        if verdict.disposition is Disposition.KEY_REUSED:
            assert verdict.payment is None
            return Decision(disposition=Disposition.KEY_REUSED)
        payment = verdict.payment
        assert payment is not None
        if payment.status == "pending":
            return Decision(disposition=verdict.disposition, payment_id=UUID(payment.id))
        known = self.answers.setdefault(key, payment)
        assert render_payment(payment) == render_payment(known), "a repeat differs from the first"
        outcome = model.Outcome[(payment.reason or "approved").upper()]
        if verdict.disposition is Disposition.DECIDED and isinstance(order, Order):
            payer = self.ledger.told_payer(order, outcome)
            expected = expected_payment(order, payer, outcome, payment.created_at)
            assert render_payment(payment) == render_payment(expected)
        return Decision(
            disposition=verdict.disposition, payment_id=UUID(payment.id), outcome=outcome
        )

    def decided_at(self, orders: list[Order]) -> datetime:
        """The one time of a batch, by the answers that it got itself."""
        answers = [self.answers.get((order.participant_no, order.key)) for order in orders]
        times = {
            answer.created_at
            for order, answer in zip(orders, answers, strict=True)
            if answer is not None and answer.id == str(order.payment_id)
        }
        assert len(times) <= 1, "a batch has one time"
        return datetime.fromisoformat(times.pop()) if times else NOON

    def both(self, decisions: list[Decision], orders: list[Order], at: datetime) -> str | None:
        """Let the model decide the same; the first difference in words, or none."""
        for position, (order, real) in enumerate(zip(orders, decisions, strict=True)):
            expected = self.ledger.decide(order, at)
            if real != expected:
                return f"position {position}: {order}\n  ledger: {real}\n  model:  {expected}"
        return None


def expected_step(order: StepOrder, record: Record, currency: str) -> Step:
    """The whole answer that a step must get, given what the model made of it."""
    return Step(
        id=str(order.payment_id),
        parent=str(order.parent),
        idempotency_key=order.key,
        request_digest=_digest_text(order.digest),
        participant=order.participant,
        type=order.type,
        payer=str(record.payer) if record.payer else None,
        payee=str(record.payee) if record.payee else None,
        amount=record.amount,
        currency=currency if record.payer or record.payee else None,
        final=order.final,
        status="completed" if record.is_approved else "declined",
        reason=None if record.is_approved else record.outcome.wire,
        created_at=rfc3339(record.decided_at),
    )


def _digest_text(digest: bytes) -> str:
    return f"sha-256=:{base64.b64encode(digest).decode()}:"


def expected_payment(
    order: Order, payer: UUID | None, outcome: model.Outcome, created_at: str
) -> Payment:
    """The whole answer that a message must get, given what was decided about it and when."""
    request = order.request
    approved = outcome is model.Outcome.APPROVED
    held = approved and not request.capture
    seconds = None if request.capture else request.hold_seconds or limits.HOLD_SECONDS_DEFAULT
    ends_at = datetime.fromisoformat(created_at) + timedelta(seconds=seconds or 0)
    return Payment(
        id=str(order.payment_id),
        idempotency_key=order.key,
        request_digest=_digest_text(order.digest),
        participant=order.participant,
        type=request.type,
        payer=str(payer) if payer else None,
        mandate=str(request.mandate) if request.mandate else None,
        payee=str(request.payee),
        request=str(request.request) if request.request else None,
        coupon=str(request.coupon) if request.coupon else UNSET,
        amount=request.amount,
        currency=request.currency,
        capture=request.capture,
        hold_seconds=seconds,
        expires_at=rfc3339(request.expires_at) if request.expires_at else None,
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
        hold_expires_at=rfc3339(ends_at) if held else None,
        created_at=created_at,
    )
