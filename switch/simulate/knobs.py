"""How a simulated server misbehaves: rates that are drawn for each request, and can be changed.

A rate is the share of requests that it strikes, from 0 to 1. The draws come from one seed, so a run
of requests that come in the same order meets the same fates again.
"""

import random
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from switch import limits

Rate = Annotated[float, Meta(ge=0, le=1)]
Milliseconds = Annotated[int, Meta(ge=0, le=limits.SIMULATED_LATENCY_MS_MAX)]
Lie = Literal["signature", "amount"]


class Knobs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What any simulated server can be told."""

    latency_ms: Milliseconds = 0  # before it does anything
    jitter_ms: Milliseconds = 0  # up to so much more, evenly drawn
    refuse: Rate = 0.0  # answered 503, nothing done
    hang: Rate = 0.0  # never answered
    drop: Rate = 0.0  # the connection is closed without an answer
    acts_first: Rate = 0.5  # of those that hang or are dropped: done all the same
    twice: Rate = 0.0  # handled again after the answer, as if the network had brought it twice


class BankKnobs(Knobs, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a simulated bank can be told besides."""

    decline: Rate = 0.0  # authorizations that are declined
    refuse_credits: Rate = 0.0  # credits that are refused for good
    lie: Lie | None = None  # signs with another key, or names another amount
    lie_rate: Rate = 1.0  # answers that lie, if any do


Some = TypeVar("Some", bound=Knobs)


class Fate(Struct, frozen=True, kw_only=True):
    """What becomes of one request."""

    wait_s: float
    refused: bool
    hangs: bool
    dropped: bool
    acts_first: bool
    twice: bool

    @property
    def lost(self) -> bool:
        """Whether nobody gets an answer."""
        return self.hangs or self.dropped


class Dice:
    """The draws of one server."""

    def __init__(self, seed: int | None) -> None:
        self.seed = random.SystemRandom().randrange(2**32) if seed is None else seed
        self._random = random.Random(self.seed)  # noqa: S311  chance to be repeated, no secret

    def falls(self, rate: float) -> bool:
        """Whether what happens at this rate happens now."""
        return self._random.random() < rate

    def between(self, low: int, high: int) -> int:
        """A number from low to high, both included."""
        return self._random.randint(low, high)

    def fate(self, knobs: Knobs) -> Fate:
        """Everything that is drawn for a request; as many draws whatever the rates are."""
        wait_ms = knobs.latency_ms + knobs.jitter_ms * self._random.random()
        return Fate(
            wait_s=wait_ms / 1000,
            refused=self.falls(knobs.refuse),
            hangs=self.falls(knobs.hang),
            dropped=self.falls(knobs.drop),
            acts_first=self.falls(knobs.acts_first),
            twice=self.falls(knobs.twice),
        )


def changed(knobs: Some, document: bytes) -> Some:
    """The knobs with those members of a JSON object changed; msgspec's errors when they may not."""
    given: Any = msgspec.json.decode(document, type=dict[str, Any])
    return msgspec.convert(msgspec.to_builtins(knobs) | given, type(knobs))
