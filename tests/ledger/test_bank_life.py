"""Random lives of payments that banks decide, with answers that come late, twice, wrongly or never.

The banks of the test keep books of their own. After every action the ledger's books are right and
what payments show explains every balance; in the end, when all calls are answered, the banks' books
and the ledger say the same of every payment.
"""

from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

import asyncpg

from switch.admin import Operator
from switch.errors import SwitchError
from switch.ledger import Statements
from switch.message import Payment, Step
from switch.queries import QUERIES
from switch.reads import present_payment
from switch.upkeep import expire_holds
from tests.ledger.banking import AUTHORIZATION, CREDIT, REVERSAL, Bank, Banking, Side
from tests.ledger.books import assert_books_are_right
from tests.ledger.city import NOON, City, Participant

LIVES = 3
LIVES_MORE = 10  # at most, until everything was met
ACTIONS = 300
ACTIONS_BETWEEN_CHECKS = 6
LONG_FACTOR = 20
FUNDS = 600
AMOUNTS = (1, 7, 40, 150, 400)
# What every run comes across: answers of banks, lost ones among them, and outcomes.
MET = {
    "approved", "declined", "accepted", "refused", "acknowledged", "None", "unknown",
    "unavailable", "given_up", "insufficient_funds", "issuer_unavailable", "issuer_declined",
    "issuer_timeout", "reversal pending",
}  # fmt: skip
ENDS = {AUTHORIZATION: ("approved", "declined"), CREDIT: ("accepted", "refused")}


class BankBooks:
    """What a bank has done about each message, as its own rules have it."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._said: dict[tuple[str, int], str] = {}  # the answer to a key is always the same
        self.debited: set[str] = set()
        self.credited: set[str] = set()
        self._reversed: set[str] = set()

    def ask(self, payment: str, kind: int) -> str:
        """The bank's answer, whether or not the switch hears it."""
        if kind == REVERSAL:
            self._reversed.add(payment)
            self.debited.discard(payment)
            return "acknowledged"
        if (payment, kind) not in self._said:
            approves = self._random.random() < 0.75 and payment not in self._reversed
            self._said[payment, kind] = ENDS[kind][0 if approves else 1]
            if approves:
                (self.debited if kind == AUTHORIZATION else self.credited).add(payment)
        return self._said[payment, kind]


