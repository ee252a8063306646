"""Holds, captures, voids and refunds over HTTP, at two workers in turn: what is answered at once,
what a repeat gets at the other worker, and what the payment shows afterwards.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from switch import limits
from tests.integration.stage import AMOUNT, FUNDS, STEPS, Stage, both
from tests.integration.town import Reply, eventually
from tests.integration.two_workers import TwoWorkers
from tests.ledger.city import City


@pytest.fixture(scope="module")
def town(two_workers: TwoWorkers) -> TwoWorkers:
    """Two workers, asked in turn."""
    return two_workers


# --- holds -------------------------------------------------------------------------------


async def test_a_hold_keeps_money_and_says_until_when(stage: Stage) -> None:
    """Status `held`; nothing moves, what is held cannot be spent; a week unless told otherwise."""
    held = await stage.hold(reference="table 4", metadata={"till": "3"})
    assert (held["status"], held["reason"], held["capture"]) == ("held", None, False)
    assert (held["amount_held"], held["amount_captured"]) == (AMOUNT, 0)
    assert held["hold_seconds"] == limits.HOLD_SECONDS_DEFAULT
    lasts = _time(held["hold_expires_at"]) - _time(held["created_at"])
    assert lasts == timedelta(seconds=limits.HOLD_SECONDS_DEFAULT)
    assert await stage.balances() == ((FUNDS, AMOUNT), 0)
    short = await stage.town.pay(stage.wallet, stage.payer, stage.payee, FUNDS - AMOUNT + 1)
    assert short.json["reason"] == "insufficient_funds"
    told = await stage.hold(hold_seconds=60)
    assert _time(told["hold_expires_at"]) - _time(told["created_at"]) == timedelta(seconds=60)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_a_declined_hold_holds_nothing(stage: Stage) -> None:
    """More than there is: declined, nothing held, and no step may follow."""
    declined = await stage.hold(amount=FUNDS + 1)
    assert (declined["status"], declined["reason"]) == ("declined", "insufficient_funds")
    assert (declined["amount_held"], declined["hold_expires_at"]) == (0, None)
    assert await stage.balances() == ((FUNDS, 0), 0)
    for kind in STEPS:
        assert (await stage.take(declined["id"], kind))["reason"] == "wrong_state"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"hold_seconds": 59}, "hold_seconds"),
        ({"hold_seconds": 2_592_001}, "hold_seconds"),
        ({"hold_seconds": "60"}, "hold_seconds"),
        ({"hold_seconds": 60.0}, "hold_seconds"),
        ({"hold_seconds": 60, "capture": True}, "hold_seconds"),
        ({"capture": "false"}, "capture"),
        ({"capture": 0}, "capture"),
        ({"capture": None}, "capture"),
    ],
)
async def test_a_hold_that_is_malformed(stage: Stage, more: dict[str, Any], field: str) -> None:
    """A signed 400 names the field; the key is free."""
    content = {"capture": False} | more
    reply = await stage.town.pay(stage.wallet, stage.payer, stage.payee, 1, key="k", **content)
    assert (reply.status, reply.problem, reply.is_signed) == (400, "malformed-message", True)
    assert reply.json["field"] == field
    assert (await stage.town.pay(stage.wallet, stage.payer, stage.payee, 1, key="k")).status == 201


async def test_the_longest_and_the_shortest_hold(stage: Stage) -> None:
    """60 seconds to thirty days."""
    for seconds in (60, 2_592_000):
        assert (await stage.hold(hold_seconds=seconds))["hold_seconds"] == seconds


# --- captures, voids, refunds --------------------------------------------------------------


async def test_a_capture_in_parts_and_the_last_releases_the_rest(stage: Stage) -> None:
    """Part by part, each a step of its own; `final` gives the payer back what is left."""
    held = await stage.hold()
    first = await stage.take(held["id"], "capture", {"amount": 30})
    assert first == first | {
        "parent": held["id"], "type": "capture", "participant": stage.merchant.id,
        "payer": stage.payer, "payee": stage.payee, "amount": 30, "currency": "CNY",
        "final": False, "status": "completed", "reason": None,
    }  # fmt: skip
    assert await stage.balances() == ((FUNDS - 30, 70), 30)
    now = await stage.now(held["id"])
    assert now == {"status": "partially_captured", "captured": 30, "voided": 0, "refunded": 0}
    last = await stage.take(held["id"], "capture", {"amount": 20, "final": True})
    assert (last["amount"], last["final"]) == (20, True)
    now = await stage.now(held["id"])
    assert now == {"status": "captured", "captured": 50, "voided": 50, "refunded": 0}
    assert await stage.balances() == ((FUNDS - 50, 0), 50)
    for kind in ("capture", "void"):
        assert (await stage.take(held["id"], kind))["reason"] == "wrong_state"


@pytest.mark.parametrize("body", [None, b"{}", b'{"final":false}', b'{"final":true}'])
async def test_without_an_amount_all_that_is_left_is_meant(
    stage: Stage, body: bytes | None
) -> None:
    """No body, an empty object, no amount: all that is held, later all that was captured."""
    held = await stage.hold()
    await stage.take(held["id"], "capture", {"amount": 1})
    target = f"/v1/payments/{held['id']}/capture"
    captured = await both(stage, stage.merchant, target, "all", body=body)
    assert captured.json["amount"] == AMOUNT - 1
    assert (await stage.now(held["id"]))["status"] == "captured"
    await stage.take(held["id"], "refund", {"amount": 1})
    refund = b"{}" if body else None
    target = f"/v1/payments/{held['id']}/refund"
    refunded = await both(stage, stage.merchant, target, "back", body=refund)
    assert refunded.json["amount"] == AMOUNT - 1
    assert (await stage.now(held["id"]))["status"] == "refunded"
    assert await stage.balances() == ((FUNDS, 0), 0)


async def test_a_void_gives_everything_back(stage: Stage) -> None:
    """The payer has its money again; a capture comes too late."""
    held = await stage.hold()
    void = await stage.take(held["id"], "void")
    assert (void["type"], void["amount"], void["final"]) == ("void", AMOUNT, None)
    assert await stage.balances() == ((FUNDS, 0), 0)
    now = await stage.now(held["id"])
    assert now == {"status": "voided", "captured": 0, "voided": AMOUNT, "refunded": 0}
    for kind in STEPS:
        assert (await stage.take(held["id"], kind))["reason"] == "wrong_state"


async def test_a_void_after_a_capture_releases_the_rest(stage: Stage) -> None:
    """What was captured stays captured."""
    held = await stage.hold()
    await stage.take(held["id"], "capture", {"amount": 60})
    assert (await stage.take(held["id"], "void", {}))["amount"] == 40
    now = await stage.now(held["id"])
    assert now == {"status": "captured", "captured": 60, "voided": 40, "refunded": 0}


async def test_refunds_in_parts_never_exceed_what_was_captured(stage: Stage) -> None:
    """Of a payment and of a captured hold alike; the step's payer is who was paid."""
    paid = await stage.paid()
    refund = await stage.take(paid["id"], "refund", {"amount": 40})
    assert (refund["payer"], refund["payee"]) == (stage.payee, stage.payer)
    assert (refund["type"], refund["final"]) == ("refund", None)
    now = await stage.now(paid["id"])
    assert now == {"status": "partially_refunded", "captured": 100, "voided": 0, "refunded": 40}
    assert (await stage.take(paid["id"], "refund", {"amount": 61}))["reason"] == "exceeds_captured"
    assert (await stage.take(paid["id"], "refund"))["amount"] == 60
    assert (await stage.now(paid["id"]))["status"] == "refunded"
    assert (await stage.take(paid["id"], "refund"))["reason"] == "wrong_state"
    held = await stage.hold()
    assert (await stage.take(held["id"], "refund"))["reason"] == "wrong_state"
    assert (await stage.take(held["id"], "capture", {"amount": 101}))["reason"] == "exceeds_held"
    await stage.take(held["id"], "capture", {"amount": 10})
    assert (await stage.take(held["id"], "refund", {"amount": 11}))["reason"] == "exceeds_captured"
    await stage.take(held["id"], "refund", {"amount": 10})
    now = await stage.now(held["id"])
    assert now == {"status": "partially_refunded", "captured": 10, "voided": 0, "refunded": 10}


