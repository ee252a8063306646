"""Payment codes in messages: one of three names who pays, and a code becomes its mandate's id."""

import hashlib
import json
from typing import Any
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from switch.errors import Problem
from switch.message import PaymentRequest, decode_payment
from switch.payment_code import CODES, DIGITS, mandate_of

CODE = "204816326412825651"
MANDATE = UUID("1710b64b-bc21-8f2c-ba05-422c55f5d9fc")
NAMES: dict[str, str] = {"payer": str(MANDATE), "mandate": str(MANDATE), "code": CODE}
CONTENT: dict[str, Any] = {
    "type": "purchase", "payee": "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02", "amount": 1,
    "currency": "CNY",
}  # fmt: skip

digits = st.integers(min_value=0, max_value=CODES - 1).map(lambda number: f"{number:0{DIGITS}}")


def decoded(**more: Any) -> PaymentRequest | Problem:
    return decode_payment(json.dumps(CONTENT | more).encode())


def test_an_id_is_the_first_bits_of_a_hash(seed: int) -> None:
    """A UUID of version 8: 122 bits of SHA-256 around version and variant (RFC 9562, 5.8)."""

    @given(digits)
    def tried(code: str) -> None:
        made = mandate_of(code)
        assert (made.version, made.variant) == (8, RFC_4122)
        bits = f"{made.int:0128b}"
        hashed = int.from_bytes(hashlib.sha256(b"payment-code\n" + code.encode()).digest(), "big")
        assert bits[:48] + bits[52:64] + bits[66:] == f"{hashed:0256b}"[:122]

    settings(deadline=None, database=None)(seeded(seed)(tried))()


def test_an_id_stays_what_it_is() -> None:
    """Codes that were given are found by later programs, too."""
    assert str(mandate_of(CODE)) == "1710b64b-bc21-8f2c-ba05-422c55f5d9fc"


def test_a_code_is_decoded_to_its_mandate(seed: int) -> None:
    """What goes on from there knows mandates alone, and no code is kept."""

    @given(digits)
    def tried(code: str) -> None:
        request = decoded(code=code)
        assert isinstance(request, PaymentRequest)
        assert (request.payer, request.mandate, request.code) == (None, mandate_of(code), None)

    settings(deadline=None, database=None)(seeded(seed)(tried))()


@pytest.mark.parametrize(
    "names",
    [(), ("payer", "mandate"), ("payer", "code"), ("mandate", "code"), tuple(NAMES)],
    ids=lambda names: "-".join(names) or "none",
)
def test_exactly_one_says_who_pays(names: tuple[str, ...]) -> None:
    """None or several of payer, mandate and code are refused."""
    refusal = decoded(**{name: NAMES[name] for name in names})
    assert isinstance(refusal, Problem)
    assert (refusal.name, refusal.field) == ("malformed-message", "payer")
    assert "`code`" in refusal.detail


@pytest.mark.parametrize(
    "code",
    ["", "1" * 17, "1" * 19, "1" * 17 + "\n", "1" * 18 + "\n", "1" * 17 + "x", "\u0661" * 18,
     "-" * 18, int(CODE), " " * 18],
    ids=["empty", "short", "long", "line", "longer-line", "letter", "arabic", "signs", "number",
         "blanks"],
)  # fmt: skip
def test_a_code_is_its_digits_and_nothing_else(code: object) -> None:
    """Anything else is refused with the field's name."""
    refusal = decoded(code=code)
    assert isinstance(refusal, Problem)
    assert (refusal.name, refusal.field) == ("malformed-message", "code")


def test_a_code_given_twice_is_refused() -> None:
    """As any member is: readers disagree about which one counts."""
    body = json.dumps(CONTENT | {"code": CODE})[:-1] + f', "code": "{CODE}"}}'
    refusal = decode_payment(body.encode())
    assert isinstance(refusal, Problem)
    assert refusal.field == "code"
