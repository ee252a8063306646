"""What the client reads of answers: pages, and answers that have one of several shapes."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from switch.event_message import EventPage
from switch.exchange import Answer, ClientError
from switch.key_message import KeyOperation, ParticipantKey
from switch.message import Account, AccountOperation, Entry, Payment, Step
from switch.timeline import Timeline

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


JSON: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
PAYMENT = msgspec.json.Decoder(Payment)
ANYTHING: AnyOf[Payment | Step | Account | AccountOperation | ParticipantKey | KeyOperation] = (
    AnyOf(Payment, Step, Account, AccountOperation, ParticipantKey, KeyOperation)
)
ACCOUNT = msgspec.json.Decoder(Account)
OPERATION = msgspec.json.Decoder(AccountOperation)
KEY = msgspec.json.Decoder(ParticipantKey)
KEY_OPERATION = msgspec.json.Decoder(KeyOperation)
PAYMENTS = Decisions()
ACCOUNTS = msgspec.json.Decoder(Page[Account])
TIMELINE = msgspec.json.Decoder(Timeline)
EVENTS = msgspec.json.Decoder(EventPage)
ENTRIES = msgspec.json.Decoder(Page[Entry])
KEYS = msgspec.json.Decoder(Page[ParticipantKey])


async def all_of(page: Callable[[str | None], Awaitable[Page[Row]]]) -> AsyncIterator[Row]:
    """Every row of a list: page after page until there is no more."""
    after: str | None = None
    while True:
        piece = await page(after)
        for row in piece.data:
            yield row
        if not piece.has_more or piece.next_after is None or piece.next_after == after:
            return
        after = piece.next_after


def decoded(decoder: Decoder[Result], answer: Answer) -> Result:
    """What the switch said. Raises ClientError when a newer switch said it."""
    try:
        return decoder.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ClientError(
            f"the switch's signed answer is not understood ({error}): is this library too old?"
        ) from None
