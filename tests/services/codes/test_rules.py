"""The rules behind codes: amounts, checksum, whose account it is, what may be asked for."""

import json
from typing import Any
from uuid import UUID

import msgspec
import pytest

from switch.currencies import CURRENCIES, CURRENCY_NUMBERS
from switch.errors import Problem
from switch.services.codes import examples
from switch.services.codes.amounts import decimal_text, smallest_units
from switch.services.codes.emv import MerchantCode, parse
from switch.services.codes.message import (
    CodeRequest,
    decode_code_request,
    decode_payload,
    payload_of,
)
from switch.services.codes.tlv import Fault, checksum
from tests.services.codes.encoder import ACCOUNT, MINIMAL, OURS, code, many, one, sealed, with_raw
from tests.services.codes.samples import BEST_TRANSPORT
from tests.tidy import tree
from tests.tidy.test_imports import IO_PACKAGES

FOLDER = tree.PACKAGE / "services" / "codes"
PURE = ("limits", "tlv", "tags", "amounts", "emv", "payee", "message", "examples")


def asked(**changes: Any) -> CodeRequest | Problem:
    """The request of the example, changed; None leaves a member out."""
    content = {
        name: value
        for name, value in (examples.CODE_REQUEST | changes).items()
        if value is not None
    }
    return decode_code_request(json.dumps(content).encode())


def made(currency: str = "CNY", **changes: Any) -> str | Problem:
    """The text of the code that is asked for."""
    request = asked(**changes)
    assert isinstance(request, CodeRequest), request
    return payload_of(request, currency)


@pytest.mark.parametrize("name", PURE)
def test_rules_do_no_input_or_output(name: str) -> None:
    """A code is computed from its arguments alone."""
    roots = {imported.split(".")[0] for imported in tree.imported(FOLDER / f"{name}.py")}
    assert not roots & IO_PACKAGES


@pytest.mark.parametrize(
    ("units", "digits", "text"),
    [
        (1250, 2, "12.50"), (5, 2, "0.05"), (100, 2, "1.00"), (7, 0, "7"), (1000, 0, "1000"),
        (1, 3, "0.001"), (1250, 3, "1.250"), (10**12 - 1, 2, "9999999999.99"),
        (10**12, 2, "10000000000"), (10**15, 2, "10000000000000"), (10**13, 0, "10000000000000"),
    ],
)  # fmt: skip
def test_an_amount_is_written_with_the_digits_of_its_currency(
    units: int, digits: int, text: str
) -> None:
    """Exactly, without the noughts behind the point where they would not fit."""
    assert decimal_text(units, digits, 13) == text
    assert smallest_units(text, digits) == units


@pytest.mark.parametrize(
    ("text", "digits", "units"),
    [
        ("12", 2, 1200), ("12.", 2, 1200), ("12.3", 2, 1230), ("12.300", 2, 1230),
        ("12.301", 2, None), ("12.0", 0, 12), ("12.5", 0, None), ("000.01", 2, 1), ("0", 2, 0),
    ],
)  # fmt: skip
def test_an_amount_is_read_exactly_or_not_at_all(text: str, digits: int, units: int | None) -> None:
    """Nothing is rounded."""
    assert smallest_units(text, digits) == units


def test_the_checksum_is_the_one_of_the_specification() -> None:
    """CRC-16 of `123456789` as catalogues have it, one with noughts in front, and of Unicode."""
    assert checksum("123456789") == "29B1"
    assert checksum(BEST_TRANSPORT[:-4]) == "A13A"
    few = next(text for number in range(9_999) if (text := checksum(str(number)))[:2] == "00")
    assert len(few) == 4


def test_currencies_have_different_numbers() -> None:
    """One number, one currency; what banks use most is what it should be."""
    assert len(set(CURRENCY_NUMBERS.values())) == len(CURRENCIES)
    assert all(len(number) == 3 and number.isdigit() for number in CURRENCY_NUMBERS.values())
    known = {"CNY": "156", "EUR": "978", "USD": "840", "JPY": "392", "INR": "356", "BRL": "986"}
    assert known.items() <= CURRENCY_NUMBERS.items()


