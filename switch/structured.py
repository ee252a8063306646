"""Structured fields (RFC 8941, RFC 9651), bounded: what strangers send is a value or a Fault.

The grammar itself is the package http-sf. Here are the limits around it, the combination of
header lines to one value (RFC 9110 §5.3, RFC 9421 §2.1), and the promise that no input makes
reading a field raise or take long. Nothing here knows what a field means.
"""

from collections.abc import Callable
from typing import Any, NoReturn, Protocol

import http_sf
import msgspec
from multidict import istr

from switch.limits import SIGNATURE_FIELD_BYTES_MAX

# As http-sf gives them: an item is (value, parameters), an inner list is ([items], parameters).
Parameters = dict[str, Any]
Item = tuple[Any, Parameters]
InnerList = tuple[list[Item], Parameters]
Dictionary = dict[str, Item | InnerList]

# An `istr` is found among header fields in half the time of a `str`.
CONTENT_DIGEST = istr("Content-Digest")
IDEMPOTENCY_KEY = istr("Idempotency-Key")
SIGNATURE = istr("Signature")
SIGNATURE_INPUT = istr("Signature-Input")


class Fault(msgspec.Struct, frozen=True):
    """Why something cannot be read: the end of a sentence for the one who sent it."""

    detail: str


class FieldLines(Protocol):
    """Header fields by name in any case; aiohttp's multidicts fit."""

    def getall(self, key: str, default: list[str], /) -> list[str]:
        """All lines of one field in their order, or the default when there is none."""
        ...


def field_lines(headers: FieldLines, name: str) -> list[str]:
    """Every line of a field without the space around it, obsolete folding made one space."""
    return [_unfolded(line) for line in headers.getall(name, [])]


def field_value(headers: FieldLines, name: str) -> str | Fault | None:
    """The combined value of a field in printable ASCII, None when it is absent.

    What a signature base holds must be ASCII without line ends (RFC 9421 §2.1, §2.5), or a value
    could pass for further lines of the base.
    """
    lines = headers.getall(name, [])
    if not lines:
        return None
    if len(lines) == 1:
        line = lines[0]
        if line.isascii() and line.isprintable() and line and line == line.strip(" "):
            return line
    value = ", ".join(map(_unfolded, lines))
    if not value.isascii() or not value.replace("\t", " ").isprintable():
        return Fault(f"{name} holds bytes that are not printable ASCII")
    return value


def parse_dictionary(text: str) -> Dictionary | Fault:
    """A dictionary field; a member or a parameter given twice is a fault, not the last one's."""
    parsed = parse(text, "dictionary")
    if isinstance(parsed, Fault):
        return parsed
    assert isinstance(parsed, dict), "http-sf gives a dictionary for a dictionary"
    return parsed


def parse(text: str, kind: str) -> Any | Fault:
    """A field of a kind ("dictionary", "list" or "item") as http-sf gives it."""
    if len(text) > SIGNATURE_FIELD_BYTES_MAX:
        return Fault(f"is longer than {SIGNATURE_FIELD_BYTES_MAX} bytes")
    return _guarded(
        lambda: http_sf.parse(text.encode("ascii"), tltype=kind, on_duplicate_key=_refuse_twice)
    )


def serialise(value: Any) -> str | Fault:
    """A parsed field in its one canonical form."""
    return _guarded(lambda: http_sf.ser(value))


def serialise_member(member: Item | InnerList) -> str | Fault:
    """One member of a dictionary or list, in its canonical form."""
    return serialise([member])


def serialise_string(text: str) -> str:
    """A string in quotes; the caller answers for it being printable ASCII."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def is_inner_list(member: Item | InnerList) -> bool:
    """Whether a member is a list in parentheses."""
    return isinstance(member[0], list)


def _guarded(read: Callable[[], Any]) -> Any | Fault:
    """Run a reader of strangers' bytes: whatever it raises says that the bytes are at fault."""
    try:
        return read()
    except Exception as error:  # the input is bounded and strange: no kind of error is left out
        return Fault(f"is not a structured field: {str(error)[:80]}")


def _refuse_twice(name: str, kind: str) -> NoReturn:
    """RFC 8941 lets the last one win; two readers that differ in this would see two messages."""
    raise ValueError(f"{kind} {name[:40]} is given twice")


def _unfolded(line: str) -> str:
    """A line without the space around it, obsolete folds (RFC 9112 §5.2) made one space each."""
    if "\r\n" not in line:
        return line.strip(" \t")
    first, *others = line.split("\r\n")
    if not all(other[:1] in (" ", "\t") for other in others):
        return line  # a line end that is no fold: its control characters are refused later
    return " ".join(part.strip(" \t") for part in [first, *others]).strip(" \t")
