"""The life of payments against the plain-Python model: random actions, every answer compared.

It is a state machine of hypothesis: what fails is made short before it is shown.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    multiple,
    rule,
    run_state_machine_as_test,
)

from switch import db
from switch.ledger import Disposition, Message, Statements, StepOrder, prepare
from tests.databases import JOBS, WORKER, Database
from tests.ledger.city import City, StepKind
from tests.ledger.scene import Scene

RUNS = 40
ACTIONS_MAX = 40
LONG_FACTOR = 30
HOLD_SECONDS = (60, 3600, 86_400)
AMOUNT = 100
INSTANT = timedelta(microseconds=1)

# Type, payer, payee: mostly what is permitted.
ROUTES = (
    ("purchase", "rich", "shop"),
    ("transfer", "rich", "poor"),
    ("transfer", "rich", "full"),
    ("transfer", "poor", "rich"),
    ("transfer", "shop", "rich"),
    ("purchase", "rich", "shop"),
    ("purchase", "poor", "shop"),
    ("transfer", "full", "poor"),
    ("top_up", "bank", "poor"),
    ("withdrawal", "rich", "bank"),
    ("purchase", "rich", "poor"),
    ("transfer", "rich", "rich"),
    ("transfer", "rich", "nobody"),
    ("transfer", "nobody", "rich"),
)
AMOUNTS: tuple[int | str, ...] = (5, 10, 20, 40, AMOUNT, "daily")
EDGES = ("available+", "available", "daily+")
PARTS = (1, "half", None, "left", "left+")  # of what is left
SENDERS = ("payee", "payee", "payee", "payer", "stranger")
ACTIONS = ("freeze", "unfreeze", "unfreeze", "issue", "issue", "redeem", "close")
NAMES = ("rich", "poor", "full", "shop", "bank")
KINDS: tuple[StepKind, ...] = ("capture", "void", "refund")


# --- random lives --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What all runs share: a loop of their own, connections, and what was seen so far."""

    loop: asyncio.AbstractEventLoop
    admin: asyncpg.Connection
    jobs: asyncpg.Connection
    lane: Statements
    seed: int
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    outcomes: Counter[str] = field(default_factory=Counter)


