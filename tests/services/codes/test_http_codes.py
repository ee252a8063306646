"""Codes over HTTP: who may have one made, what is read in one, and a purchase from end to end."""

import asyncio
import base64
import io
from typing import Any
from uuid import uuid4

import pytest
import zxingcpp
from PIL import Image

from switch.services.codes import examples
from switch.services.codes.limits import PARTICIPANT_PICTURES_MAX
from tests.integration.town import Member, Reply, Town, eventually
from tests.services.codes.encoder import code
from tests.services.codes.samples import BEST_TRANSPORT

SHOP = {
    "merchant_name": "Corner Shop", "merchant_city": "Qingdao", "country": "CN", "category": "5812",
}  # fmt: skip


async def make(
    town: Town, holder: Member, account: str, *, key: str | None = None, **more: Any
) -> Reply:
    """Ask for a code of an account."""
    content = SHOP | {"account": account} | more
    return await town.send(holder, "POST", "/v1/codes", content=content, key=key or uuid4().hex)


async def decode(town: Town, reader: Member, payload: Any) -> Reply:
    """Ask what a code says."""
    content = {"payload": payload}
    return await town.send(reader, "POST", "/v1/codes/decode", content=content, key=uuid4().hex)


async def test_a_code_leads_from_the_till_to_the_payment(
    town: Town, wallet: Member, merchant: Member, payer: str, payee: str
) -> None:
    """The shop shows a code, the wallet scans its picture, reads it and pays what it says."""
    made = await make(town, merchant, payee, amount=1250, bill_number="4711", image="png")
    assert (made.status, made.is_signed) == (200, True)
    picture = Image.open(io.BytesIO(base64.b64decode(made.json["png"])))
    scanned = zxingcpp.read_barcodes(picture.convert("L"))[0].text
    assert scanned == made.json["payload"]

    read = await decode(town, wallet, scanned)
    assert (read.status, read.is_signed) == (200, True)
    assert {name: read.json[name] for name in SHOP} == SHOP
    assert (read.json["initiation"], read.json["bill_number"]) == ("dynamic", "4711")
    paid = await town.pay(
        wallet, payer, read.json["account"], read.json["amount"],
        currency=read.json["currency"], payee_reference=read.json["bill_number"],
    )  # fmt: skip
    assert (paid.status, paid.json["status"]) == (201, "completed")
    assert await town.balance(merchant, payee) == (1250, 0)


async def test_a_code_is_in_the_currency_of_its_account(town: Town, merchant: Member) -> None:
    """Amounts are written with as many digits as that has."""
    for currency, written in (("JPY", "54041250"), ("KWD", "54051.250"), ("CNY", "540512.50")):
        account = await town.account(merchant, "merchant", currency=currency)
        made = (await make(town, merchant, account, amount=1250)).json
        assert written in made["payload"]
        read = (await decode(town, merchant, made["payload"])).json
        assert (read["currency"], read["amount"], read["account"]) == (currency, 1250, account)


async def test_a_static_code_leaves_the_amount_to_the_payer(
    town: Town, wallet: Member, merchant: Member, payee: str
) -> None:
    """A sticker at the till: an account and no amount."""
    made = (await make(town, merchant, payee)).json
    assert (made["png"], made["svg"]) == (None, None)
    read = (await decode(town, wallet, made["payload"])).json
    assert (read["initiation"], read["amount"], read["account"]) == ("static", None, payee)


async def test_everything_that_may_be_asked_is_in_the_code(
    town: Town, wallet: Member, merchant: Member, payee: str
) -> None:
    """What goes in comes out, in the other language too."""
    asked = {
        "initiation": "static", "amount": 99, "postal_code": "266000", "bill_number": "4711",
        "store_label": "hall 2", "reference_label": "R-1", "terminal_label": "till-3",
        "tip": {"kind": "percentage", "amount": None, "basis_points": 1250},
    }  # fmt: skip
    language = {"language": "zh", "merchant_name": "街角小店", "merchant_city": "青岛"}
    made = await make(town, merchant, payee, **asked, language=language, image="svg")
    assert made.json["svg"].startswith("<svg ")
    read = (await decode(town, wallet, made.json["payload"])).json
    assert {name: read[name] for name in asked} == asked
    assert read["language"] == language | {"reserved": []}


async def test_the_same_request_gives_the_same_code(
    town: Town, wallet: Member, merchant: Member, payer: str, payee: str
) -> None:
    """No key is stored: the same bytes under any key, and the key stays free for a payment."""
    first = await make(town, merchant, payee, key="k", amount=5, image="png")
    again = await make(town, merchant, payee, key="k", amount=5, image="png")
    other = await make(town, merchant, payee, key="l", amount=5, image="png")
    assert first.status == again.status == other.status == 200
    assert first.body == again.body == other.body
    assert "Idempotent-Replayed" not in again.headers
    changed = await make(town, merchant, payee, key="k", amount=6)
    assert changed.status == 200, "nothing was decided under the key"
    read = await town.send(
        wallet, "POST", "/v1/codes/decode", content={"payload": first.json["payload"]}, key="w"
    )
    paid = await town.pay(wallet, payer, read.json["account"], 5, key="w")
    assert paid.status == 201