def test_every_field_of_the_published_example_is_read() -> None:
    """The code of the specification, down to its last label."""
    read = parse(BEST_TRANSPORT)
    answer = decode_payload(json.dumps({"payload": BEST_TRANSPORT}).encode())
    for found in (read, answer):
        assert not isinstance(found, Problem)
        assert (found.initiation, found.currency, found.amount) == ("dynamic", "CNY", 2372)
        assert found.tip.kind == "prompt"
        assert (found.country, found.category, found.postal_code) == ("CN", "4111", None)
        assert (found.merchant_name, found.merchant_city) == ("BEST TRANSPORT", "BEIJING")
        assert (found.store_label, found.customer_label) == ("1234", "***")
        assert (found.terminal_label, found.consumer_data_request) == ("A6008667", "ME")
        assert found.language.language == "ZH"
        assert (found.language.merchant_name, found.language.merchant_city) == ("最佳运输", "北京")
        first, second = found.merchant_accounts
        assert (first.tag, first.identifier) == ("29", "D15600000000")
        assert (second.tag, second.fields[0].value) == ("31", "12345678")
        assert found.unreserved_templates[0].identifier == "A011223344998877"
    assert answer.account is None, "it is not of this switch"


def test_the_examples_are_right() -> None:
    """What OpenAPI shows is what is answered, to the byte."""
    assert made() == examples.PAYLOAD
    answer = decode_payload(json.dumps({"payload": examples.PAYLOAD}).encode())
    assert json.loads(msgspec.json.encode(answer)) == examples.DECODED_CODE


def test_the_same_request_gives_the_same_code() -> None:
    """No clock, no chance: this is why no key is stored."""
    assert made() == made()
    assert made() != made(amount=1251)


