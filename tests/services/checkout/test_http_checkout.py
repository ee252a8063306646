"""Check-outs over HTTP: opened, paid as asked, cancelled; each message answered once a key."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from switch.clock import rfc3339
from switch.services.checkout import desk, limits
from switch.services.checkout.rules import untimely
from tests.integration.town import Reply, Town
from tests.services.checkout.scene import AMOUNT, Scene

HOUR = timedelta(hours=1)


def assert_repeated(reply: Reply, body: bytes) -> None:
    """The stored answer, byte for byte."""
    assert (reply.status, reply.body) == (200, body)
    assert reply.headers["Idempotent-Replayed"] == "true"
    assert reply.is_signed


async def test_an_order_is_paid(scene: Scene, town: Town) -> None:
    """The shop sees it paid, and the payment names what it pays, whoever looks."""
    asked = {"payee_name": "Corner Shop", "description": "Two coffees"}
    first = await scene.open(return_url="https://shop.example/orders/4711", **asked)
    assert (first.status, first.is_signed) == (201, True)
    opened = first.json
    assert (opened["status"], opened["paid"], opened["cancelled_at"]) == ("open", 0, None)
    assert (opened["amount"], opened["amount_min"]) == (AMOUNT, AMOUNT)
    assert opened["url"] == f"http://{town.authority}/pay/checkouts/{opened['id']}"
    assert await scene.shown(opened["id"]) == opened
    paid = await scene.pay(opened["id"])
    assert (paid["status"], paid["request"]) == ("completed", opened["id"])
    assert await scene.shown(opened["id"]) == opened | {"status": "paid", "paid": AMOUNT}
    assert (await town.shown(scene.merchant, paid["id"]))["request"] == opened["id"]
    assert await town.balance(scene.merchant, scene.payee) == (AMOUNT, 0)
    assert (await scene.pay(opened["id"]))["reason"] == "request_paid"
    assert await town.operator.check_books() == []


async def test_who_pays_sees_what_is_left_and_nothing_of_the_shops_purposes(scene: Scene) -> None:
    """By the id alone, at any participant that could pay; one without such an account sees none."""
    opened = await scene.opened(amount_min=250, payee_name="Corner Shop", description="private")
    await scene.pay(opened["id"], 1000)
    target = f"/v1/payment-requests/{opened['id']}"
    seen = await scene.town.send(scene.wallet, "GET", target)
    assert (seen.status, seen.is_signed) == (200, True)
    assert seen.json == {
        "id": opened["id"],
        "participant": scene.merchant.id,
        "payee": scene.payee,
        "payee_name": "Corner Shop",
        "currency": "CNY",
        "amount_left": 250,
        "amount_min": 250,
        "late_fee": None,
        "late_at": None,
        "not_after": opened["expires_at"],
        "status": "open",
    }
    stranger = await scene.town.member("wallet")
    for path in (target, f"/v1/checkouts/{opened['id']}", f"/v1/payment-requests/{uuid4()}"):
        assert (await scene.town.send(stranger, "GET", path)).problem == "not-found"
    of_others = f"/v1/checkouts/{opened['id']}"
    assert (await scene.town.send(scene.wallet, "GET", of_others)).problem == "not-found"


async def test_opening_is_answered_once_a_key(scene: Scene) -> None:
    """The same bytes when it is paid in part and cancelled; anything else under the key is 422."""
    first = await scene.open(key="o", amount_min=1)
    checkout = first.json["id"]
    assert_repeated(await scene.open(key="o", amount_min=1), first.body)
    await scene.pay(checkout, 1)
    await scene.cancel(checkout)
    assert_repeated(await scene.open(key="o", amount_min=1), first.body)
    other = await scene.open(key="o", amount_min=2)
    assert other.problem == "idempotency-key-reused"
    content = {"type": "purchase", "payer": scene.payer, "payee": scene.payee}
    spent = {"amount": 1, "currency": "CNY", **content}
    reply = await scene.town.send(scene.merchant, "POST", "/v1/payments", content=spent, key="o")
    assert reply.problem == "idempotency-key-reused"
    assert len((await scene.town.send(scene.merchant, "GET", "/v1/checkouts")).json["data"]) == 1


async def test_a_cancellation_is_answered_once_a_key(scene: Scene) -> None:
    """With a body of `{}` too; a second key gets the same moment, and a paid one stays paid."""
    checkout = (await scene.opened(amount_min=1))["id"]
    await scene.pay(checkout, 7)
    first = await scene.cancel(checkout, key="c")
    assert (first.status, first.json["status"], first.json["paid"]) == (201, "cancelled", 7)
    assert_repeated(await scene.cancel(checkout, key="c", content={}), first.body)
    second = await scene.cancel(checkout)
    assert (second.status, second.body) == (201, first.body)
    assert (await scene.pay(checkout, 1))["reason"] == "request_ended"
    assert await scene.shown(checkout) == first.json
    full = (await scene.opened())["id"]
    await scene.pay(full)
    late = await scene.cancel(full)
    assert (late.json["status"], late.json["cancelled_at"]) == ("paid", None)


async def test_a_bar_tells_what_a_key_was_spent_on(scene: Scene) -> None:
    """On a request to pay, in the ledger's words; and a barred key opens nothing."""
    opened = (await scene.open(key="o")).json
    told = await scene.town.bar(scene.merchant, "o")
    assert (told.status, told.json["id"], told.json["status"]) == (200, opened["id"], "open")
    await scene.cancel(opened["id"], key="c")
    told = await scene.town.bar(scene.merchant, "c")
    assert (told.status, told.json["status"]) == (200, "cancelled")
    told = await scene.town.bar(scene.merchant, "o")
    assert (told.status, told.json["status"]) == (200, "open"), "what it was answered then"
    await scene.town.bar(scene.merchant, "never")
    refused = await scene.open(key="never")
    assert (refused.status, refused.json["reason"]) == (200, "barred")


