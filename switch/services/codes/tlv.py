"""Data objects of EMV QR codes, in text and as values. No I/O, no clock.

A data object is two digits of id, two digits of length and a value of so many characters, whatever
bytes these take; a template is a data object whose value is data objects again (EMV QRCPS MPM 1.1).
An id, here called tag, is unique where it stands. What breaks a rule comes back as a `Fault`.
"""

from binascii import crc_hqx
from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct

from switch.services.codes.limits import VALUE_CHARS_MAX

# By id what a data object holds: a value, data objects again, or nothing.
Tree: TypeAlias = "Mapping[str, str | Tree | None]"

HEAD_CHARS = 4  # id and length
CHECKSUM_INITIAL = 0xFFFF


class DataObject(Struct, frozen=True):
    """One data object: two digits and 1 to 99 characters."""

    tag: str
    value: str


class Fault(Struct, frozen=True, kw_only=True):
    """A rule of the specification that a code breaks, and the tag that breaks it.

    `tag` is an id, inside a template behind the template's: `62.01`; empty where it is the whole.
    """

    tag: str
    rule: str

    @property
    def text(self) -> str:
        """A sentence for whoever sent the code."""
        return f"Tag {self.tag}: {self.rule}." if self.tag else f"Code: {self.rule}."


def path(within: str, tag: str) -> str:
    """The name of a tag inside a template, or of one that is in none."""
    return f"{within}.{tag}" if within else tag


def split(text: str, within: str = "") -> tuple[DataObject, ...] | Fault:
    """The data objects in a text, in their order; `within` is the template whose value it is."""
    objects: dict[str, DataObject] = {}
    start = 0
    while start < len(text):
        found = _read(text, start, within)
        if isinstance(found, Fault):
            return found
        if found.tag in objects:
            return Fault(tag=path(within, found.tag), rule="stands twice")
        objects[found.tag] = found
        start += HEAD_CHARS + len(found.value)
    return tuple(objects.values())


def _read(text: str, start: int, within: str) -> DataObject | Fault:
    """The data object that begins at a character."""
    tag, length = text[start : start + 2], text[start + 2 : start + HEAD_CHARS]
    if not _are_two_digits(tag):
        where = f"at character {start + 1}"
        return Fault(tag=within, rule=f"two digits of an id are due {where}, found {tag!r}")
    if not _are_two_digits(length) or length == "00":
        return Fault(tag=path(within, tag), rule=f"its length is 01 to 99, found {length!r}")
    value = text[start + HEAD_CHARS : start + HEAD_CHARS + int(length)]
    if len(value) < int(length):
        rule = f"its length says {int(length)} characters, {len(value)} are left"
        return Fault(tag=path(within, tag), rule=rule)
    return DataObject(tag, value)


def _are_two_digits(text: str) -> bool:
    return len(text) == 2 and text.isascii() and text.isdigit()


def join(tree: Tree, within: str = "") -> str | Fault:
    """The text of a tree of data objects, in its order; what has no value is left out."""
    pieces = []
    for tag, content in tree.items():
        assert _are_two_digits(tag), "an id is two digits"
        inside = path(within, tag)
        value = join(content, inside) if isinstance(content, Mapping) else content
        if isinstance(value, Fault):
            return value
        if not value:
            continue
        if len(value) > VALUE_CHARS_MAX:
            rule = f"has {len(value)} characters, at most {VALUE_CHARS_MAX} fit"
            return Fault(tag=inside, rule=rule)
        pieces.append(f"{tag}{len(value):02}{value}")
    return "".join(pieces)


def checksum(text: str) -> str:
    """The CRC of a code up to and with `6304`, as four hexadecimal digits.

    ISO/IEC 13239 with polynomial 1021 and initial value FFFF over the bytes in UTF-8, neither
    reflected nor inverted (EMV QRCPS MPM 1.1, id 63; CRC-16/CCITT-FALSE elsewhere).
    """
    return f"{crc_hqx(text.encode(), CHECKSUM_INITIAL):04X}"
