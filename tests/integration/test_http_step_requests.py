"""Steps over HTTP: what is no step at all, and where a step is seen: by id, by key, in lists, in
statements.
"""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.stage import FUNDS, STEPS, Stage
from tests.integration.test_http_lookups import pages
from tests.integration.town import Member
from tests.integration.two_workers import TwoWorkers


@pytest.fixture(scope="module")
def town(two_workers: TwoWorkers) -> TwoWorkers:
    """Two workers, asked in turn."""
    return two_workers


WRONG = [
    ("capture", b'{"final":"true"}', "final"),
    ("capture", b'{"final":1}', "final"),
    ("capture", b'{"final":null}', "final"),
    ("capture", b'{"amount":0}', "amount"),
    ("capture", b'{"amount":-1}', "amount"),
    ("capture", b'{"amount":1.0}', "amount"),
    ("capture", b'{"amount":"1"}', "amount"),
    ("capture", b'{"amount":true}', "amount"),
    ("capture", b'{"amount":1000000000000001}', "amount"),
    ("capture", b'{"amount":1,"amount":1}', "amount"),
    ("capture", b'{"final":true,"final":false}', "final"),
    ("capture", b'{"currency":"CNY"}', "currency"),
    ("refund", b'{"amount":0}', "amount"),
    ("refund", b'{"amount":"all"}', "amount"),
    ("refund", b'{"amount":1,"\\u0061mount":2}', "amount"),
    ("refund", b'{"final":true}', "final"),
    ("void", b'{"amount":1}', "amount"),
    ("void", b'{"final":true}', "final"),
    ("capture", b"[]", None),
    ("refund", b"null", None),
    ("void", b" ", None),
    ("capture", b"\xff", None),
    ("refund", b"{", None),
]


@pytest.mark.parametrize(("kind", "body", "field"), WRONG)
async def test_a_malformed_step_spends_no_key(
    stage: Stage, kind: str, body: bytes, field: str | None
) -> None:
    """A signed 400 names the field, whatever the payment; the key is free for what was meant."""
    for parent in ("no-id", str(uuid4())):
        target = f"/v1/payments/{parent}/{kind}"
        reply = await stage.town.send(stage.merchant, "POST", target, body=body, key="k")
        assert (reply.status, reply.problem, reply.is_signed) == (400, "malformed-message", True)
        assert reply.json.get("field") == field
    paid = await stage.paid()
    assert (await stage.town.step(stage.merchant, paid["id"], kind, key="k")).status == 201


@pytest.mark.parametrize("kind", STEPS)
async def test_a_step_of_no_id(stage: Stage, kind: str) -> None:
    """A path without a UUID is 404, signed, and spends no key; so is what there is no step of."""
    for parent in ("x", "0" * 32, "bar", "%00"):
        reply = await stage.town.step(stage.merchant, parent, kind, key="k")
        assert (reply.status, reply.problem, reply.is_signed) == (404, "not-found", True)
    paid = await stage.paid()
    query = f"/v1/payments/{paid['id']}/{kind}?dry_run=true"
    reply = await stage.town.send(stage.merchant, "POST", query, key="k")
    assert (reply.status, reply.json["field"]) == (400, "dry_run")
    reply = await stage.town.send(
        stage.merchant, "POST", f"/v1/payments/{paid['id']}/{kind}", body=b"{}", key="k",
        changed={"Content-Type": "text/plain"},
    )  # fmt: skip
    assert reply.status == 415
    assert (await stage.town.step(stage.merchant, paid["id"], kind, key="k")).status == 201


# --- look-ups ------------------------------------------------------------------------------


async def test_a_step_is_looked_up_by_id_and_by_key(stage: Stage) -> None:
    """Both parties and the sender see it; the key is its sender's; to others it does not exist."""
    held = await stage.hold()
    taken = await stage.town.step(stage.merchant, held["id"], "capture", {"amount": 7}, key="cap")
    target = f"/v1/payments/{taken.json['id']}"
    for reader in (stage.merchant, stage.wallet):
        found = await stage.town.send(reader, "GET", target)
        assert (found.status, found.body) == (200, taken.body)
    stranger = await stage.town.member("bank")
    assert (await stage.town.send(stranger, "GET", target)).status == 404
    query = "/v1/payments?idempotency_key=cap"
    found = await stage.town.send(stage.merchant, "GET", query)
    assert (found.status, found.body) == (200, taken.body)
    assert (await stage.town.send(stage.wallet, "GET", query)).status == 404


async def test_steps_stand_in_lists(stage: Stage) -> None:
    """Among what one sent, and among the payments of an account, in their order."""
    held = await stage.hold()
    capture = await stage.take(held["id"], "capture", {"amount": 7})
    refund = await stage.take(held["id"], "refund", {"amount": 3})
    void = await stage.take(held["id"], "void")
    steps = [capture, refund, void]

    async def listed(reader: Member, target: str) -> list[Any]:
        return [one async for page in pages(stage.town, reader, target) for one in page]

    assert await listed(stage.merchant, "/v1/payments?limit=2") == steps
    now = await stage.town.shown(stage.merchant, held["id"])
    of_shop = await listed(stage.merchant, f"/v1/payments?account={stage.payee}&limit=1")
    assert of_shop == [now, *steps]
    of_wallet = await listed(stage.wallet, f"/v1/payments?account={stage.payer}")
    assert of_wallet[1:] == [await stage.town.shown(stage.wallet, held["id"]), *steps]
    assert [one["id"] for one in await listed(stage.wallet, "/v1/payments")] == [held["id"]]


async def test_statements_name_captures_and_refunds(stage: Stage) -> None:
    """What moved money stands in both statements under the step's id; a hold and a void do not."""
    held = await stage.hold(reference="table 4")
    capture = await stage.take(held["id"], "capture", {"amount": 70})
    await stage.take(held["id"], "void")
    refund = await stage.take(held["id"], "refund", {"amount": 20})
    for reader, account, other, directions in (
        (stage.wallet, stage.payer, stage.payee, ("debit", "credit")),
        (stage.merchant, stage.payee, stage.payer, ("credit", "debit")),
    ):
        found = await _statement(stage, reader, account, 2)
        assert [
            (one["type"], one["payment"], one["direction"], one["amount"], one["counterparty"])
            for one in sorted(found, key=lambda one: str(one["type"]))
        ] == [
            ("capture", capture["id"], directions[0], 70, other),
            ("refund", refund["id"], directions[1], 20, other),
        ]
    assert await stage.balances() == ((FUNDS - 50, 0), 50)


async def _statement(stage: Stage, reader: Member, account: str, count: int) -> list[Any]:
    """What was posted since the account got its money, once that is so many entries."""
    async with asyncio.timeout(20):  # a credit is posted by the jobs, a moment later
        while True:
            target = f"/v1/accounts/{account}/entries?limit=1"
            entries = [one async for page in pages(stage.town, reader, target) for one in page]
            found = [one for one in entries if one["type"] != "issue"]
            if len(found) == count:
                return found
            await asyncio.sleep(0.05)


async def test_no_account_was_left_wrong(town: TwoWorkers) -> None:
    """After all of the above the books are right."""
    assert await town.operator.check_books() == []
