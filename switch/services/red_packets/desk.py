"""`/v1/red-packets` and `/v1/red-packet-entries`: who gives, and who enters."""

import secrets
from datetime import timedelta
from importlib.resources import files
from typing import Final

import asyncpg

from switch.admission import Caller
from switch.errors import Problem
from switch.ledger import new_id
from switch.limits import PAGE_SIZE_DEFAULT
from switch.message import Payment, malformed
from switch.once import REPEAT, make
from switch.queries import queries_of
from switch.reply import Answer, document, page
from switch.requests import (
    AFTER_ID,
    LIMIT,
    NOT_FOUND,
    asked_id,
    operation_digest,
    path_id,
    read_id,
    read_limit,
    read_query,
)
from switch.service import Core, Endpoint
from switch.services.red_packets import examples, limits, message
from switch.services.red_packets.message import (
    EntryNow,
    Lot,
    Offer,
    OfferEntry,
    OfferEntryRequest,
    OfferNow,
    OfferRequest,
)

QUERIES: Final = queries_of(files("switch.services") / "red_packets" / "sql")
# Of offer and enter; dispositions that spend no key.
OFFER_REFUSALS = {6: malformed("Expected a time before the purpose ends.", "draw_at")}
ENTRY_REFUSALS = {
    3: Problem(name="not-found", detail="All red packets of the offer are gone."),
    6: Problem(name="not-found", detail="The offer is over."),
}
PROBLEMS = ("not-found", "participant-suspended", "outcome-unknown")


class Desk:
    """Offers red packets, enters wallets, shows both; in one worker."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._reads = core.reads

    async def offer(self, caller: Caller) -> Answer | Problem:
        """Offer red packets of a purpose of the caller."""
        now = self._core.clock.now()

        def decode(body: bytes) -> OfferRequest | Problem:
            asked = message.decode_offer(body)
            if isinstance(asked, Problem) or asked.draw_at is None:
                return asked
            if asked.draw_at > now + timedelta(days=limits.DRAW_AHEAD_D_MAX):
                return malformed("Expected a time of the next year.", "draw_at")
            return asked

        async def decide(key: str, asked: OfferRequest) -> list[asyncpg.Record]:
            return await self._reads.decide(
                QUERIES["offer"], caller.participant.number, key, operation_digest(caller),
                new_id(self._core.clock.now_us()), asked.purpose, asked.amount, asked.count,
                asked.draw_at, secrets.token_bytes(limits.SEED_BYTES),
            )  # fmt: skip

        return await make(
            self._core, caller, "red packet", decode=decode, decide=decide,
            render=message.as_offer, refusals=OFFER_REFUSALS,
        )  # fmt: skip

    async def enter(self, caller: Caller) -> Answer | Problem:
        """Enter a wallet of the caller."""
        packet = path_id(caller.request.path)

        async def decide(key: str, asked: OfferEntryRequest) -> list[asyncpg.Record]:
            return await self._reads.decide(
                QUERIES["enter"], caller.participant.number, key, operation_digest(caller),
                new_id(self._core.clock.now_us()), packet, asked.wallet,
            )  # fmt: skip

        return await make(
            self._core, caller, "red packet", decode=message.decode_entry, decide=decide,
            render=message.as_entry, refusals=ENTRY_REFUSALS,
        )  # fmt: skip

    async def show(self, caller: Caller) -> Answer | Problem:
        """An offer; any participant may know it."""
        packet = asked_id(caller.request)
        if isinstance(packet, Problem):
            return packet
        rows = await self._reads.ask(QUERIES["read_packet"], packet)
        return document(message.as_offer_now(rows[0])) if rows else NOT_FOUND

    async def show_entry(self, caller: Caller) -> Answer | Problem:
        """An entry of a wallet of the caller, or for an offer of the caller."""
        entry = asked_id(caller.request)
        if isinstance(entry, Problem):
            return entry
        rows = await self._reads.ask(QUERIES["read_entry"], caller.participant.number, entry)
        return document(message.as_entry_now(rows[0])) if rows else NOT_FOUND

    async def lots(self, caller: Caller) -> Answer | Problem:
        """All entries of an offer, without their wallets."""
        parameters = read_query(caller.request.query, {"after": read_id, "limit": read_limit})
        if isinstance(parameters, Problem):
            return parameters
        packet = path_id(caller.request.path)
        if not await self._reads.ask(QUERIES["read_packet"], packet):
            return NOT_FOUND
        count = parameters.get("limit", PAGE_SIZE_DEFAULT)
        rows = await self._reads.ask(
            QUERIES["read_entries"], packet, parameters.get("after"), count + 1
        )
        return page([message.as_lot(row) for row in rows], count, lambda one: one.id)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What the service answers."""
        signed = self._core.admission.signed
        return (
            Endpoint(
                method="POST",
                path="/v1/red-packets",
                name="offer_red_packets",
                summary="Offer red packets, for who comes first or by lot",
                handler=signed(self.offer),
                answers={201: "The offer, made now", 200: REPEAT},
                problems=PROBLEMS,
                request=OfferRequest,
                request_example=examples.OFFER_REQUEST,
                response=Offer,
                response_example=examples.OFFER,
                response_also=(Payment,),  # of a key that is barred
            ),
            Endpoint(
                method="GET",
                path="/v1/red-packets/{id}",
                name="show_red_packets",
                summary="Show an offer and how far it is",
                handler=signed(self.show),
                answers={200: "The offer as it is"},
                problems=("not-found",),
                response=OfferNow,
                response_example=examples.OFFER_NOW,
            ),
            Endpoint(
                method="POST",
                path="/v1/red-packets/{id}/entries",
                name="enter_red_packet",
                summary="Enter a wallet of yours",
                handler=signed(self.enter),
                answers={201: "The entry: won, or waiting for the draw", 200: REPEAT},
                problems=PROBLEMS,
                request=OfferEntryRequest,
                request_example=examples.ENTRY_REQUEST,
                response=OfferEntry,
                response_example=examples.ENTRY,
                response_also=(Payment,),
            ),
            Endpoint(
                method="GET",
                path="/v1/red-packets/{id}/entries",
                name="list_red_packet_entries",
                summary="List all entries with their lots, to draw them again",
                handler=signed(self.lots),
                answers={200: "They, in the order they were made"},
                problems=("not-found",),
                response=Lot,
                response_example=examples.LOT,
                is_list=True,
                parameters=(AFTER_ID, LIMIT),
            ),
            Endpoint(
                method="GET",
                path="/v1/red-packet-entries/{id}",
                name="show_red_packet_entry",
                summary="Show an entry of a wallet of yours",
                handler=signed(self.show_entry),
                answers={200: "The entry as it is"},
                problems=("not-found",),
                response=EntryNow,
                response_example=examples.ENTRY_NOW,
            ),
        )
