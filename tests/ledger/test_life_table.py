"""The life of payments: every entry of the table, every outcome of a step, what time does, what the
tables of the ledger hold by themselves.
"""

import itertools
from collections import Counter
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from msgspec.structs import replace

from switch.ledger import Disposition, Statements, StepOrder, decide_steps
from switch.outcome import Outcome
from switch.state import CAPTURE, EXPIRY, REFUND, TRANSITIONS, VOID
from tests.ledger.city import City, StepKind
from tests.ledger.scene import Scene
from tests.ledger.steps import STEP_RULES

KINDS: tuple[StepKind, ...] = ("capture", "void", "refund")
AMOUNT = 100

# --- every entry of the table --------------------------------------------------------------

HOLD = 60  # seconds


@pytest_asyncio.fixture(loop_scope="session")
async def scene(city: City, lane: Statements, jobs: asyncpg.Connection) -> Scene:
    """A scene of its own for one test."""
    await city.own_the_clock()
    made = Scene(city, lane, jobs)
    await made.settle()
    return made


# How a payment of AMOUNT comes to a status: whether it is held, and the steps with their amounts.
Path = tuple[bool, tuple[tuple[str, int | None], ...]]
PATHS: dict[str, tuple[Path, ...]] = {
    "completed": ((False, ()),),
    "declined": ((False, (("declined", None),)),),
    "held": ((True, ()),),
    "partially_captured": ((True, ((CAPTURE, 40),)),),
    "captured": ((True, ((CAPTURE, None),)),),
    "voided": ((True, ((VOID, None),)),),
    "expired": ((True, ((EXPIRY, None),)),),
    "partially_refunded": (
        (True, ((CAPTURE, 40), (REFUND, 10))),
        (True, ((CAPTURE, 40), (REFUND, None))),
        (False, ((REFUND, 10),)),
    ),
    "refunded": ((False, ((REFUND, None),)), (True, ((CAPTURE, None), (REFUND, None)))),
}
LAST_STEPS = tuple((step, amount) for step in (CAPTURE, REFUND) for amount in (1, None))
ALL_LAST_STEPS = (*LAST_STEPS, (VOID, None), (EXPIRY, None))


async def _walk(scene: Scene, path: Path) -> UUID:
    await scene.city.issue(scene.accounts["rich"], AMOUNT)
    is_held, taken = path
    fields = {"capture": False, "hold_seconds": HOLD} if is_held else {}
    amount = 10_000 if ("declined", None) in taken else AMOUNT
    order = scene.payment("purchase", "rich", "shop", amount, **fields)
    await scene.send(order)
    for step, amount_of_step in taken:
        await _take(scene, order.payment_id, step, amount_of_step)
    return order.payment_id


async def _take(scene: Scene, payment: UUID, step: str, amount: int | None) -> Outcome | None:
    if step == EXPIRY:
        await scene.advance(scene.at + timedelta(seconds=HOLD))
        return None
    if step not in KINDS:
        return None
    order = scene.step(step, payment, amount=amount)
    [decision] = await scene.send(order)
    return decision.outcome


async def test_every_entry_of_the_table_is_reached(scene: Scene) -> None:
    """From every status, every step leads where the table says and nowhere else."""
    ends = Counter[str]()
    for status, paths in PATHS.items():
        for path, (step, amount) in itertools.product(paths, ALL_LAST_STEPS):
            payment = await _walk(scene, path)
            assert scene.statuses[payment] == status
            outcome = await _take(scene, payment, step, amount)
            if step not in TRANSITIONS[status] and outcome is not None:
                expected = Outcome.HOLD_EXPIRED if status == "expired" else Outcome.WRONG_STATE
                if step != REFUND:
                    assert outcome is expected, f"{status}, {step}"
                else:
                    assert outcome is Outcome.WRONG_STATE, f"{status}, {step}"
                assert scene.statuses[payment] == status
            ends[scene.statuses[payment]] += 1
            await scene.advance(scene.at + timedelta(days=1))
    entries = {
        (status, step, after)
        for status, steps in TRANSITIONS.items()
        for step, afterwards in steps.items()
        for after in afterwards
    }
    assert scene.changes == entries, f"never seen: {entries - scene.changes}"
    # A bank leads out of `pending`, not a step: test_bank_refunds.py.
    assert set(ends) == set(TRANSITIONS) - {"pending"}, ends
    await scene.finish()


# --- every outcome of a step ---------------------------------------------------------------


async def _held(scene: Scene, route: tuple[str, str, str], amount: int = AMOUNT) -> UUID:
    order = scene.payment(*route, amount, capture=False, hold_seconds=HOLD)
    await scene.send(order)
    return order.payment_id


async def _bought(scene: Scene) -> UUID:
    order = scene.payment("purchase", "rich", "shop", AMOUNT)
    await scene.send(order)
    return order.payment_id


async def _not_found(scene: Scene) -> StepOrder:
    return scene.step("void", await _held(scene, SHOPPING), by="stranger")


