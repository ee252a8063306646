"""Merchant-presented EMV QR codes: from a value to text and from text to a value. No I/O.

EMV QR Code Specification for Payment Systems, Merchant-Presented Mode, version 1.1. A code is read
in this order, and the first rule that it breaks is its `Fault`: length and characters, first and
last tag, checksum, data objects (`tlv`), their form (`tags`), then what the values say together.
Whatever is legal is kept, also what this switch gives no meaning to. Amounts are integers of minor
units (`amounts`).
"""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from switch.currencies import CURRENCIES, CURRENCY_NUMBERS
from switch.limits import AMOUNT_MAX, AMOUNT_MIN
from switch.message import is_text
from switch.services.codes import limits
from switch.services.codes.amounts import decimal_text, smallest_units
from switch.services.codes.tags import (
    ADDITIONAL,
    IDENTIFIER,
    LANGUAGE,
    LANGUAGE_CITY,
    LANGUAGE_NAME,
    ROOT,
    fault_of,
)
from switch.services.codes.tlv import DataObject, Fault, Tree, checksum, join, split

Initiation = Literal["static", "dynamic"]
INITIATIONS: dict[str, Initiation] = {"11": "static", "12": "dynamic"}
PERCENT_DIGITS = 2  # of a percentage, behind the point
CHECKSUM_HEAD = "6304"
CHECKSUM_CHARS = 4

_FIRST = "000201"
_NOT_TEXT = Fault(tag="", rule="control characters and halves of characters are no text")
_NUMBER_CURRENCIES = {number: code for code, number in CURRENCY_NUMBERS.items()}
_INITIATION_NUMBERS = {name: number for number, name in INITIATIONS.items()}
_TIP_NUMBERS = {"prompt": "01", "fixed": "02", "percentage": "03"}
_TIP_KINDS: dict[str, Literal["prompt", "fixed", "percentage"]] = {
    "01": "prompt", "02": "fixed", "03": "percentage",
}  # fmt: skip
# The value that a kind of tip has a tag for; it stands with that kind and with no other.
_TIP_VALUES = {"fixed": "56", "percentage": "57"}


