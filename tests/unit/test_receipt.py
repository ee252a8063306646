"""Receipts: the bytes of one, what they say, and every way in which one is not genuine."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from switch import examples, jws, keyfile, receipt
from switch.config import Config, known_authorities
from switch.keyfile import PublicKey
from switch.message import Payment, Step
from switch.receipt import Genuine
from switch.signature import raw_signature, signing_key
from switch.structured import Fault

SEED = bytes(range(32, 64))  # as in docs/INTEGRATING.md
KEY_ID = "switch/2026-11"
KEY = signing_key(KEY_ID, SEED)
ISSUED = 1_793_520_000
ISSUED_AT = datetime.fromtimestamp(ISSUED, UTC)
SECOND = timedelta(seconds=1)
PAYMENT = msgspec.convert(examples.PAYMENT, Payment)


def keys(**validity: datetime) -> dict[str, PublicKey]:
    """The published key, perhaps with a validity, as it is after it was published."""
    key = PublicKey(key_id=KEY_ID, public_key=keyfile.public_key(SEED), **validity)
    return keyfile.parse_jwks(keyfile.jwks_document([key]))


def issued(payment: Payment | Step = PAYMENT) -> str:
    """A receipt."""
    return receipt.issue(payment, issuer="switch.example.org", key=KEY, issued_at_s=ISSUED)


def token_of(header: dict[str, Any], payload: bytes) -> str:
    """Any payload under any header, signed by the switch's key."""
    signed = f"{keyfile.base64url(json.dumps(header).encode())}.{keyfile.base64url(payload)}"
    return f"{signed}.{keyfile.base64url(raw_signature(signed.encode(), KEY))}"


def fault_of(token: str, known: dict[str, PublicKey] | None = None) -> str:
    """Why a receipt is not genuine."""
    found = receipt.verify(token, keys() if known is None else known)
    assert isinstance(found, Fault), found
    return found.detail


def test_a_receipt_is_these_bytes() -> None:
    """The example of the OpenAPI document is what is issued for its payment, to the byte."""
    assert issued() == examples.RECEIPT


def test_the_payload_is_shown_to_integrators() -> None:
    """The example of docs/INTEGRATING.md is the payload and the header of that receipt."""
    page = (Path(__file__).parents[2] / "docs" / "INTEGRATING.md").read_text()
    for part in examples.RECEIPT.split(".")[:2]:
        assert (keyfile.from_base64url(part) or b"").decode() in page


def test_the_issuer_is_the_first_name_that_was_given() -> None:
    """As it stands in signatures; on loopback, where none has to be given, the address."""
    given = ("Switch.Example.org:443", "other.example.org", "switch.example.org")
    names = known_authorities(given, host="0.0.0.0", port=443, scheme="https")  # noqa: S104
    assert names == ("switch.example.org", "other.example.org")
    names = known_authorities((), host="127.0.0.1", port=8080, scheme="http")
    config = Config(authorities=names, database_url="", key_dir=Path())
    assert config.issuer == "127.0.0.1:8080"


def test_a_receipt_says_what_was_decided() -> None:
    """Beside issuer and time, members of the payment with their values; of metadata nothing."""
    found = receipt.verify(issued(), keys())
    assert isinstance(found, Genuine)
    said = msgspec.to_builtins(found.receipt)
    assert (found.key_id, said.pop("iss"), said.pop("iat")) == (
        KEY_ID,
        "switch.example.org",
        ISSUED,
    )
    assert said == {name: examples.PAYMENT[name] for name in said}
    assert "metadata" not in said
    assert "till" not in jws.read(issued()).payload.decode()  # type: ignore[union-attr]