class Life:
    """Two banks, a wallet and a shop under random actions."""

    def __init__(self, banking: Banking, random: Random, jobs: asyncpg.Connection) -> None:
        self.banking = banking
        self.random = random
        self.books = BankBooks(random)
        self.seen: Counter[str] = Counter()
        self._jobs = jobs
        self._at: datetime = NOON
        self._frozen: UUID | None = None
        self._sent: list[Payment | Step] = []
        self._calls: list[tuple[str, int]] = []
        self._given_up: set[tuple[str, str]] = set()

    async def settle(self) -> None:
        """The accounts; one bank's position is tight, the wallet's day and the shop's balance."""
        city = self.banking.city
        self._banks: list[Bank] = [await self.banking.bank(floor=floor) for floor in (-900, -5000)]
        day = await city.tier("tight-day", daily_limit=900)
        cap = await city.tier("tight-balance", balance_limit=1500)
        self._wallet: Side = await self.banking.wallet(FUNDS, tier=day)
        shop = await city.participant("merchant")
        self._shop: Side = shop, await city.account(shop, "merchant", tier=cap)
        self._holders: dict[UUID, Participant] = {
            self._wallet[1]: self._wallet[0], self._shop[1]: self._shop[0],
            **{bank.customer: bank.holder for bank in self._banks},
        }  # fmt: skip

    async def act(self) -> None:
        """One thing that may happen."""
        actions = {
            self._pay: 10, self._step: 5, self._start: 10, self._answer: 14,
            self._let_time_pass: 2, self._work: 3, self._freeze: 1, self._give_up: 1,
            self._reverse: 1,
        }  # fmt: skip
        action = self.random.choices(list(actions), weights=list(actions.values()))[0]
        await action()

    async def _pay(self) -> None:
        payer, payee = self.random.sample(list(self._holders), 2)
        fields = {}
        if self.random.random() < 0.3:
            fields = {"capture": False, "hold_seconds": self.random.choice((60, 600))}
        if self.random.random() < 0.1:
            fields["expires_at"] = self._at + self.random.choice((1, 20)) * timedelta(seconds=1)
        order = self.banking.city.order(
            self._holders[payer], payer, payee, self.random.choice(AMOUNTS), **fields
        )
        self._sent.append(await self.banking.send(order))

    async def _step(self) -> None:
        payments = [one for one in self._sent if isinstance(one, Payment)]
        if not payments:
            return
        payment = self.random.choice(payments)
        kind = self.random.choice(("capture", "void", "refund", "refund"))
        amount = self.random.choice((None, 1, 30)) if kind != "void" else None
        holder = self._holders[UUID(str(payment.payee))]
        step = self.banking.city.step(
            holder, kind, UUID(payment.id), amount=amount,
            final=kind == "capture" and self.random.random() < 0.5,
        )  # fmt: skip
        self._sent.append(await self.banking.send(step))

    async def _start(self) -> None:
        numbers = tuple(bank.holder.no for bank in self._banks)
        some = lambda: self.random.choices(((), numbers[:1]), weights=(9, 1))[0]  # noqa: E731
        calls = await self.banking.start(
            calls_max=self.random.choice((2, 100)),
            shut=some(),
            probed=some(),
            room=dict.fromkeys(some(), 0),
        )
        self._calls.extend(calls)

    async def _answer(self, heard: float = 0.7) -> None:
        if not self._calls:
            return
        call = self._calls.pop(self.random.randrange(len(self._calls)))
        payment = next(one for one in self._sent if one.id == call[0])
        lost = self.random.choice((None, "unknown", "unavailable")) if call[1] == 1 else None
        said: str | None = None
        if self.random.random() < 0.9:  # else it does not even get there
            said = self.books.ask(*call)
        decision = said if self.random.random() < heard else lost
        self.seen[f"{decision}"] += 1
        await self.banking.answer(payment, call[1], decision)

    async def _give_up(self) -> None:
        """Whatever a bank has done of it by then; a bank that has decided is heard."""
        calls = [
            (bank, row) for bank in self._banks
            for row in await Operator(self.banking.admin).bank_calls(bank.holder.id)
        ]  # fmt: skip
        if not calls:
            return
        bank, row = self.random.choice(calls)
        payment = next(one for one in self._sent if one.id == str(row["payment"]))
        for ended in await self.banking.give_up(bank, payment, reason="gone"):
            self.seen[ended["decision"]] += 1
            if ended["decision"] == "given_up":
                self._given_up.add((payment.id, ended["kind"]))

    async def _reverse(self) -> None:
        """A mistake of anybody's; what cannot be reversed, or not now, is refused."""
        payments = [one for one in self._sent if isinstance(one, Payment)]
        operator = Operator(self.banking.admin)
        for payment in self.random.sample(payments, min(3, len(payments))):
            with suppress(SwitchError):
                made, outcome = await operator.reverse(UUID(payment.id), reason="mistake")
                self.seen[f"reversal {outcome}"] += 1
                (row,) = await self.banking.admin.fetch(QUERIES["read_payments"], None, [made])
                self._sent.append(present_payment(row))

    async def _let_time_pass(self) -> None:
        seconds = self.random.choice((1, 10, 31, 61, 3600))
        self._at += timedelta(seconds=seconds)
        await self.banking.city.set_time(self._at)
        await self.banking.time_out()

    async def _work(self) -> None:
        await self.banking.fold()
        await expire_holds(self._jobs, 10)

    async def _freeze(self) -> None:
        """One account at a time."""
        if self._frozen is not None:
            await self.banking.city.change(self._frozen, "unfreeze")
        self._frozen = self.random.choice([None, *self._holders, self._banks[0].position])
        if self._frozen is not None:
            await self.banking.city.change(self._frozen, "freeze")

    async def check(self) -> None:
        """The books are right, and what payments show explains every balance."""
        await assert_books_are_right(self.banking.admin)
        places = {bank.customer: bank.position for bank in self._banks}
        expected: Counter[UUID] = Counter({self._wallet[1]: FUNDS})
        for sent in self._sent:
            now = await self.banking.now(sent)
            if isinstance(now, Step) or now.payee is None or now.payer is None:
                continue
            moved = now.amount_captured - now.amount_refunded
            for account, amount in ((now.payer, -moved), (now.payee, moved)):
                expected[places.get(UUID(account), UUID(account))] += amount
        for account in (self._wallet[1], self._shop[1], *places.values()):
            assert (await self.banking.account(account))[0] == expected[account]
        for customer in places:
            assert await self.banking.account(customer) == (0, 0)

    async def end(self) -> None:
        """Answer everything that is still asked; then both sides agree."""
        if self._frozen is not None:
            await self.banking.city.change(self._frozen, "unfreeze")
        for _ in range(1000):
            self._calls.extend(await self.banking.start())
            if not self._calls:
                break
            await self._answer(heard=0.95)
        await self.check()
        for sent in self._sent:
            await self._agree(sent)

    async def _agree(self, sent: Payment | Step) -> None:
        now = await self.banking.now(sent)
        assert now.status != "pending"
        self.seen[now.reason or "approved"] += 1
        is_approved = now.reason is None
        is_credit_left = (now.id, "credit") in self._given_up
        is_debit_left = (now.id, "reversal") in self._given_up
        assert not (is_approved and (is_credit_left or is_debit_left)), "both sides have it"
        of_banks = {str(bank.customer) for bank in self._banks}
        moves_money = not isinstance(now, Step) or now.type in ("refund", "reversal")
        if now.payer in of_banks and not isinstance(now, Step) and not is_debit_left:
            assert (now.id in self.books.debited) == is_approved, now
        if now.payee in of_banks and moves_money and not is_credit_left:
            assert (now.id in self.books.credited) == is_approved, now


async def test_banks_and_ledger_agree_in_the_end(
    admin: asyncpg.Connection, jobs: asyncpg.Connection, lane: Statements, seed: int,
    long_run: bool,
) -> None:  # fmt: skip
    """Whatever comes late, twice, wrongly or never: a debit stands at the payer's bank, and a
    credit at the payee's, exactly where the payment was approved. Of what the operator gave up the
    switch says only that it was not approved.
    """
    seen: Counter[str] = Counter()
    lives = LIVES * (LONG_FACTOR if long_run else 1)
    for number in range(lives + LIVES_MORE):
        if number >= lives and seen.keys() >= MET:
            break  # else what is rare is looked for a while longer
        name = f"{seed} bank life {number}"
        city = City(admin, name)
        await city.own_the_clock()
        await city.set_time(NOON)
        life = Life(Banking(city, lane, jobs, admin), Random(name), jobs)
        await life.settle()
        for action in range(ACTIONS):
            await life.act()
            if action % ACTIONS_BETWEEN_CHECKS == 0:
                await life.check()
        await life.end()
        seen += life.seen
    missed = MET - set(seen)
    assert not missed, f"never met: {missed}; met: {dict(seen)}"
