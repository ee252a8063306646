"""One row an outcome, each produced for real; and that the earlier one wins where two apply."""

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from switch.ledger import Order, Statements
from switch.outcome import Outcome
from tests.ledger import funding
from tests.ledger.city import NOON, City, Participant
from tests.ledger.model import RULES
from tests.ledger.test_bank_outcomes import ROWS as BANK_ROWS
from tests.ledger.test_steps import ROWS as STEP_ROWS

OUTCOMES_PAGE = Path(__file__).resolve().parents[2] / "docs" / "OUTCOMES.md"
AMOUNT = 100
LESS = AMOUNT - 1


@dataclass(slots=True)
class Scene:
    """A transfer that would be approved; every row below spoils one thing."""

    expires_in: timedelta | None = None
    sender: str = "holder"  # or stranger
    payee: str = "another"  # or nobody, itself
    currency: str = "CNY"
    payer_frozen: bool = False
    payer_closing: bool = False
    payee_closing: bool = False
    payment_limit: int | None = None
    daily_limit: int | None = None
    yearly_limit: int | None = None
    balance_limit: int | None = None
    funds: int = AMOUNT
    mandate: str | None = None  # good, none, over
    mandate_ends: timedelta = timedelta(days=1)
    uses_max: int | None = None
    mandate_limit: int | None = None
    request: str | None = None  # good, none
    request_ends: timedelta = timedelta(days=1)
    request_amount: int = AMOUNT
    request_paid: bool = False
    coupon: str | None = None  # good, none; then it is a purchase at a merchant's
    coupon_ends: timedelta = timedelta(days=1)
    coupon_min: int = 1

    def set(self, **facts: object) -> None:
        for name, value in facts.items():
            setattr(self, name, value)

    def by_mandate(self, **facts: object) -> None:
        """The payee takes it."""
        self.set(mandate="good", **facts)

    def asked(self, **facts: object) -> None:
        """The payee asks for it."""
        self.set(request="good", **facts)


# One row an outcome, in order of precedence: what to change so that it is the answer.
ROWS: dict[Outcome, Callable[[Scene], None]] = {
    Outcome.APPROVED: lambda scene: None,
    Outcome.EXPIRED: lambda scene: scene.set(expires_in=timedelta()),
    Outcome.NOT_PERMITTED: lambda scene: scene.set(sender="stranger"),
    Outcome.MANDATE_NOT_FOUND: lambda scene: scene.set(mandate="none"),
    Outcome.MANDATE_ENDED: lambda scene: scene.by_mandate(mandate_ends=timedelta()),
    Outcome.REQUEST_NOT_FOUND: lambda scene: scene.set(request="none"),
    Outcome.REQUEST_ENDED: lambda scene: scene.asked(request_ends=timedelta()),
    Outcome.PAYEE_NOT_FOUND: lambda scene: scene.set(payee="nobody"),
    Outcome.SAME_ACCOUNT: lambda scene: scene.set(payee="itself"),
    Outcome.CURRENCY_MISMATCH: lambda scene: scene.set(currency="USD"),
    Outcome.PAYER_FROZEN: lambda scene: scene.set(payer_frozen=True),
    Outcome.PAYER_CLOSED: lambda scene: scene.set(payer_closing=True),
    Outcome.PAYEE_CLOSED: lambda scene: scene.set(payee_closing=True),
    Outcome.PAYMENT_LIMIT_EXCEEDED: lambda scene: scene.set(payment_limit=LESS),
    Outcome.MANDATE_USED: lambda scene: scene.by_mandate(uses_max=1),
    Outcome.MANDATE_LIMIT_EXCEEDED: lambda scene: scene.by_mandate(mandate_limit=LESS),
    Outcome.REQUEST_PAID: lambda scene: scene.asked(request_paid=True, request_amount=1),
    Outcome.REQUEST_AMOUNT_MISMATCH: lambda scene: scene.asked(request_amount=AMOUNT + 1),
    Outcome.DAILY_LIMIT_EXCEEDED: lambda scene: scene.set(daily_limit=LESS),
    Outcome.COUPON_NOT_FOUND: lambda scene: scene.set(coupon="none"),
    Outcome.COUPON_ENDED: lambda scene: scene.set(coupon="good", coupon_ends=timedelta()),
    Outcome.COUPON_NOT_APPLICABLE: lambda scene: scene.set(coupon="good", coupon_min=AMOUNT + 1),
    Outcome.COUPON_USED: lambda scene: scene.set(coupon="good"),  # its budget is empty
    Outcome.YEARLY_LIMIT_EXCEEDED: lambda scene: scene.set(yearly_limit=LESS),
    Outcome.PAYEE_BALANCE_LIMIT_EXCEEDED: lambda scene: scene.set(balance_limit=LESS),
    Outcome.INSUFFICIENT_FUNDS: lambda scene: scene.set(funds=LESS),
}

