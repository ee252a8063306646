"""`/v1/parking-sites` and `/v1/parking-stays`: car parks, and who comes and goes."""

from datetime import datetime, timedelta
from importlib.resources import files
from typing import Final

import asyncpg

from switch.admission import Caller
from switch.errors import Problem
from switch.ledger import new_id
from switch.message import Payment, malformed
from switch.once import REPEAT, make
from switch.queries import queries_of
from switch.reply import Answer, document
from switch.requests import NOT_FOUND, asked_id, operation_digest, path_id
from switch.service import Core, Endpoint
from switch.services.parking import examples, limits, message
from switch.services.parking.message import (
    EntryRequest,
    ExitRequest,
    Site,
    SiteRequest,
    Stay,
    StayNow,
)
from switch.services.parking.tariff import fee

QUERIES: Final = queries_of(files("switch.services") / "parking" / "sql")
NOT_OPEN = 6  # of leave's dispositions, spending no key
REFUSALS = {NOT_OPEN: malformed("This stay is not open: it has ended, or never began.")}
PROBLEMS = ("not-found", "participant-suspended", "outcome-unknown")


class Desk:
    """Makes car parks, begins and ends stays, in one worker."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._reads = core.reads

    async def give(self, caller: Caller) -> Answer | Problem:
        """Make a car park that is paid to an account of the caller."""

        async def decide(key: str, asked: SiteRequest) -> list[asyncpg.Record]:
            return await self._reads.decide(
                QUERIES["give_site"], caller.participant.number, key, operation_digest(caller),
                self._id(), asked.account, asked.currency, asked.name, asked.free_minutes,
                asked.unit_minutes, asked.unit_price, asked.day_max, asked.hold_amount,
                asked.hold_seconds,
            )  # fmt: skip

        return await make(
            self._core, caller, "parking site", decode=message.decode_site, decide=decide,
            render=message.as_site, refusals={},
        )  # fmt: skip

    async def enter(self, caller: Caller) -> Answer | Problem:
        """Begin a stay at a site of the caller."""

        def decode(body: bytes) -> EntryRequest | Problem:
            asked = message.decode_entry(body)
            if isinstance(asked, Problem):
                return asked
            if asked.entered_at < self._core.clock.now() - limits.STAY_MAX:
                return malformed(f"A stay has {limits.STAY_D_MAX} days at most.", "entered_at")
            return self._untimely(asked.entered_at, "entered_at") or asked

        async def decide(key: str, asked: EntryRequest) -> list[asyncpg.Record]:
            return await self._reads.decide(
                QUERIES["enter"], caller.participant.number, key, operation_digest(caller),
                self._id(), asked.site, asked.mandate, asked.entered_at, self._id(),
            )  # fmt: skip

        return await make(
            self._core, caller, "parking stay", decode=decode, decide=decide,
            render=message.as_entered, refusals={},
        )  # fmt: skip

    async def leave(self, caller: Caller) -> Answer | Problem:
        """End a stay at a site of the caller."""
        stay = path_id(caller.request.path)
        rows = await self._read(caller, stay) if stay is not None else []
        if not rows:
            return NOT_FOUND
        entered_at = rows[0]["entered_at"]

        def decode(body: bytes) -> ExitRequest | Problem:
            asked = message.decode_exit(body)
            if isinstance(asked, Problem):
                return asked
            if asked.left_at < entered_at:
                return malformed("Nobody leaves before he came.", "left_at")
            if asked.left_at - entered_at > limits.STAY_MAX:
                return malformed(f"A stay has {limits.STAY_D_MAX} days at most.", "left_at")
            return self._untimely(asked.left_at, "left_at") or asked

        async def decide(key: str, asked: ExitRequest) -> list[asyncpg.Record]:
            owed = fee(message.tariff_of(rows[0]), entered_at, asked.left_at)
            return await self._reads.decide(
                QUERIES["leave"], caller.participant.number, key, operation_digest(caller), stay,
                asked.left_at, owed, [self._id() for _ in range(limits.HOLDS_MAX + 1)],
            )  # fmt: skip

        return await make(
            self._core, caller, "parking stay", decode=decode, decide=decide,
            render=message.as_it_is, refusals=REFUSALS,
        )  # fmt: skip

    async def show_site(self, caller: Caller) -> Answer | Problem:
        """A car park; any participant may know its tariff."""
        site = asked_id(caller.request)
        if isinstance(site, Problem):
            return site
        rows = await self._reads.ask(QUERIES["read_site"], site)
        return document(message.as_site(rows[0])) if rows else NOT_FOUND

    async def show_stay(self, caller: Caller) -> Answer | Problem:
        """A stay at a site of the caller."""
        stay = asked_id(caller.request)
        if isinstance(stay, Problem):
            return stay
        rows = await self._read(caller, stay)
        if not rows:
            return NOT_FOUND
        holds = [str(payment) for payment in rows[0]["holds"]]
        return document(StayNow(stay=message.as_it_is(rows[0]), holds=holds))

    async def _read(self, caller: Caller, stay: object) -> list[asyncpg.Record]:
        return await self._reads.ask(QUERIES["read_stay"], caller.participant.number, stay)

    def _id(self) -> object:
        return new_id(self._core.clock.now_us())

    def _untimely(self, at: datetime, field: str) -> Problem | None:
        if at > self._core.clock.now() + timedelta(seconds=limits.AHEAD_S_MAX):
            return malformed("This is still to come: look at the gate's clock.", field)
        return None

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What the service answers."""
        signed = self._core.admission.signed
        return (
            Endpoint(
                method="POST",
                path="/v1/parking-sites",
                name="give_parking_site",
                summary="Make a car park with its tariff",
                handler=signed(self.give),
                answers={201: "The car park, made now", 200: REPEAT},
                problems=PROBLEMS,
                request=SiteRequest,
                request_example=examples.SITE_REQUEST,
                response=Site,
                response_example=examples.SITE,
                response_also=(Payment,),  # of a key that is barred
            ),
            Endpoint(
                method="GET",
                path="/v1/parking-sites/{id}",
                name="show_parking_site",
                summary="Show a car park and its tariff",
                handler=signed(self.show_site),
                answers={200: "The car park"},
                problems=("not-found",),
                response=Site,
                response_example=examples.SITE,
            ),
            Endpoint(
                method="POST",
                path="/v1/parking-stays",
                name="begin_parking_stay",
                summary="Somebody comes: hold money by a mandate, and open the gate if it is held",
                handler=signed(self.enter),
                answers={201: "The stay, open or declined", 200: REPEAT},
                problems=PROBLEMS,
                request=EntryRequest,
                request_example=examples.ENTRY,
                response=Stay,
                response_example=examples.ENTERED,
                response_also=(Payment,),
            ),
            Endpoint(
                method="POST",
                path="/v1/parking-stays/{id}/exit",
                name="end_parking_stay",
                summary="Somebody leaves: capture the fee, give the rest back",
                handler=signed(self.leave),
                answers={201: "The stay, ended now", 200: REPEAT},
                problems=PROBLEMS,
                request=ExitRequest,
                request_example=examples.EXIT,
                response=Stay,
                response_example=examples.LEFT,
                response_also=(Payment,),
            ),
            Endpoint(
                method="GET",
                path="/v1/parking-stays/{id}",
                name="show_parking_stay",
                summary="Show a stay at one's own car park",
                handler=signed(self.show_stay),
                answers={200: "The stay as it is"},
                problems=("not-found",),
                response=StayNow,
                response_example=examples.STAY,
            ),
        )