class Life(RuleBasedStateMachine):
    """One scene under random actions; after each everything that can be seen is compared."""

    payments = Bundle("payments")
    holds = Bundle("holds")
    steps = Bundle("steps")
    declined = Bundle("declined")  # at least most of them

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.failed = False
        city = City(world.admin, f"{world.seed} life {next(world.numbers)}")
        self.scene = Scene(city, world.lane, world.jobs)
        self.wait(self.scene.settle())

    def wait(self, action: Coroutine[Any, Any, Any]) -> Any:
        """Do it now."""
        try:
            return self.world.loop.run_until_complete(action)
        except BaseException:
            self.failed = True
            raise

    def send(self, *orders: Message) -> list[UUID]:
        """Send them in one batch; what was decided now."""
        decided = self.wait(self.scene.send(*orders))
        for decision in decided:
            self.world.outcomes[decision.disposition.name] += 1
            if decision.outcome is not None:
                self.world.outcomes[decision.outcome.name] += 1
        return [one.payment_id for one in decided if one.disposition is Disposition.DECIDED]

    def pay(self, route: tuple[str, str, str], given: int | str, **fields: Any) -> Any:
        """A payment on this route; none where it is declined: it has no steps."""
        kind, payer, payee = route
        order = self.scene.payment(kind, payer, payee, self.amount(payer, given), **fields)
        self.send(order)
        is_approved = self.scene.city.ledger.records[order.payment_id].is_approved
        return multiple(*([order.payment_id] if is_approved else []))

    def amount(self, payer: str, given: int | str) -> int:
        """A number, or what just can or just cannot be paid."""
        if isinstance(given, int):
            return given
        ledger, at = self.scene.city.ledger, self.scene.at
        account = ledger.accounts.get(self.scene.accounts[payer])
        if account is None:
            return 1
        limit = ledger.tier_of(account).daily_limit
        edges = {"available": account.available(at)}
        edges["daily"] = edges["available"] if limit is None else limit - ledger.spent(account, at)
        return max(1, edges[given.rstrip("+")] + (1 if given.endswith("+") else 0))

    @rule(target=declined, route=st.sampled_from(ROUTES), given=st.sampled_from(EDGES))
    def pay_too_much(self, route: tuple[str, str, str], given: str) -> Any:
        kind, payer, payee = route
        order = self.scene.payment(kind, payer, payee, self.amount(payer, given))
        self.send(order)
        return order.payment_id

    @rule(target=payments, route=st.sampled_from(ROUTES), given=st.sampled_from(AMOUNTS))
    def pay_at_once(self, route: tuple[str, str, str], given: int | str) -> Any:
        return self.pay(route, given)

    @rule(
        target=holds,
        route=st.sampled_from(ROUTES),
        given=st.sampled_from(AMOUNTS),
        hold_seconds=st.sampled_from(HOLD_SECONDS),
    )
    def hold(self, route: tuple[str, str, str], given: int | str, hold_seconds: int) -> Any:
        return self.pay(route, given, capture=False, hold_seconds=hold_seconds)

    @rule(
        target=steps,
        parents=st.lists(st.one_of(holds, payments), min_size=1, max_size=3),
        kind=st.sampled_from(KINDS),
        given=st.sampled_from(PARTS),
        by=st.sampled_from(SENDERS),
        final=st.booleans(),
    )
    def take_steps(
        self, parents: list[UUID], kind: StepKind, given: int | str | None, by: str, final: bool
    ) -> Any:
        orders = [self.step(parent, kind, given, by, final) for parent in parents]
        return multiple(*self.send(*orders))

    @rule(target=steps, parent=holds, given=st.sampled_from(PARTS))
    def capture(self, parent: UUID, given: int | str | None) -> Any:
        return multiple(*self.send(self.step(parent, "capture", given, "payee", False)))

    @rule(target=steps, parent=st.one_of(holds, payments), given=st.sampled_from(PARTS))
    def refund(self, parent: UUID, given: int | str | None) -> Any:
        return multiple(*self.send(self.step(parent, "refund", given, "payee", False)))

    @rule(
        target=steps,
        parent=st.one_of(steps, declined),
        kind=st.sampled_from(KINDS),
        by=st.sampled_from(SENDERS),
    )
    def take_a_step_of_what_has_none(self, parent: UUID, kind: StepKind, by: str) -> Any:
        return multiple(*self.send(self.step(parent, kind, 1, by, False)))

    def step(
        self, parent: UUID, kind: StepKind, given: int | str | None, by: str, final: bool
    ) -> StepOrder:
        """One step, its amount around what is left."""
        record = self.scene.city.ledger.records.get(parent)
        amount = given if isinstance(given, int) else None
        if record is not None and isinstance(given, str):
            refundable = record.captured - record.refunded
            left = refundable if kind == "refund" else record.held(self.scene.at)
            amount = {"half": left // 2, "left": left, "left+": left + 1}[given] or None
        if kind == "void":
            return self.scene.step(kind, parent, by=by)
        return self.scene.step(kind, parent, by=by, amount=amount, final=final)

    @rule(
        position=st.integers(0, 30),
        kind=st.sampled_from((None, *KINDS)),
        parent=st.one_of(holds, payments),
    )
    def send_again(self, position: int, kind: StepKind | None, parent: UUID) -> None:
        """The same message, or with its key another step or one of another payment."""
        message = self.scene.sent[position % len(self.scene.sent)]
        changed: dict[str, Any] = {}
        if kind is not None and isinstance(message, StepOrder):
            changed = {"type": kind, "parent": parent}
        elif kind is not None:
            sender = self.scene.city.participants[message.participant_no]
            message = self.scene.city.step(sender, kind, parent, key=message.key)
        decision = self.wait(self.scene.again(message, **changed))
        self.world.outcomes[decision.disposition.name] += 1

    @rule(parent=payments, sent=st.sampled_from(("nothing", "step", "payment")))
    def bar(self, parent: UUID, sent: str) -> None:
        """An earlier key, or a new one under which then something is sent."""
        order: Message = self.scene.sent[-1]
        if sent == "payment":
            order = self.scene.payment("purchase", "rich", "shop", 1)
        elif sent == "step":
            order = self.scene.step("refund", parent)
        sender = self.scene.city.participants[order.participant_no]
        self.wait(self.scene.bar(sender, order.key))
        self.send(order)

    @rule(to=st.sampled_from(("instant", "hour", "expiry", "before expiry", "midnight", "year")))
    def time_passes(self, to: str) -> None:
        at, expiry = self.scene.at, self.scene.next_expiry()
        midnight = at.replace(hour=16, minute=0, second=0, microsecond=0)
        new_year = datetime(at.year, 12, 31, 16, tzinfo=at.tzinfo)
        later = {
            "instant": at + INSTANT,
            "hour": at + timedelta(hours=1),
            "expiry": expiry or at,
            "before expiry": (expiry or at) - INSTANT,
            "midnight": midnight if midnight > at else midnight + timedelta(days=1),
            "year": new_year if new_year > at else at,
        }
        self.wait(self.scene.advance(max(at, later[to])))

    @rule(job=st.sampled_from(("expire", "fold")))
    def job_works(self, job: str) -> None:
        self.wait(self.scene.expire() if job == "expire" else self.scene.fold())

    @rule(payment=st.one_of(holds, payments, steps))
    def operator_reverses(self, payment: UUID) -> None:
        outcome = self.wait(self.scene.reverse(payment))
        self.world.outcomes["reversal refused" if outcome is None else "reversal"] += 1

    @rule(name=st.sampled_from(NAMES), action=st.sampled_from(ACTIONS))
    def operator_acts(self, name: str, action: str) -> None:
        account = self.scene.accounts[name]
        is_open = self.scene.city.ledger.accounts[account].lifecycle == "open"
        if action == "issue" and is_open:
            self.wait(self.scene.city.issue(account, AMOUNT))
        elif action == "redeem":
            self.wait(self.scene.redeem_all(name))
        elif action in ("freeze", "unfreeze") or (action == "close" and name == "poor"):
            self.wait(self.scene.city.change(account, action))

    def teardown(self) -> None:
        if not self.failed:
            self.wait(self.scene.finish())


@pytest.fixture
def world(database: Database, seed: int) -> Iterator[World]:
    """A loop beside that of the other tests, because a state machine cannot wait in theirs."""
    loop = asyncio.new_event_loop()
    wait = loop.run_until_complete
    admin, jobs = wait(database.connect()), wait(database.connect(JOBS))
    connection = wait(db.connect(database.url(WORKER), application_name="life"))
    made = World(loop=loop, admin=admin, jobs=jobs, lane=wait(prepare(connection)), seed=seed)
    wait(City(admin, "clock").own_the_clock())
    for one in (admin, jobs, connection):  # no test here crashes the server
        wait(one.execute("SET synchronous_commit = off"))
    yield made
    for one in (admin, jobs, connection):
        wait(one.close())
    loop.close()


def test_every_life_is_the_model_s(world: World, seed: int, long_run: bool) -> None:
    """Whatever is sent, repeated, barred, reversed, in whatever order and at whatever time."""

    @seeded(seed)
    def machine() -> Life:
        return Life(world)

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=RUNS * (LONG_FACTOR if long_run else 1),
            stateful_step_count=ACTIONS_MAX,
            database=None,
            deadline=None,
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
    approved, decided = (world.outcomes[name] for name in ("APPROVED", "DECIDED"))
    assert approved * 20 > decided > ACTIONS_MAX, f"--seed {seed}: {world.outcomes}"
