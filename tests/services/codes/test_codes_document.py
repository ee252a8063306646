"""The worked example of docs/services/codes.md, sent to a live switch as it stands there."""

import base64
import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from switch.payment_code import mandate_of
from switch.services.codes import examples, limits, secret
from switch.services.codes.ber import encode
from switch.services.codes.consumer_payload import OURS, build
from switch.services.codes.consumer_presented import ConsumerCode, ConsumerCodeRequest
from switch.services.codes.message import CodeRequest
from switch.services.codes.payee import IDENTIFIER
from tests.integration.town import Member, Town
from tests.services.codes.encoder import code, sealed
from tests.services.codes.samples import BEST_TRANSPORT
from tests.services.codes.test_http_codes import decode
from tests.services.codes.till import Till
from tests.tidy import tree

DOCUMENT = (Path(__file__).parents[3] / "docs" / "services" / "codes.md").read_text()
MERCHANTS, _, PAYERS = DOCUMENT.partition("\n## A code that the payer shows\n")
EXCHANGE = re.compile(
    r"```http\nPOST (\S+)\n\n(\{.*?\n\})\n```.*?```json\n(\{.*?\n\})\n```", re.DOTALL
)
ROW = re.compile(r"^\| ([^|]+) \| `(Tag [^`]+)` \|$", re.MULTILINE)
PAYER = "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01"
PAYEE = examples.CODE_REQUEST["account"]
MADE = ("code", "mandate", "not_after", "emv")  # of a payer's code: anew in every run
FORMAT = base64.b64decode(examples.CONSUMER_PAYLOAD)[:7]
NAME = encode("4F", bytes.fromhex(OURS))


def presented(encoded: bytes) -> str:
    return base64.b64encode(encoded).decode()


# What the table of refusals says in words.
REFUSED = {
    "misread, changed or cut off": BEST_TRANSPORT.replace("BEIJING", "BEUING"),
    "no code at all": "https://example.org",
    "an amount of `1,000`": code({"54": "1,000"}),
    "a mandatory tag left out": code({"59": None}),
    "a tag that stands twice": sealed(code()[:-8] + "5303156"),
    "a length beyond the end of a template": code({"62": "0105abc"}),
    "a fixed fee without its indicator": code({"56": "1.00"}),
    "two accounts of this switch": code({"27": examples.PAYLOAD[16:88]}),
    "consumer-presented data that was cut off": examples.CONSUMER_PAYLOAD[:-8],
    "consumer-presented data of another version": presented(FORMAT.replace(b"1", b"2")),
    "this switch's application without a code": presented(FORMAT + encode("61", NAME)),
}


async def test_the_payers_example_works(till: Till) -> None:
    """A code is made, read and paid once; each answer is what the document shows."""
    names = {PAYER: till.payer, PAYEE: till.payee}
    exchanges = EXCHANGE.findall(PAYERS)
    senders = [till.wallet, till.merchant, till.merchant, till.merchant]
    for (path, request, answer), sender in zip(exchanges, senders, strict=True):
        content = named(request, names)
        reply = await till.town.send(sender, "POST", path, content=content, key=uuid4().hex)
        assert reply.status == (200 if path == "/v1/codes/decode" else 201), reply.body
        if path == "/v1/codes/consumer":
            example = json.loads(answer)
            names |= {example[name]: reply.json[name] for name in MADE}
        assert named(answer, names).items() <= reply.json.items()
    assert await till.town.balance(till.merchant, till.payee) == (1450, 0)


def test_the_payers_example_is_that_of_the_endpoints() -> None:
    """Its code gives its mandate and its text, and the OpenAPI document shows the same."""
    exchanges = [(json.loads(one), json.loads(two)) for _, one, two in EXCHANGE.findall(PAYERS)]
    assert exchanges[0] == (examples.CONSUMER_CODE_REQUEST, examples.CONSUMER_CODE)
    made = examples.CONSUMER_CODE
    assert (str(mandate_of(made["code"])), build(made["code"])) == (made["mandate"], made["emv"])
    assert exchanges[1] == ({"payload": made["emv"]}, examples.DECODED_CONSUMER_CODE)
    assert examples.CONSUMER_CODE.keys() == set(ConsumerCode.__struct_fields__)