async def test_wrong_payments_are_told_what_is_wrong(scene: Scene, town: Town) -> None:
    """Another payee, currency or amount, or no such request: nothing moves, nothing is paid."""
    checkout = (await scene.opened())["id"]
    other = await town.account(scene.merchant, "merchant")
    assert (await scene.pay(checkout, payee=other))["reason"] == "request_not_found"
    assert (await scene.pay(str(uuid4())))["reason"] == "request_not_found"
    assert (await scene.pay(checkout, currency="USD"))["reason"] == "currency_mismatch"
    for amount in (AMOUNT - 1, AMOUNT + 1):
        assert (await scene.pay(checkout, amount))["reason"] == "request_amount_mismatch"
    assert (await scene.shown(checkout))["paid"] == 0
    assert await town.balance(scene.wallet, scene.payer) == (10_000, 0)


async def test_a_hold_pays_no_check_out(scene: Scene) -> None:
    """It is refused by its field, and spends no key."""
    checkout = (await scene.opened())["id"]
    content = {
        "type": "purchase",
        "payer": scene.payer,
        "payee": scene.payee,
        "request": checkout,
        "amount": AMOUNT,
        "currency": "CNY",
    }
    held = await scene.town.send(
        scene.wallet, "POST", "/v1/payments", content=content | {"capture": False}, key="k"
    )
    assert (held.problem, held.json["field"]) == ("malformed-message", "capture")
    paid = await scene.town.send(scene.wallet, "POST", "/v1/payments", content=content, key="k")
    assert (paid.status, paid.json["status"]) == (201, "completed")


async def test_nothing_is_paid_after_its_end(scene: Scene, town: Town) -> None:
    """Once the ledger's clock has come to it, whatever the worker's says; the shop sees it too."""
    checkout = (await scene.opened(valid_s=limits.VALID_S_MIN))["id"]
    await town.operator.connection.execute(
        "UPDATE ledger.payment_request SET created_at = now() - interval '2 hours',"
        " not_after = now() - interval '1 hour' WHERE id = $1",
        checkout,
    )
    assert (await scene.pay(checkout))["reason"] == "request_ended"
    assert (await scene.shown(checkout))["status"] == "expired"


async def test_a_check_out_is_for_ones_own_account(scene: Scene, town: Town) -> None:
    """Of the right currency and kind; what is refused spends no key."""
    dollars = await town.account(scene.merchant, "merchant", currency="USD")
    for payee in (scene.payer, str(uuid4()), dollars):
        refused = await scene.open(key="k", payee=payee)
        assert (refused.problem, refused.json["field"]) == ("malformed-message", "payee")
    assert (await scene.open(key="k")).status == 201


