"""Messages: every rule of a payment's body has a row here, with the field that is to be named."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from switch import limits
from switch.errors import Problem
from switch.message import (
    AccountRequest,
    BarRequest,
    CaptureRequest,
    EmptyRequest,
    PaymentRequest,
    RefundRequest,
    decode_account,
    decode_bar,
    decode_capture,
    decode_empty,
    decode_payment,
    decode_refund,
)

PAYER = "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01"
PAYEE = "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02"


def body(**changes: Any) -> bytes:
    """A good payment with these members changed; a member set to `...` is left out."""
    message: dict[str, Any] = {
        "type": "purchase",
        "payer": PAYER,
        "payee": PAYEE,
        "amount": 1250,
        "currency": "CNY",
    }
    message |= changes
    return json.dumps({name: value for name, value in message.items() if value is not ...}).encode()


def raw(member: str) -> bytes:
    """A good payment with one more member, written as it stands here."""
    return body()[:-1] + b"," + member.encode("utf-8", "surrogatepass") + b"}"


def refusal(sent: bytes) -> Problem:
    """What decoding answers to bytes that must be refused."""
    found = decode_payment(sent)
    assert isinstance(found, Problem), f"accepted: {found}"
    assert found.name == "malformed-message"
    assert found.detail
    return found


def accepted(sent: bytes) -> PaymentRequest:
    """What decoding makes of bytes that must be accepted."""
    found = decode_payment(sent)
    assert isinstance(found, PaymentRequest), found
    return found


def test_a_full_payment_is_read_member_by_member() -> None:
    """Everything that may be sent arrives as it was sent, metadata in its own order."""
    request = accepted(
        body(
            capture=True,
            expires_at="2026-11-01T16:00:00.5+08:00",
            reference="order-4711",
            payee_reference="INV 12",
            description="两杯咖啡",
            metadata={"z": "1", "a": ""},
        )
    )
    assert str(request.payer) == PAYER
    assert request.expires_at == datetime(2026, 11, 1, 8, 0, 0, 500000, tzinfo=UTC)
    assert request.expires_at.tzinfo is UTC
    assert request.description == "两杯咖啡"
    assert list((request.metadata or {}).items()) == [("z", "1"), ("a", "")]


@pytest.mark.parametrize("name", ["type", "payer", "payee", "amount", "currency"])
def test_a_missing_member_is_named(name: str) -> None:
    """A payment without one of its five members is refused with the member's name."""
    assert refusal(body(**{name: ...})).field == name


@pytest.mark.parametrize(
    "amount",
    ["1.0", "1.5", "1e3", "true", "false", '"1"', "null", "[]", "{}", "0", "-1", "-0", str(10**30)],
)
def test_an_amount_is_an_integer_in_range(amount: str) -> None:
    """Floats, booleans, strings and everything outside 1 to 10^15 are refused."""
    sent = body(amount=...)[:-1] + f',"amount":{amount}}}'.encode()
    assert refusal(sent).field == "amount"


def test_an_amount_at_its_bounds() -> None:
    """1 and 10^15 are amounts; one more is not."""
    assert accepted(body(amount=1)).amount == 1
    assert accepted(body(amount=limits.AMOUNT_MAX)).amount == limits.AMOUNT_MAX
    assert refusal(body(amount=limits.AMOUNT_MAX + 1)).field == "amount"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"type": "issue"}, "type"),
        ({"type": "Purchase"}, "type"),
        ({"type": 1}, "type"),
        ({"payer": "not-a-uuid"}, "payer"),
        ({"payer": 7}, "payer"),
        ({"payee": None}, "payee"),
        ({"currency": "cny"}, "currency"),
        ({"currency": "CNY\n"}, "currency"),
        ({"currency": "XXX"}, "currency"),
        ({"currency": "ZZZ"}, "currency"),
        ({"currency": ""}, "currency"),
        ({"capture": True, "hold_seconds": 60}, "hold_seconds"),
        ({"capture": False, "hold_seconds": 59}, "hold_seconds"),
        ({"capture": False, "hold_seconds": 2_592_001}, "hold_seconds"),
        ({"capture": 1}, "capture"),
        ({"capture": "true"}, "capture"),
        ({"hold_seconds": 600}, "hold_seconds"),
        ({"hold_seconds": True}, "hold_seconds"),
        ({"reference": ""}, "reference"),
        ({"reference": "x" * 65}, "reference"),
        ({"payee_reference": ""}, "payee_reference"),
        ({"payee_reference": "x" * 35}, "payee_reference"),
        ({"description": ""}, "description"),
        ({"description": "x" * 141}, "description"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"metadata": {"a": None}}, "metadata"),
        ({"metadata": {"": "b"}}, "metadata"),
        ({"metadata": {"k" * 41: "b"}}, "metadata"),
        ({"metadata": {"k": "v" * 201}}, "metadata"),
        ({"metadata": {str(number): "v" for number in range(11)}}, "metadata"),
        ({"status": "completed"}, "status"),
        ({"Amount": 1}, "Amount"),
    ],
)
def test_a_broken_rule_names_its_field(changes: dict[str, Any], field: str) -> None:
    """Each rule of the contract, broken once, is refused with the field that breaks it."""
    assert refusal(body(**changes)).field == field


