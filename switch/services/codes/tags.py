"""What each tag of a merchant-presented code is and which form its value has. No I/O.

The tables of EMV QRCPS MPM 1.1 as data: the root, merchant accounts, additional data (62), the
other language (64) and unreserved templates. Ids that the specification keeps for later (RFU) are
legal: they are kept and shown.
"""

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from switch.services.codes import limits
from switch.services.codes.tlv import DataObject, Fault, path, split


class Template(Struct, frozen=True, kw_only=True):
    """The data objects that may stand at one level; any other id there is kept for later."""

    shapes: "Mapping[str, Shape]"
    needed: tuple[str, ...] = ()


class Shape(Struct, frozen=True, kw_only=True):
    """The form of one value: what it is called, its pattern, the pattern in words."""

    name: str
    pattern: re.Pattern[str]
    rule: str
    template: Template | None = None


def _numeric(name: str, length: int) -> Shape:
    return Shape(name=name, pattern=re.compile(f"[0-9]{{{length}}}"), rule=f"{length} digits")


def _one_of(name: str, *values: str) -> Shape:
    words = " or ".join(f"`{value}`" for value in values)
    return Shape(name=name, pattern=re.compile("|".join(values)), rule=words)


def _ascii(name: str, chars_max: int, chars_min: int = 1) -> Shape:
    """Characters from space to tilde, EMV's common character set (format `ans`)."""
    counted = f"{chars_min}" if chars_min == chars_max else f"{chars_min} to {chars_max}"
    return Shape(
        name=name,
        pattern=re.compile(f"[ -~]{{{chars_min},{chars_max}}}"),
        rule=f"{counted} printable ASCII characters",
    )


def _text(name: str, chars_max: int = limits.VALUE_CHARS_MAX) -> Shape:
    """Characters of Unicode (format `S`)."""
    return Shape(
        name=name,
        pattern=re.compile(f"(?s).{{1,{chars_max}}}"),
        rule=f"1 to {chars_max} characters",
    )


def _decimal(name: str, chars_max: int) -> Shape:
    return Shape(
        name=name,
        pattern=re.compile(rf"(?=.{{1,{chars_max}}}$)[0-9]+(?:\.[0-9]*)?"),
        rule=f"digits with at most one point behind the first, 1 to {chars_max} characters",
    )


def _holding(name: str, template: Template) -> Shape:
    return Shape(name=name, pattern=_ANYTHING.pattern, rule=_ANYTHING.rule, template=template)


def _numbered(first: int, last: int, shape: Shape) -> dict[str, Shape]:
    return {f"{number:02}": shape for number in range(first, last + 1)}


_ANYTHING = _text("reserved for later")

IDENTIFIER = "00"  # in every template that somebody owns
_OWNED = Template(
    shapes={IDENTIFIER: _ascii("globally unique identifier", limits.IDENTIFIER_CHARS_MAX)},
    needed=(IDENTIFIER,),
)

# Sub-tags of 62 by their names on the wire.
ADDITIONAL = {
    "01": "bill_number",
    "02": "mobile_number",
    "03": "store_label",
    "04": "loyalty_number",
    "05": "reference_label",
    "06": "customer_label",
    "07": "terminal_label",
    "08": "purpose",
    "09": "consumer_data_request",
    "10": "merchant_tax_id",
    "11": "merchant_channel",
}
_CONSUMER_DATA = Shape(
    name="consumer data request",
    pattern=re.compile(r"(?!.*(.).*\1)[AME]{1,3}"),
    rule="the letters A, M and E, each at most once",
)
_ADDITIONAL = Template(
    shapes={
        **{tag: _ascii(ADDITIONAL[tag], limits.LABEL_CHARS_MAX) for tag in sorted(ADDITIONAL)},
        "09": _CONSUMER_DATA,
        "10": _ascii("merchant tax id", limits.TAX_ID_CHARS_MAX),
        "11": _ascii("merchant channel", 3, 3),
        **_numbered(50, 99, _holding("payment system template", _OWNED)),
    }
)

LANGUAGE, LANGUAGE_NAME, LANGUAGE_CITY = "00", "01", "02"
_LANGUAGE = Template(
    shapes={
        LANGUAGE: Shape(
            name="language", pattern=re.compile("[A-Za-z]{2}"), rule="two letters of ISO 639-1"
        ),
        LANGUAGE_NAME: _text("merchant name", limits.NAME_CHARS_MAX),
        LANGUAGE_CITY: _text("merchant city", limits.CITY_CHARS_MAX),
    },
    needed=(LANGUAGE, LANGUAGE_NAME),
)

ROOT = Template(
    shapes={
        "00": _one_of("payload format indicator", "01"),
        "01": _one_of("point of initiation method", "11", "12"),
        **_numbered(2, 25, _ascii("merchant account", limits.VALUE_CHARS_MAX)),
        **_numbered(26, 51, _holding("merchant account", _OWNED)),
        "52": _numeric("merchant category code", 4),
        "53": _numeric("currency", 3),
        "54": _decimal("amount", limits.AMOUNT_CHARS_MAX),
        "55": _one_of("tip or convenience indicator", "01", "02", "03"),
        "56": _decimal("fixed convenience fee", limits.AMOUNT_CHARS_MAX),
        "57": _decimal("convenience fee in percent", limits.PERCENTAGE_CHARS_MAX),
        "58": Shape(
            name="country",
            pattern=re.compile("[A-Z]{2}"),
            rule="two capital letters of ISO 3166-1",
        ),
        "59": _ascii("merchant name", limits.NAME_CHARS_MAX),
        "60": _ascii("merchant city", limits.CITY_CHARS_MAX),
        "61": _ascii("postal code", limits.POSTAL_CODE_CHARS_MAX),
        "62": _holding("additional data", _ADDITIONAL),
        "63": Shape(
            name="checksum",
            pattern=re.compile("[0-9A-Fa-f]{4}"),
            rule="four hexadecimal digits",
        ),
        "64": _holding("merchant information in another language", _LANGUAGE),
        **_numbered(80, 99, _holding("unreserved template", _OWNED)),
    },
    needed=("52", "53", "58", "59", "60"),
)


def fault_of(objects: Iterable[DataObject], template: Template, within: str = "") -> Fault | None:
    """The first rule of form that data objects break, templates among them included."""
    present = set()
    for one in objects:
        present.add(one.tag)
        shape = template.shapes.get(one.tag, _ANYTHING)
        fault = _fault_of_one(one, shape, path(within, one.tag))
        if fault is not None:
            return fault
    for tag in template.needed:
        if tag not in present:
            rule = f"{template.shapes[tag].name} is missing"
            return Fault(tag=path(within, tag), rule=rule)
    return None


def _fault_of_one(one: DataObject, shape: Shape, tag: str) -> Fault | None:
    if shape.pattern.fullmatch(one.value) is None:
        return Fault(tag=tag, rule=f"{shape.name}: expected {shape.rule}")
    if shape.template is None:
        return None
    inside = split(one.value, tag)
    return inside if isinstance(inside, Fault) else fault_of(inside, shape.template, tag)
