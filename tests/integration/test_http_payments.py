"""Payments over HTTP: a real worker, the real ledger, participants who sign and check answers."""

import asyncio
import base64
import hashlib
import json
from uuid import UUID, uuid4

import pytest

from switch import limits
from switch.reply import ANSWER_VERSION, PAYMENT_RENDERERS
from tests.integration.town import Member, Reply, Town, eventually, payment


async def balance(town: Town, holder: Member, account: str) -> int:
    """What the holder is told that it has."""
    return int((await town.send(holder, "GET", f"/v1/accounts/{account}")).json["balance"])


async def test_a_payment_is_decided_signed_and_moves_money(
    town: Town, wallet: Member, merchant: Member, payer: str, payee: str
) -> None:
    """The answer holds everything that was asked, who asked, what was decided, and when."""
    content = payment(
        payer,
        payee,
        1250,
        type="purchase",
        reference="order-4711",
        payee_reference="INV 1",
        description="两杯咖啡",
        metadata={"z": "1", "a": "2"},
        expires_at="2999-01-01T08:00:00+08:00",
    )
    body = json.dumps(content).encode()
    reply = await town.send(wallet, "POST", "/v1/payments", body=body, key="first")
    assert reply.status == 201
    assert reply.is_signed
    assert "Idempotent-Replayed" not in reply.headers
    answer = reply.json
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    expected = content | {
        "idempotency_key": "first",
        "request_digest": f"sha-256=:{digest}:",
        "participant": wallet.id,
        "mandate": None,
        "request": None,
        "capture": True,
        "hold_seconds": None,
        "expires_at": "2999-01-01T00:00:00.000000Z",
        "status": "completed",
        "reason": None,
        "amount_held": 0,
        "amount_captured": 1250,
        "amount_voided": 0,
        "amount_refunded": 0,
        "hold_expires_at": None,
    }
    assert {name: answer[name] for name in expected} == expected
    assert answer.keys() - expected.keys() == {"id", "created_at"}
    assert list(answer["metadata"]) == ["z", "a"]
    assert await balance(town, wallet, payer) == 8_750
    assert await balance(town, merchant, payee) == 1_250


