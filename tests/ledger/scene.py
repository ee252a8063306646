"""A few accounts whose payments live: every action is done twice, in the ledger and in the model.

After each action all that can be seen is compared: the answers, what every payment is now, and
each account as its holder reads it. Each change of a payment's status is checked against the table
in switch/state.py and remembered, so that a test can ask which entries were ever seen.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from msgspec.structs import replace

from switch import limits
from switch.ledger import (
    Disposition,
    Message,
    Order,
    Statements,
    StepOrder,
    present_payment,
    stored_payment,
)
from switch.message import Payment
from switch.outcome import Outcome
from switch.queries import QUERIES
from switch.reply import render_payment
from switch.state import EXPIRY, REFUND, TRANSITIONS
from switch.upkeep import expire_holds, fold_credits
from tests.ledger import steps
from tests.ledger.books import assert_books_are_right
from tests.ledger.city import CURRENCY, NOON, City, Participant, StepKind, expected_step
from tests.ledger.model import Decision

Change = tuple[str, str, str]  # status, step, status afterwards
Touched = dict[UUID, str | None]  # which step changed a payment; none where several did at once

ACCOUNTS = """
    SELECT a.* FROM unnest($1::integer[]) AS participant (no),
           LATERAL ledger.read_accounts(participant.no, NULL, NULL, NULL, 100) a