@pytest.mark.parametrize(
    ("changes", "initiation"),
    [
        ({}, "dynamic"),
        ({"amount": None}, "static"),
        ({"initiation": "static"}, "static"),
        ({"initiation": "dynamic", "amount": None}, "dynamic"),
    ],
    ids=["amount", "no-amount", "static-with-amount", "dynamic-without"],
)
def test_a_code_with_an_amount_is_for_one_payment_unless_told(
    changes: dict[str, Any], initiation: str
) -> None:
    """Static without an amount, dynamic with one, or as the request says."""
    text = made(**changes)
    assert isinstance(text, str)
    assert parse(text).initiation == initiation


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"account": "42"}, "account"),
        ({"merchant_name": "x" * 26}, "merchant_name"),
        ({"merchant_name": "街角小店"}, "merchant_name"),
        ({"merchant_name": "a\n"}, "merchant_name"),
        ({"merchant_city": ""}, "merchant_city"),
        ({"country": "cn"}, "country"),
        ({"category": "58A2"}, "category"),
        ({"category": 5812}, "category"),
        ({"initiation": "12"}, "initiation"),
        ({"amount": 0}, "amount"),
        ({"amount": 12.5}, "amount"),
        ({"tip": {"kind": "fixed"}}, "tip.amount"),
        ({"tip": {"kind": "prompt", "amount": 1}}, "tip.amount"),
        ({"tip": {"kind": "percentage"}}, "tip.basis_points"),
        ({"tip": {"kind": "fixed", "amount": 1, "basis_points": 1}}, "tip.basis_points"),
        ({"tip": {"kind": "percentage", "basis_points": 10_000}}, "tip.basis_points"),
        ({"tip": {"kind": "prompt", "of": 1}}, "tip.of"),
        ({"bill_number": "x" * 26}, "bill_number"),
        ({"language": {"language": "zho", "merchant_name": "店"}}, "language.language"),
        ({"language": {"language": "zh"}}, "language.merchant_name"),
        ({"image": "gif"}, "image"),
        ({"currency": "CNY"}, "currency"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_may_not_be_asked_is_refused_by_its_field(changes: dict[str, Any], field: str) -> None:
    """Before anything is looked up."""
    refused = asked(**changes)
    assert isinstance(refused, Problem)
    assert (refused.name, refused.field) == ("malformed-message", field)


@pytest.mark.parametrize(
    ("changes", "tag", "field"),
    [
        ({"amount": 10**15 - 1}, "54", "amount"),
        ({"tip": {"kind": "fixed", "amount": 10**15 - 1}}, "56", "tip"),
        (dict.fromkeys(("bill_number", "store_label", "reference_label"), "x" * 25)
         | {"terminal_label": "x" * 13}, "62", None),
        ({"language": {"language": "zh", "merchant_name": "a\n"}}, "", None),
        ({"language": {"language": "zh", "merchant_name": "\ud83d"}}, "", None),
    ],
    ids=["amount", "fee", "labels", "line-end", "half-a-character"],
)  # fmt: skip
def test_what_does_not_fit_into_a_code_is_refused_by_its_tag(
    changes: dict[str, Any], tag: str, field: str | None
) -> None:
    """Each value may be right and the code not."""
    request = asked(**changes)
    refused = request if isinstance(request, Problem) else payload_of(request, "CNY")
    assert isinstance(refused, Problem)
    assert (refused.name, refused.field) == ("malformed-message", field)
    assert not tag or refused.detail.startswith(f"Tag {tag}:")


def test_the_other_language_is_composed() -> None:
    """A letter and its mark are one character, so more of them fit."""
    text = made(language={"language": "vi", "merchant_name": "Phơ\u0309 " * 5})
    assert isinstance(text, str)
    assert parse(text).language.merchant_name == "Ph\u1edf " * 5


def test_a_member_given_twice_is_refused() -> None:
    """Also inside of a member."""
    body = json.dumps(examples.CODE_REQUEST).replace('"kind":', '"kind": "fixed", "kind":')
    refused = decode_code_request(body.encode())
    assert isinstance(refused, Problem)
    assert refused.field == "kind"


def test_a_code_means_the_same_in_any_order() -> None:
    """Tags of a template too."""
    labels = {"01": "4711", "07": "till-3", "12": "kept", "33": "kept"}
    inside = one("62", many(labels)), one("26", MINIMAL["26"])
    turned = one("62", many(dict(reversed(labels.items())))), one("26", MINIMAL["26"])
    rest = many({tag: value for tag, value in MINIMAL.items() if tag not in {"00", "26"}})
    texts = [
        sealed("000201" + "".join(inside) + rest),
        sealed("000201" + rest + "".join(reversed(turned))),
        sealed("000201" + rest + "".join(turned)),
    ]
    first, *others = map(parse, texts)
    assert isinstance(first, MerchantCode)
    assert all(other == first for other in others)
    networks = [one("02", "4000"), one("26", MINIMAL["26"]), one("05", "5000")]
    found = parse(sealed("000201" + rest + "".join(networks)))
    assert isinstance(found, MerchantCode)
    assert [account.tag for account in found.merchant_accounts] == ["02", "05", "26"]


def test_a_length_of_nought_is_told_apart() -> None:
    """What is left out has no length at all."""
    found = parse(with_raw("6100"))
    assert found == Fault(tag="61", rule="its length is 01 to 99, found '00'")


def test_the_account_is_found_wherever_it_stands() -> None:
    """By the identifier, under whatever tag, in whatever letters."""
    ours = UUID(examples.CODE_REQUEST["account"])
    moved = code({"26": None, "51": MINIMAL["26"]})
    capitals = code({"26": many({"00": OURS.upper(), "01": ACCOUNT.upper()})})
    beside = code({"02": "4000123456789010", "27": many({"00": "org.example", "01": ours.hex[1:]})})
    for payload in (examples.PAYLOAD, made("JPY", amount=12), moved, capitals, beside):
        answer = decode_payload(json.dumps({"payload": payload}).encode())
        assert not isinstance(answer, Problem)
        assert answer.account == str(ours)