async def test_only_the_holder_gets_a_code_of_an_account(
    town: Town, wallet: Member, merchant: Member, payee: str
) -> None:
    """Another's account is as one that is not there."""
    other = await make(town, wallet, payee)
    absent = await make(town, merchant, str(uuid4()))
    assert (other.status, other.problem, other.json["field"]) == (404, "not-found", "account")
    assert other.body == absent.body
    assert other.is_signed


async def test_a_code_of_others_is_read_too(town: Town, wallet: Member) -> None:
    """It says everything and names no account of this switch."""
    read = await decode(town, wallet, BEST_TRANSPORT)
    assert read.status == 200
    assert read.json["account"] is None
    assert [one["identifier"] for one in read.json["merchant_accounts"]] == [
        "D15600000000", "D15600000001",
    ]  # fmt: skip
    shown = (await decode(town, wallet, examples.PAYLOAD)).json
    assert shown == examples.DECODED_CODE


@pytest.mark.parametrize(
    ("payload", "start"),
    [
        (BEST_TRANSPORT.replace("23.72", "23.73"), "Tag 63: the checksum does not fit"),
        (code({"54": "1,000"}), "Tag 54: amount: expected digits"),
        (code({"59": None}), "Tag 59: merchant name is missing"),
        (code({"62": "0105abc"}), "Tag 62.01: its length says 5 characters, 3 are left"),
        (code({"26": "0032" + examples.PAYLOAD[20:52]}), "Tag 26.01: an account of this switch"),
        ("hello", "Tag 00: a code begins with"),
        ("a\x00", "Text may not contain control characters"),
        ("", "Expected `str` of length >= 1"),
        ("0" * 513, "Expected `str` of length <= 512"),
        (42, "Expected `str`, got `int`"),
    ],
    ids=[
        "misread",
        "comma",
        "no-name",
        "length",
        "ours",
        "word",
        "control",
        "empty",
        "long",
        "int",
    ],
)
async def test_what_is_no_code_is_refused_by_tag_and_rule(
    town: Town, wallet: Member, payload: Any, start: str
) -> None:
    """A 400 that names the field, the tag and what is wrong with it."""
    reply = await decode(town, wallet, payload)
    assert (reply.status, reply.problem) == (400, "malformed-message")
    assert reply.json["field"] == "payload"
    assert reply.json["detail"].startswith(start)
    assert reply.is_signed


async def test_a_code_that_cannot_be_is_refused(town: Town, merchant: Member, payee: str) -> None:
    """By its field, or by the tag that has no room."""
    reply = await make(town, merchant, payee, country="China")
    assert (reply.status, reply.json["field"]) == (400, "country")
    reply = await make(town, merchant, payee, amount=10**15 - 1)
    assert (reply.status, reply.json["field"]) == (400, "amount")
    assert reply.json["detail"].startswith("Tag 54: ")


async def test_a_post_of_codes_is_signed_and_has_a_key(
    town: Town, merchant: Member, payee: str
) -> None:
    """As every other POST, although nothing is stored."""
    content = SHOP | {"account": payee}
    keyless = await town.send(merchant, "POST", "/v1/codes", content=content)
    assert keyless.status in {400, 401}
    query = await town.send(merchant, "POST", "/v1/codes?x=1", content=content, key="q")
    assert (query.status, query.json["field"]) == (400, "x")
    unsigned = await town.raw(
        "POST", "/v1/codes/decode", headers={"Content-Type": "application/json"}, body=b"{}"
    )
    assert unsigned.status == 401
    assert (await town.send(merchant, "GET", "/v1/codes")).status == 405


async def test_a_suspended_participant_makes_and_reads_codes(
    town: Town, merchant: Member, payee: str
) -> None:
    """It may repeat and read, and neither can be told from this; what is paid is decided later."""
    made = await make(town, merchant, payee)
    await town.operator.set_participant_status(merchant.id, status="suspended")
    content = {"currency": "CNY", "kind": "merchant"}
    await eventually(
        lambda: town.send(merchant, "POST", "/v1/accounts", content=content, key=uuid4().hex), 403
    )
    again = await make(town, merchant, payee)
    assert (again.status, again.body) == (200, made.body)
    assert (await decode(town, merchant, made.json["payload"])).status == 200


async def test_pictures_wait_for_each_other_up_to_a_limit(
    town: Town, merchant: Member, payee: str
) -> None:
    """More at once than may wait: the rest is told to come again, text is given all the same."""
    count = 3 * PARTICIPANT_PICTURES_MAX
    replies = await asyncio.gather(
        *(make(town, merchant, payee, amount=number + 1, image="png") for number in range(count)),
    )
    given = [reply for reply in replies if reply.status == 200]
    assert len(given) >= PARTICIPANT_PICTURES_MAX
    for reply in replies:
        if reply not in given:
            assert (reply.status, reply.problem) == (429, "too-many-requests")
            assert int(reply.headers["Retry-After"]) >= 1
    assert (await make(town, merchant, payee)).status == 200
