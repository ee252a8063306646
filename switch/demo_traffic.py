"""What happens in the demo city: messages drawn at random, sent, compared with what must come back.

Most are ordinary. Some are meant to be declined, each for a known reason, and some are sent twice,
which must give the same answer byte for byte. An answer that no ordinary course of things explains
is a surprise; a run with surprises has failed.
"""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from switch import limits
from switch.client import ClientError, Payment
from switch.clock import SYSTEM_CLOCK
from switch.demo_city import CURRENCY, PAYMENT_LIMIT, City, Member

# What happens when money or a limit runs out in the ordinary course.
ORDINARY = frozenset(
    {"approved", "insufficient_funds", "daily_limit_exceeded", "payee_balance_limit_exceeded"}
)

# A bank may say no as well, or take longer than a caller waits for it.
BY_BANK = ORDINARY | {"issuer_declined", "pending"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One message to send: by whom, what, and which outcomes explain themselves."""

    sender: Member
    type: str
    payer: str
    payee: str
    amount: int
    expected: frozenset[str] = ORDINARY
    repeated: bool = False
    by_bank: bool = False  # a bank decides as well: how long it takes is no latency of the switch


@dataclass(slots=True, kw_only=True)
class Figures:
    """What was seen so far; read by the table and the summary."""

    outcomes: Counter[str] = field(default_factory=Counter)
    repeats: int = 0
    unanswered: int = 0  # calls that ended without a decision
    surprises: list[str] = field(default_factory=list)
    latencies_s: deque[float] = field(
        default_factory=lambda: deque(maxlen=limits.DEMO_LATENCIES_MAX)
    )
    began_at_s: float = field(default_factory=SYSTEM_CLOCK.monotonic_s)
    ended_at_s: float | None = None

    @property
    def decision_count(self) -> int:
        """Decisions, without their repeats."""
        return self.outcomes.total()

    @property
    def elapsed_s(self) -> float:
        """How long the traffic has lasted."""
        return (self.ended_at_s or SYSTEM_CLOCK.monotonic_s()) - self.began_at_s

    @property
    def per_second(self) -> float:
        """Decisions a second, over the whole time."""
        return self.decision_count / self.elapsed_s if self.elapsed_s else 0.0

    def latency_ms(self, share: float) -> float:
        """The latency that this share of the latest answers stayed below."""
        ordered = sorted(self.latencies_s)
        return 1000 * ordered[int(share * (len(ordered) - 1))] if ordered else 0.0


class Traffic:
    """Senders that work side by side until they are told to stop."""

    def __init__(self, city: City, figures: Figures, *, seed: int) -> None:
        self._city = city
        self._figures = figures
        self._random = random.Random(seed)  # noqa: S311  a city's day, not a secret
        self._stopping = asyncio.Event()
        kinds: dict[Callable[[], Plan], int] = {
            self._purchase: 55,
            self._transfer: 20,
            self._top_up: 10,
            self._withdrawal: 5,
            self._repeated: 4,
            self._too_large: 2,
            self._penniless: 2,
            self._foreign: 2,
        }
        self._kinds, self._weights = list(kinds), list(kinds.values())
        self._bank_kinds = (self._customer_purchase, self._customer_withdrawal)

    def stop(self) -> None:
        """Send nothing new."""
        self._stopping.set()

    async def run(self, sender_count: int) -> None:
        """Send until told to stop; returns when every message sent has been answered."""
        async with asyncio.TaskGroup() as senders:
            for _ in range(sender_count):
                senders.create_task(self._send_on(self._any))
            # Beside the others, who would else spend most of their time waiting for the bank.
            for _ in range(limits.DEMO_BANK_SENDERS):
                senders.create_task(self._send_on(self._any_by_bank))
        self._figures.ended_at_s = SYSTEM_CLOCK.monotonic_s()

    async def _send_on(self, draw: Callable[[], Plan]) -> None:
        while not self._stopping.is_set():
            await self._send(draw())

    async def _send(self, plan: Plan) -> None:
        began_at_s = SYSTEM_CLOCK.monotonic_s()
        key = f"demo-{self._random.getrandbits(96):024x}"
        try:
            payment = await self._pay(plan, key)
            if not plan.by_bank:
                self._figures.latencies_s.append(SYSTEM_CLOCK.monotonic_s() - began_at_s)
            again = await self._pay(plan, key) if plan.repeated else payment
        except ClientError as error:
            self._figures.unanswered += 1
            self._surprise(f"{plan.type}: {error}")
        else:
            self._count(plan, payment, again)

    async def _pay(self, plan: Plan, key: str) -> Payment:
        return await plan.sender.client.pay(
            type=plan.type,
            payer=plan.payer,
            payee=plan.payee,
            amount=plan.amount,
            currency=CURRENCY,
            idempotency_key=key,
        )

    def _count(self, plan: Plan, payment: Payment, again: Payment) -> None:
        is_pending = payment.status == "pending"
        outcome = payment.reason or ("pending" if is_pending else "approved")
        self._figures.outcomes[outcome] += 1
        self._figures.repeats += plan.repeated
        if outcome not in plan.expected:
            self._surprise(f"{plan.type} {payment.id} was answered {outcome}")
        if again != payment:
            self._surprise(f"{plan.type} {payment.id} was answered differently when repeated")

    def _surprise(self, what: str) -> None:
        if len(self._figures.surprises) < limits.DEMO_SURPRISES_MAX:
            self._figures.surprises.append(what)

    # What may be sent.

    def _any(self) -> Plan:
        return self._random.choices(self._kinds, self._weights)[0]()

    def _any_by_bank(self) -> Plan:
        plan = self._random.choice(self._bank_kinds)()
        return replace(plan, expected=BY_BANK, by_bank=True)

    def _purchase(self) -> Plan:
        sender, payer = self._wallet()
        shop = self._random.choice(self._city.shops)
        amount = self._random.randint(5_00, 80_00)
        return Plan(
            sender=sender, type="purchase", payer=payer, payee=shop.accounts[0], amount=amount
        )

    def _transfer(self) -> Plan:
        sender, payer = self._wallet()
        payee = payer
        while payee == payer:
            _, payee = self._wallet()
        amount = self._random.randint(1_00, 50_00)
        return Plan(sender=sender, type="transfer", payer=payer, payee=payee, amount=amount)

    def _top_up(self) -> Plan:
        bank = self._random.choice(self._city.banks)
        _, wallet = self._wallet()
        amount = self._random.randint(100_00, 500_00)
        return Plan(sender=bank, type="top_up", payer=bank.accounts[0], payee=wallet, amount=amount)

    def _withdrawal(self) -> Plan:
        sender, payer = self._wallet()
        bank = self._random.choice(self._city.banks)
        amount = self._random.randint(50_00, 200_00)
        return Plan(
            sender=sender, type="withdrawal", payer=payer, payee=bank.accounts[0], amount=amount
        )

    def _customer_purchase(self) -> Plan:
        customer = self._random.choice(self._city.customers)
        return replace(self._purchase(), sender=self._city.issuer, payer=customer)

    def _customer_withdrawal(self) -> Plan:
        return replace(self._withdrawal(), payee=self._random.choice(self._city.customers))

    def _repeated(self) -> Plan:
        return replace(self._purchase(), repeated=True)

    def _too_large(self) -> Plan:
        expected = frozenset({"payment_limit_exceeded"})
        return replace(self._purchase(), amount=PAYMENT_LIMIT + 1, expected=expected)

    def _penniless(self) -> Plan:
        member = self._city.penniless
        expected = frozenset({"insufficient_funds"})
        return replace(self._purchase(), sender=member, payer=member.accounts[0], expected=expected)

    def _foreign(self) -> Plan:
        plan = self._purchase()
        other = next(one for one in self._city.providers if one.id != plan.sender.id)
        return replace(plan, sender=other, expected=frozenset({"not_permitted"}))

    def _wallet(self) -> tuple[Member, str]:
        provider = self._random.choice(self._city.providers)
        # The first wallet is left alone: it is kept for the payment by hand.
        return provider, self._random.choice(provider.accounts[1:])