async def test_a_repeat_gets_the_same_bytes(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """201 once, then 200 with the same body and Idempotent-Replayed, quoted or bare key."""
    content = payment(payer, payee, 10, metadata={"b": "é", "a": ""})
    first = await town.send(wallet, "POST", "/v1/payments", content=content, key="again")
    for _ in range(3):
        repeat = await town.send(wallet, "POST", "/v1/payments", content=content, key="again")
        assert repeat.status == 200
        assert repeat.body == first.body
        assert repeat.headers["Idempotent-Replayed"] == "true"
        assert repeat.is_signed
    assert await balance(town, wallet, payer) == 9_990


async def test_a_repeat_is_answered_in_the_form_of_its_first_answer(
    town: Town, wallet: Member, payer: str, payee: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row names its renderer: a new one changes nothing for what was decided before."""
    first = await town.pay(wallet, payer, payee, 1, key="form")
    stored = await town.operator.connection.fetchval(
        "SELECT answer_version FROM ledger.payment WHERE id = $1", UUID(first.json["id"])
    )
    assert stored == ANSWER_VERSION
    monkeypatch.setitem(PAYMENT_RENDERERS, 2, lambda payment: b"{}")
    assert (await town.pay(wallet, payer, payee, 1, key="form")).body == first.body
    async with town.operator.connection.transaction():  # decisions are append-only otherwise
        await town.operator.connection.execute("SET LOCAL session_replication_role = replica")
        await town.operator.connection.execute(
            "UPDATE ledger.payment SET answer_version = 2 WHERE id = $1", UUID(first.json["id"])
        )
    assert (await town.pay(wallet, payer, payee, 1, key="form")).body == b"{}"


async def test_a_declined_payment_is_an_answer_and_spends_its_key(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """Short of money: 201, declined, with its reason; money that comes later changes nothing."""
    content = payment(payer, payee, 10_001)
    first = await town.send(wallet, "POST", "/v1/payments", content=content, key="short")
    assert (first.status, first.json["status"]) == (201, "declined")
    assert first.json["reason"] == "insufficient_funds"
    assert first.json["amount_captured"] == 0
    await town.operator.issue(UUID(payer), 50_000, reason="later")
    repeat = await town.send(wallet, "POST", "/v1/payments", content=content, key="short")
    assert (repeat.status, repeat.body) == (200, first.body)


async def test_a_key_with_another_payload_is_refused_and_changes_nothing(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """422, signed; one byte more is another payload; the stored decision stays."""
    content = payment(payer, payee, 10)
    first = await town.send(wallet, "POST", "/v1/payments", content=content, key="reused")
    for other in (
        json.dumps(content).encode() + b" ",
        json.dumps(payment(payer, payee, 11)).encode(),
    ):
        reply = await town.send(wallet, "POST", "/v1/payments", body=other, key="reused")
        assert (reply.status, reply.problem) == (422, "idempotency-key-reused")
        assert reply.is_signed
    freeze = await town.send(wallet, "POST", f"/v1/accounts/{payer}/freeze", key="reused")
    assert freeze.problem == "idempotency-key-reused"
    repeat = await town.send(wallet, "POST", "/v1/payments", content=content, key="reused")
    assert (repeat.status, repeat.body) == (200, first.body)
    assert await balance(town, wallet, payer) == 9_990


async def test_twins_at_once_are_one_payment(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """Thirty times the same message at once: one 201, the others repeats of its bytes."""
    content = payment(payer, payee, 100)
    replies = await asyncio.gather(
        *(town.send(wallet, "POST", "/v1/payments", content=content, key="twin") for _ in range(30))
    )
    assert sorted(reply.status for reply in replies) == [200] * 29 + [201]
    assert len({reply.body for reply in replies}) == 1
    assert await balance(town, wallet, payer) == 9_900


async def test_money_received_can_be_spent_at_once(
    town: Town, wallet: Member, merchant: Member, payer: str, payee: str
) -> None:
    """A payee without any other money pays with what it got a moment ago."""
    assert (await town.pay(wallet, payer, payee, 500)).json["status"] == "completed"
    back = await town.account(merchant, "merchant")
    reply = await town.pay(merchant, payee, back, 500)
    assert (reply.status, reply.json["status"]) == (201, "completed")


async def test_a_stranger_learns_nothing_of_an_account(
    town: Town, wallet: Member, merchant: Member, payer: str, payee: str
) -> None:
    """Somebody else's payer and one that does not exist get the same answer."""
    theirs = await town.pay(merchant, payer, payee, 1)
    nobody = await town.pay(merchant, str(uuid4()), payee, 1)
    for reply in (theirs, nobody):
        assert (reply.json["status"], reply.json["reason"]) == ("declined", "not_permitted")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", None),
        (b"{", None),
        (b'{"type":"purchase"}', "payee"),
        (b'{"type":"purchase","amount":1.0}', "amount"),
        (b"\xff", None),
        (b"[" * 1000, None),
    ],
)
async def test_a_malformed_message_spends_no_key(
    town: Town, wallet: Member, payer: str, payee: str, body: bytes, field: str | None
) -> None:
    """400 names the field, is signed, and leaves the key for the message meant."""
    key = uuid4().hex
    reply = await town.send(wallet, "POST", "/v1/payments", body=body, key=key)
    assert (reply.status, reply.problem) == (400, "malformed-message")
    assert reply.json.get("field") == field
    assert reply.is_signed
    assert (await town.pay(wallet, payer, payee, 1, key=key)).status == 201


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("Content-Type", "application/json", 201),
        ("Content-Type", "application/json; charset=utf-8", 201),
        ("Content-Type", 'Application/JSON;charset="UTF-8"', 201),
        ("Content-Type", "application/json; charset=gbk", 415),
        ("Content-Type", "text/plain", 415),
        ("Content-Type", "application/x-www-form-urlencoded", 415),
        ("Content-Type", "", 415),
        ("Content-Encoding", "identity", 201),
        ("Content-Encoding", "gzip", 415),
    ],
)
async def test_only_plain_json_in_utf_8_is_read(
    town: Town, wallet: Member, payer: str, payee: str, name: str, value: str, status: int
) -> None:
    """Another media type, and what says it is packed, is refused, signed, and never read."""
    reply = await town.send(
        wallet,
        "POST",
        "/v1/payments",
        content=payment(payer, payee, 1),
        key=uuid4().hex,
        changed={name: value},
    )
    assert reply.status == status
    assert reply.is_signed


