"""One payment followed over HTTP: its timeline, whose it is, and the trace it is part of."""

from datetime import datetime
from typing import Any

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from switch import keyfile, limits
from switch.client import Client, ProblemError
from switch.upkeep import fold_credits, sequence_events
from tests.integration.town import Member, Reply, Town, payment, until

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
ORIGIN = {"key_id", "traceparent", "span_id", "queue_us", "work_us"}
NOBODY = "00000000-0000-7000-8000-000000000000"


async def settled(town: Town) -> None:
    """What the jobs process does all the time, beside the switch."""
    while (await fold_credits(town.operator.connection, limits.FOLD_SIZE_MAX)).credits:
        pass
    while await sequence_events(town.operator.connection, limits.EVENT_RUN_MAX):
        pass


async def timeline(town: Town, reader: Member, payment_id: str) -> Any:
    """The timeline of a payment that the reader may see."""
    reply = await town.send(reader, "GET", f"/v1/payments/{payment_id}/timeline")
    assert reply.status == 200, reply.body
    return reply.json


async def traced(town: Town, sender: Member, target: str, **more: Any) -> Reply:
    """A POST that is part of a trace."""
    return await town.send(sender, "POST", target, changed={"traceparent": TRACEPARENT}, **more)


def whats(found: Any) -> list[str]:
    """What happened, in order, without what stands for whoever is told."""
    return [entry["what"] for entry in found["entries"]]


def span_of(reply: Reply) -> str:
    """The span of the switch that an answer names, in the trace that was sent."""
    version, trace_id, span_id, flags = reply.headers["traceparent"].split("-")
    assert (version, trace_id, flags) == ("00", TRACE_ID, "01")
    return str(span_id)


async def test_a_payment_is_followed_from_its_message_to_its_events(
    town: Town, wallet: Member, merchant: Member, payer: str, payee: str
) -> None:
    """The sender sees who signed, how long it took, the decision, his posting and his event."""
    content = payment(payer, payee, 70)
    sent = await traced(town, wallet, "/v1/payments", content=content, key="followed")
    await settled(town)
    found = await timeline(town, wallet, sent.json["id"])
    assert found["payment"] == sent.json["id"]
    assert found["is_complete"]
    received, decided, debited, told = found["entries"]
    assert received["what"] == "received"
    assert received["participant"] == wallet.id
    assert received["idempotency_key"] == "followed"
    assert received["key_id"] == wallet.key.key_id
    assert received["traceparent"] == TRACEPARENT
    assert received["span_id"] == span_of(sent)
    assert datetime.fromisoformat(received["at"]) <= datetime.fromisoformat(decided["at"])
    assert decided["at"] == sent.json["created_at"]
    assert (decided["status"], decided["amount"], decided["currency"]) == ("completed", 70, "CNY")
    assert decided["queue_us"] >= 0
    assert decided["work_us"] > 0
    entries = (await town.send(wallet, "GET", f"/v1/accounts/{payer}/entries")).json["data"]
    posting = next(entry for entry in entries if entry["payment"] == sent.json["id"])
    assert (debited["what"], debited["account"]) == ("debited", payer)
    for name in ("posting", "item", "amount", "balance_after"):
        assert debited[name] == posting[name]
    events = (await town.send(wallet, "GET", "/v1/events?limit=200")).json["data"]
    event = next(event for event in events if event["payment"] == sent.json)
    assert (told["participant"], told["event"]) == (wallet.id, event["type"])
    assert told["number"] == event["number"]


async def test_the_payee_sees_the_payment_and_its_own_posting(
    town: Town, wallet: Member, merchant: Member, payer: str, payee: str
) -> None:
    """Neither the sender's key, trace and times nor the payer's balance; its credit as booked."""
    content = payment(payer, payee, 30)
    sent = await traced(town, wallet, "/v1/payments", content=content, key="paid")
    waiting = await timeline(town, merchant, sent.json["id"])
    assert whats(waiting) == ["received", "decided", "credit_waits"]
    await settled(town)
    found = await timeline(town, merchant, sent.json["id"])
    received, decided, *later = found["entries"]
    assert not ORIGIN & (received.keys() | decided.keys())
    assert sorted(entry["what"] for entry in later) == ["credited", "told"]
    credited = next(entry for entry in later if entry["what"] == "credited")
    [posting] = (await town.send(merchant, "GET", f"/v1/accounts/{payee}/entries")).json["data"]
    assert credited["account"] == payee
    for name in ("posting", "item", "amount", "balance_after"):
        assert credited[name] == posting[name]
    [told] = [entry for entry in later if entry["what"] == "told"]
    assert told["participant"] == merchant.id