async def _not_permitted(scene: Scene) -> StepOrder:
    return scene.step("void", await _held(scene, SHOPPING), by="payer")


async def _wrong_state(scene: Scene) -> StepOrder:
    payment = await _held(scene, SHOPPING)
    await scene.send(scene.step("capture", payment))
    await scene.advance(scene.at + timedelta(seconds=HOLD))
    return scene.step("capture", payment, amount=AMOUNT + 1)


async def _hold_expired(scene: Scene) -> StepOrder:
    payment = await _held(scene, SHOPPING)
    await scene.advance(scene.at + timedelta(seconds=HOLD))
    return scene.step("capture", payment, amount=AMOUNT + 1)


async def _exceeds_held(scene: Scene) -> StepOrder:
    payment = await _held(scene, ("transfer", "rich", "poor"))
    await scene.city.change(scene.accounts["poor"], "close")
    return scene.step("capture", payment, amount=AMOUNT + 1)


async def _exceeds_captured(scene: Scene) -> StepOrder:
    payment = await _bought(scene)
    await scene.city.change(scene.accounts["shop"], "freeze")
    return scene.step("refund", payment, amount=AMOUNT + 1)


async def _payer_frozen(scene: Scene) -> StepOrder:
    payment = await _bought(scene)
    await scene.redeem_all("shop")
    for action in ("freeze", "close"):
        await scene.city.change(scene.accounts["shop"], action)
    return scene.step("refund", payment)


async def _payer_closed(scene: Scene) -> StepOrder:
    payment = await _bought(scene)
    await scene.redeem_all("shop")
    for name in ("shop", "rich"):
        await scene.city.change(scene.accounts[name], "close")
    return scene.step("refund", payment)


async def _payee_closed(scene: Scene) -> StepOrder:
    payment = await _held(scene, ("transfer", "rich", "full"), 200)
    await scene.city.change(scene.accounts["full"], "close")
    return scene.step("capture", payment)


async def _payee_balance_limit_exceeded(scene: Scene) -> StepOrder:
    return scene.step("capture", await _held(scene, ("transfer", "rich", "full"), 151))


async def _insufficient_funds(scene: Scene) -> StepOrder:
    payment = await _bought(scene)
    await _held(scene, ("transfer", "shop", "rich"), 1)
    return scene.step("refund", payment)


SHOPPING = ("purchase", "rich", "shop")
# One step an outcome; where it can be, what comes later in precedence applies as well.
STEPS = {
    Outcome.PAYMENT_NOT_FOUND: _not_found,
    Outcome.NOT_PERMITTED: _not_permitted,
    Outcome.WRONG_STATE: _wrong_state,
    Outcome.HOLD_EXPIRED: _hold_expired,
    Outcome.EXCEEDS_HELD: _exceeds_held,
    Outcome.EXCEEDS_CAPTURED: _exceeds_captured,
    Outcome.PAYER_FROZEN: _payer_frozen,
    Outcome.PAYER_CLOSED: _payer_closed,
    Outcome.PAYEE_CLOSED: _payee_closed,
    Outcome.PAYEE_BALANCE_LIMIT_EXCEEDED: _payee_balance_limit_exceeded,
    Outcome.INSUFFICIENT_FUNDS: _insufficient_funds,
}


@pytest.mark.parametrize("outcome", [rule for rule, _ in STEP_RULES], ids=lambda one: one.wire)
async def test_every_outcome_of_a_step_is_reached(outcome: Outcome, scene: Scene) -> None:
    """The first rule that applies is the answer, in the ledger and in the model."""
    [decision] = await scene.send(await STEPS[outcome](scene))
    assert decision.outcome is outcome
    await scene.finish()


async def test_every_outcome_of_a_step_stands_in_one_order() -> None:
    """The model's rules are in the precedence of the outcomes."""
    assert [outcome for outcome, _ in STEP_RULES] == sorted(STEPS)


async def test_a_key_is_spent_on_one_step_of_one_payment(scene: Scene) -> None:
    """The same bytes are another message where they ask for another step or of another payment."""
    one, other = await _bought(scene), await _bought(scene)
    void = scene.step("void", one)
    twins = await scene.send(void, replace(void, payment_id=scene.city.new_id()))
    assert [twin.disposition for twin in twins] == [Disposition.DECIDED, Disposition.REPEATED]
    assert (await scene.again(void)).disposition is Disposition.REPEATED
    for changed in ({"type": "refund"}, {"parent": other}, {"digest": b"x" * 32}):
        assert (await scene.again(void, **changed)).disposition is Disposition.KEY_REUSED
    paid = scene.payment(*SHOPPING, 1)
    await scene.send(paid)
    under_its_key = scene.step("void", one, by="payer", key=paid.key)
    for digest in (paid.digest, under_its_key.digest):
        decision = await scene.again(under_its_key, digest=digest)
        assert decision.disposition is Disposition.KEY_REUSED
    await scene.finish()