def named(text: str, names: dict[str, str]) -> Any:
    """JSON of the document with what is this test's in it."""
    for old, new in names.items():
        text = text.replace(old, new)
    return json.loads(text)


def told(text: str, names: dict[str, str]) -> Any:
    """JSON of the document with the accounts of this test in it, codes sealed again."""
    for old, new in names.items():
        text = text.replace(old, new).replace(UUID(old).hex, UUID(new).hex)
    content = json.loads(text)
    if "payload" in content:
        content["payload"] = sealed(content["payload"][:-8])
    return content


async def test_the_worked_example_works(
    town: Town, wallet: Member, merchant: Member, payer: str, payee: str
) -> None:
    """A code is made, read and paid; each answer is what the document shows."""
    names = {PAYER: payer, PAYEE: payee}
    exchanges = EXCHANGE.findall(MERCHANTS)
    assert [path for path, _, _ in exchanges] == [
        "/v1/codes", "/v1/codes/decode", "/v1/payments",
    ]  # fmt: skip
    for (path, request, answer), sender in zip(exchanges, (merchant, wallet, wallet), strict=True):
        content = told(request, names)
        reply = await town.send(sender, "POST", path, content=content, key=uuid4().hex)
        assert reply.status == (201 if path == "/v1/payments" else 200), reply.body
        shown = told(answer, names)
        assert shown.items() <= reply.json.items()
        if path == "/v1/codes/decode":
            assert not any(reply.json[name] for name in reply.json.keys() - shown.keys())
    assert await town.balance(merchant, payee) == (1450, 0)


def test_the_codes_of_the_document_are_right_to_the_byte() -> None:
    """Whoever builds codes can compare his with these."""
    assert DOCUMENT.count(examples.PAYLOAD) == 2
    assert json.loads(EXCHANGE.findall(DOCUMENT)[0][1]) == examples.CODE_REQUEST


@pytest.mark.parametrize(("what", "start"), ROW.findall(DOCUMENT), ids=lambda text: text[:24])
async def test_what_is_refused_is_refused_in_these_words(
    town: Town, wallet: Member, what: str, start: str
) -> None:
    """Each row of the table of refusals."""
    reply = await decode(town, wallet, REFUSED[what])
    assert (reply.status, reply.json["field"]) == (400, "payload")
    assert reply.json["detail"].startswith(start)


def test_the_document_tells_everything() -> None:
    """Each field that may be asked for, the identifier, the limits of pictures, every refusal."""
    assert {what for what, _ in ROW.findall(DOCUMENT)} == REFUSED.keys()
    section = DOCUMENT.partition("## Asking for a code")[2].partition("\n## ")[0]
    for field in CodeRequest.__struct_fields__:
        assert re.search(rf"^\|[^|]*`{field}`", section, re.MULTILINE), field
    section = PAYERS.partition("\n## What a payer's code is\n")[2]
    for field in ConsumerCodeRequest.__struct_fields__:
        assert re.search(rf"^\|[^|]*`{field}`", section, re.MULTILINE), field
    bounds = (limits.VALIDITY_S_MIN, limits.VALIDITY_S_MAX, limits.VALIDITY_S_DEFAULT)
    assert "{} to {}, {} unless told".format(*bounds) in section
    assert limits.OPEN_CODES_MAX == 10, "the document says ten"
    assert f"`{secret.FOLDER}/{secret.FILE}`" in section
    assert OURS in section
    assert IDENTIFIER in DOCUMENT
    assert (limits.MODULE_PIXELS, limits.QUIET_MODULES) == (8, 4)
    assert (limits.PICTURES_MAX, limits.PARTICIPANT_PICTURES_MAX) == (16, 8)


def test_the_words_are_in_the_glossary() -> None:
    """A word of the wire means one thing."""
    glossary = (tree.ROOT / "docs" / "GLOSSARY.md").read_text()
    for word in ("code", "payment code", "checksum", "payload (of a code)", "tag", "tip"):
        assert re.search(rf"^\| {re.escape(word)} \|", glossary, re.MULTILINE), word
