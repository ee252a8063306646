"""An encoder of the tests' own: it knows no rule and computes the checksum bit by bit.

So nothing that a test writes with it leans on what is tested.
"""

from collections.abc import Mapping
from dataclasses import dataclass

ACCOUNT = "0192f0c15a3e7cc09b226e1d4bae2f02"
OURS = "68ffc5d3dc1c4eae9c9710a982010ec5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A code, and the tag that breaks a rule: None for none, empty where it is the whole."""

    name: str
    text: str
    tag: str | None = None


def one(tag: str, value: str) -> str:
    """A data object, whatever its value."""
    return f"{tag}{len(value):02}{value}"


def many(values: Mapping[str, str]) -> str:
    """Data objects, one behind the other."""
    return "".join(one(tag, value) for tag, value in values.items())


def sealed(body: str) -> str:
    """A body with its checksum behind it."""
    crc = 0xFFFF
    for byte in f"{body}6304".encode(errors="surrogatepass"):
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
    return f"{body}6304{crc:04X}"


MINIMAL = {
    "00": "01", "26": many({"00": OURS, "01": ACCOUNT}), "52": "5812", "53": "156", "58": "CN",
    "59": "Corner Shop", "60": "Qingdao",
}  # fmt: skip


def code(changes: Mapping[str, str | None] | None = None) -> str:
    """The smallest code with tags added, changed or, by None, left out."""
    values = MINIMAL | dict(changes or {})
    return sealed(many({tag: value for tag, value in values.items() if value is not None}))


def with_raw(text: str) -> str:
    """The smallest code with a text behind it, sealed."""
    return sealed(many(MINIMAL) + text)
