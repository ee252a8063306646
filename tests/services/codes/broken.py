"""Codes to read: damaged and hostile ones, each with the tag that is to blame."""

from collections.abc import Iterable, Iterator

from tests.services.codes.corpus import OWNED, as_long_as
from tests.services.codes.encoder import (
    ACCOUNT,
    MINIMAL,
    OURS,
    Case,
    code,
    many,
    one,
    sealed,
    with_raw,
)
from tests.services.codes.samples import BEST_TRANSPORT

STEP = 9  # every so many characters the sample is damaged
ABOVE_AMOUNT_MAX = "9999999999999"  # of a currency with three digits: more than the switch moves


def broken() -> Iterator[Case]:
    """All of them, in one order."""
    yield from _damaged()
    yield from _broken_objects()
    yield from _twice_or_missing()
    yield from _broken_values()
    yield from _broken_inside()
    yield from _broken_tips()
    yield from _hostile()


def _damaged() -> Iterator[Case]:
    """The sample, misread in one place or cut off: the checksum tells."""
    for at in range(7, len(BEST_TRANSPORT), STEP):
        other = "7" if BEST_TRANSPORT[at] != "7" else "1"
        text = BEST_TRANSPORT[:at] + other + BEST_TRANSPORT[at + 1 :]
        yield Case(name=f"misread at {at}", text=text, tag="63")
        cut = BEST_TRANSPORT[:at]
        yield Case(name=f"cut off at {at}", text=cut, tag="63")
        swapped = BEST_TRANSPORT[at] + BEST_TRANSPORT[at - 1]
        if swapped[0] != swapped[1]:
            text = BEST_TRANSPORT[: at - 1] + swapped + BEST_TRANSPORT[at + 1 :]
            yield Case(name=f"swapped at {at}", text=text, tag="63")
    yield Case(name="nothing", text="", tag="")
    yield Case(name="a web address", text="https://example.org/pay?to=42", tag="00")
    yield Case(name="a blank before", text=f" {code()}", tag="00")
    yield Case(name="a blank behind", text=f"{code()} ", tag="63")
    yield Case(name="a line end behind", text=f"{code()}\n", tag="")
    yield Case(name="no checksum", text=code()[:-8], tag="63")
    yield Case(name="a checksum of noughts", text=code()[:-4] + "0000", tag="63")
    yield Case(name="a checksum of no digits", text=code()[:-4] + "ZZZZ", tag="63")
    yield Case(name="too long by one", text=as_long_as(513), tag="")


def _broken_objects() -> Iterator[Case]:
    """A right checksum over data objects that are none."""
    for name, raw, tag in (
        ("an id of letters", "AB02xx", ""),
        ("an id of a digit and a letter", "6A02xx", ""),
        ("an id of Arabic digits", "\u0666\u066102xx", ""),
        ("a length of letters", "61AAxx", "61"),
        ("a length of fullwidth digits", "61\uff10\uff12xx", "61"),
        ("a length with a sign", "61+2xx", "61"),
        ("a length of nought", "6100", "61"),
        ("a length into the checksum", "6109xx", ""),
        ("a length over the checksum", "6110xx", "61"),
        ("a length beyond the end", "6199xx", "61"),
        ("a lone id", "61", "61"),
        ("a lone digit", "6", "66"),
    ):
        yield Case(name=name, text=with_raw(raw), tag=tag)
    early = one("00", "01") + one("63", "ABCD") + many(dict(list(MINIMAL.items())[1:]))
    yield Case(name="a checksum in the middle", text=sealed(early), tag="63")
    late = many(dict(list(MINIMAL.items())[1:])) + one("00", "01")
    yield Case(name="the format behind", text=sealed(late), tag="00")
    yield Case(name="another format", text=code({"00": "02"}), tag="00")


def _twice_or_missing() -> Iterator[Case]:
    for tag, value in MINIMAL.items():
        yield Case(name=f"{tag} twice", text=with_raw(one(tag, value)), tag=tag)
    for tag in ("52", "53", "58", "59", "60"):
        yield Case(name=f"no {tag}", text=code({tag: None}), tag=tag)
    yield Case(name="no account", text=code({"26": None}), tag="")
    for number in (65, 80, 99):
        raw = one(f"{number}", OWNED) * 2
        yield Case(name=f"{number} twice", text=with_raw(raw), tag=f"{number}")


BAD_VALUES: dict[str, Iterable[str]] = {
    "01": ("10", "13", "1", "012", "ab"),
    "02": ("号", "x\u0301"),
    "52": ("581", "58120", "58A2", "\u0665\u0668\u0661\u0662"),
    "53": ("15", "CNY", "999", "959", "000", "\uff11\uff15\uff16"),
    "54": (
        "0", "0.00", "00", ".5", "-1", "+1", "1e3", "1,000", "1.2.3", "NaN", "0x10", " 1",
        "12.345", "12.3001", "99999999999999", "1\u00a0000", "\uff11\uff12", "1_000", "Infinity",
    ),
    "58": ("cn", "C", "CHN", "C1"),
    "59": ("x" * 26, "街角小店", "caf\u00e9"),
    "60": ("y" * 16, "青岛"),
    "61": ("1" * 11, "266\uff1000"),
}  # fmt: skip


