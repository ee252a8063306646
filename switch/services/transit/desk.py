"""`/v1/transit-networks` and `/v1/transit-tokens`: what rides cost, and who rides."""

from datetime import date, datetime, timedelta
from importlib.resources import files
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from switch.admission import Caller
from switch.budget import InFlight
from switch.errors import Problem
from switch.key_message import public_bytes, published
from switch.ledger import new_id
from switch.message import EmptyRequest, Payment, decode_empty, malformed
from switch.once import REPEAT, make
from switch.queries import queries_of
from switch.reply import Answer, document
from switch.requests import NOT_FOUND, Rule, asked_id, operation_digest, path_id, read_query
from switch.service import Core, Endpoint, Parameter
from switch.services.transit import examples, limits, message, tap
from switch.services.transit.message import (
    AskAgainRequest,
    Fares,
    FaresRequest,
    Network,
    NetworkNow,
    NetworkRequest,
    Token,
    TokenNow,
    TokenRequest,
    Week,
)
from switch.services.transit.pricing import price, tables_of

QUERIES: Final = queries_of(files("switch.services") / "transit" / "sql")
# Of lay_fares and give_token; dispositions that spend no key.
FARES_REFUSALS = {
    6: malformed("Expected a service day that has not begun.", "from_day"),
    7: malformed("The network has fares from this day on; they never change.", "from_day"),
    8: malformed(
        f"The network has {limits.TABLES_AHEAD_MAX} fare tables for days to come already.",
        "from_day",
    ),
}
TOKEN_REFUSALS = {
    6: malformed("Expected a mandate of yours for the network's account.", "mandate"),
    7: malformed("The latest fares of the network know no such class.", "rider_class"),
}
PROBLEMS = ("not-found", "participant-suspended", "outcome-unknown")