# Pairs that no message can have: a payee that does not exist is not the payer, nor closed, nor
# full; and a payer whose account is both ends of the payment is spoiled as both.
INFEASIBLE = {
    (Outcome.PAYEE_NOT_FOUND, Outcome.SAME_ACCOUNT),
    (Outcome.PAYEE_NOT_FOUND, Outcome.PAYEE_CLOSED),
    (Outcome.PAYEE_NOT_FOUND, Outcome.PAYEE_BALANCE_LIMIT_EXCEEDED),
}
# Nor does a mandate name a payee that is not there, or its own payer; and where there is none,
# nothing is known of it nor of a payer.
BY_MANDATE = (
    Outcome.MANDATE_NOT_FOUND,
    Outcome.MANDATE_ENDED,
    Outcome.MANDATE_USED,
    Outcome.MANDATE_LIMIT_EXCEEDED,
)
OF_THE_PAYER = (
    Outcome.PAYER_FROZEN,
    Outcome.PAYER_CLOSED,
    Outcome.PAYMENT_LIMIT_EXCEEDED,
    Outcome.DAILY_LIMIT_EXCEEDED,
    Outcome.YEARLY_LIMIT_EXCEEDED,
    Outcome.INSUFFICIENT_FUNDS,
)
INFEASIBLE |= {
    pair
    for outcome in BY_MANDATE
    for other in (Outcome.PAYEE_NOT_FOUND, Outcome.SAME_ACCOUNT)
    for pair in ((outcome, other), (other, outcome))
} | {(Outcome.MANDATE_NOT_FOUND, other) for other in (*BY_MANDATE[1:], *OF_THE_PAYER)}
# To whoever does not hold the payee's account no mandate is known.
INFEASIBLE |= {(Outcome.NOT_PERMITTED, other) for other in BY_MANDATE[1:]}

# A request that is known names a payee that is there.
OF_A_REQUEST = (
    Outcome.REQUEST_ENDED,
    Outcome.REQUEST_PAID,
    Outcome.REQUEST_AMOUNT_MISMATCH,
)
INFEASIBLE |= {(Outcome.REQUEST_NOT_FOUND, other) for other in OF_A_REQUEST}
INFEASIBLE |= {
    pair
    for outcome in OF_A_REQUEST
    for pair in ((outcome, Outcome.PAYEE_NOT_FOUND), (Outcome.PAYEE_NOT_FOUND, outcome))
}

# A coupon has one fault at a time, none that can be told where no payer is known, and is worth
# something; nobody buys of himself, and what is bought in another currency is not discounted.
BY_COUPON = (
    Outcome.COUPON_NOT_FOUND,
    Outcome.COUPON_ENDED,
    Outcome.COUPON_NOT_APPLICABLE,
    Outcome.COUPON_USED,
)
INFEASIBLE |= set(itertools.combinations(BY_COUPON, 2))
INFEASIBLE |= {
    (other, outcome)
    for other in (Outcome.MANDATE_NOT_FOUND, Outcome.SAME_ACCOUNT)
    for outcome in BY_COUPON
}
INFEASIBLE |= {
    (Outcome.CURRENCY_MISMATCH, Outcome.COUPON_USED),
    (Outcome.COUPON_USED, Outcome.INSUFFICIENT_FUNDS),
}

