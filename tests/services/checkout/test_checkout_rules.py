"""What may be said about check-outs: bodies, bounds, amounts and addresses, without a switch."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from switch.currencies import CURRENCIES
from switch.errors import Problem
from switch.services.checkout import examples, limits
from switch.services.checkout.rules import (
    VALIDITY_MAX,
    Checkout,
    CheckoutRequest,
    PageStatus,
    amount_text,
    decode_checkout,
    end_of,
    is_good_url,
    moment_text,
    untimely,
)

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
PROFILE = settings(
    max_examples=200,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),  # how fast this machine is says nothing
)


def body(**changes: Any) -> bytes:
    """A good check-out with these members changed; a member of None is left out."""
    usual = {"payee": str(uuid4()), "amount": 100, "currency": "CNY", "reference": "7"}
    return json.dumps(
        {name: value for name, value in (usual | changes).items() if value is not None}
    ).encode()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"reference": None}, "reference"),
        ({"reference": "x" * 65}, "reference"),
        ({"amount": 0}, "amount"),
        ({"amount": 1.0}, "amount"),
        ({"amount_min": 0}, "amount_min"),
        ({"amount_min": 101}, "amount_min"),
        ({"currency": "XYZ"}, "currency"),
        ({"payee_name": "x" * (limits.NAME_CHARS_MAX + 1)}, "payee_name"),
        ({"payee_name": "\u202e\x00"}, "payee_name"),
        ({"description": "x" * 141}, "description"),
        ({"valid_s": limits.VALID_S_MIN - 1}, "valid_s"),
        ({"valid_s": limits.VALID_S_MAX + 1}, "valid_s"),
        ({"expires_at": "2026-11-01T08:00:00"}, "expires_at"),
        ({"expires_at": "9999-12-31T23:59:59Z"}, "expires_at"),
        ({"expires_at": "2026-11-01T08:00:00Z", "valid_s": 60}, "valid_s"),
        ({"return_url": "javascript:alert(1)"}, "return_url"),
        ({"return_url": "https://a.example/" + "x" * limits.URL_CHARS_MAX}, "return_url"),
        ({"colour": "red"}, "colour"),
    ],
    ids=str,
)
def test_what_breaks_a_rule_is_refused_by_its_name(changes: dict[str, Any], field: str) -> None:
    """One fault, and the field that has it."""
    refused = decode_checkout(body(**changes))
    assert isinstance(refused, Problem)
    assert refused.field == field


def test_the_examples_are_good() -> None:
    """What the OpenAPI document shows can be sent, and has the members of what is answered."""
    request = decode_checkout(json.dumps(examples.CHECKOUT_REQUEST).encode())
    assert isinstance(request, CheckoutRequest)
    for example in (examples.CHECKOUT, examples.PAID, examples.CANCELLED):
        assert set(Checkout(**example).__struct_fields__) == set(example)
    assert set(PageStatus(**examples.PAGE_STATUS).__struct_fields__) == set(examples.PAGE_STATUS)


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/orders/4711?a=b&c=%C3%A9#done",
        "https://shop.example:8443/",
        "http://127.0.0.1:8080/done",
        "http://localhost/done",
        "http://[::1]:80/done",
    ],
)
def test_a_good_address_may_be_gone_back_to(url: str) -> None:
    """https anywhere, http on this machine."""
    assert is_good_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.example",
        "//shop.example/",
        "https://",
        "https:///path",
        "http://shop.example/",
        "http://10.0.0.7/",
        "http://127.0.0.1.shop.example/",
        "https://user:secret@shop.example/",
        "https://shop.example:99999/",
        "https://shop.example/\\",
        "https://shop.example/a b",
        'https://shop.example/"><script>',
        "https://shop.example/\n",
        "https://münchen.example/",
        "ftp://shop.example/",
        "data:text/html,hello",
    ],
)
def test_any_other_address_is_refused(url: str) -> None:
    """Other schemes, other machines in clear, names with secrets, and what no URL may hold."""
    assert not is_good_url(url)


def test_a_check_out_ends_when_it_says(seed: int) -> None:
    """Never later than allowed, whichever way its end is told; at its end it is over."""

    def claim(seconds: int) -> None:
        ends_at = NOON + timedelta(seconds=seconds)
        request = decode_checkout(body(expires_at=ends_at.isoformat()))
        assert isinstance(request, CheckoutRequest)
        assert end_of(request, NOON) == ends_at
        assert (untimely(request, NOON) is None) == (0 < seconds <= limits.VALID_S_MAX)

    edges = st.sampled_from([0, 1, limits.VALID_S_MAX, limits.VALID_S_MAX + 1])
    PROFILE(seeded(seed)(given(st.integers(-(10**7), 10**7) | edges)(claim)))()


def test_without_an_end_it_is_open_for_a_quarter_of_an_hour() -> None:
    """Or for the seconds that are asked for, the longest included."""
    for valid_s, expected in ((None, 900), (60, 60), (limits.VALID_S_MAX, limits.VALID_S_MAX)):
        request = decode_checkout(body(valid_s=valid_s))
        assert isinstance(request, CheckoutRequest)
        assert end_of(request, NOON) == NOON + timedelta(seconds=expected)
        assert untimely(request, NOON) is None
    assert timedelta(seconds=limits.VALID_S_MAX) == VALIDITY_MAX


def test_an_amount_for_people_is_the_amount(seed: int) -> None:
    """The digits of the currency, and no unit more or less, up to the largest amount."""

    def claim(amount: int, currency: str) -> None:
        text, _, code = amount_text(amount, currency).partition(" ")
        whole, _, part = text.partition(".")
        assert (code, len(part)) == (currency, CURRENCIES[currency])
        assert int(whole.replace(",", "") + part) == amount

    tried = given(st.integers(0, 10**15), st.sampled_from(sorted(CURRENCIES)))(claim)
    PROFILE(seeded(seed)(tried))()
    assert amount_text(123_456_789, "CNY") == "1,234,567.89 CNY"
    assert amount_text(1_250, "JPY") == "1,250 JPY"


def test_a_moment_for_people_says_its_zone() -> None:
    """To the second, in UTC."""
    assert moment_text(NOON) == "2026-11-01 12:00:00 UTC"