class Desk:
    """Makes networks, fares and tokens, in one worker."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._reads = core.reads
        self._tables = InFlight(
            total_max=limits.TABLES_IN_FLIGHT_MAX, each_max=limits.TABLES_IN_FLIGHT_MAX
        )

    async def give_network(self, caller: Caller) -> Answer | Problem:
        """Make a network that is paid to an account of the caller."""

        async def decide(key: str, asked: NetworkRequest) -> list[asyncpg.Record]:
            return await self._reads.decide(
                QUERIES["give_network"], *self._sender(caller, key), self._id(), asked.account,
                asked.currency, asked.name, message.day_begins(asked), asked.settle_minutes,
                asked.liability_max,
            )  # fmt: skip

        return await make(
            self._core, caller, "transit network", decode=message.decode_network, decide=decide,
            render=message.as_network, refusals={},
        )  # fmt: skip

    async def lay_fares(self, caller: Caller) -> Answer | Problem:
        """Lay down the fares of a network of the caller."""
        network = path_id(caller.request.path)
        latest = self._core.clock.now().date() + timedelta(days=limits.TABLE_AHEAD_D_MAX)

        def decode(body: bytes) -> FaresRequest | Problem:
            asked = message.decode_fares(body)
            if isinstance(asked, FaresRequest) and asked.from_day > latest:
                days = limits.TABLE_AHEAD_D_MAX
                return malformed(f"Expected a day at most {days} days ahead.", "from_day")
            return asked

        async def decide(key: str, asked: FaresRequest) -> list[asyncpg.Record]:
            return await self._reads.decide(
                QUERIES["lay_fares"], *self._sender(caller, key), self._id(), network,
                asked.from_day, list(asked.stations), message.kept(message.table_of(asked)),
                limits.TABLES_AHEAD_MAX,
            )  # fmt: skip

        return await make(
            self._core, caller, "fare table", decode=decode, decide=decide,
            render=message.as_fares, refusals=FARES_REFUSALS,
        )  # fmt: skip

    async def show_network(self, caller: Caller) -> Answer | Problem:
        """A network and its fares; any participant may know them."""
        network = asked_id(caller.request)
        if isinstance(network, Problem):
            return network
        rows = await self._reads.ask(QUERIES["read_network"], network)
        if not rows:
            return NOT_FOUND
        fares = await self._reads.ask(QUERIES["read_fares"], network, None, None)
        return document(
            NetworkNow(
                network=message.as_network(rows[0]), fares=[message.as_fares(row) for row in fares]
            )
        )

    async def give_token(self, caller: Caller) -> Answer | Problem:
        """Make a token for a rider whose account is the caller's."""
        latest = self._core.clock.now() + timedelta(days=limits.TOKEN_D_MAX)

        def decode(body: bytes) -> TokenRequest | Problem:
            asked = message.decode_token(body)
            if isinstance(asked, Problem):
                return asked
            if asked.not_after > latest:
                days = limits.TOKEN_D_MAX
                return malformed(f"Expected a time at most {days} days ahead.", "not_after")
            if asked.not_before is not None and asked.not_before >= asked.not_after:
                return malformed("Expected a time after `not_before`.", "not_after")
            return asked

        async def decide(key: str, asked: TokenRequest) -> list[asyncpg.Record]:
            token, not_before = self._id(), asked.not_before or self._core.clock.now()
            networks = await self._reads.ask(QUERIES["read_network"], asked.network)
            signed = self._signed(token, asked, not_before, networks[0]) if networks else ""
            return await self._reads.decide(
                QUERIES["give_token"], *self._sender(caller, key), token, asked.network,
                asked.mandate, public_bytes(asked.public_key), asked.rider_class, not_before,
                asked.not_after, signed,
            )  # fmt: skip

        return await make(
            self._core, caller, "transit token", decode=decode, decide=decide,
            render=message.as_token, refusals=TOKEN_REFUSALS,
        )  # fmt: skip

    async def block(self, caller: Caller) -> Answer | Problem:
        """Put a token of the caller on the deny list for good."""
        token = path_id(caller.request.path)

        async def decide(key: str, asked: EmptyRequest) -> list[asyncpg.Record]:
            return await self._reads.decide(
                QUERIES["block_token"], *self._sender(caller, key), token
            )

        return await make(
            self._core, caller, "transit token", decode=decode_empty, decide=decide,
            render=message.as_token, refusals={},
        )  # fmt: skip

    async def ask_again(self, caller: Caller) -> Answer | Problem:
        """Have what a token of the caller owes asked for now."""
        token = path_id(caller.request.path)

        async def decide(key: str, asked: AskAgainRequest) -> list[asyncpg.Record]:
            return await self._reads.decide(
                QUERIES["ask_again"], *self._sender(caller, key), token, asked.mandate
            )

        return await make(
            self._core, caller, "transit token", decode=message.decode_ask_again, decide=decide,
            render=message.as_token, refusals=TOKEN_REFUSALS,
        )  # fmt: skip

    async def show_token(self, caller: Caller) -> Answer | Problem:
        """A token of the caller, or for a network of the caller, as it stands."""
        token = asked_id(caller.request)
        if isinstance(token, Problem):
            return token
        rows = await self._reads.ask(QUERIES["read_standing"], caller.participant.number, token)
        if not rows:
            return NOT_FOUND
        return document(message.as_standing(rows[0]))

    async def show_rides(self, caller: Caller) -> Answer | Problem:
        """What a token rode in a week."""
        parameters = read_query(caller.request.query, {"day": _read_day})
        if isinstance(parameters, Problem):
            return parameters
        token = path_id(caller.request.path)
        rows = await self._reads.ask(
            QUERIES["read_week"], caller.participant.number, token, parameters.get("day")
        )
        if not rows:
            return NOT_FOUND
        row = rows[0]
        sunday = row["monday"] + timedelta(days=6)
        fares = await self._reads.ask(QUERIES["read_fares"], row["network"], row["monday"], sunday)
        return document(message.as_week(row, price(row, tables_of(fares)).days))

    def _signed(
        self, token: UUID, asked: TokenRequest, not_before: datetime, network: asyncpg.Record
    ) -> str:
        claims = tap.Claims(
            iss=self._core.issuer,
            iat=self._core.clock.now_us() // 1_000_000,
            sub=str(token),
            network=str(asked.network),
            rider_class=asked.rider_class,
            currency=network["currency"],
            liability_max=network["liability_max"],
            nbf=int(not_before.timestamp()),
            exp=int(asked.not_after.timestamp()),
            cnf=tap.Confirmation(jwk=published(public_bytes(asked.public_key))),
        )
        return tap.issue(claims, self._core.signing_key())

    def _sender(self, caller: Caller, key: str) -> tuple[int, str, bytes]:
        return caller.participant.number, key, operation_digest(caller)

    def _id(self) -> UUID:
        return new_id(self._core.clock.now_us())

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What this room answers."""
        return (*self._of_networks(), *self._of_tokens(), *self._acts())

    def _of_networks(self) -> tuple[Endpoint, ...]:
        signed = self._core.admission.signed
        return (
            Endpoint(
                method="POST",
                path="/v1/transit-networks",
                name="give_transit_network",
                summary="Make a network whose fares are paid to an account of yours",
                handler=signed(self.give_network),
                answers={201: "The network, made now", 200: REPEAT},
                problems=PROBLEMS,
                request=NetworkRequest,
                request_example=examples.NETWORK_REQUEST,
                response=Network,
                response_example=examples.NETWORK,
                response_also=(Payment,),  # of a key that is barred
            ),
            Endpoint(
                method="POST",
                path="/v1/transit-networks/{id}/fares",
                name="lay_transit_fares",
                summary="Lay down the fares of a network from a day on",
                handler=self._core.admission.signed_large(
                    self.lay_fares, body_bytes_max=limits.FARES_BYTES_MAX, in_flight=self._tables
                ),
                answers={201: "The fares, laid down now", 200: REPEAT},
                problems=PROBLEMS,
                request=FaresRequest,
                request_example=examples.FARES_REQUEST,
                response=Fares,
                response_example=examples.FARES,
                response_also=(Payment,),
                body_bytes_max=limits.FARES_BYTES_MAX,
            ),
            Endpoint(
                method="GET",
                path="/v1/transit-networks/{id}",
                name="show_transit_network",
                summary="Show a network with its fares",
                handler=signed(self.show_network),
                answers={200: "The network, with the fares of today and of days to come"},
                problems=("not-found",),
                response=NetworkNow,
                response_example=examples.NETWORK_NOW,
            ),
        )

    def _of_tokens(self) -> tuple[Endpoint, ...]:
        signed = self._core.admission.signed
        return (
            Endpoint(
                method="POST",
                path="/v1/transit-tokens",
                name="give_transit_token",
                summary="Make a token for a rider of yours, paid by a mandate",
                handler=signed(self.give_token),
                answers={201: "The token, made now", 200: REPEAT},
                problems=PROBLEMS,
                request=TokenRequest,
                request_example=examples.TOKEN_REQUEST,
                response=Token,
                response_example=examples.TOKEN,
                response_also=(Payment,),
            ),
            Endpoint(
                method="GET",
                path="/v1/transit-tokens/{id}",
                name="show_transit_token",
                summary="Show a token: what it rode for, paid and owes, whether gates refuse it",
                handler=signed(self.show_token),
                answers={200: "The token as it stands"},
                problems=("not-found",),
                response=TokenNow,
                response_example=examples.TOKEN_NOW,
            ),
            Endpoint(
                method="GET",
                path="/v1/transit-tokens/{id}/rides",
                name="list_transit_rides",
                summary="List what a token rode in a week, and what it cost",
                handler=signed(self.show_rides),
                answers={200: "The rides of each day of the week, as they are known now"},
                problems=("not-found",),
                parameters=(_DAY,),
                response=Week,
                response_example=examples.WEEK,
            ),
        )

    def _acts(self) -> tuple[Endpoint, ...]:
        signed = self._core.admission.signed
        return (
            Endpoint(
                method="POST",
                path="/v1/transit-tokens/{id}/block",
                name="block_transit_token",
                summary="Have gates refuse a token for good: the phone was lost",
                handler=signed(self.block),
                answers={201: "The token, blocked", 200: REPEAT},
                problems=PROBLEMS,
                request=EmptyRequest,
                request_example={},
                response=Token,
                response_example=examples.TOKEN,
                response_also=(Payment,),
            ),
            Endpoint(
                method="POST",
                path="/v1/transit-tokens/{id}/settle",
                name="settle_transit_token",
                summary="Have what a token owes asked for now, perhaps by another mandate",
                handler=signed(self.ask_again),
                answers={201: "The token; what it owes is asked for at once", 200: REPEAT},
                problems=PROBLEMS,
                request=AskAgainRequest,
                request_example=examples.ASK_AGAIN,
                response=Token,
                response_example=examples.TOKEN,
                response_also=(Payment,),
            ),
        )


def _read_day(text: str) -> Any:
    try:
        return msgspec.convert(text, date)
    except msgspec.ValidationError:
        return Rule("Expected a day like 2026-11-16.")


_DAY = Parameter(
    name="day",
    what="A day of the week that is asked for, otherwise the present one",
    schema={"type": "string", "format": "date"},
)