def test_a_step_has_a_receipt_that_names_its_payment() -> None:
    """A refund's receipt is nobody's for the payment itself."""
    step = Step(
        id="0192f0c2-7b40-7d31-a1c4-0f3b2d9c8e04",
        parent=PAYMENT.id,
        idempotency_key="refund-1",
        request_digest=PAYMENT.request_digest,
        participant="corner-shop",
        type="refund",
        payer=PAYMENT.payee,
        payee=PAYMENT.payer,
        amount=250,
        currency="CNY",
        final=None,
        status="completed",
        reason=None,
        created_at=PAYMENT.created_at,
    )
    found = receipt.verify(issued(step), keys())
    assert isinstance(found, Genuine)
    assert (found.receipt.parent, found.receipt.type) == (PAYMENT.id, "refund")
    assert b"parent" not in jws.read(issued()).payload  # type: ignore[union-attr]


def test_a_decline_has_a_receipt_too() -> None:
    """It says so, with the reason."""
    declined = msgspec.structs.replace(PAYMENT, status="declined", reason="insufficient_funds")
    found = receipt.verify(issued(declined), keys())
    assert isinstance(found, Genuine)
    assert (found.receipt.status, found.receipt.reason) == ("declined", "insufficient_funds")


def test_a_key_counts_while_it_is_valid() -> None:
    """By the time of issue, to the published second, and never by the clock of the reader."""
    for known in (
        keys(not_before=ISSUED_AT, not_after=ISSUED_AT + SECOND),
        keys(not_before=ISSUED_AT - SECOND, not_after=ISSUED_AT),
    ):
        assert isinstance(receipt.verify(issued(), known), Genuine)
    assert "not valid" in fault_of(issued(), keys(not_before=ISSUED_AT + SECOND))
    assert "not valid" in fault_of(issued(), keys(not_after=ISSUED_AT - SECOND))


def test_only_the_given_keys_count() -> None:
    """Another key under the same id, or an id that was not given, proves nothing."""
    other = PublicKey(key_id=KEY_ID, public_key=keyfile.public_key(bytes(32)))
    assert "not what switch/2026-11 signed" in fault_of(issued(), {KEY_ID: other})
    assert "was not given" in fault_of(issued(), {})
    assert "was not given" in fault_of(token_of({"alg": "EdDSA", "typ": receipt.TYPE}, b"{}"))


def test_every_changed_member_is_found() -> None:
    """Whatever is changed in the payload, the signature is not of it."""
    header, payload, signature = issued().split(".")
    content = json.loads(keyfile.from_base64url(payload) or b"")
    for name, value in content.items():
        changed = value + 1 if isinstance(value, int) else f"{value or ''}x"
        other = keyfile.base64url(json.dumps(content | {name: changed}).encode())
        assert "not what" in fault_of(f"{header}.{other}.{signature}"), name


@pytest.mark.parametrize(
    ("header", "payload", "words"),
    [
        ({"typ": "JWT"}, None, "typ"),
        ({}, None, "typ"),
        ({"typ": receipt.TYPE}, b"[]", "not a JSON object"),
        ({"typ": receipt.TYPE}, b"{}", "is no receipt"),
        ({"typ": receipt.TYPE}, b"\xff", "not JSON"),
        ({"typ": receipt.TYPE}, b'{"iat":1,"iat":2}', "given once"),
        ({"typ": receipt.TYPE}, b'{"iat":"1"}', "is no receipt"),
        ({"typ": receipt.TYPE}, b'{"\\ud800":1}', "is no receipt"),
    ],
)
def test_what_the_switch_signed_and_is_no_receipt(
    header: dict[str, str], payload: bytes | None, words: str
) -> None:
    """A good signature alone makes no receipt: its type and its members must be those of one."""
    content = keyfile.from_base64url(issued().split(".")[1]) if payload is None else payload
    token = token_of({"alg": "EdDSA", "kid": KEY_ID, **header}, content or b"")
    assert words in fault_of(token)


def test_a_later_switch_may_say_more() -> None:
    """Members that this version does not know are passed over."""
    content = json.loads(keyfile.from_base64url(issued().split(".")[1]) or b"")
    more = json.dumps(content | {"mood": "x"}).encode()
    token = token_of({"alg": "EdDSA", "kid": KEY_ID, "typ": receipt.TYPE}, more)
    assert receipt.verify(token, keys()) == receipt.verify(issued(), keys())