async def test_a_hold_expires(stage: Stage) -> None:
    """When its time has come the money is the payer's, and captures and voids come too late."""
    clock = City(stage.town.operator.connection, "clock")
    await clock.own_the_clock()
    short, part = await stage.hold(hold_seconds=60), await stage.hold(hold_seconds=60)
    longer = await stage.hold(hold_seconds=3_600)
    await stage.take(part["id"], "capture", {"amount": 10})
    await clock.set_ahead(timedelta(seconds=61))
    assert (await stage.now(short["id"]))["status"] == "expired"
    now = await stage.now(part["id"])
    assert now == {"status": "captured", "captured": 10, "voided": 0, "refunded": 0}
    assert (await stage.now(longer["id"]))["status"] == "held"
    for kind in ("capture", "void"):
        for payment in (short, part):
            assert (await stage.take(payment["id"], kind))["reason"] == "hold_expired"
    assert (await stage.take(part["id"], "refund"))["amount"] == 10
    paid = await stage.town.pay(stage.wallet, stage.payer, stage.payee, FUNDS - AMOUNT)
    assert paid.json["status"] == "completed", "all but what the longer one holds"


# --- who may -------------------------------------------------------------------------------


async def test_steps_are_the_payees_to_take(stage: Stage) -> None:
    """The payer's side may not take a purchase's hold back, a stranger does not even see it."""
    held, paid = await stage.hold(), await stage.paid()
    stranger = await stage.town.member("merchant")
    for payment, kind in ((held, "capture"), (held, "void"), (paid, "refund")):
        mine = await stage.take(payment["id"], kind, sender=stage.wallet)
        assert (mine["status"], mine["reason"]) == ("declined", "not_permitted")
        theirs = await stage.take(payment["id"], kind, {}, sender=stranger)
        assert (theirs["reason"], theirs["payer"], theirs["currency"]) == (
            "payment_not_found", None, None,
        )  # fmt: skip
        nobodys = await stage.take(str(uuid4()), kind, {}, sender=stranger)
        differing = ("id", "parent", "idempotency_key", "created_at")
        assert {name for name in theirs if theirs[name] != nobodys[name]} <= set(differing)
    assert await stage.balances() == ((FUNDS - AMOUNT, AMOUNT), AMOUNT)


