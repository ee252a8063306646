"""What a participant's callback URL must do: take every event once, whatever the order."""

import asyncio
from copy import deepcopy
from typing import Any
from uuid import uuid4

import msgspec

from switch import examples, limits
from switch.clock import SYSTEM_CLOCK, rfc3339
from switch.conformance.bodies import body_checks
from switch.conformance.forgeries import Forged, Forgery, forge, forgery_checks
from switch.conformance.new_key import new_key_check
from switch.conformance.player import Heard, Player
from switch.conformance.publication import Publication
from switch.conformance.report import PASSED, Check, Seen, failed
from switch.signature import SigningKey

Content = dict[str, Any]


class CallbackChecks:
    """The checks of one run against one callback URL."""

    def __init__(self, player: Player, publication: Publication | None) -> None:
        self._player = player
        self._publication = publication
        self._number = 0

    def first(self) -> Check:
        """Without an answer to this there is nothing to judge."""
        return Check(
            name="takes-events",
            promise="an event is taken: any 2xx",
            advice="register the keys that `--print-jwks` prints, look at the URL, and answer 2xx"
            " once the event is stored",
            run=self._takes,
        )

    def rest(self) -> tuple[Check, ...]:
        """Everything else, in order."""
        return (
            *forgery_checks(self._refuses),
            Check(
                name="takes-repeats",
                promise="the same event is taken again, later and side by side",
                advice="store the event's id under a unique index; answer 2xx when it is there",
                run=self._takes_repeats,
            ),
            Check(
                name="takes-any-order",
                promise="events are taken whatever the order of their numbers",
                advice="events of different payments overtake each other: do not compare numbers",
                run=self._takes_any_order,
            ),
            Check(
                name="takes-many-at-once",
                promise=f"{limits.DELIVERIES_AT_ONCE_MAX} events at a time are taken",
                advice="so many are sent side by side; do not serve one after the other for long",
                run=self._takes_many,
            ),
            Check(
                name="takes-unknown-types",
                promise="an event of a type that is not known today is taken",
                advice="store it, or leave it, and answer 2xx: it would come for 24 hours",
                run=self._takes_unknown_type,
            ),
            *body_checks(
                unknown_member=self._ignores_unknown,
                too_large=self._refuses_large,
                no_json=self._refuses_garbage,
            ),
            new_key_check(self._player.key, self._publication, self._takes_by),
        )

    async def _takes(self) -> Seen:
        return _taken(await self._tell(self._event()))

    async def _takes_repeats(self) -> Seen:
        event = self._event()
        first = await self._tell(event)
        twins = await asyncio.gather(*(self._tell(event) for _ in range(limits.CONFORMANCE_TWINS)))
        return _taken(first, *twins)

    async def _takes_any_order(self) -> Seen:
        one, two = self._event(), self._event()
        return _taken(await self._tell(two), await self._tell(one))

    async def _takes_many(self) -> Seen:
        events = [self._event() for _ in range(limits.DELIVERIES_AT_ONCE_MAX)]
        return _taken(*await asyncio.gather(*map(self._tell, events)))

    async def _takes_unknown_type(self) -> Seen:
        about_nothing = {"type": "weather.changed", "payment": None, "step": None}
        return _taken(await self._tell(self._event() | about_nothing))

    async def _ignores_unknown(self) -> Seen:
        event = self._event() | {"not_known_today": {"to": ["anybody"]}}
        event["payment"]["not_known_today"] = 1
        return _taken(await self._tell(event))

    async def _refuses_large(self) -> Seen:
        event = self._event()
        event["payment"]["description"] = "x" * limits.BODY_BYTES_MAX
        heard = await self._player.ask(
            self._player.target(""), msgspec.json.encode(event), event["id"]
        )
        if heard.status is not None and not heard.is_refusal:
            return failed(heard.short)
        return _taken(await self._tell(self._event()))

    async def _refuses_garbage(self) -> Seen:
        heard = await self._player.ask(self._player.target(""), b'{"id":', f"{uuid4()}.1")
        return PASSED if heard.is_refusal else failed(heard.short)

    def _event(self) -> Content:
        """A purchase that was completed, with the next number of a feed."""
        self._number += 1
        now = rfc3339(SYSTEM_CLOCK.now())
        event: Content = deepcopy(examples.EVENT_PAGE["data"][0])
        payment = str(uuid4())
        event |= {"id": f"{payment}.1", "number": self._number, "occurred_at": now}
        event["payment"] |= {"id": payment, "created_at": now}
        return event

    async def _tell(self, event: Content, key: SigningKey | None = None) -> Heard:
        return await self._player.ask(
            self._player.target(""), msgspec.json.encode(event), event["id"], key=key
        )

    async def _refuses(self, forgery: Forgery) -> Seen:
        event = self._event()
        forged = Forged(
            player=self._player,
            target=self._player.target(""),
            body=msgspec.json.encode(event),
            key=event["id"],
            other_body=msgspec.json.encode(event | {"type": "payment.held"}),
        )

        async def follow() -> str | None:
            heard = await self._tell(event)
            return None if _is_taken(heard) else heard.short

        fault = await forge(forgery, forged, follow)
        return PASSED if fault is None else failed(fault)

    async def _takes_by(self, key: SigningKey) -> str | None:
        heard = await self._tell(self._event(), key)
        return None if _is_taken(heard) else heard.short


def _is_taken(heard: Heard) -> bool:
    return heard.status is not None and 200 <= heard.status < 300


def _taken(*answers: Heard) -> Seen:
    """Whether all of them were taken; the first that was not says why."""
    for heard in answers:
        if not _is_taken(heard):
            return failed(heard.short)
    return PASSED
