"""Consumer-presented data: written as the format has it; whatever comes is read or refused."""

import base64
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from switch.payment_code import CODES, DIGITS
from switch.services.codes import examples
from switch.services.codes.ber import encode, flat, is_template, leaves, split
from switch.services.codes.consumer_payload import OURS, ConsumerPayload, build, parse
from switch.services.codes.limits import DEPTH_MAX, PAYLOAD_CHARS_MAX
from switch.services.codes.tlv import Fault

CODE = "204816326412825651"
FORMAT = encode("85", b"CPV01")
NAME = encode("4F", bytes.fromhex(OURS))
OTHER = encode("4F", bytes.fromhex("A0000000031010"))
INSIDE = encode("63", encode("DF41", bytes.fromhex(CODE)))

EXAMPLES = 150

digits = st.integers(min_value=0, max_value=CODES - 1).map(lambda number: f"{number:0{DIGITS}}")


def try_all(seed: int, tried: Callable[[], None]) -> None:
    """Examples that the printed seed repeats."""
    settings(max_examples=EXAMPLES, deadline=None, database=None)(seeded(seed)(tried))()


def text(*objects: bytes, head: bytes = FORMAT) -> str:
    return base64.b64encode(head + b"".join(objects)).decode()


def application(*objects: bytes) -> bytes:
    return encode("61", b"".join(objects))


def nested(depth: int) -> bytes:
    """So many templates in each other."""
    value = b"\x57\x00"
    for _ in range(depth):
        value = encode("63", value)
    return value


def test_what_is_written_is_read(seed: int) -> None:
    """Any 18 digits, also those that begin with noughts."""

    @given(digits)
    def tried(code: str) -> None:
        found = parse(build(code))
        assert isinstance(found, ConsumerPayload)
        assert found.code == code
        assert len(build(code)) <= PAYLOAD_CHARS_MAX

    try_all(seed, tried)


def test_the_bytes_are_those_of_the_format() -> None:
    """By hand: indicator, application template, its name, transparent template, private tag."""
    assert base64.b64decode(build(CODE)).hex() == (
        "8505" "4350563031"
        "6120"
        "4f10" "f068ffc5d3dc1c4eae9c9710a9820101"
        "630c"
        "df4109" "204816326412825651"
    )  # fmt: skip
    assert build(CODE) == examples.CONSUMER_PAYLOAD


def test_what_others_present_is_shown() -> None:
    """Two applications of a card, a common template, long lengths, long tags: kept, in order."""
    card = application(OTHER, encode("50", b"Card"), encode("5A", b"\x41\x11\x11\x11"))
    common = encode("62", encode("5F2D", b"enzh") + encode("9F8101", b"\x01"))
    long = b"\x9f\x26\x81\x80" + bytes(128) + b"\x9f\x10\x82\x00\x01\x07"
    found = parse(text(card, application(NAME, INSIDE), common, long))
    assert isinstance(found, ConsumerPayload)
    assert [one.name for one in found.applications] == ["A0000000031010", OURS]
    assert [(one.tag, one.value) for one in found.applications[0].fields] == [
        ("61.50", b"Card".hex().upper()), ("61.5A", "41111111"),
    ]  # fmt: skip
    assert [one.tag for one in found.fields] == ["62.5F2D", "62.9F8101", "9F26", "9F10"]
    assert found.code == CODE
    theirs = parse(text(card))
    assert isinstance(theirs, ConsumerPayload)
    assert theirs.code is None


