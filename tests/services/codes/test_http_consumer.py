"""Codes that a payer shows, over HTTP: made once a key, paid once, refused in words."""

import asyncio
import base64
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from switch.payment_code import mandate_of
from switch.services import SERVICES
from switch.services.codes import secret
from switch.services.codes.examples import CONSUMER_PAYLOAD
from switch.services.codes.limits import CANDIDATES, OPEN_CODES_MAX
from tests.integration.town import Member, Reply, Town, eventually
from tests.services import permission
from tests.services.codes.test_http_codes import decode
from tests.services.codes.till import LIMIT, Till

OTHER_CODE = "000000000000000042"


def assert_repeated(reply: Reply, body: bytes) -> None:
    """The first answer, byte for byte."""
    assert (reply.status, reply.body) == (200, body)
    assert reply.headers["Idempotent-Replayed"] == "true"
    assert reply.is_signed


async def test_a_code_is_shown_and_paid(till: Till) -> None:
    """Made, read by the till, paid at once, and shown on both sides as by its mandate."""
    first = await till.make()
    assert (first.status, first.is_signed) == (201, True)
    made = first.json
    assert made["mandate"] == str(mandate_of(made["code"]))
    assert (made["payment_limit"], made["currency"]) == (LIMIT, "CNY")
    read = (await decode(till.town, till.merchant, made["emv"])).json
    assert read["code"] == made["code"]
    paid = (await till.take(read["code"])).json
    assert (paid["status"], paid["payer"], paid["mandate"]) == (
        "completed", till.payer, made["mandate"],
    )  # fmt: skip
    assert await till.town.balance(till.wallet, till.payer) == (9_300, 0)
    assert await till.town.balance(till.merchant, till.payee) == (700, 0)


async def test_a_code_is_valid_for_so_many_seconds(till: Till) -> None:
    """A minute unless told; the mandate that it names says the same."""
    for asked, seconds in (({}, 60), ({"valid_s": 10}, 10), ({"valid_s": 300}, 300)):
        made = await till.made(**asked)
        mandate = await till.town.operator.connection.fetchrow(
            "SELECT * FROM ledger.mandate WHERE id = $1", made["mandate"]
        )
        assert mandate["not_after"] - mandate["not_before"] == timedelta(seconds=seconds)
        assert mandate["not_after"] == datetime.fromisoformat(made["not_after"])
        assert (mandate["payee"], mandate["uses_max"]) == (None, 1)


async def shown(till: Till, mandate: str, reader: Member) -> Reply:
    return await till.town.send(reader, "GET", f"/v1/mandates/{mandate}")


async def test_making_is_answered_once_a_key(till: Till) -> None:
    """The same bytes after the code is used; anything else under the key is 422."""
    first = await till.make(key="m")
    assert_repeated(await till.make(key="m"), first.body)
    assert await till.reason(first.json["code"]) is None
    assert_repeated(await till.make(key="m"), first.body)
    assert (await till.make(key="m", valid_s=61)).problem == "idempotency-key-reused"
    other = await till.make(key="n")
    assert other.json["code"] != first.json["code"]
    assert (await till.take(OTHER_CODE, sender=till.wallet, key="m")).status == 422


async def test_two_participants_get_different_codes_under_one_key(
    till: Till, merchant: Member
) -> None:
    """A key is its sender's; so are the digits that are made from it."""
    own = await till.make(key="same")
    theirs = await till.make(key="same", sender=merchant, account=till.payee)
    assert own.status == theirs.status == 201
    assert own.json["code"] != theirs.json["code"]


async def test_a_payment_by_a_code_is_answered_once_a_key(till: Till) -> None:
    """The same message gets the same bytes after the code is used; another key is declined."""
    made = await till.made()
    first = await till.take(made["code"], key="p")
    assert_repeated(await till.take(made["code"], key="p"), first.body)
    assert await till.reason(made["code"]) == "mandate_used"
    declined = await till.take(made["code"], key="q")
    assert_repeated(await till.take(made["code"], key="q"), declined.body)
    assert (await till.take(made["code"], 701, key="p")).problem == "idempotency-key-reused"


async def test_what_is_declined_says_why_and_not_whose(till: Till) -> None:
    """Unknown, over the limit, another currency, not the till's account; the code stays good."""
    code = (await till.made())["code"]
    assert await till.reason(OTHER_CODE) == "mandate_not_found"
    assert await till.reason(code, LIMIT + 1) == "mandate_limit_exceeded"
    assert await till.reason(code, currency="USD") == "currency_mismatch"
    assert await till.reason(code, payee=str(uuid4())) == "not_permitted"
    stranger = await till.town.member("merchant")
    assert await till.reason(code, sender=stranger) == "not_permitted"
    assert await till.reason(code, LIMIT) is None
    assert await till.reason(code, 1) == "mandate_used"


