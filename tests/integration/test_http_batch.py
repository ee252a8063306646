"""Batches over HTTP: a real worker, the real ledger; each payment as if it had come alone."""

import asyncio
import base64
import hashlib
import json
import random
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest

from switch import limits
from tests.integration.town import Member, Reply, Town, eventually, payment

Item = tuple[str, bytes]  # a key and the bytes of its payment


def item(key: str, payer: str, payee: str, amount: int = 1, **more: Any) -> Item:
    """A payment under its key."""
    return key, json.dumps(payment(payer, payee, amount, **more)).encode()


def batch_body(items: Sequence[Item]) -> bytes:
    """The body of a batch with exactly these bytes in it."""
    texts = [
        b'{"idempotency_key":' + json.dumps(key).encode() + b',"payment": ' + body + b" }"
        for key, body in items
    ]
    return b'{"payments":[' + b",".join(texts) + b"]}"


async def send(town: Town, sender: Member, items: Sequence[Item], *, key: str = "") -> Reply:
    """Send a batch; its own key means nothing."""
    return await town.send(
        sender,
        "POST",
        "/v1/payments/batch",
        body=batch_body(items),
        key=key or f"batch-{uuid4().hex}",
    )


async def pay(town: Town, sender: Member, one: Item) -> Reply:
    """Send one of them alone."""
    return await town.send(sender, "POST", "/v1/payments", body=one[1], key=one[0])


def bodies(reply: Reply) -> list[bytes]:
    """The bytes of the answers' bodies as they stand in a batch's answer."""
    found, text = [], reply.body.decode()
    for answer in reply.json["answers"]:
        start = text.index('"body":') + len('"body":')
        _, end = json.JSONDecoder().raw_decode(text, start)
        found.append(text[start:end].encode())
        assert json.loads(found[-1]) == answer["body"]
        text = text[end:]
    return found


def statuses(reply: Reply) -> list[int]:
    """The status of each answer."""
    assert (reply.status, reply.is_signed) == (200, True), reply.body
    return [answer["status"] for answer in reply.json["answers"]]


def problems(reply: Reply) -> list[str | None]:
    """The problem of each answer, None for a decision."""
    return [
        None
        if answer["status"] < 300
        else answer["body"]["type"].removeprefix("urn:switch:problem:")
        for answer in reply.json["answers"]
    ]


async def balance(town: Town, holder: Member, account: str) -> int:
    """What the holder is told that it has."""
    return int((await town.send(holder, "GET", f"/v1/accounts/{account}")).json["balance"])