@pytest.mark.parametrize(
    "changes",
    [
        {"reference": "x" * 64},
        {"payee_reference": "x" * 34},
        {"description": "é" * 140},
        {"metadata": {}},
        {"metadata": {"k" * 40: "v" * 200}},
        {"metadata": {str(number): "v" for number in range(10)}},
        {"reference": None, "metadata": None, "hold_seconds": None, "expires_at": None},
        {"description": 'a "quoted": colon \\ and {"json":1}'},
    ],
)
def test_what_is_just_within_the_rules_is_accepted(changes: dict[str, Any]) -> None:
    """Texts at their greatest length, in characters and not in bytes, are taken."""
    accepted(body(**changes))


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-01",
        "2026-11-01T08:00:00",
        "2026-11-01T08:00Z",
        "2026-11-01T08:00:60Z",
        "2026-11-01T24:00:00Z",
        "2026-13-01T08:00:00Z",
        "20261101T080000Z",
        "tomorrow",
        "",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59.999999Z",
        "9999-12-31T23:59:59-23:59",
    ],
)
def test_a_time_that_is_none_is_refused(text: str) -> None:
    """`expires_at` is a time of RFC 3339 with an offset, and within years that exist in UTC."""
    assert refusal(body(expires_at=text)).field == "expires_at"


@pytest.mark.parametrize("value", ["1", "1.5", "true", "[]"])
def test_a_time_is_a_string(value: str) -> None:
    """Unix seconds are no time of the contract."""
    assert refusal(raw(f'"expires_at":{value}')).field == "expires_at"


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        (raw('"amount":1250'), "amount"),
        (raw('"amount" : 1'), "amount"),
        (raw('"\\u0061mount":1'), "amount"),
        (raw('"metadata":{"a":"1","a":"1"}'), "a"),
        (raw('"metadata":{"a":"1","\\u0061":"2"}'), "a"),
        (raw('"metadata":{"a":":","a":":"}'), "a"),
        (raw('"reference":null,"reference":null'), "reference"),
        (raw('"reference":"x","reference":null'), "reference"),
        (raw('"capture":true,"capture":true'), "capture"),
        (raw('"metadata":null,"metadata":{"a":"1"}'), "metadata"),
    ],
)
def test_a_member_given_twice_is_refused(sent: bytes, field: str) -> None:
    """Parsers disagree about which of two counts, so neither does, however the name is written."""
    found = refusal(sent)
    assert found.field == field
    assert "twice" in found.detail


def test_the_same_name_in_two_objects_is_no_duplicate() -> None:
    """A name of the payment may be a name in its metadata."""
    assert accepted(raw('"reference":"x","metadata":{"reference":"y","amount":":"}')).metadata


@pytest.mark.parametrize("text", ["\\u0000", "a\\nb", "\\u001f", "\x7f", "\x85", "\\u009f"])
@pytest.mark.parametrize(
    "where", ['"reference":"%s"', '"metadata":{"k":"%s"}', '"metadata":{"%s":"v"}']
)
def test_control_characters_are_no_text(text: str, where: str) -> None:
    """NUL and its kind are refused in texts, metadata's keys and values, escaped or not."""
    assert refusal(raw(where % text)).field in {"reference", "metadata"}