async def test_a_stranger_cancels_nothing(scene: Scene) -> None:
    """Neither the payer's participant nor another: it is as if there were none."""
    checkout = (await scene.opened())["id"]
    for target, sender in ((checkout, scene.wallet), (str(uuid4()), scene.merchant)):
        assert (await scene.cancel(target, sender=sender)).problem == "not-found"
    assert (await scene.cancel("7")).problem == "not-found"
    assert (await scene.shown(checkout))["status"] == "open"


async def test_a_time_that_has_come_opens_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor one too far; a repeat of what was in time is answered whenever it comes."""
    now = datetime.now(UTC)
    for at in (now - timedelta(seconds=1), now + timedelta(seconds=limits.VALID_S_MAX + 3600)):
        refused = await scene.open(expires_at=rfc3339(at))
        assert (refused.problem, refused.json["field"]) == ("malformed-message", "expires_at")
    soon = rfc3339(now + timedelta(hours=1))
    first = await scene.open(key="soon", expires_at=soon)
    assert (first.status, first.json["expires_at"]) == (201, soon)
    monkeypatch.setattr(desk, "untimely", lambda asked, at: untimely(asked, at + 2 * HOUR))
    assert_repeated(await scene.open(key="soon", expires_at=soon), first.body)
    assert (await scene.open(expires_at=soon)).problem == "malformed-message"


async def test_the_ledgers_clock_has_the_last_word(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a worker's is behind, what is over is refused all the same, and spends no key."""
    monkeypatch.setattr(desk, "untimely", lambda asked, at: None)
    over = rfc3339(datetime.now(UTC) - HOUR)
    refused = await scene.open(key="k", expires_at=over)
    assert (refused.problem, refused.json["field"]) == ("malformed-message", "expires_at")
    assert (await scene.open(key="k")).status == 201


async def test_check_outs_are_listed_in_pieces(scene: Scene) -> None:
    """In the order they were opened, those of the caller only."""
    opened = [(await scene.opened(reference=f"order-{n}"))["id"] for n in range(3)]
    first = (await scene.town.send(scene.merchant, "GET", "/v1/checkouts?limit=2")).json
    assert ([one["id"] for one in first["data"]], first["has_more"]) == (opened[:2], True)
    after = f"/v1/checkouts?limit=2&after={first['next_after']}"
    rest = (await scene.town.send(scene.merchant, "GET", after)).json
    assert ([one["id"] for one in rest["data"]], rest["has_more"]) == (opened[2:], False)
    assert (await scene.town.send(scene.wallet, "GET", "/v1/checkouts")).json["data"] == []
    wrong = await scene.town.send(scene.merchant, "GET", "/v1/checkouts?account=7")
    assert (wrong.problem, wrong.json["field"]) == ("malformed-message", "account")


@pytest.mark.parametrize("parts", [(1250,), (250, 1000), (250, 250, 250, 250, 250), (1000, 250)])
async def test_parts_add_up_exactly(scene: Scene, parts: tuple[int, ...]) -> None:
    """Each is counted, the last may be smaller, and nothing goes beyond."""
    checkout = (await scene.opened(amount_min=250))["id"]
    for number, part in enumerate(parts):
        before = await scene.shown(checkout)
        assert (before["status"], before["paid"]) == ("open", sum(parts[:number]))
        over = AMOUNT - before["paid"] + 1
        assert (await scene.pay(checkout, over))["reason"] == "request_amount_mismatch"
        assert (await scene.pay(checkout, part))["status"] == "completed"
    assert (await scene.shown(checkout))["status"] == "paid"
    assert (await scene.pay(checkout, 1))["reason"] == "request_paid"


async def test_a_batch_pays_a_check_out_once(scene: Scene) -> None:
    """Of two payments of one batch the first is approved."""
    checkout = (await scene.opened())["id"]
    payment = {
        "type": "purchase",
        "payer": scene.payer,
        "payee": scene.payee,
        "request": checkout,
        "amount": AMOUNT,
        "currency": "CNY",
    }
    content = {
        "payments": [{"idempotency_key": f"k{n}", "payment": payment} for n in range(2)],
    }
    reply = await scene.town.send(
        scene.wallet, "POST", "/v1/payments/batch", content=content, key="b"
    )
    reasons = [answer["body"]["reason"] for answer in reply.json["answers"]]
    assert reasons == [None, "request_paid"]