async def test_what_is_no_payment_of_a_participant_has_no_steps(scene: Scene) -> None:
    """A barred key is no payment, and what the operator issued is not the holder's to pay back."""
    city, account = scene.city, scene.accounts["rich"]
    holder = scene.holders[account]
    await scene.bar(holder, "barred")
    barred = city.ledger.claims[holder.no, "barred"].payment_id
    assert barred is not None
    [decision] = await scene.send(city.step(holder, "refund", barred))
    assert decision.outcome is Outcome.PAYMENT_NOT_FOUND
    issued = await city.admin.fetchval("SELECT id FROM ledger.payment WHERE payee = $1", account)
    [verdict] = await decide_steps(scene.lane, [city.step(holder, "refund", issued)])
    assert verdict.payment is not None
    assert verdict.payment.reason == Outcome.WRONG_STATE.wire
    await scene.compare()


# --- what time does, and what the tables hold by themselves ----------------------------------


async def test_what_has_expired_is_the_payer_s_before_it_is_posted(scene: Scene) -> None:
    """To look at, to redeem, to reverse, under a higher floor: only the time decides."""
    await _held(scene, ("purchase", "poor", "shop"))
    captured = await _held(scene, ("transfer", "bank", "rich"))
    await scene.send(scene.step("capture", captured, amount=40))
    kept = await _held(scene, ("transfer", "bank", "rich"), 300)
    assert await scene.reverse(captured) is None
    await scene.advance(scene.at + timedelta(seconds=HOLD))
    assert await scene.reverse(captured) is Outcome.APPROVED
    await scene.city.set_floor(scene.accounts["bank"], 0)
    await scene.redeem_all("poor")
    [decision] = await scene.send(scene.step("capture", kept))
    assert decision.outcome is Outcome.HOLD_EXPIRED
    assert scene.city.answers[scene.sent[-1].participant_no, scene.sent[-1].key].amount is None
    for name in ("poor", "bank"):
        [shown] = await scene.city.admin.fetch(
            "SELECT * FROM ledger.operator_read_account($1)", scene.accounts[name]
        )
        assert shown["held"] == 0
    await scene.finish()


async def test_a_day_gets_back_what_was_counted_on_it(scene: Scene) -> None:
    """By a void, a final capture or an expiry of that day; never by one of the next day, and never
    what did not count.
    """
    midnight = scene.at.replace(hour=16)
    topped_up = await _held(scene, ("top_up", "bank", "poor"))
    await scene.send(scene.step("void", topped_up))
    await _held(scene, ("top_up", "bank", "poor"))
    for kind, fields in (("void", {}), ("capture", {"amount": 1, "final": True})):
        await scene.send(scene.step(kind, await _held(scene, SHOPPING), **fields))
    await _held(scene, SHOPPING)
    await scene.advance(scene.at + timedelta(seconds=HOLD))
    await scene.expire()
    await scene.advance(midnight - timedelta(seconds=1))
    evening = [await _held(scene, SHOPPING) for _ in range(3)]
    await scene.advance(midnight)
    await scene.send(scene.payment(*SHOPPING, 50))
    await scene.send(scene.step("void", evening[0]))
    await scene.send(scene.step("capture", evening[1], amount=1, final=True))
    await scene.advance(midnight + timedelta(seconds=HOLD))
    await scene.expire()
    await scene.finish()


@pytest.mark.parametrize(
    ("constraint", "change"),
    [
        ("not_more_than_held", "captured = 61, voided = 40"),
        ("not_more_than_held", "captured = 0, expired = 101"),
        ("not_more_than_captured", "captured = 40, refunded = 41"),
        ("not_more_than_freed", "uncounted = 1"),
        ("without_hold_captured", "hold_expires_at = NULL, captured = 99"),
    ],
)
async def test_the_table_holds_the_caps_by_itself(
    constraint: str, change: str, scene: Scene
) -> None:
    """Whatever a function may do, no row says more than was held, captured or freed."""
    payment = await _held(scene, SHOPPING)
    with pytest.raises(asyncpg.CheckViolationError) as refusal:
        await scene.city.admin.execute(
            f"UPDATE ledger.payment_state SET {change} WHERE payment = $1", payment
        )
    assert refusal.value.constraint_name == constraint


async def test_the_table_holds_what_is_held_by_itself(scene: Scene) -> None:
    """An account keeps no less than nothing for holds, and never more than it has."""
    await _held(scene, SHOPPING)
    for change, constraint in (
        ("held = -1", "account_held_check"),
        ("held = balance - floor + 1", "no_overdraft"),
        ("balance = floor + held - 1", "no_overdraft"),
    ):
        with pytest.raises(asyncpg.CheckViolationError) as refusal:
            await scene.city.admin.execute(
                f"UPDATE ledger.account SET {change} WHERE id = $1", scene.accounts["rich"]
            )
        assert refusal.value.constraint_name == constraint
