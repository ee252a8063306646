"""W3C Trace Context (https://www.w3.org/TR/trace-context/): whose trace a request belongs to.

A `traceparent` of the right form is carried on: stored with what the request decides, answered with
a span id of the switch, named in logs. Any other is ignored, as the standard says: a request is
never refused for it. Nothing is measured and nothing sent elsewhere; `tracestate` is dropped.
"""

import os
import re
from collections.abc import Sequence

from msgspec import Struct

FIELD = "traceparent"

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_SAMPLED = 0x01  # the one flag of version 00


class Trace(Struct, frozen=True, kw_only=True):
    """One request's place in a trace: the caller's span, and that of the switch below it."""

    trace_id: str  # 32 hexadecimal digits
    parent_id: str  # 16, the caller's span
    span_id: str  # 16, the switch's
    flags: int

    @property
    def received(self) -> str:
        """The field as it came, as far as version 00 knows it."""
        return f"00-{self.trace_id}-{self.parent_id}-{self.flags:02x}"

    @property
    def passed_on(self) -> str:
        """The field for answers and whatever follows from this request."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"


def read_trace(lines: Sequence[str]) -> Trace | None:
    """The trace that the lines of the field name, None when they are not one of the right form."""
    found = _FORM.fullmatch(lines[0].strip(" \t")) if len(lines) == 1 else None
    if found is None:
        return None
    version, trace_id, parent_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more is not None):
        return None
    if not trace_id.strip("0") or not parent_id.strip("0"):
        return None
    return Trace(
        trace_id=trace_id,
        parent_id=parent_id,
        span_id=_new_span_id(),
        flags=int(flags, 16) & _SAMPLED,
    )


def passed_on(received: str | None, span_id: str | None) -> str | None:
    """The field for what follows from a request whose trace was stored in two parts."""
    if received is None or span_id is None:
        return None
    version, trace_id, _, flags = received.split("-")
    return f"{version}-{trace_id}-{span_id}-{flags}"


def _new_span_id() -> str:
    """Sixteen digits, not all of them zero."""
    while True:
        span_id = os.urandom(8).hex()
        if span_id.strip("0"):
            return span_id
