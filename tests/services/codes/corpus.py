"""Codes to read: the valid ones. Each must be taken, and nothing of it may be lost."""

import random
from collections.abc import Iterable, Iterator

from tests.services.codes.encoder import ACCOUNT, MINIMAL, OURS, Case, code, many, one, sealed
from tests.services.codes.samples import BEST_TRANSPORT, FULANO

SHUFFLES = 16
SEED = 1  # the cases are the same in every run
PAYLOAD_CHARS_MAX = 512

OWNED = many({"00": "org.example", "01": "7"})
LABELS = {f"{number:02}": f"label {number}" for number in range(1, 9)} | {
    "09": "AME", "10": "91370200", "11": "401",
}  # fmt: skip
GOOD_VALUES: dict[str, Iterable[str]] = {
    "01": ("11", "12"),
    "52": ("0000", "9999"),
    "53": ("392", "048", "840", "710", "008"),
    "54": ("1", "12", "12.", "12.3", "12.30", "0.01", "007.00", "12.3000", "9999999999999"),
    "58": ("DE", "XK"),
    "59": ("x", "x" * 25, " ~!"),
    "60": ("y", "y" * 15),
    "61": ("2", "266000 ABC"),
    "62": (
        *(one(tag, value) for tag, value in LABELS.items()),
        *(one(tag, "***") for tag in ("01", "02", "04", "06", "08")),
        *(one("09", letters) for letters in ("A", "M", "E", "EM", "MAE")),
        *(one(tag, "kept") for tag in ("00", "12", "33", "49")),
        *(one(tag, OWNED) for tag in ("50", "77", "99")),
        one("01", "b" * 25) + one("03", "s" * 25) + one("05", "r" * 25),
    ),
    "64": (
        many({"00": "zh", "01": "街角小店"}),
        many({"00": "ZH", "01": "街角小店", "02": "青岛"}),
        many({"01": "नमस्ते", "00": "hi", "03": "kept", "99": "kept"}),
        many({"00": "ar", "01": "م" * 25, "02": "م" * 15}),
    ),
}
GOOD_TIPS: tuple[dict[str, str], ...] = (
    {"55": "01"},
    {"55": "02", "56": "1.50"},
    {"55": "02", "56": "2"},
    {"55": "03", "57": "3"},
    {"55": "03", "57": "00.01"},
    {"55": "03", "57": "99.99"},
    {"55": "03", "57": "12.5"},
)


def valid() -> Iterator[Case]:
    """All of them, in one order."""
    yield Case(name="the example of the specification", text=BEST_TRANSPORT)
    yield Case(name="an example of a central bank", text=FULANO)
    yield Case(name="the smallest", text=code())
    for tag, values in GOOD_VALUES.items():
        for number, value in enumerate(values):
            yield Case(name=f"good value {number} of {tag}", text=code({tag: value}))
    for number, tip in enumerate(GOOD_TIPS):
        yield Case(name=f"good tip {number}", text=code({"54": "10", **tip}))
    yield from _every_tag()
    capitals = many({"00": OURS.upper(), "01": ACCOUNT.upper()})
    yield Case(name="our account in capitals", text=code({"26": capitals}))
    yield Case(name="our account under another tag", text=code({"26": None, "51": MINIMAL["26"]}))
    small = BEST_TRANSPORT[:-4] + BEST_TRANSPORT[-4:].lower()
    yield Case(name="a checksum in small letters", text=small)
    yield Case(name="as long as may be", text=as_long_as(PAYLOAD_CHARS_MAX))
    yield from _shuffled()


def _every_tag() -> Iterator[Case]:
    for number in range(2, 26):
        account = {"26": None, f"{number:02}": "4000123456789010"}
        yield Case(name=f"account {number:02} alone", text=code(account))
    for number in range(26, 52):
        yield Case(name=f"account {number:02} alone", text=code({"26": None, f"{number}": OWNED}))
    for number in range(65, 80):
        yield Case(name=f"reserved {number}", text=code({f"{number}": "kept は"}))
    for number in range(80, 100):
        yield Case(name=f"unreserved {number}", text=code({f"{number}": OWNED}))


def as_long_as(length: int) -> str:
    """A code of so many characters, filled up with tags that are kept for later."""
    made = {}
    for tag in ("65", "66", "67", "68"):
        left = length - len(code(made))
        if left > 4:
            made[tag] = "k" * min(99, left - 4)
    assert len(code(made)) == length, "it can be filled"
    return code(made)


def _shuffled() -> Iterator[Case]:
    order = random.Random(SEED)
    tags = MINIMAL | {"01": "12", "54": "10", "62": one("01", "4711")}
    rest = [one(tag, value) for tag, value in tags.items() if tag != "00"]
    for number in range(SHUFFLES):
        order.shuffle(rest)
        yield Case(name=f"order {number}", text=sealed(one("00", "01") + "".join(rest)))