async def test_an_ended_code_is_not_paid(till: Till) -> None:
    """Its time is over (the ledger's tests have the microsecond), or its giver revoked it."""
    made = await till.made()
    await permission.revoke(till.town, till.wallet, made["mandate"])
    assert await till.reason(made["code"]) == "mandate_ended"


@pytest.mark.skipif(
    "mandates" not in {service.name for service in SERVICES}, reason="nobody shows mandates"
)
async def test_nobody_else_sees_a_code(till: Till) -> None:
    """Neither by its id nor in a list, before and after it was paid; the payer's list has none."""
    made = await till.made()
    stranger = await till.town.member("merchant")
    assert await till.reason(made["code"]) is None
    for reader in (till.merchant, stranger):
        assert (await shown(till, made["mandate"], reader)).status == 404
    assert (await shown(till, made["mandate"], till.wallet)).json["status"] == "ended"
    for reader, account in ((till.merchant, till.payee), (till.wallet, till.payer)):
        listed = await till.town.send(reader, "GET", f"/v1/mandates?account={account}")
        assert listed.json["data"] == []
    target = f"/v1/mandates/{made['mandate']}/revoke"
    assert (await till.town.send(till.merchant, "POST", target, key="r")).status == 404


async def test_a_declined_code_stays_hidden_in_look_ups(till: Till) -> None:
    """Whoever looks the declined payment up, or steps on it, learns of no payer either."""
    made = await till.made()
    declined = (await till.take(made["code"], LIMIT + 1)).json
    looked_up = await till.town.shown(till.merchant, declined["id"])
    assert looked_up["payer"] is None
    step = await till.town.send(
        till.merchant, "POST", f"/v1/payments/{declined['id']}/refund", key="s"
    )
    assert till.payer.encode() not in step.body
    timeline = await till.town.send(till.merchant, "GET", f"/v1/payments/{declined['id']}/timeline")
    assert till.payer.encode() not in timeline.body


async def test_a_payment_by_a_code_can_be_refunded_and_held(till: Till) -> None:
    """As any other: a refund goes back to the payer, a hold is captured or voided."""
    paid = (await till.take((await till.made())["code"])).json
    refund = await till.town.send(
        till.merchant, "POST", f"/v1/payments/{paid['id']}/refund", content={"amount": 200}, key="f"
    )
    assert (refund.status, refund.json["status"]) == (201, "completed")
    held = (await till.take((await till.made())["code"], capture=False)).json
    assert held["status"] == "held"
    void = await till.town.send(till.merchant, "POST", f"/v1/payments/{held['id']}/void", key="v")
    assert (void.status, void.json["status"]) == (201, "completed")
    assert await till.town.balance(till.wallet, till.payer) == (9_500, 0)


async def bar(till: Till, key: str) -> Reply:
    content = {"idempotency_key": key}
    return await till.town.send(till.wallet, "POST", "/v1/payments/bar", content=content, key=key)


async def test_a_barred_key_makes_no_code(till: Till) -> None:
    """And a key that made one is told what it made, without the digits."""
    barred = await bar(till, "b")
    assert barred.json["status"] == "declined"
    refused = await till.make(key="b")
    assert (refused.status, refused.json["reason"]) == (200, "barred")
    made = await till.made(key="c")
    told = await bar(till, "c")
    assert told.json["id"] == made["mandate"]
    assert made["code"].encode() not in told.body


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"payment_limit": 0}, "payment_limit"),
        ({"payment_limit": None}, "payment_limit"),
        ({"payment_limit": 1.5}, "payment_limit"),
        ({"valid_s": 9}, "valid_s"),
        ({"valid_s": 301}, "valid_s"),
        ({"account": "x"}, "account"),
        ({"payee": str(uuid4())}, "payee"),
    ],
    ids=["nothing", "none", "fraction", "short", "long", "account", "payee"],
)
async def test_what_is_no_request_is_refused(till: Till, asked: dict[str, Any], field: str) -> None:
    """A 400 that names the field."""
    reply = await till.make(**asked)
    assert (reply.status, reply.json["field"]) == (400, field)