class Tip(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tip or convenience fee on top of the amount.

    `prompt`: the payer says how much. `fixed`: `amount` minor units. `percentage`: `basis_points`
    hundredths of a percent of the amount.
    """

    kind: Literal["prompt", "fixed", "percentage"]
    amount: Annotated[int, Meta(ge=AMOUNT_MIN, le=AMOUNT_MAX)] | None = None
    basis_points: Annotated[int, Meta(ge=1, le=limits.BASIS_POINTS_MAX)] | None = None


class MerchantAccount(Struct, frozen=True, kw_only=True):
    """Where one payment network finds the merchant.

    Tags 02 to 25 have a `value`, 26 to 51 an `identifier` of the network and its `fields`.
    """

    tag: str
    value: str | None = None
    identifier: str | None = None
    fields: tuple[DataObject, ...] = ()


class OwnedTemplate(Struct, frozen=True, kw_only=True):
    """Data objects of somebody's own: the identifier says whose."""

    tag: str
    identifier: str
    fields: tuple[DataObject, ...] = ()


class Language(Struct, frozen=True, kw_only=True):
    """The merchant in another language: two letters of ISO 639-1; any characters of Unicode."""

    language: str
    merchant_name: str
    merchant_city: str | None = None
    reserved: tuple[DataObject, ...] = ()


class MerchantCode(Struct, frozen=True, kw_only=True):
    """What a merchant-presented code says. `amount` is in minor units of `currency`.

    A value `***` of a label asks the payer's application to fill it in. `additional_templates` and
    `additional_reserved` stand inside tag 62. Tuples are sorted by tag: the order in a code says
    nothing.
    """

    initiation: Initiation | None = None
    currency: str
    amount: int | None = None
    tip: Tip | None = None
    country: str
    merchant_name: str
    merchant_city: str
    postal_code: str | None = None
    category: str
    bill_number: str | None = None
    mobile_number: str | None = None
    store_label: str | None = None
    loyalty_number: str | None = None
    reference_label: str | None = None
    customer_label: str | None = None
    terminal_label: str | None = None
    purpose: str | None = None
    consumer_data_request: str | None = None
    merchant_tax_id: str | None = None
    merchant_channel: str | None = None
    language: Language | None = None
    merchant_accounts: tuple[MerchantAccount, ...]
    additional_templates: tuple[OwnedTemplate, ...] = ()
    additional_reserved: tuple[DataObject, ...] = ()
    unreserved_templates: tuple[OwnedTemplate, ...] = ()
    reserved: tuple[DataObject, ...] = ()


# --- from text -----------------------------------------------------------------------


def parse(text: str) -> MerchantCode | Fault:
    """What a code says, or the first rule that it breaks."""
    found = _objects(text)
    if isinstance(found, Fault):
        return found
    values = {one.tag: one.value for one in found}
    currency = _NUMBER_CURRENCIES.get(values["53"])
    if currency is None:
        rule = f"{values['53']} is no currency of ISO 4217 that is in use as money"
        return Fault(tag="53", rule=rule)
    amount = _amount("54", values.get("54"), CURRENCIES[currency])
    if isinstance(amount, Fault):
        return amount
    tip = _tip(values, CURRENCIES[currency])
    if isinstance(tip, Fault):
        return tip
    accounts = [_account(one) for one in found if "02" <= one.tag <= "51"]
    if not accounts:
        return Fault(tag="", rule="a merchant account (tags 02 to 51) is missing")
    additional = _inside(values.get("62"))
    labels: dict[str, Any] = {
        ADDITIONAL[one.tag]: one.value for one in additional if one.tag in ADDITIONAL
    }
    return MerchantCode(
        initiation=INITIATIONS.get(values.get("01", "")),
        currency=currency,
        amount=amount,
        tip=tip,
        country=values["58"],
        merchant_name=values["59"],
        merchant_city=values["60"],
        postal_code=values.get("61"),
        category=values["52"],
        **labels,
        language=_language(values.get("64")),
        merchant_accounts=tuple(accounts),
        additional_templates=tuple(_owned(one) for one in additional if one.tag >= "50"),
        additional_reserved=tuple(
            one for one in additional if one.tag < "50" and one.tag not in ADDITIONAL
        ),
        unreserved_templates=tuple(_owned(one) for one in found if one.tag >= "80"),
        reserved=tuple(one for one in found if "64" < one.tag < "80"),
    )


def _objects(text: str) -> tuple[DataObject, ...] | Fault:
    """The data objects of a code that is whole and whose values have the right form."""
    fault = _fault_of_whole(text)
    if fault is not None:
        return fault
    found = split(text)
    if isinstance(found, Fault):
        return found
    if found[-1].tag != "63":
        return Fault(tag=found[-1].tag, rule="takes the checksum for a part of its value")
    fault = fault_of(found, ROOT)
    return tuple(sorted(found, key=_by_tag)) if fault is None else fault


def _by_tag(one: DataObject) -> str:
    return one.tag


def _fault_of_whole(text: str) -> Fault | None:
    if not 1 <= len(text) <= limits.PAYLOAD_CHARS_MAX:
        rule = f"it has {len(text)} characters; 1 to {limits.PAYLOAD_CHARS_MAX} are read"
        return Fault(tag="", rule=rule)
    if not is_text(text):
        return _NOT_TEXT
    if not text.startswith(_FIRST):
        return Fault(tag="00", rule="a code begins with the payload format indicator, 000201")
    head = -CHECKSUM_CHARS - len(CHECKSUM_HEAD)
    if text[head:-CHECKSUM_CHARS] != CHECKSUM_HEAD:
        return Fault(tag="63", rule="a code ends with its checksum, 6304 and four digits")
    expected = checksum(text[:-CHECKSUM_CHARS])
    if text[-CHECKSUM_CHARS:].upper() != expected:
        rule = "the checksum does not fit: the code was changed or misread; scan it again"
        return Fault(tag="63", rule=rule)
    return None


def _amount(tag: str, text: str | None, digits: int) -> int | Fault | None:
    """The amount of tag 54 or 56 in minor units."""
    if text is None:
        return None
    amount = smallest_units(text, digits)
    if amount is None:
        return Fault(tag=tag, rule=f"the currency has {digits} digits behind the point, not more")
    if not AMOUNT_MIN <= amount <= AMOUNT_MAX:
        rule = f"an amount has {AMOUNT_MIN} to {AMOUNT_MAX} minor units"
        return Fault(tag=tag, rule=rule)
    return amount


def _tip(values: dict[str, str], digits: int) -> Tip | Fault | None:
    """The tip of tags 55 to 57, which stand together or not at all."""
    number = values.get("55")
    kind = None if number is None else _TIP_KINDS[number]
    for other, tag in _TIP_VALUES.items():
        if (tag in values) != (kind == other):
            rule = f"stands when tag 55 is {_TIP_NUMBERS[other]}, and only then"
            return Fault(tag=tag, rule=rule)
    if kind is None:
        return None
    amount = _amount("56", values.get("56"), digits)
    basis_points = _basis_points(values.get("57"))
    if isinstance(amount, Fault):
        return amount
    if isinstance(basis_points, Fault):
        return basis_points
    return Tip(kind=kind, amount=amount, basis_points=basis_points)


def _basis_points(text: str | None) -> int | Fault | None:
    if text is None:
        return None
    points = smallest_units(text, PERCENT_DIGITS)
    if points is None or not 1 <= points <= limits.BASIS_POINTS_MAX:
        return Fault(tag="57", rule="a percentage is 00.01 to 99.99, two digits behind the point")
    return points


def _inside(text: str | None) -> tuple[DataObject, ...]:
    """The data objects in a template whose form was checked before."""
    found = split(text or "")
    assert not isinstance(found, Fault), "its form was checked"
    return tuple(sorted(found, key=_by_tag))


def _account(one: DataObject) -> MerchantAccount:
    if one.tag <= "25":
        return MerchantAccount(tag=one.tag, value=one.value)
    owned = _owned(one)
    return MerchantAccount(tag=one.tag, identifier=owned.identifier, fields=owned.fields)


def _owned(one: DataObject) -> OwnedTemplate:
    inside = _inside(one.value)
    identifier = next(field.value for field in inside if field.tag == IDENTIFIER)
    fields = tuple(field for field in inside if field.tag != IDENTIFIER)
    return OwnedTemplate(tag=one.tag, identifier=identifier, fields=fields)


def _language(text: str | None) -> Language | None:
    if text is None:
        return None
    values = {one.tag: one.value for one in _inside(text)}
    return Language(
        language=values.pop(LANGUAGE),
        merchant_name=values.pop(LANGUAGE_NAME),
        merchant_city=values.pop(LANGUAGE_CITY, None),
        reserved=tuple(DataObject(tag, value) for tag, value in values.items()),
    )


# --- to text -------------------------------------------------------------------------


def build(code: MerchantCode) -> str | Fault:
    """The text of a code, tags in their order, or the rule that it would break.

    What was built is read again, so that no rule stands twice.
    """
    text = join(_tree(code))
    if isinstance(text, Fault):
        return text
    if not is_text(text):  # before its bytes are counted: half a character has none
        return _NOT_TEXT
    text += CHECKSUM_HEAD
    text += checksum(text)
    read = parse(text)
    return read if isinstance(read, Fault) else text


def _tree(code: MerchantCode) -> Tree:
    """The data objects of a code, without its checksum."""
    digits = CURRENCIES[code.currency]
    return {
        "00": "01",
        "01": code.initiation and _INITIATION_NUMBERS[code.initiation],
        **{one.tag: one.value or _owned_tree(one) for one in code.merchant_accounts},
        "52": code.category,
        "53": CURRENCY_NUMBERS[code.currency],
        "54": _decimal(code.amount, digits, limits.AMOUNT_CHARS_MAX),
        **_tip_tree(code.tip, digits),
        "58": code.country,
        "59": code.merchant_name,
        "60": code.merchant_city,
        "61": code.postal_code,
        "62": {
            **{tag: getattr(code, name) for tag, name in ADDITIONAL.items()},
            **_fields(code.additional_reserved),
            **{one.tag: _owned_tree(one) for one in code.additional_templates},
        },
        "64": _language_tree(code.language),
        **_fields(code.reserved),
        **{one.tag: _owned_tree(one) for one in code.unreserved_templates},
    }


def _decimal(units: int | None, digits: int, chars_max: int) -> str | None:
    return None if units is None else decimal_text(units, digits, chars_max)


def _owned_tree(one: MerchantAccount | OwnedTemplate) -> Tree:
    return {IDENTIFIER: one.identifier, **_fields(one.fields)}


def _tip_tree(tip: Tip | None, digits: int) -> Tree:
    if tip is None:
        return {}
    return {
        "55": _TIP_NUMBERS[tip.kind],
        "56": _decimal(tip.amount, digits, limits.AMOUNT_CHARS_MAX),
        "57": _decimal(tip.basis_points, PERCENT_DIGITS, limits.PERCENTAGE_CHARS_MAX),
    }


def _language_tree(language: Language | None) -> Tree:
    if language is None:
        return {}
    return {
        LANGUAGE: language.language,
        LANGUAGE_NAME: language.merchant_name,
        LANGUAGE_CITY: language.merchant_city,
        **_fields(language.reserved),
    }


def _fields(objects: Iterable[DataObject]) -> Tree:
    return {one.tag: one.value for one in objects}
