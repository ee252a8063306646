"""`traceparent`: which values of W3C Trace Context are carried on, and which are ignored."""

import re

import pytest

from switch.traceparent import read_trace

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{PARENT}-01"


def test_a_trace_is_carried_on() -> None:
    """The same trace, a new span of the switch under the caller's, and whether it is sampled."""
    trace = read_trace([GOOD])
    assert trace is not None
    assert trace.received == GOOD
    assert re.fullmatch(f"00-{TRACE}-{trace.span_id}-01", trace.passed_on)
    assert re.fullmatch("[0-9a-f]{16}", trace.span_id)
    assert trace.span_id not in {PARENT, "0" * 16}
    other = read_trace([GOOD])
    assert other is not None
    assert other.span_id != trace.span_id


@pytest.mark.parametrize(
    ("value", "flags"),
    [
        (f" {GOOD}\t", "01"),
        (f"00-{TRACE}-{PARENT}-00", "00"),
        (f"00-{TRACE}-{PARENT}-ff", "01"),  # version 00 knows one flag, the others are not sent on
        (f"cc-{TRACE}-{PARENT}-01", "01"),  # a later version is read as far as this one goes
        (f"cc-{TRACE}-{PARENT}-01-what-the-future-will-be-like", "01"),
    ],
)
def test_what_is_understood(value: str, flags: str) -> None:
    """Space around it, other flags and later versions; what goes on is of version 00."""
    trace = read_trace([value])
    assert trace is not None
    assert trace.passed_on == f"00-{TRACE}-{trace.span_id}-{flags}"


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [""],
        [GOOD, GOOD],
        [f"{GOOD},{GOOD}"],
        [f"{GOOD}-more"],
        [f"{GOOD}-"],
        [f"ff-{TRACE}-{PARENT}-01"],
        [f"0-{TRACE}-{PARENT}-01"],
        [f"cc-{TRACE}-{PARENT}-01.more"],
        [f"00-{TRACE.upper()}-{PARENT}-01"],
        [f"00-{'0' * 32}-{PARENT}-01"],
        [f"00-{TRACE}-{'0' * 16}-01"],
        [f"00-{TRACE[1:]}-{PARENT}-01"],
        [f"00-{TRACE}-{PARENT}0-01"],
        [f"00-{TRACE}-{PARENT}-1"],
        [f"00-{TRACE}-{PARENT}-0g"],
        [f"00_{TRACE}_{PARENT}_01"],
        [f"00-{TRACE[:-1]}\N{ARABIC-INDIC DIGIT ONE}-{PARENT}-01"],
        [f"{GOOD}\n"],
    ],
)
def test_what_is_ignored(lines: list[str]) -> None:
    """Anything that is not exactly one value of the form is as if it had not been sent."""
    assert read_trace(lines) is None