def _broken_values() -> Iterator[Case]:
    for tag, values in BAD_VALUES.items():
        for number, value in enumerate(values):
            yield Case(name=f"bad value {number} of {tag}", text=code({tag: value}), tag=tag)
    digits = code({"53": "392", "54": "12.5"})
    yield Case(name="half a yen", text=digits, tag="54")
    much = code({"53": "048", "54": ABOVE_AMOUNT_MAX})
    yield Case(name="more than is moved", text=much, tag="54")


def _broken_inside() -> Iterator[Case]:
    """Templates whose value is no list of data objects, or not the right ones."""
    for tag in ("26", "38", "51", "80", "99"):
        for name, value, inside in (
            ("no objects", "just text", ""),
            ("no identifier", one("01", "7"), ".00"),
            ("a long identifier", one("00", "i" * 33), ".00"),
            ("a strange identifier", one("00", "идентификатор"), ".00"),
            ("a field twice", OWNED + one("01", "7"), ".01"),
            ("a field too long", OWNED + "0299x", ".02"),
        ):
            text = code({"26": None, "02": "4000", tag: value})
            yield Case(name=f"{tag}: {name}", text=text, tag=f"{tag}{inside}")
    for name, value, tag in (
        ("a long label", one("05", "r" * 26), "62.05"),
        ("a label in Chinese", one("01", "发票"), "62.01"),
        ("asks for an unknown thing", one("09", "X"), "62.09"),
        ("asks twice", one("09", "AA"), "62.09"),
        ("a long tax id", one("10", "t" * 21), "62.10"),
        ("a short channel", one("11", "40"), "62.11"),
        ("a template without identifier", one("50", one("01", "7")), "62.50.00"),
        ("a template that is none", one("99", "xyz"), "62.99"),
        ("a label twice", one("01", "a") * 2, "62.01"),
        ("half an object", "01", "62.01"),
    ):
        yield Case(name=f"62: {name}", text=code({"62": value}), tag=tag)
    for name, value, tag in (
        ("no language", one("01", "小店"), "64.00"),
        ("no name", one("00", "zh"), "64.01"),
        ("a language of three letters", many({"00": "zho", "01": "小店"}), "64.00"),
        ("a long name", many({"00": "zh", "01": "店" * 26}), "64.01"),
        ("a long city", many({"00": "zh", "01": "店", "02": "岛" * 16}), "64.02"),
    ):
        yield Case(name=f"64: {name}", text=code({"64": value}), tag=tag)


def _broken_tips() -> Iterator[Case]:
    for name, values, tag in (
        ("an unknown kind", {"55": "04"}, "55"),
        ("a fee without its kind", {"56": "1"}, "56"),
        ("a percentage without its kind", {"57": "1"}, "57"),
        ("a prompt with a fee", {"55": "01", "56": "1"}, "56"),
        ("a prompt with a percentage", {"55": "01", "57": "1"}, "57"),
        ("a fee that is missing", {"55": "02"}, "56"),
        ("a percentage that is missing", {"55": "03"}, "57"),
        ("a fee for a percentage", {"55": "03", "56": "1"}, "56"),
        ("both", {"55": "02", "56": "1", "57": "1"}, "57"),
        ("a fee of nothing", {"55": "02", "56": "0.00"}, "56"),
        ("a fee too fine", {"55": "02", "56": "0.001"}, "56"),
        ("nothing in percent", {"55": "03", "57": "0"}, "57"),
        ("all in percent", {"55": "03", "57": "100"}, "57"),
        ("a percentage too fine", {"55": "03", "57": "1.234"}, "57"),
        ("a percent sign", {"55": "03", "57": "3%"}, "57"),
        ("a long percentage", {"55": "03", "57": "003.00"}, "57"),
    ):
        yield Case(name=f"tip: {name}", text=code({"54": "10", **values}), tag=tag)


def _hostile() -> Iterator[Case]:
    for name, value in (
        ("a nought byte", "\x00"),
        ("a line end", "\n"),
        ("an escape", "\x1b[2J"),
        ("a C1 control", "\x9b2J"),
        ("half a character", "\ud83d"),
    ):
        inside = many({"00": "zh", "01": f"a{value}"})
        yield Case(name=name, text=code({"64": inside}), tag="")
    second = code({"27": MINIMAL["26"]})
    yield Case(name="two accounts of ours", text=second, tag="27")
    for name, account in (
        ("no account", None),
        ("an account with hyphens", "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02"),
        ("a short account", ACCOUNT[:-1]),
        ("a long account", f"{ACCOUNT}0"),
        ("an account of other letters", f"{ACCOUNT[:-1]}g"),
        ("an account with underscores", f"{ACCOUNT[:-2]}_2"),
    ):
        fields = {"00": OURS} | ({} if account is None else {"01": account})
        yield Case(name=f"ours: {name}", text=code({"26": many(fields)}), tag="26.01")
    nested = "00" * 45
    yield Case(name="noughts all the way", text=code({"26": nested}), tag="26.00")
    yield Case(name="a long run of digits", text="000201" + "9" * 400, tag="63")
    yield Case(name="a flood", text="0" * 100_000, tag="")