BROKEN = {
    "no base64": ("hQV*", "", "it begins as consumer-presented data and is no base64"),
    "a blank in it": (build(CODE)[:20] + " " + build(CODE)[20:], "", "it begins"),
    "cut off in base64": (build(CODE)[:-1], "", "it begins"),
    "beyond ascii": ("hQé", "", "it begins"),
    "cut off in bytes": (build(CODE)[:-8], "61", "its length says 32 bytes, 27 are left"),
    "another version": (text(head=encode("85", b"CPV02")), "85", "consumer-presented data begins"),
    "the indicator alone": (text(), "61", "an application template is missing"),
    "no application": (text(encode("62", b"")), "61", "an application template is missing"),
    "no length": (text(b"\x61"), "61", "its length is one byte"),
    "an indefinite length": (text(b"\x61\x80\x00\x00"), "61", "its length is one byte"),
    "a length of three bytes": (text(b"\x61\x83\x00\x00\x00"), "61", "its length is one byte"),
    "a length cut off": (text(b"\x61\x82\x00"), "61", "its length is one byte"),
    "a tag cut off": (text(application(OTHER), b"\x9f"), "", "a tag is due at byte 19"),
    "a tag without end": (text(b"\x9f\x81\x81\x81\x01\x00"), "", "a tag is due at byte 8"),
    "a length beyond its template": (text(application(b"\x4f\x7f")), "61.4F", "its length says"),
    "no name": (text(application(INSIDE)), "61.4F", "an application has one name, found 0"),
    "two names": (text(application(OTHER, OTHER)), "61.4F", "an application has one name, found 2"),
    "a short name": (text(application(encode("4F", b"abcd"))), "61.4F", "the name of an appl"),
    "a long name": (text(application(encode("4F", bytes(17)))), "61.4F", "the name of an appl"),
    "two of ours": (text(*[application(NAME, INSIDE)] * 2), "61", "a second application of this"),
    "ours without a code": (text(application(NAME)), "61.63.DF41", "a payment code is 18 digits"),
    "ours with two": (text(application(NAME, INSIDE, INSIDE)), "61.63.DF41", "a payment code"),
    "a code of letters": (
        text(application(NAME, encode("63", encode("DF41", b"\xab" * 9)))), "61.63.DF41",
        "a payment code",
    ),
    "a short code": (
        text(application(NAME, encode("63", encode("DF41", b"\x12" * 8)))), "61.63.DF41",
        "a payment code",
    ),
    "too deep": (text(nested(DEPTH_MAX)), "63.63.63.63", "more than 4 templates in each other"),
    "too deep inside": (
        text(application(OTHER, nested(DEPTH_MAX))), "61.63.63.63.63", "more than 4 templates",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN, ids=lambda name: name.replace(" ", "-"))
def test_what_is_broken_is_refused_by_its_tag(case: str) -> None:
    """The fault names the tag and the rule, and quotes nothing."""
    payload, tag, start = BROKEN[case]
    found = parse(payload)
    assert isinstance(found, Fault), found
    assert (found.tag, found.rule[: len(start)]) == (tag, start)
    assert len(found.text) < 200


def test_any_bytes_are_read_or_refused(seed: int) -> None:
    """Nothing else comes out, whatever goes in."""

    @given(st.binary(max_size=384).map(lambda tail: base64.b64encode(b"\x85" + tail).decode()))
    def tried(payload: str) -> None:
        assert isinstance(parse(payload), ConsumerPayload | Fault)

    try_all(seed, tried)


def test_any_text_is_read_or_refused(seed: int) -> None:
    """Likewise of what is no base64."""

    @given(st.text(max_size=PAYLOAD_CHARS_MAX).map("hQ".__add__))
    def tried(payload: str) -> None:
        assert isinstance(parse(payload), ConsumerPayload | Fault)

    try_all(seed, tried)


trees = st.recursive(
    st.tuples(st.sampled_from(["4F", "57", "9F26", "DF41", "5F2D"]), st.binary(max_size=8)),
    lambda inside: st.tuples(
        st.sampled_from(["61", "63", "BF0C"]),
        st.lists(inside, max_size=3).map(lambda found: b"".join(encode(*one) for one in found)),
    ).filter(lambda one: len(one[1]) < 100),
    max_leaves=6,
)


def test_objects_are_split_as_they_were_joined(seed: int) -> None:
    """Tags and values come back; what is flat is what its parts are."""

    @given(st.lists(trees, max_size=4))
    def tried(objects: list[tuple[str, bytes]]) -> None:
        joined = b"".join(encode(*one) for one in objects)
        assert split(joined) == tuple(objects)
        parts = [leaves(*one) for one in objects]
        whole = flat(joined)
        if isinstance(whole, Fault):
            assert whole in parts
        else:
            assert whole == tuple(found for part in parts for found in part)  # type: ignore[union-attr]
            assert not any(is_template(one.tag.split(".")[-1]) for one in whole)

    try_all(seed, tried)
