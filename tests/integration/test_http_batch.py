"""Batches over HTTP: a real worker, the real ledger; each payment as if it had come alone."""

import asyncio
import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest

from switch import limits
from switch.components import BoundRequest
from switch.ledger import Disposition, Order
from tests.integration.town import Member, Reply, Town, eventually, payment, until

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
        answer["body"].get("type", "").removeprefix("urn:switch:problem:") or None
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