@pytest.mark.parametrize(
    ("query", "field"),
    [("dry_run=true", "dry_run"), ("limit=1", "limit"), ("x", None), ("&", None)],
)
async def test_a_post_takes_no_query(
    town: Town, wallet: Member, payer: str, payee: str, query: str, field: str | None
) -> None:
    """What was signed and means nothing is refused, not ignored; no key is spent."""
    posts = (
        ("/v1/payments", payment(payer, payee, 1)),
        ("/v1/accounts", {"currency": "CNY", "kind": "wallet"}),
        (f"/v1/accounts/{payer}/freeze", None),
    )
    key = uuid4().hex
    for path, content in posts:
        reply = await town.send(wallet, "POST", f"{path}?{query}", content=content, key=key)
        assert (reply.status, reply.problem, reply.is_signed) == (400, "malformed-message", True)
        assert reply.json.get("field") == field
    assert (await town.pay(wallet, payer, payee, 1, key=key)).status == 201


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("", "idempotency-key-missing"),
        ("x" * 65, "malformed-message"),
        ("two words", "malformed-message"),
        ('"unclosed', "malformed-message"),
    ],
)
async def test_a_post_needs_one_good_key(
    town: Town, wallet: Member, payer: str, payee: str, sent: str, name: str
) -> None:
    """No key, a key too long, and one that is no key are refused before anything is decided."""
    reply = await town.send(
        wallet, "POST", "/v1/payments", content=payment(payer, payee, 1),
        changed={"Idempotency-Key": sent} if sent else {},
    )  # fmt: skip
    # A key that was not signed is refused for that first.
    assert reply.problem == (name if not sent else "signature-incomplete")


async def test_a_body_at_and_over_the_bound(town: Town, wallet: Member) -> None:
    """64 KiB are read; one byte more is 413, unsigned, before any signature is looked at."""
    for size, status in ((limits.BODY_BYTES_MAX, 400), (limits.BODY_BYTES_MAX + 1, 413)):
        reply = await town.send(wallet, "POST", "/v1/payments", body=b" " * size, key=uuid4().hex)
        assert reply.status == status
        assert reply.is_signed is (status == 400)


async def test_a_suspended_participant_reads_and_repeats(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """Suspended: look-ups and repeats are answered as ever, everything new is 403."""
    content = payment(payer, payee, 7)
    first = await town.send(wallet, "POST", "/v1/payments", content=content, key="before")
    await town.operator.set_participant_status(wallet.id, status="suspended")

    async def is_suspended() -> Reply:
        return await town.pay(wallet, payer, payee, 1)

    reply = await eventually(is_suspended, 403)
    assert reply.problem == "participant-suspended"
    assert reply.is_signed
    repeat = await town.send(wallet, "POST", "/v1/payments", content=content, key="before")
    assert (repeat.status, repeat.body) == (200, first.body)
    other = await town.pay(wallet, payer, payee, 8, key="before")
    assert other.problem == "idempotency-key-reused"
    assert (await town.send(wallet, "GET", f"/v1/accounts/{payer}")).status == 200
    opened = await town.send(
        wallet, "POST", "/v1/accounts", content={"currency": "CNY", "kind": "wallet"}, key="open"
    )
    assert opened.problem == "participant-suspended"
    frozen = await town.send(wallet, "POST", f"/v1/accounts/{payer}/freeze", key="freeze")
    assert frozen.problem == "participant-suspended"
    await town.operator.set_participant_status(wallet.id, status="active")
    assert (await eventually(is_suspended, 201)).status == 201


async def test_decisions_are_counted(town: Town, wallet: Member, payer: str, payee: str) -> None:
    """What Prometheus sees rises with every decision, replay and refused signature."""

    def sample(name: str, **labels: str) -> float:
        town.app.metrics.flush()
        return town.registry.get_sample_value(name, labels) or 0.0

    mine = {"participant": wallet.id}
    before = {
        "approved": sample("switch_decisions_total", outcome="approved", **mine),
        "short": sample("switch_decisions_total", outcome="insufficient_funds", **mine),
        "replays": sample("switch_replays_total", operation="payment"),
        "batches": sample("switch_batch_messages_count"),
        "waiting": sample("switch_waiting_seconds_count"),
        "signatures": sample("switch_signature_seconds_count"),
        "requests": sample("switch_requests_total", endpoint="decide_payment", status="201"),
    }
    await town.pay(wallet, payer, payee, 1, key="counted")
    await town.pay(wallet, payer, payee, 1, key="counted")
    await town.pay(wallet, payer, payee, 10**9)
    after = {
        "approved": sample("switch_decisions_total", outcome="approved", **mine),
        "short": sample("switch_decisions_total", outcome="insufficient_funds", **mine),
        "replays": sample("switch_replays_total", operation="payment"),
        "batches": sample("switch_batch_messages_count"),
        "waiting": sample("switch_waiting_seconds_count"),
        "signatures": sample("switch_signature_seconds_count"),
        "requests": sample("switch_requests_total", endpoint="decide_payment", status="201"),
    }
    risen = {name: after[name] - before[name] for name in before}
    assert risen == {
        "approved": 1, "short": 1, "replays": 1, "batches": 3, "waiting": 3, "signatures": 3,
        "requests": 2,
    }  # fmt: skip


async def test_no_account_was_left_wrong(town: Town) -> None:
    """After all of the above the books are right."""
    assert await town.operator.check_books() == []
