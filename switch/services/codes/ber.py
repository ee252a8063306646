"""BER-TLV (ISO/IEC 8825-1): the data objects of consumer-presented codes, in bytes. No I/O.

A data object is a tag, a length and a value; a template's value is data objects again, which the
sixth bit of its tag says. Tags are shown as hexadecimal digits. Lengths are definite, as EMV has
them. What breaks a rule comes back as a `Fault`.
"""

from switch.services.codes import limits
from switch.services.codes.tlv import DataObject, Fault, path

_MORE = 0x80  # another byte of the tag follows; of a length: it is in the next bytes
_LONG_TAG = 0x1F
_CONSTRUCTED = 0x20
_LENGTH_BYTES_MAX = 2


def encode(tag: str, value: bytes) -> bytes:
    """One data object; its value has at most 127 bytes."""
    assert len(value) < _MORE, "a short length says how long it is"
    return bytes.fromhex(tag) + bytes([len(value)]) + value


def split(encoded: bytes, within: str = "") -> tuple[tuple[str, bytes], ...] | Fault:
    """Tags and values of the data objects in some bytes; `within` is whose value these are."""
    found = []
    start = 0
    while start < len(encoded):
        tag = _tag(encoded, start)
        if tag is None:
            return Fault(tag=within, rule=f"a tag is due at byte {start + 1}")
        start += len(tag)
        shown = path(within, tag.hex().upper())
        head = _length(encoded, start)
        if head is None:
            return Fault(tag=shown, rule="its length is one byte below 80, or 81 or 82 and so many")
        start, length = head
        if len(encoded) - start < length:
            left = len(encoded) - start
            return Fault(tag=shown, rule=f"its length says {length} bytes, {left} are left")
        found.append((tag.hex().upper(), encoded[start : start + length]))
        start += length
    return tuple(found)


def flat(encoded: bytes, within: str = "", depth: int = 1) -> tuple[DataObject, ...] | Fault:
    """The data objects that are no templates, each behind the tags of those that it is in."""
    objects = split(encoded, within)
    if isinstance(objects, Fault):
        return objects
    found: list[DataObject] = []
    for tag, value in objects:
        inside = leaves(tag, value, within, depth)
        if isinstance(inside, Fault):
            return inside
        found += inside
    return tuple(found)


def leaves(
    tag: str, value: bytes, within: str = "", depth: int = 1
) -> tuple[DataObject, ...] | Fault:
    """One data object, or those in it, likewise."""
    shown = path(within, tag)
    if not is_template(tag):
        return (DataObject(shown, value.hex().upper()),)
    if depth == limits.DEPTH_MAX:
        return Fault(tag=shown, rule=f"more than {depth} templates in each other")
    return flat(value, shown, depth + 1)


def is_template(tag: str) -> bool:
    """Whether a tag's value is data objects again."""
    return bool(int(tag[:2], 16) & _CONSTRUCTED)


def _tag(encoded: bytes, start: int) -> bytes | None:
    """The tag that begins at a byte, None where none ends in time."""
    if encoded[start] & _LONG_TAG != _LONG_TAG:
        return encoded[start : start + 1]
    for end in range(start + 2, min(start + limits.TAG_BYTES_MAX, len(encoded)) + 1):
        if not encoded[end - 1] & _MORE:
            return encoded[start:end]
    return None


def _length(encoded: bytes, start: int) -> tuple[int, int] | None:
    """Where the value begins, and how long it is."""
    first = encoded[start : start + 1]
    if not first:
        return None
    if not first[0] & _MORE:
        return start + 1, first[0]
    count = first[0] & ~_MORE
    following = encoded[start + 1 : start + 1 + count]
    if not 1 <= count <= _LENGTH_BYTES_MAX or len(following) < count:
        return None
    return start + 1 + count, int.from_bytes(following, "big")