async def test_an_account_that_pays_nothing_has_no_codes(till: Till) -> None:
    """Frozen: refused in words, the key is free; somebody else's: as one that is not there."""
    town = till.town
    freeze = f"/v1/accounts/{till.payer}/freeze"
    given = await till.make(key="before")
    assert (await town.send(till.wallet, "POST", freeze, key="f")).status == 201
    refused = await till.make(key="k")
    assert (refused.status, refused.json["field"]) == (400, "account")
    assert "frozen" in refused.json["detail"]
    assert_repeated(await till.make(key="before"), given.body)
    assert await till.reason(given.json["code"]) == "payer_frozen"
    unfreeze = f"/v1/accounts/{till.payer}/unfreeze"
    assert (await town.send(till.wallet, "POST", unfreeze, key="u")).status == 201
    assert (await till.make(key="k")).status == 201
    foreign, absent = await till.make(account=till.payee), await till.make(account=str(uuid4()))
    assert (foreign.status, foreign.problem, foreign.json["field"]) == (
        404, "not-found", "account",
    )  # fmt: skip
    assert foreign.body == absent.body


async def test_so_many_codes_of_an_account_are_open(till: Till) -> None:
    """Beyond that 429, also to those who ask at once; a paid code makes room."""
    replies = await asyncio.gather(
        *(till.make(key=f"o-{number}") for number in range(OPEN_CODES_MAX + 4))
    )
    made = [reply for reply in replies if reply.status == 201]
    assert len(made) == OPEN_CODES_MAX
    for reply in replies:
        if reply not in made:
            assert (reply.status, reply.problem) == (429, "too-many-requests")
            assert int(reply.headers["Retry-After"]) >= 1
    assert (await till.make(key="more")).status == 429
    assert await till.reason(made[0].json["code"], 1) is None
    assert (await till.make(key="more")).status == 201


async def test_a_suspended_participant_makes_no_code_and_repeats(till: Till) -> None:
    """As with everything that is decided."""
    made = await till.make(key="k")
    await till.town.operator.set_participant_status(till.wallet.id, status="suspended")
    await eventually(lambda: till.make(key=uuid4().hex), 403)
    assert_repeated(await till.make(key="k"), made.body)


async def test_payments_by_code_go_in_batches(till: Till) -> None:
    """A till that was offline sends several under one signature; one code is paid once in it."""
    code = (await till.made())["code"]
    content = {
        "type": "purchase", "code": code, "payee": till.payee, "amount": 1, "currency": "CNY",
    }  # fmt: skip
    items = [{"idempotency_key": key, "payment": content} for key in ("x", "y")]
    reply = await till.town.send(
        till.merchant, "POST", "/v1/payments/batch", content={"payments": items}, key="batch"
    )
    assert reply.status == 200, reply.body
    assert [one["body"]["reason"] for one in reply.json["answers"]] == [None, "mandate_used"]


def test_a_lost_secret_is_not_made_up(tmp_path: Path) -> None:
    """A file that holds none is an error; the same file gives the same codes to every worker."""
    first, again = secret.load(tmp_path), secret.load(tmp_path)
    assert secret.candidates(first, "one", "k") == secret.candidates(again, "one", "k")
    path = tmp_path / secret.FOLDER / secret.FILE
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("no secret\n")
    with pytest.raises(secret.LedgerUnavailable):
        secret.load(tmp_path)


async def test_a_repeat_without_the_secret_is_503_and_payments_go_on(
    town: Town, till: Till
) -> None:
    """No digits are made up for a code that another secret made; what was shown is still paid."""
    first = await till.make(key="k")
    path = town.key_dir / secret.FOLDER / secret.FILE
    kept = path.read_text()
    try:
        with capture_logs() as lines:
            for content, status in (("00" * 32, 201), ("no secret", 503)):
                path.write_text(content)
                repeat = await till.make(key="k")
                assert (repeat.status, repeat.problem) == (503, "ledger-unavailable")
                assert (await till.make(key=f"new-{status}")).status == status
    finally:
        path.write_text(kept)
    assert await till.reason(first.json["code"]) is None
    assert_repeated(await till.make(key="k"), first.body)
    assert [line["event"] for line in lines] == [
        "a payment code was made with another secret",
        *["the secret of payment codes cannot be read"] * 2,
    ]
    assert first.json["code"] not in str(lines)


def test_the_digits_are_of_a_secret_a_participant_and_a_key() -> None:
    """Another of any of the three gives other codes, and one message gets the same for ever."""
    made = [
        secret.candidates(bytes([byte]) * 32, participant, key)
        for byte in (1, 2) for participant in ("one", "two") for key in ("k", "l")
    ]  # fmt: skip
    codes = [code for candidates in made for code in candidates]
    assert len(set(codes)) == len(codes) == 8 * CANDIDATES
    assert made[0][0] == "838215249470330123"


def test_the_qr_text_is_base64_of_41_bytes() -> None:
    """Small enough for the smallest symbols that phones show."""
    assert len(base64.b64decode(CONSUMER_PAYLOAD)) == 41