async def test_whoever_may_not_see_a_payment_gets_no_timeline(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """As for the payment itself: what is not yours, or no id, does not exist."""
    sent = (await town.pay(wallet, payer, payee, 1)).json
    stranger = await town.member("wallet")
    for reader, payment_id in ((stranger, sent["id"]), (wallet, NOBODY), (wallet, "none")):
        reply = await town.send(reader, "GET", f"/v1/payments/{payment_id}/timeline")
        assert (reply.status, reply.problem) == (404, "not-found")
    reply = await town.send(wallet, "GET", f"/v1/payments/{sent['id']}/timeline?after=1")
    assert (reply.status, reply.problem) == (400, "malformed-message")


async def test_steps_stand_in_the_timeline_of_their_payment(
    town: Town, wallet: Member, merchant: Member, payer: str, payee: str
) -> None:
    """Asked for by payment or step; each side sees the origin of its own messages only."""
    content = payment(payer, payee, 100, type="purchase", capture=False)
    held = (await town.send(wallet, "POST", "/v1/payments", content=content, key="held")).json
    path = f"/v1/payments/{held['id']}"
    captured = await traced(
        town, merchant, f"{path}/capture", content={"amount": 60, "final": True}, key="captured"
    )
    refused = (await town.send(merchant, "POST", f"{path}/void", key="late")).json
    refunded = (await town.send(merchant, "POST", f"{path}/refund", key="refunded")).json
    await settled(town)
    found = await timeline(town, wallet, held["id"])
    assert await timeline(town, wallet, refunded["id"]) == found
    decisions = [entry for entry in found["entries"] if entry["what"] == "decided"]
    assert [(entry["id"], entry["status"]) for entry in decisions] == [
        (held["id"], "held"),
        (captured.json["id"], "completed"),
        (refused["id"], "declined"),
        (refunded["id"], "completed"),
    ]
    assert decisions[0]["hold_expires_at"] == held["hold_expires_at"]
    assert decisions[2]["reason"] == refused["reason"] == "wrong_state"
    of_others = [entry for entry in found["entries"] if entry["id"] != held["id"]]
    assert not any(ORIGIN & entry.keys() for entry in of_others)
    theirs = await timeline(town, merchant, held["id"])
    message = next(entry for entry in theirs["entries"] if entry["id"] == captured.json["id"])
    assert (message["key_id"], message["span_id"]) == (merchant.key.key_id, span_of(captured))
    told = [entry["event"] for entry in theirs["entries"] if entry["what"] == "told"]
    assert told == ["payment.held", "payment.captured", "payment.refunded"]


async def test_a_strangers_step_leaks_nothing(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """Who may not see the payment sees only his own step, and the payment's sides do not see it."""
    sent = (await town.pay(wallet, payer, payee, 1)).json
    stranger = await town.member("wallet")
    step = (await town.send(stranger, "POST", f"/v1/payments/{sent['id']}/refund", key="nosy")).json
    assert whats(await timeline(town, stranger, step["id"])) == ["received", "decided"]
    assert all(
        entry["id"] == sent["id"] for entry in (await timeline(town, wallet, sent["id"]))["entries"]
    )
    reply = await town.send(wallet, "GET", f"/v1/payments/{step['id']}/timeline")
    assert reply.status == 404


async def test_a_bar_has_a_timeline(town: Town, wallet: Member) -> None:
    """Who barred the key, with which signature and in which trace, and that it is declined."""
    barred = await traced(
        town, wallet, "/v1/payments/bar", content={"idempotency_key": "barred"}, key="barred"
    )
    received, decided = (await timeline(town, wallet, barred.json["id"]))["entries"]
    assert (received["key_id"], received["span_id"]) == (wallet.key.key_id, span_of(barred))
    assert (decided["status"], decided["reason"]) == ("declined", "barred")
    assert "queue_us" not in decided


async def test_a_payment_of_a_batch_has_the_origin_of_the_batch(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """Its own key and times, the signature and the trace of the message that brought it."""
    items = [
        {"idempotency_key": key, "payment": payment(payer, payee, 1)} for key in ("b-1", "b-2")
    ]
    reply = await traced(
        town, wallet, "/v1/payments/batch", content={"payments": items}, key="the-batch"
    )
    for answer in reply.json["answers"]:
        received, decided, *_ = (await timeline(town, wallet, answer["body"]["id"]))["entries"]
        assert received["idempotency_key"] == answer["idempotency_key"]
        assert (received["key_id"], received["span_id"]) == (wallet.key.key_id, span_of(reply))
        assert decided["queue_us"] >= 0


async def test_a_repeat_leaves_the_origin_of_the_first(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """Each request has its span in its answer; the timeline keeps that of the one that decided."""
    content = payment(payer, payee, 1)
    first = await traced(town, wallet, "/v1/payments", content=content, key="again")
    second = await traced(town, wallet, "/v1/payments", content=content, key="again")
    assert (first.status, second.status) == (201, 200)
    assert first.body == second.body
    assert span_of(first) != span_of(second)
    found = await timeline(town, wallet, first.json["id"])
    assert found["entries"][0]["span_id"] == span_of(first)


@pytest.mark.parametrize("sent", ["00-0-0-0", TRACEPARENT.upper(), f"ff{TRACEPARENT[2:]}"])
async def test_a_malformed_traceparent_is_ignored(
    town: Town, wallet: Member, payer: str, payee: str, sent: str
) -> None:
    """The payment is decided as if the field were not there, and the answer has none."""
    reply = await town.send(
        *(wallet, "POST", "/v1/payments"), content=payment(payer, payee, 1), key=sent,
        changed={"traceparent": sent},
    )  # fmt: skip
    assert reply.status == 201
    assert "traceparent" not in reply.headers
    received = (await timeline(town, wallet, reply.json["id"]))["entries"][0]
    assert not {"traceparent", "span_id"} & received.keys()


async def test_every_answer_names_the_trace(town: Town, wallet: Member) -> None:
    """Look-ups, refusals, unsigned answers and what needs no signature; and none without one."""
    changed = {"traceparent": TRACEPARENT}
    for reply in (
        await town.send(wallet, "GET", "/v1/accounts", changed=changed),
        await town.send(wallet, "GET", f"/v1/payments/{NOBODY}", changed=changed),
        await town.raw("GET", "/v1/accounts", headers=changed),
        await town.raw("GET", "/nowhere", headers=changed),
        await town.raw("GET", "/.well-known/jwks.json", headers=changed),
    ):
        span_of(reply)
    reply = await town.send(wallet, "GET", "/v1/accounts")
    assert "traceparent" not in reply.headers


async def test_a_fault_is_logged_with_its_trace(
    town: Town, wallet: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line about a request that is part of a trace names trace and span; the next one's not."""

    async def fail(*_: object) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr("switch.reads.Reads.accounts", fail)
    changed = {"traceparent": TRACEPARENT}
    with capture_logs(processors=[merge_contextvars]) as lines:
        reply = await town.send(wallet, "GET", "/v1/accounts", changed=changed)
        await town.send(wallet, "GET", "/v1/accounts")
    assert (reply.status, reply.problem) == (500, "internal-error")
    first, second = (line for line in lines if line["event"] == "unhandled")
    assert (first["trace_id"], first["span_id"]) == (TRACE_ID, span_of(reply))
    assert "trace_id" not in second


async def test_the_client_follows_its_payments(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """One call, typed; what is not its own is a problem."""
    sent = (await town.pay(wallet, payer, payee, 5)).json
    seed, key_id = keyfile.generate_seed(), f"{wallet.id}/two"
    await town.operator.add_key(key_id, keyfile.public_key(seed))
    await until(lambda: town.app.participants.is_known(key_id), "the key is known")
    async with Client(f"http://{town.authority}", key_id=key_id, key=seed) as us:
        found = await us.timeline(sent["id"])
        assert [entry.what for entry in found.entries][:2] == ["received", "decided"]
        assert found.entries[0].key_id == wallet.key.key_id
        with pytest.raises(ProblemError, match="not-found"):
            await us.timeline(NOBODY)