DECLINES = [outcome for outcome in ROWS if outcome is not Outcome.APPROVED]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The city that the scenes are played in."""

    city: City
    lane: Statements
    holder: Participant
    stranger: Participant

    async def play(self, scene: Scene) -> Order:
        """Build the accounts of a scene and the message about them."""
        city = self.city
        tier = await city.tier(
            f"t{city.random.randrange(10**12)}",
            payment_limit=scene.payment_limit,
            daily_limit=scene.daily_limit,
            yearly_limit=scene.yearly_limit,
            balance_limit=scene.balance_limit,
        )
        payer = await city.account(
            self.holder, "wallet", balance=scene.funds + (scene.uses_max or 0)
        )
        payee = await self._payee(scene, payer, tier)
        mandate = await self._mandate(scene, payer, payee)
        request = await self._request(scene, payee)
        coupon = await self._coupon(scene, payer)
        await city.set_tier(payer, tier)
        if scene.payer_frozen:
            await city.change(payer, "freeze")
        if scene.payer_closing:
            await city.change(payer, "close")
        if scene.payee_closing and not (payee == payer and scene.payer_closing):
            await city.change(payee, "close")
        expires_at = None if scene.expires_in is None else NOON + scene.expires_in
        sender, other = self.holder, self.stranger
        if mandate is not None:
            sender, other = other, sender
        return city.order(
            sender if scene.sender == "holder" else other,
            None if mandate else payer, payee, AMOUNT, currency=scene.currency,
            expires_at=expires_at, mandate=mandate, request=request, coupon=coupon,
            type="purchase" if coupon else "transfer",
        )  # fmt: skip

    async def _mandate(self, scene: Scene, payer: UUID, payee: UUID) -> UUID | None:
        """What the payee takes it by; used up where it is for one use only."""
        if scene.mandate != "good":
            return self.city.new_id() if scene.mandate else None
        mandate = await self.city.mandate(
            payer, payee,
            not_before=NOON - timedelta(days=1), not_after=NOON + scene.mandate_ends,
            payment_limit=scene.mandate_limit, uses_max=scene.uses_max,
        )  # fmt: skip
        if scene.uses_max:
            await self.city.set_time(NOON - timedelta(hours=1))
            order = self.city.order(self.stranger, None, payee, 1, mandate=mandate)
            [decision] = await self.city.decide(self.lane, [order])
            assert self.city.both([decision], [order], NOON - timedelta(hours=1)) is None
            await self.city.set_time(NOON)
        return mandate

    async def _request(self, scene: Scene, payee: UUID) -> UUID | None:
        """What the payee asks for; paid by somebody else where it is paid."""
        if scene.request != "good":
            return self.city.new_id() if scene.request else None
        city, before = self.city, NOON - timedelta(hours=1)
        await city.set_time(before)
        request = await city.ask(payee, scene.request_amount, not_after=NOON + scene.request_ends)
        if scene.request_paid:
            other = await city.account(self.holder, "wallet", balance=scene.request_amount)
            order = city.order(self.holder, other, payee, scene.request_amount, request=request)
            [decision] = await city.decide(self.lane, [order])
            assert city.both([decision], [order], before) is None
        await city.set_time(NOON)
        return request

    async def _coupon(self, scene: Scene, payer: UUID) -> UUID | None:
        """What the payer has of a campaign whose budget is empty."""
        if scene.coupon != "good":
            return self.city.new_id() if scene.coupon else None
        day = timedelta(days=1)
        await self.city.set_time(NOON - day / 24)
        campaign = await funding.begin_campaign(
            self.city, await self.city.account(self.stranger, "merchant"), discount=1,
            amount_min=scene.coupon_min, not_before=NOON - day, not_after=NOON + scene.coupon_ends,
        )  # fmt: skip
        coupon = await funding.claim_coupon(self.city, campaign, payer)
        await self.city.set_time(NOON)
        return coupon

    async def _payee(self, scene: Scene, payer: UUID, tier: str) -> UUID:
        if scene.payee == "nobody":
            return self.city.new_id()
        payee = payer
        if scene.payee == "another":
            kind = "merchant" if scene.coupon else "wallet"
            payee = await self.city.account(self.stranger, kind, tier=tier)
        return payee


@pytest_asyncio.fixture(loop_scope="session")
async def stage(city: City, lane: Statements) -> Stage:
    """A wallet provider, a stranger to it, and a clock that stands still."""
    await city.own_the_clock()
    await city.set_time(NOON)
    return Stage(
        city=city,
        lane=lane,
        holder=await city.participant("wallet"),
        stranger=await city.participant("wallet"),
    )


@pytest.mark.parametrize("outcome", ROWS, ids=lambda outcome: outcome.wire)
async def test_outcome(outcome: Outcome, stage: Stage) -> None:
    """What spoils one thing about a payment gets exactly the outcome of that thing."""
    scene = Scene()
    ROWS[outcome](scene)
    order = await stage.play(scene)
    [decision] = await stage.city.decide(stage.lane, [order])
    assert decision.outcome is outcome
    assert stage.city.both([decision], [order], NOON) is None


async def test_of_two_outcomes_the_earlier_is_the_answer(stage: Stage) -> None:
    """For every pair that one message can have, the first in order of precedence is given."""
    pairs = [pair for pair in itertools.combinations(DECLINES, 2) if pair not in INFEASIBLE]
    orders = []
    for pair in pairs:
        scene = Scene()
        for outcome in pair:
            ROWS[outcome](scene)
        orders.append(await stage.play(scene))
        case = stage.city.ledger.case(orders[-1], NOON)
        applying = {outcome for outcome, applies in RULES if applies(case)}
        assert applying >= set(pair), f"the scene of {pair} has only {applying}"
    decisions = await stage.city.decide(stage.lane, orders)
    wrong = [
        (earlier.wire, later.wire, decision.outcome)
        for (earlier, later), decision in zip(pairs, decisions, strict=True)
        if decision.outcome is not earlier
    ]
    assert not wrong


def test_the_lists_of_outcomes_agree() -> None:
    """The code, the page and the rows of this table name the same outcomes in the same order."""
    headings = re.findall(r"^## (.+)$", OUTCOMES_PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == [outcome.wire for outcome in Outcome]
    rows = {
        *ROWS,
        *STEP_ROWS,
        *BANK_ROWS,
        Outcome.BARRED,
    }  # a bar has no row: it is given for every key
    assert rows == set(Outcome)
    assert list(ROWS) == sorted(ROWS)
    assert [outcome for outcome, _ in RULES] == DECLINES
    assert list(Outcome) == sorted(Outcome), "the numbers are the order"


async def test_the_ledger_lists_the_same_outcomes(admin: asyncpg.Connection) -> None:
    """The table in SQL has the numbers and names of the code."""
    rows = await admin.fetch("SELECT code, name FROM ledger.outcome ORDER BY code")
    assert [tuple(row) for row in rows] == [(int(o), o.wire) for o in Outcome]


async def test_money_received_on_a_new_day_leaves_the_whole_day_to_spend(stage: Stage) -> None:
    """What was spent yesterday is not counted today, though money came in first."""
    city = stage.city
    tier = await city.tier("aday", daily_limit=AMOUNT, balance_limit=10 * AMOUNT)
    busy = await city.account(stage.holder, "wallet", tier=tier, balance=2 * AMOUNT)
    other = await city.account(stage.holder, "wallet", balance=AMOUNT)
    for day in range(2):
        at = NOON + timedelta(days=day)
        await city.set_time(at)
        orders = [
            city.order(stage.holder, other, busy, 1),
            city.order(stage.holder, busy, other, AMOUNT),
            city.order(stage.holder, busy, other, 1),
        ]
        for order in orders:
            [decision] = await city.decide(stage.lane, [order])
            assert city.both([decision], [order], at) is None


async def test_money_waiting_to_be_added_up_counts_against_a_new_limit(stage: Stage) -> None:
    """A balance limit given to a tier binds its accounts with all that they have been paid."""
    city = stage.city
    tier = await city.tier("narrowing")
    payer = await city.account(stage.holder, "wallet", balance=2 * AMOUNT)
    payee = await city.account(stage.holder, "wallet", tier=tier)
    orders = [city.order(stage.holder, payer, payee, amount) for amount in (AMOUNT, 2, 1)]
    await city.decide(stage.lane, orders[:1])
    await city.tier("narrowing", balance_limit=AMOUNT + 1)
    answers = await city.decide(stage.lane, orders[1:])
    assert [answer.outcome for answer in answers] == [
        Outcome.PAYEE_BALANCE_LIMIT_EXCEEDED,
        Outcome.APPROVED,
    ]
