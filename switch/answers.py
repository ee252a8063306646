"""What the client reads of answers: pages, and answers that have one of several shapes."""

from contextlib import suppress
from typing import Generic, Protocol, TypeVar

import msgspec

from switch.message import Payment, Step

Row = TypeVar("Row")
Result = TypeVar("Result")
Made = TypeVar("Made", covariant=True)


class Page(msgspec.Struct, Generic[Row], frozen=True, kw_only=True):
    """A piece of a list; `next_after` is where the next one begins."""

    data: list[Row]
    has_more: bool
    next_after: str | None


class Decoder(Protocol[Made]):
    """Reads what the switch answered."""

    def decode(self, body: bytes, /) -> Made:
        """Raises msgspec.DecodeError when it is something else."""
        ...


class AnyOf(Generic[Result]):
    """The first of several shapes that fits; no two of them share all their members."""

    def __init__(self, *shapes: type[Result]) -> None:
        self._decoders = [msgspec.json.Decoder(shape) for shape in shapes]

    def decode(self, body: bytes, /) -> Result:
        """Raises msgspec.DecodeError when none of them fits."""
        for decoder in self._decoders[:-1]:
            with suppress(msgspec.ValidationError):
                return decoder.decode(body)
        return self._decoders[-1].decode(body)


DECISION: AnyOf[Payment | Step] = AnyOf(Payment, Step)


class Decisions:
    """A page of payments and steps."""

    _raw = msgspec.json.Decoder(Page[msgspec.Raw])

    def decode(self, body: bytes, /) -> Page[Payment | Step]:
        """Raises msgspec.DecodeError when it is something else."""
        page = self._raw.decode(body)
        rows = [DECISION.decode(bytes(row)) for row in page.data]
        return Page(data=rows, has_more=page.has_more, next_after=page.next_after)