@pytest.mark.parametrize("text", ["\\ud800", "\\udfff", "\\ud800\\ud800", "\ud800"])
def test_lone_surrogates_are_refused(text: str) -> None:
    """Half a character has no UTF-8; a whole one, escaped in two halves, is fine."""
    refusal(raw(f'"reference":"{text}"'))
    assert accepted(raw('"reference":"\\ud83d\\ude00"')).reference == "\N{GRINNING FACE}"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b'"payment"',
        b"1",
        b"{",
        b"{}x",
        body() + b"{}",
        body()[:-1],
        body()[:-1] + b",}",
        body().replace(b'"', b"'"),
        b"\xef\xbb\xbf" + body(),
        b"\xff\xfe" + body().decode().encode("utf-16-le"),
        body(reference="x").replace(b'"x"', b'"\xff"'),
        body(reference="x").replace(b'"x"', b'"\xc0\x80"'),
        body(reference="x").replace(b'"x"', b'"a\nb"'),
        body().replace(b"1250", b"NaN"),
        body().replace(b"1250", b"01250"),
        body().replace(b"1250", b"1250 // minor units"),
        b"[" * 60_000,
        b'{"metadata":' * 5_000,
        raw('"metadata":' + "[" * 50_000),
    ],
    ids=range(23),
)
def test_what_is_not_json_is_refused(sent: bytes) -> None:
    """Truncated, foreign, nested or decorated bodies get an answer that says so, never a fault."""
    found = refusal(sent)
    assert len(found.detail) <= limits.DETAIL_CHARS_MAX


def test_a_problem_quotes_a_bounded_piece_of_the_message() -> None:
    """A name of a thousand characters, with control characters, does not come back as it is."""
    found = refusal(raw('"' + "x\\u0000" * 1000 + '":1'))
    assert len(found.detail) <= limits.DETAIL_CHARS_MAX
    assert len(found.field or "") <= limits.METADATA_KEY_CHARS_MAX
    assert "\x00" not in found.detail + (found.field or "")


def test_an_account_to_open() -> None:
    """Currency and kind are needed, reference and tier may be there, anything else may not."""
    request = decode_account(b'{"currency":"CNY","kind":"wallet","reference":"r","tier":"gold"}')
    assert request == AccountRequest(currency="CNY", kind="wallet", reference="r", tier="gold")
    for sent, field in (
        (b'{"kind":"wallet"}', "currency"),
        (b'{"currency":"CNY","kind":"purse"}', "kind"),
        (b'{"currency":"CNX","kind":"wallet"}', "currency"),
        (b'{"currency":"CNY","kind":"wallet","kind":"wallet"}', "kind"),
        (b'{"currency":"CNY","kind":"wallet","floor":-1}', "floor"),
        (b'{"currency":"CNY","kind":"wallet","tier":"\\u0000"}', "tier"),
    ):
        found = decode_account(sent)
        assert isinstance(found, Problem)
        assert found.field == field


def test_a_post_with_nothing_to_say() -> None:
    """No body and an empty object are the same message; anything else is refused."""
    assert decode_empty(b"") == decode_empty(b"{}") == EmptyRequest()
    for sent in (b'{"a":1}', b"[]", b"null", b"x"):
        assert isinstance(decode_empty(sent), Problem)


def test_a_step_and_a_bar() -> None:
    """Amounts may be left out, and the whole body with them; a bar names its key, once."""
    assert decode_capture(b"") == decode_capture(b"{}") == CaptureRequest(amount=None, final=False)
    assert decode_capture(b'{"final":true,"amount":7}') == CaptureRequest(amount=7, final=True)
    assert decode_capture(b'{"final":false}') == CaptureRequest()
    assert decode_refund(b"") == decode_refund(b'{"amount":null}') == RefundRequest(amount=None)
    assert decode_bar(b'{"idempotency_key":"a:b"}') == BarRequest(idempotency_key="a:b")
    for decode, sent, field in (
        (decode_capture, b'{"amount":1,"amount":1}', "amount"),
        (decode_capture, b'{"final":true,"final":false}', "final"),
        (decode_capture, b'{"final":false,"final":false}', "final"),
        (decode_capture, b'{"final":1}', "final"),
        (decode_capture, b'{"amount":0}', "amount"),
        (decode_refund, b'{"amount":1000000000000001}', "amount"),
        (decode_refund, b'{"final":true}', "final"),
        (decode_bar, b"", None),
        (decode_bar, b"{}", "idempotency_key"),
        (decode_bar, b'{"idempotency_key":"k","idempotency_key":"k"}', "idempotency_key"),
        (decode_bar, b'{"idempotency_key":"\\u0000"}', "idempotency_key"),
        (decode_bar, b'{"idempotency_key":"a b"}', "idempotency_key"),
    ):
        found = decode(sent)
        assert isinstance(found, Problem), sent
        assert found.field == field, sent
