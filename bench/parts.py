"""What does a payment with a coupon, a purse and a share cost in the ledger, beside a plain one?

`ledger.authorize_batch` on one connection: in turn batches of plain purchases, and of purchases
that a coupon and a purse pay a part of, to merchants with a tariff. Each wallet has a purse and a
coupon of its own; all coupons are of one campaign, whose budget every batch locks.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from msgspec.structs import replace
from rich.console import Console

from bench import pairs
from bench.city import CURRENCY, Holder, let_in, open_accounts, order
from bench.harness import Results
from bench.pairs import Compared, Target
from bench.stage import BenchError, Stage
from switch import db, keyfile, ledger, limits
from switch.clock import SYSTEM_CLOCK
from switch.ledger import Order, Statements

NAME = "parts"
COST_MAX = 2.5  # times a plain payment
BATCH_SIZE = 64
BATCHES = 60  # of one kind in a pair; a fifth in a small run
WALLETS = 1_000
BUDGET, PURSE, AMOUNT, DISCOUNT = 10**12, 10**8, 10_000, 100
PLAIN, PARTS = "plain", "parts"
DAY = timedelta(days=1)
DIGEST = bytes(32)

GIVE_PURPOSE = """SELECT disposition FROM ledger.give_purpose($1, $2, $3, $4, $5, 'meals', NULL,
    NULL, NULL, NULL, NULL, $6)"""
GIVE_CAMPAIGN = """SELECT disposition FROM ledger.give_campaign($1, $2, $3, $4, $5, 'festival', $6,
    NULL, NULL, 1, 1000::smallint, 1000000, NULL, NULL, NULL, $7)"""
OPEN_PURSE = "SELECT disposition FROM ledger.open_purse($1, $2, $3, $4, $5, $6)"
CLAIM_COUPON = "SELECT disposition FROM ledger.claim_coupon($1, $2, $3, $4, $5, $6)"
SET_TARIFF = """SELECT ledger.set_tariff('bench', $1, ARRAY[$2::uuid], ARRAY[3800],
    ARRAY[0::bigint], ARRAY[0::bigint], ARRAY[NULL::bigint])"""
USE_TARIFF = "SELECT ledger.set_account_tariff(id, 'bench') FROM unnest($1::uuid[]) AS id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payer:
    """A wallet, who sends for it, and its coupon."""

    provider: Holder
    wallet: UUID
    coupon: UUID | None = None


@dataclass(slots=True, kw_only=True)
class Counter:
    """One connection that decides, and how much it has."""

    lane: Statements
    payers: dict[str, Sequence[Payer]]
    payees: dict[str, Sequence[UUID]]
    chosen: random.Random
    sent: int = 0

    async def decide(self, kind: str, batches: int) -> float:
        """Microseconds that a payment of this kind takes, in so many batches."""
        made = [self._orders(kind) for _ in range(batches)]
        began_s = SYSTEM_CLOCK.monotonic_s()
        answers = [await ledger.authorize_batch(self.lane, orders) for orders in made]
        spent_s = SYSTEM_CLOCK.monotonic_s() - began_s
        payments = [verdict.payment for one in answers for verdict in one]
        if any(payment is None or payment.reason for payment in payments):
            raise BenchError("a payment was declined")
        return 1e6 * spent_s / (batches * BATCH_SIZE)

    def _orders(self, kind: str) -> list[Order]:
        payers = self.chosen.sample(self.payers[kind], BATCH_SIZE)
        return [self._order(payer, self.chosen.choice(self.payees[kind])) for payer in payers]

    def _order(self, payer: Payer, payee: UUID) -> Order:
        self.sent += 1
        made = order(
            payer.provider.id, payer.provider.number, "purchase", payer.wallet, payee,
            amount=AMOUNT, key=f"parts-{self.sent}",
        )  # fmt: skip
        return replace(made, request=replace(made.request, coupon=payer.coupon))


async def report(stage: Stage, results: Results, console: Console) -> None:
    """Pair after pair; the books at the end."""
    with console.status("purses, coupons and a tariff"):
        counter = await _set_up(stage)
    batches = BATCHES if stage.size.is_thorough else BATCHES // 5
    ratios: list[float] = []
    for kind in (PLAIN, PARTS):
        await counter.decide(kind, batches // 2)
    for pair_no in range(1, stage.size.pairs + 1):
        seen = {}
        for kind in pairs.in_turn(pair_no, PLAIN, PARTS):
            seen[kind] = await counter.decide(kind, batches)
        ratios.append(seen[PARTS] / seen[PLAIN])
        results.write({"question": NAME, "pair": pair_no, "us": seen})
        console.print(f"{NAME}  pair {pair_no}  us a payment {seen}", highlight=False)
    target = Target(name="coupon, purse and share ÷ plain", wanted=COST_MAX, is_floor=False)
    pairs.conclude([Compared(target=target, ratios=tuple(ratios))], results, console)
    await stage.check_books()


async def _set_up(stage: Stage) -> Counter:
    """Half of the merchants have a tariff, some wallets a purse and a coupon."""
    operator, city = stage.operator, stage.city
    connection = operator.connection
    number = await let_in(operator, "office", "government", keyfile.generate_seed())
    (funder,) = await open_accounts(operator, "office", "government", 1)
    (fee,) = await open_accounts(operator, "office", "fee", 1)
    await operator.issue(funder, 10 * BUDGET, reason="money for a benchmark")
    half = len(city.merchants) // 2
    await connection.execute(SET_TARIFF, CURRENCY, fee)
    await connection.execute(USE_TARIFF, city.merchants[:half])
    every = [Payer(provider=one, wallet=wallet) for one in city.providers for wallet in one.wallets]
    chosen = random.Random(NAME)
    chosen.shuffle(every)
    ids = _ids()
    purpose, campaign = next(ids), next(ids)
    end = SYSTEM_CLOCK.now() + DAY
    await connection.execute(GIVE_PURPOSE, number, "purpose", DIGEST, purpose, funder, end)
    await connection.execute(
        GIVE_CAMPAIGN, number, "campaign", DIGEST, campaign, funder, DISCOUNT, end
    )
    payers, fills = [], [(campaign, BUDGET)]
    for payer in every[:WALLETS]:
        purse, coupon, key = next(ids), next(ids), f"of-{payer.wallet}"
        await connection.execute(OPEN_PURSE, number, key, DIGEST, purse, purpose, payer.wallet)
        await connection.execute(
            CLAIM_COUPON, payer.provider.number, key, DIGEST, coupon, campaign, payer.wallet
        )
        payers.append(_with_coupon(payer, coupon))
        fills.append((purse, PURSE))
    lane = await ledger.prepare(
        await db.connect(stage.database.url("switch_worker_login"), application_name="bench")
    )
    for first in range(0, len(fills), limits.BATCH_SIZE_MAX):
        await ledger.authorize_batch(
            lane,
            [
                order("office", number, "transfer", funder, fund, amount=amount, key=f"fill-{fund}")
                for fund, amount in fills[first : first + limits.BATCH_SIZE_MAX]
            ],
        )
    return Counter(
        lane=lane, payers={PLAIN: every[WALLETS:], PARTS: payers},
        payees={PLAIN: city.merchants[half:], PARTS: city.merchants[:half]}, chosen=chosen,
    )  # fmt: skip


def _with_coupon(payer: Payer, coupon: UUID) -> Payer:
    """The same payer, who has a coupon."""
    return Payer(provider=payer.provider, wallet=payer.wallet, coupon=coupon)


def _ids() -> Iterator[UUID]:
    while True:
        yield ledger.new_id(SYSTEM_CLOCK.now_us())