@pytest.mark.parametrize(("kind", "status"), [("capture", "captured"), ("void", "voided")])
async def test_the_payer_ends_its_own_held_transfer(stage: Stage, kind: str, status: str) -> None:
    """Capture or void by the payer's participant; a refund stays the payee's."""
    other = await stage.town.member("wallet")
    theirs = await stage.town.account(other, "wallet")
    held = await stage.hold(type="transfer", payee=theirs)
    assert (await stage.take(held["id"], kind, sender=stage.wallet))["status"] == "completed"
    assert (await stage.now(held["id"]))["status"] == status
    refund = await stage.take(held["id"], "refund", sender=stage.wallet)
    assert refund["reason"] == "not_permitted"


async def test_a_step_of_a_step_is_none(stage: Stage) -> None:
    """Only a payment has steps."""
    paid = await stage.paid()
    refund = await stage.take(paid["id"], "refund", {"amount": 1})
    for kind in STEPS:
        sender = stage.wallet if kind == "refund" else stage.merchant
        again = await stage.take(refund["id"], kind, sender=sender)
        assert again["status"] == "declined"
        assert again["reason"] in {"wrong_state", "not_permitted"}


# --- repeats -------------------------------------------------------------------------------


async def test_a_step_is_answered_the_same_for_ever(stage: Stage) -> None:
    """A repeat shows what was decided, GET what became of it since; declined ones likewise."""
    held = await both(
        stage, stage.wallet, "/v1/payments", "hold",
        content={"type": "purchase", "payer": stage.payer, "payee": stage.payee, "amount": AMOUNT,
                 "currency": "CNY", "capture": False},
    )  # fmt: skip
    target = f"/v1/payments/{held.json['id']}"
    await both(stage, stage.merchant, f"{target}/capture", "c", content={"amount": 60})
    await both(stage, stage.merchant, f"{target}/capture", "d", content={"amount": 60})
    await both(stage, stage.merchant, f"{target}/void", "v")
    await both(stage, stage.merchant, f"{target}/refund", "r", content={"amount": 60})
    await both(stage, stage.merchant, f"{target}/refund", "s", content={"amount": 1})
    again = await stage.town.send(
        stage.wallet, "POST", "/v1/payments", key="hold", body=_sent(stage)
    )
    assert (again.status, again.body) == (200, held.body)
    now = await stage.now(held.json["id"])
    assert now == {"status": "refunded", "captured": 60, "voided": 40, "refunded": 60}
    assert await stage.balances() == ((FUNDS, 0), 0)