async def test_each_payment_gets_the_answer_that_it_would_get_alone(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """Decided, declined, malformed, a key that is spent: status and body of the single payment."""
    await pay(town, wallet, item("spent", payer, payee, 5))
    items = [
        item("b-1", payer, payee, 100, reference="é", metadata={"b": "1", "a": "2"}),
        ("b-2", b'{"type": "purchase"}'),
        item("b-3", payer, payee, 10_000_000),
        ("b-4", b"[1]"),
        item("spent", payer, payee, 6),
        ("b-6", b'{"type": "\xff"}'),
        item("spent", payer, payee, 5),
        ("b-8", json.dumps(payment(payer, payee, 1)).encode()[:-1] + b', "amount": 1}'),
        item("b-9", payer, payee, 7),
    ]
    reply = await send(town, wallet, items)
    assert statuses(reply) == [201, 400, 201, 400, 422, 400, 200, 400, 201]
    assert [answer["idempotency_key"] for answer in reply.json["answers"]] == [
        key for key, _ in items
    ]
    assert [answer["replayed"] for answer in reply.json["answers"]].index(True) == 6
    first = reply.json["answers"][0]["body"]
    digest = base64.b64encode(hashlib.sha256(items[0][1]).digest()).decode()
    assert first["request_digest"] == f"sha-256=:{digest}:"
    assert first["idempotency_key"] == "b-1"
    alone = [await pay(town, wallet, one) for one in items]
    assert bodies(reply) == [one.body for one in alone]
    assert [one.status for one in alone] == [200, 400, 200, 400, 422, 400, 200, 400, 200]
    assert await balance(town, wallet, payer) == 10_000 - 5 - 100 - 7


async def test_repeats_meet_in_whatever_grouping(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """Alone and in a batch, together and apart, in any order: the same bytes, once decided."""
    items = [item(f"g-{number}", payer, payee, 1 + number) for number in range(8)]
    alone = [await pay(town, wallet, one) for one in items[:4]]
    assert [reply.status for reply in alone] == [201] * 4
    batch = await send(town, wallet, items)
    assert statuses(batch) == [200] * 4 + [201] * 4
    assert [answer["replayed"] for answer in batch.json["answers"]] == [True] * 4 + [False] * 4
    first = bodies(batch)
    assert first[:4] == [reply.body for reply in alone]
    for one, body in zip(items, first, strict=True):
        reply = await pay(town, wallet, one)
        assert (reply.status, reply.body) == (200, body)
        assert reply.headers["Idempotent-Replayed"] == "true"
    backwards = await send(town, wallet, items[::-2])
    assert statuses(backwards) == [200] * 4
    assert bodies(backwards) == first[::-2]
    other = [(key, body + b" ") for key, body in items]  # white space around it is not its bytes
    assert bodies(await send(town, wallet, other)) == first
    changed = [(key, body.replace(b'"amount": ', b'"amount":  ')) for key, body in items]
    assert statuses(await send(town, wallet, changed)) == [422] * 8
    assert await balance(town, wallet, payer) == 10_000 - sum(range(1, 9))


async def test_of_a_key_twice_in_a_batch_the_first_is_decided(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """The second is its repeat, or refused for having other bytes; a malformed one is no first."""
    same, other = item("twice", payer, payee, 3), item("twice", payer, payee, 4)
    reply = await send(
        town, wallet, [("late", b"{}"), same, other, same, item("late", payer, payee)]
    )
    assert statuses(reply) == [400, 201, 422, 200, 201]
    found = bodies(reply)
    assert found[1] == found[3]
    assert await balance(town, wallet, payer) == 10_000 - 3 - 1


async def test_a_barred_key_is_answered_with_its_bar_and_a_hold_with_its_hold(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """A batch knows every decision that a single payment knows, whatever the bytes."""
    barred = await town.send(
        wallet, "POST", "/v1/payments/bar", content={"idempotency_key": "bar"}, key="bar"
    )
    assert (barred.status, barred.json["reason"]) == (201, "barred")
    held = item("hold", payer, payee, 70, type="purchase", capture=False)
    items = [item("bar", payer, payee), held, item("bar", payer, payee, 2), held]
    reply = await send(town, wallet, items)
    assert statuses(reply) == [200, 201, 200, 200]
    found = bodies(reply)
    assert found[0] == found[2] == barred.body == (await pay(town, wallet, items[2])).body
    assert reply.json["answers"][1]["body"]["status"] == "held"
    assert found[1] == found[3] == (await pay(town, wallet, held)).body
    shown = (await town.send(wallet, "GET", f"/v1/accounts/{payer}")).json
    assert (shown["balance"], shown["held"]) == (10_000, 70)


async def test_the_key_of_a_batch_is_required_and_not_spent(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """It is signed like that of every POST; what it named stays free."""
    unnamed = await town.send(
        wallet, "POST", "/v1/payments/batch", body=batch_body([item("u", payer, payee)])
    )
    assert unnamed.problem in {"idempotency-key-missing", "signature-incomplete"}
    for key in ("of-batch", "of-batch"):
        reply = await send(town, wallet, [item(uuid4().hex, payer, payee)], key=key)
        assert statuses(reply) == [201]
    assert "Idempotent-Replayed" not in reply.headers
    assert (await pay(town, wallet, item("of-batch", payer, payee))).status == 201


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda text: text.replace(b"payments", b"payment"), "payment"),
        (lambda text: text[:-1] + b', "payments": []}', "payments"),
        (lambda text: text[:-1] + b', "more": 1}', "more"),
        (lambda text: text.replace(b'"o-2"', b'"o 2"'), "payments[1].idempotency_key"),
        (lambda text: text.replace(b'"o-2"', b"2"), "payments[1].idempotency_key"),
        (lambda text: text.replace(b'"o-2"', b'"o-2","idempotency_key":"x"'), "payments"),
        (lambda text: text.replace(b'"o-2"', b'"o-2","note":"x"'), "payments[1].note"),
        (lambda text: text[:-1], None),
        (lambda text: b'{"payments": []}', "payments"),
        (lambda text: b"", None),
    ],
)
async def test_what_is_wrong_with_a_batch_decides_nothing_of_it(
    town: Town, wallet: Member, payer: str, payee: str, change: Any, field: str | None
) -> None:
    """A signed 400 for the whole, naming the place; all keys stay free."""
    items = [item("o-1", payer, payee), item("o-2", payer, payee)]
    body = change(batch_body(items))
    reply = await town.send(wallet, "POST", "/v1/payments/batch", body=body, key="k")
    assert (reply.status, reply.problem, reply.is_signed) == (400, "malformed-message", True)
    assert reply.json.get("field") == field
    assert statuses(await send(town, wallet, items)) == [201, 201]


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_a_batch_has_a_bound_of_its_own_and_the_others_theirs(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """1 MiB and a thousand payments; one more of either is refused, and 64 KiB hold elsewhere."""
    filled = batch_body([item("full", payer, payee)])[:-1]
    full = filled + b" " * (limits.BATCH_BODY_BYTES_MAX - len(filled) - 1) + b"}"
    reply = await town.send(wallet, "POST", "/v1/payments/batch", body=full, key="k")
    assert statuses(reply) == [201]
    over = await town.send(wallet, "POST", "/v1/payments/batch", body=full + b" ", key="k")
    assert (over.status, over.problem, over.is_signed) == (413, "body-too-large", False)
    single = b" " * (limits.BODY_BYTES_MAX + 1)
    assert (await town.send(wallet, "POST", "/v1/payments", body=single, key="k")).status == 413
    many = [item(f"m-{number}", payer, payee) for number in range(limits.BATCH_PAYMENTS_MAX + 1)]
    reply = await send(town, wallet, many)
    assert (reply.status, reply.json["field"]) == (400, "payments")


async def test_a_full_batch_of_one_payer_is_decided_in_its_order(
    town: Town, wallet: Member, payee: str, seed: int
) -> None:
    """A thousand on an idle switch: declined for funds only where the order leaves none."""
    chance = random.Random(seed)
    payer = await town.account(wallet, "wallet", balance=20_000)
    amounts = [chance.choice([1, 10, 60, 1_000, 5_000]) for _ in range(limits.BATCH_PAYMENTS_MAX)]
    items = [
        item(f"f-{number}-{payer}", payer, payee, amount) for number, amount in enumerate(amounts)
    ]
    left, expected = 20_000, []
    for amount in amounts:
        expected.append("completed" if amount <= left else "declined")
        left -= amount if amount <= left else 0
    reply = await send(town, wallet, items)
    assert statuses(reply) == [201] * len(items), problems(reply)
    assert [answer["body"]["status"] for answer in reply.json["answers"]] == expected
    assert {"completed", "declined"} == set(expected)
    assert await balance(town, wallet, payer) == left
    again = await send(town, wallet, items)
    assert statuses(again) == [200] * len(items)
    assert bodies(again) == bodies(reply)


async def test_the_same_keys_at_once_in_other_groupings_have_one_answer(
    town: Town, wallet: Member, payer: str, payee: str, seed: int
) -> None:
    """Batches in two orders, halves of it, and each alone: one decision a key, moved once."""
    chance = random.Random(seed)
    items = [item(f"c-{number}", payer, payee, 1) for number in range(120)]
    mixed = chance.sample(items, len(items))
    groups = [items, items[::-1], mixed[:50], mixed[50:]]
    assert len(groups) <= limits.PARTICIPANT_BATCHES_IN_FLIGHT_MAX
    replies = await asyncio.gather(
        *(send(town, wallet, group) for group in groups),
        *(pay(town, wallet, one) for one in chance.sample(items, 40)),
    )
    answers: dict[str, set[bytes]] = {}
    firsts: list[str] = []
    for reply in replies:
        if "answers" not in reply.json:
            answers.setdefault(reply.json["idempotency_key"], set()).add(reply.body)
            firsts += [reply.json["idempotency_key"]] * (reply.status == 201)
            continue
        assert set(statuses(reply)) <= {200, 201}
        for answer, body in zip(reply.json["answers"], bodies(reply), strict=True):
            answers.setdefault(answer["idempotency_key"], set()).add(body)
            firsts += [answer["idempotency_key"]] * (answer["status"] == 201)
    assert sorted(firsts) == sorted(key for key, _ in items), "each is new once"
    assert {len(found) for found in answers.values()} == {1}
    assert await balance(town, wallet, payer) == 10_000 - 120


async def test_more_batches_at_once_than_one_sender_may_have_are_refused_whole(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """429, signed, nothing decided; no other batch loses a payment, and it can be sent again."""
    groups = [
        [item(f"n-{group}-{number}", payer, payee) for number in range(500)] for group in range(12)
    ]
    replies = await asyncio.gather(*(send(town, wallet, group) for group in groups))
    assert {reply.status for reply in replies} <= {200, 429}
    for group, reply in zip(groups, replies, strict=True):
        if reply.status == 429:
            assert (reply.problem, reply.is_signed) == ("too-many-requests", True)
            assert int(reply.headers["Retry-After"]) >= 1
            reply = await send(town, wallet, group[:5])
        assert set(statuses(reply)) == {201}, problems(reply)


async def test_a_suspended_participant_repeats_and_begins_nothing(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """What was sent before is answered as ever, each of the others is told 403."""
    before = [item(f"s-{number}", payer, payee) for number in range(3)]
    first = bodies(await send(town, wallet, before))
    await town.operator.set_participant_status(wallet.id, status="suspended")
    new = [item("s-new", payer, payee), ("s-bad", b"{}"), item("s-1", payer, payee, 2)]

    async def is_suspended() -> Reply:
        return await town.pay(wallet, payer, payee, 1)

    await eventually(is_suspended, 403)
    reply = await send(town, wallet, [*before, *new])
    assert statuses(reply) == [200] * 3 + [403, 403, 422]
    assert bodies(reply)[:3] == first
    assert bodies(reply)[3] == (await is_suspended()).body
    await town.operator.set_participant_status(wallet.id, status="active")
    await eventually(is_suspended, 201)
    assert statuses(await send(town, wallet, [*before, *new])) == [200] * 3 + [201, 400, 422]


async def test_payments_of_a_batch_are_counted_like_others(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """Decisions and replays by what they are, and the answers by their status."""

    mine = {"participant": wallet.id}

    def samples() -> dict[str, float]:
        town.app.metrics.flush()
        read = town.registry.get_sample_value
        return {
            "approved": read("switch_decisions_total", mine | {"outcome": "approved"}) or 0.0,
            "short": read("switch_decisions_total", mine | {"outcome": "insufficient_funds"})
            or 0.0,
            "refused": read("switch_refusals_total", mine | {"problem": "malformed-message"})
            or 0.0,
            "replays": read("switch_replays_total", {"operation": "payment"}) or 0.0,
            "new": read("switch_batch_payments_total", {"status": "201"}) or 0.0,
            "malformed": read("switch_batch_payments_total", {"status": "400"}) or 0.0,
            "requests": read("switch_requests_total", {"endpoint": "decide_batch", "status": "200"})
            or 0.0,
        }

    before = samples()
    one = item("counted-1", payer, payee)
    await send(town, wallet, [one, item("counted-2", payer, payee, 10**9), one, ("x", b"{}")])
    risen = {name: value - before[name] for name, value in samples().items()}
    assert risen == {
        "approved": 1, "short": 1, "refused": 1, "replays": 1, "new": 2, "malformed": 1,
        "requests": 1,
    }  # fmt: skip


async def test_no_account_was_left_wrong(town: Town) -> None:
    """After all of the above the books are right."""
    assert await town.operator.check_books() == []