"""
REFUSED = "SW001"
ALL = 10_000  # more than any scene has of anything


class Scene:
    """Two wallets of one provider, a third that may not hold much, a shop, a bank."""

    def __init__(self, city: City, lane: Statements, jobs: asyncpg.Connection) -> None:
        self.city = city
        self.lane = lane
        self.jobs = jobs
        self.at = NOON
        self.accounts: dict[str, UUID] = {}
        self.holders: dict[UUID, Participant] = {}
        self.sent: list[Message] = []
        self.payments: list[UUID] = []
        self.statuses: dict[UUID, str] = {}
        self.changes: set[Change] = set()

    async def settle(self) -> None:
        """Open the accounts, with money in some."""
        city = self.city
        await city.set_time(self.at)
        daily = await city.tier("life-daily", daily_limit=400)
        full = await city.tier("life-full", balance_limit=150)
        provider, other = await city.participant("wallet"), await city.participant("wallet")
        merchant, bank = await city.participant("merchant"), await city.participant("bank")
        await self._open("rich", provider, "wallet", balance=1000, tier=daily)
        await self._open("poor", provider, "wallet", balance=100)
        await self._open("full", other, "wallet", tier=full)
        await self._open("shop", merchant, "merchant")
        await self._open("bank", bank, "position", balance=300, floor=-100)
        self.accounts["nobody"] = city.new_id()

    async def _open(self, name: str, holder: Participant, kind: str, **fields: Any) -> None:
        self.accounts[name] = await self.city.account(holder, kind, **fields)
        self.holders[self.accounts[name]] = holder

    # --- what participants send --------------------------------------------------------------

    def payment(self, kind: str, payer: str, payee: str, amount: int, **fields: Any) -> Order:
        """A message of the payer's holder."""
        account = self.accounts[payer]
        sender = self.holders.get(account) or self.holders[self.accounts["rich"]]
        return self.city.order(
            sender, account, self.accounts[payee], amount, type=kind, **fields
        )  # fmt: skip

    def step(self, kind: StepKind, parent: UUID, *, by: str = "payee", **fields: Any) -> StepOrder:
        """A step by the holder of either account of the payment, or by one that has neither."""
        return self.city.step(self._sender(parent, by), kind, parent, **fields)

    def _sender(self, parent: UUID, by: str) -> Participant:
        record = self.city.ledger.records.get(parent)
        sides = {"payer": record.payer, "payee": record.payee} if record else {}
        account = sides.get(by)
        if account in self.holders:
            return self.holders[account]
        taken = {self.holders[side].no for side in sides.values() if side in self.holders}
        return next(one for one in self.holders.values() if one.no not in taken)

    async def send(self, *messages: Message) -> list[Decision]:
        """Send payments, or steps, in one batch; the decisions are the model's."""
        orders = [message for message in messages if isinstance(message, Order)]
        others = [message for message in messages if isinstance(message, StepOrder)]
        assert not (orders and others), "a batch is of payments or of steps"
        ledger, decided = self.city.ledger, list[Decision]()
        if orders:
            decided = await self.city.decide(self.lane, orders)
            expected = [ledger.decide(order, self.at) for order in orders]
        else:
            decided = await self.city.take(self.lane, others)
            expected = [steps.decide_step(ledger, order, self.at) for order in others]
        assert decided == expected, f"at {self.at}: {messages}"
        self.sent += messages
        self.payments += [
            order.payment_id
            for order, decision in zip(messages, decided, strict=True)
            if decision.disposition is Disposition.DECIDED
        ]
        self._compare_answers(others, decided)
        await self.compare(_touched(others, decided))
        return decided

    def _compare_answers(self, orders: Sequence[StepOrder], decided: Sequence[Decision]) -> None:
        """A step's whole answer, byte for byte; payments are compared where they are read."""
        for order, decision in zip(orders, decided, strict=False):
            if decision.disposition is Disposition.DECIDED:
                record = self.city.ledger.records[order.payment_id]
                answer = self.city.answers[order.participant_no, order.key]
                expected = expected_step(order, record, CURRENCY)
                assert render_payment(answer) == render_payment(expected)

    async def again(self, message: Message, **changed: Any) -> Decision:
        """An earlier message, unchanged but for these fields: its key is the same."""
        changed = {"payment_id": self.city.new_id(), **changed}
        [decision] = await self.send(replace(message, **changed))
        return decision

    async def bar(self, sender: Participant, key: str) -> None:
        """Bar a key; whoever spent it before, his decision is the answer."""
        digest, barred_id = hashlib.sha256(key.encode()).digest(), self.city.new_id()
        row = await self.lane.connection.fetchrow(
            QUERIES["bar_key"], sender.no, key, digest, barred_id, None, None, None
        )
        assert row is not None
        expected = steps.bar(self.city.ledger, sender.no, key, digest, barred_id)
        claim = self.city.ledger.claims[sender.no, key]
        assert (row["disposition"], row["subject"]) == (expected, claim.payment_id)
        [stored] = await self.lane.connection.fetch(
            QUERIES["read_payments"], None, [row["subject"]]
        )
        answer = stored_payment(stored)
        known = self.city.answers.setdefault((sender.no, key), answer)
        assert render_payment(answer) == render_payment(known)
        if expected is Disposition.DECIDED:
            assert (answer.status, answer.reason) == ("declined", "barred")
        await self.compare()

    # --- what time, the jobs and the operator do ------------------------------------------------

    async def advance(self, to: datetime) -> None:
        """Let it become this late."""
        assert to >= self.at, "time goes on"
        open_before = [one for one in self.city.ledger.records.values() if one.held(self.at)]
        self.at = to
        await self.city.set_time(to)
        await self.compare({one.id: EXPIRY for one in open_before if not one.held(to)})

    async def expire(self) -> None:
        """The job posts what has expired; nobody sees a difference."""
        await expire_holds(self.jobs, ALL)
        await self.compare()

    async def fold(self) -> None:
        """The job adds credits up; nobody sees a difference."""
        await fold_credits(self.jobs, ALL)
        await self.compare()

    async def reverse(self, payment: UUID) -> Outcome | None:
        """The operator takes a payment back; none where the ledger refuses to try."""
        reversal, record = self.city.new_id(), self.city.ledger.records[payment]
        expected = steps.reverse(self.city.ledger, reversal, record, self.at)
        assert await self._reversed(reversal, payment) == expected, f"at {self.at}: {record}"
        await self.compare({payment: REFUND} if expected is Outcome.APPROVED else {})
        return expected

    async def _reversed(self, reversal: UUID, payment: UUID) -> Outcome | None:
        try:
            name = await self.city.admin.fetchval(
                "SELECT ledger.reverse_payment($1, $2, 'mistake')", reversal, payment
            )
        except asyncpg.PostgresError as error:
            if error.sqlstate != REFUSED:
                raise
            return None
        return Outcome[name.upper()]

    async def redeem_all(self, name: str) -> None:
        """The operator takes all that is available out of circulation."""
        account = self.city.ledger.accounts[self.accounts[name]]
        if account.lifecycle == "open" and account.available(self.at) > 0:
            await self.city.redeem(account.id, account.available(self.at))
            await self.compare()

    # --- what can be seen -------------------------------------------------------------------------

    async def compare(self, touched: Touched | None = None) -> None:
        """All that can be seen now, against the model."""
        rows = await self.lane.connection.fetch(QUERIES["read_payments"], None, self.payments)
        assert len(rows) == len(self.payments)
        for row in rows:
            record = self.city.ledger.records[row["id"]]
            seen = present_payment(row)
            if isinstance(seen, Payment):
                shown = (seen.status, seen.amount_captured, seen.amount_voided)
                expected = (record.status(self.at), record.captured, record.voided)
                assert shown == expected, f"at {self.at}: {record}"
                assert seen.amount_refunded == record.refunded, f"at {self.at}: {record}"
                self._check_change(record.id, seen.status, touched or {})
            self.statuses[record.id] = seen.status
        await self._compare_accounts()

    def _check_change(self, payment: UUID, after: str, touched: Touched) -> None:
        before = self.statuses.get(payment)
        if before is None:
            assert after in ("completed", "declined", "held"), "what a decision can be"
        elif payment not in touched:
            assert before == after, f"{payment} was {before} and became {after} by itself"
        elif (step := touched[payment]) is not None:
            assert after in TRANSITIONS[before].get(step, ()), f"{before} became {after} by {step}"
            self.changes.add((before, step, after))

    async def _compare_accounts(self) -> None:
        ledger = self.city.ledger
        rows = await self.city.admin.fetch(ACCOUNTS, [one.no for one in self.holders.values()])
        for row in rows:
            account = ledger.accounts[row["id"]]
            shown = (row["balance"], row["held"], row["spent_today"], row["spent_this_year"])
            expected = (
                account.balance, account.held(self.at), ledger.spent(account, self.at),
                ledger.spent_this_year(account, self.at),
            )  # fmt: skip
            assert shown == expected, f"at {self.at}: {account}"

    def next_expiry(self) -> datetime | None:
        """When the next hold expires."""
        records = self.city.ledger.records.values()
        return min(
            (r.hold_expires_at for r in records if r.held(self.at) and r.hold_expires_at),
            default=None,
        )

    async def finish(self) -> None:
        """The books are right, now and when every hold has expired and all is posted."""
        await assert_books_are_right(self.city.admin)
        await self.advance(self.at + timedelta(seconds=limits.HOLD_SECONDS_MAX))
        await self.expire()
        await self.fold()
        await assert_books_are_right(self.city.admin)


def _touched(orders: Sequence[StepOrder], decided: Sequence[Decision]) -> Touched:
    """Which payments the approved steps of a batch are of; which step, if it is only one."""
    touched: Touched = {}
    for order, decision in zip(orders, decided, strict=False):
        if (decision.disposition, decision.outcome) == (Disposition.DECIDED, Outcome.APPROVED):
            touched[order.parent] = None if order.parent in touched else order.type
    return touched