def _sent(stage: Stage) -> bytes:
    return (
        f'{{"type": "purchase", "payer": "{stage.payer}", "payee": "{stage.payee}",'
        f' "amount": {AMOUNT}, "currency": "CNY", "capture": false}}'
    ).encode()


async def test_a_key_belongs_to_one_step(stage: Stage) -> None:
    """Another step, another payment, other bytes, another endpoint: 422, and nothing changes."""
    held, other = await stage.hold(), await stage.hold()
    first = await stage.town.step(stage.merchant, held["id"], "capture", {"amount": 1}, key="k")
    before = await stage.balances()
    for parent, kind, body in (
        (held["id"], "capture", b'{"amount":1}'),
        (held["id"], "capture", b'{"amount": 2}'),
        (held["id"], "refund", b'{"amount": 1}'),
        (held["id"], "void", None),
        (other["id"], "capture", b'{"amount": 1}'),
        (str(uuid4()), "capture", b'{"amount": 1}'),
    ):
        target = f"/v1/payments/{parent}/{kind}"
        reply = await stage.town.send(stage.merchant, "POST", target, body=body, key="k")
        assert (reply.status, reply.problem) == (422, "idempotency-key-reused")
        assert reply.is_signed
    target = f"/v1/accounts/{stage.payee}/freeze"
    assert (await stage.town.send(stage.merchant, "POST", target, key="k")).status == 422
    mine = await stage.town.pay(stage.merchant, stage.payee, stage.payer, 1, key="k")
    assert mine.status == 422
    assert await stage.balances() == before
    again = await stage.town.step(stage.merchant, held["id"], "capture", {"amount": 1}, key="k")
    assert (again.status, again.body) == (200, first.body)


async def test_no_body_and_an_empty_object_are_other_bytes(stage: Stage) -> None:
    """A repeat is the same payload; what means the same is not the same."""
    held = await stage.hold()
    target = f"/v1/payments/{held['id']}/void"
    await both(stage, stage.merchant, target, "v")
    assert (
        await stage.town.send(stage.merchant, "POST", target, body=b"{}", key="v")
    ).status == 422


async def test_a_suspended_participant_repeats_its_steps(stage: Stage) -> None:
    """Suspended: a step already decided is answered, a new one is 403 and spends no key."""
    held = await stage.hold()
    first = await stage.town.step(stage.merchant, held["id"], "capture", {"amount": 1}, key="old")
    await stage.town.operator.set_participant_status(stage.merchant.id, status="suspended")
    for number in (0, 1):
        door = stage.town.at(number)

        async def new(door: TwoWorkers = door) -> Reply:
            return await door.step(stage.merchant, held["id"], "void", key=uuid4().hex)

        reply = await eventually(new, 403)
        assert (reply.problem, reply.is_signed) == ("participant-suspended", True)
        for kind in STEPS:
            refused = await door.step(stage.merchant, held["id"], kind, key="new")
            assert refused.problem == "participant-suspended"
        old = await door.step(stage.merchant, held["id"], "capture", {"amount": 1}, key="old")
        assert (old.status, old.body) == (200, first.body)
    await stage.town.operator.set_participant_status(stage.merchant.id, status="active")
    reply = await eventually(
        lambda: stage.town.step(stage.merchant, held["id"], "capture", {"amount": 2}, key="new"),
        201,
    )
    assert reply.json["reason"] in {None, "wrong_state"}


async def test_no_account_was_left_wrong(town: TwoWorkers) -> None:
    """After all of the above the books are right."""
    assert await town.operator.check_books() == []
