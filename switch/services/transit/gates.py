"""`/v1/transit-gates`, `/v1/transit-taps`, deny lists: what gates say, and what they are told."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from switch.admission import Caller
from switch.budget import InFlight
from switch.errors import Problem
from switch.key_message import public_bytes
from switch.keyfile import from_base64url
from switch.ledger import new_id
from switch.limits import PAGE_SIZE_DEFAULT
from switch.message import EmptyRequest, Payment, decode_empty
from switch.once import REPEAT, make
from switch.reply import Answer, document, page
from switch.requests import (
    LIMIT,
    NOT_FOUND,
    SUSPENDED,
    Rule,
    formal_key,
    operation_digest,
    path_id,
    read_limit,
    read_query,
)
from switch.service import Core, Endpoint, Parameter
from switch.services.transit import examples, limits, message, tap
from switch.services.transit.desk import PROBLEMS, QUERIES
from switch.services.transit.message import (
    Denial,
    Gate,
    GateRequest,
    TapRequest,
    TapsRequest,
    TapVerdict,
    TapVerdicts,
)


class Gates:
    """Makes gates known, takes their taps, tells whom they refuse; in one worker."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._reads = core.reads
        self._uploads = InFlight(
            total_max=limits.UPLOADS_IN_FLIGHT_MAX, each_max=limits.OPERATOR_UPLOADS_IN_FLIGHT_MAX
        )

    async def add(self, caller: Caller) -> Answer | Problem:
        """Make a gate of a network of the caller known."""

        async def decide(key: str, asked: GateRequest) -> list[asyncpg.Record]:
            return await self._reads.decide(
                QUERIES["add_gate"], caller.participant.number, key, operation_digest(caller),
                new_id(self._core.clock.now_us()), asked.network, asked.name,
                public_bytes(asked.public_key),
            )  # fmt: skip

        return await make(
            self._core, caller, "transit gate", decode=message.decode_gate, decide=decide,
            render=message.as_gate, refusals={},
        )  # fmt: skip

    async def close(self, caller: Caller) -> Answer | Problem:
        """Take a gate of a network of the caller out of use."""
        gate = path_id(caller.request.path)

        async def decide(key: str, asked: EmptyRequest) -> list[asyncpg.Record]:
            return await self._reads.decide(
                QUERIES["close_gate"], caller.participant.number, key, operation_digest(caller),
                gate,
            )  # fmt: skip

        return await make(
            self._core, caller, "transit gate", decode=decode_empty, decide=decide,
            render=message.as_gate, refusals={},
        )  # fmt: skip

    async def take(self, caller: Caller) -> Answer | Problem:
        """Take taps of gates of the caller; gate and counter are their key, so it spends none."""
        key = formal_key(caller)
        if isinstance(key, Problem):
            return key
        if caller.participant.is_suspended:
            return SUSPENDED
        request = message.decode_taps(caller.body)
        if isinstance(request, Problem):
            return request
        taps = request.taps
        number = caller.participant.number
        gates = await self._found("read_gates", number, {one.gate for one in taps})
        tokens = await self._found("read_tokens", number, {one.token for one in taps})
        reasons = [self._refusal(one, gates.get(one.gate), tokens.get(one.token)) for one in taps]
        right = [one for one, reason in zip(taps, reasons, strict=True) if reason is None]
        # Out of the loop's way: it takes a tenth of a second for as many as there may be.
        proven = iter(await asyncio.to_thread(_verify, right, gates, tokens))
        reasons = [next(proven) if reason is None else reason for reason in reasons]
        right = [one for one, reason in zip(taps, reasons, strict=True) if reason is None]
        verdicts = iter(await self._recorded(right) if right else [])
        return document(
            _told(taps, [next(verdicts) if reason is None else reason for reason in reasons])
        )

    async def _found(self, name: str, number: int, ids: set[UUID]) -> dict[UUID, asyncpg.Record]:
        rows = await self._reads.ask(QUERIES[name], number, list(ids))
        return {row["id"]: row for row in rows}

    def _refusal(
        self, one: TapRequest, gate: asyncpg.Record | None, token: asyncpg.Record | None
    ) -> str | None:
        """Why a tap does not count, as far as it can be told without its signatures."""
        now = self._core.clock.now()
        if gate is None:
            return "unknown_gate"
        if gate["closed_at"] is not None:
            return "gate_closed"
        if token is None or token["network"] != gate["network"]:
            return "unknown_token"
        if one.tapped_at < now - limits.TAP_AGE_MAX:
            return "too_old"
        if one.tapped_at > now + timedelta(seconds=limits.AHEAD_S_MAX):
            return "still_to_come"
        if not token["not_before"] <= one.tapped_at < token["not_after"]:
            return "token_not_valid"
        return None

    async def _recorded(self, taps: Sequence[TapRequest]) -> list[str]:
        (row,) = await self._reads.decide(
            QUERIES["take_taps"],
            [one.gate for one in taps],
            [one.counter for one in taps],
            [one.token for one in taps],
            [one.tapped_at for one in taps],
            [one.direction for one in taps],
            [one.station for one in taps],
            [from_base64url(one.rider_signature) for one in taps],
            [from_base64url(one.gate_signature) for one in taps],
            limits.TAPS_A_DAY_MAX,
        )
        return list(row["verdicts"])

    async def denied(self, caller: Caller) -> Answer | Problem:
        """The deny list of a network of the caller: all of it, or what changed."""
        parameters = read_query(caller.request.query, {"after": _read_number, "limit": read_limit})
        if isinstance(parameters, Problem):
            return parameters
        network = path_id(caller.request.path)
        number = caller.participant.number
        count = parameters.get("limit", PAGE_SIZE_DEFAULT)
        rows = await self._reads.ask(
            QUERIES["read_denied"], number, network, parameters.get("after"), count + 1
        )
        if not rows and not await self._reads.ask(QUERIES["runs_network"], number, network):
            return NOT_FOUND
        found = [message.as_denial(row) for row in rows]
        return page(found, count, lambda one: str(one.number))

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What this room answers."""
        signed = self._core.admission.signed
        return (
            Endpoint(
                method="POST",
                path="/v1/transit-gates",
                name="add_transit_gate",
                summary="Make a gate and its key known",
                handler=signed(self.add),
                answers={201: "The gate, known now", 200: REPEAT},
                problems=PROBLEMS,
                request=GateRequest,
                request_example=examples.GATE_REQUEST,
                response=Gate,
                response_example=examples.GATE,
                response_also=(Payment,),
            ),
            Endpoint(
                method="POST",
                path="/v1/transit-gates/{id}/close",
                name="close_transit_gate",
                summary="Take a gate out of use: nothing that it says from now on counts",
                handler=signed(self.close),
                answers={201: "The gate, closed", 200: REPEAT},
                problems=PROBLEMS,
                request=EmptyRequest,
                request_example={},
                response=Gate,
                response_example=examples.CLOSED_GATE,
                response_also=(Payment,),
            ),
            Endpoint(
                method="POST",
                path="/v1/transit-taps",
                name="take_transit_taps",
                summary="Take taps, late, twice and in any order: each counts once",
                handler=self._core.admission.signed_large(
                    self.take, body_bytes_max=limits.TAPS_BYTES_MAX, in_flight=self._uploads
                ),
                answers={200: "What became of each"},
                problems=("participant-suspended", "outcome-unknown"),
                request=TapsRequest,
                request_example=examples.TAPS_REQUEST,
                response=TapVerdicts,
                response_example=examples.TAP_VERDICTS,
                body_bytes_max=limits.TAPS_BYTES_MAX,
            ),
            Endpoint(
                method="GET",
                path="/v1/transit-networks/{id}/denied",
                name="list_transit_denied",
                summary="List whom gates refuse: all, or what changed after a number",
                handler=signed(self.denied),
                answers={200: "The list, or its changes, in the order of their numbers"},
                problems=("not-found",),
                parameters=(_AFTER, LIMIT),
                response=Denial,
                response_example=examples.DENIAL,
                is_list=True,
            ),
        )


def _verify(
    taps: Sequence[TapRequest],
    gates: Mapping[UUID, asyncpg.Record],
    tokens: Mapping[UUID, asyncpg.Record],
) -> list[str | None]:
    """Of each tap which of its signatures is wrong, if one is."""
    return [_forged(one, gates[one.gate], tokens[one.token]) for one in taps]


def _forged(one: TapRequest, gate: asyncpg.Record, token: asyncpg.Record) -> str | None:
    said = tap.line(
        gate=one.gate, counter=one.counter, token=one.token, station=one.station,
        direction=one.direction, tapped_at=one.tapped_at,
    )  # fmt: skip
    if not tap.is_by(said, one.rider_signature, token["public_key"]):
        return "rider_signature_wrong"
    both = tap.countersigned(said, one.rider_signature)
    if not tap.is_by(both, one.gate_signature, gate["public_key"]):
        return "gate_signature_wrong"
    return None


def _told(taps: Sequence[TapRequest], verdicts: Sequence[str]) -> TapVerdicts:
    shown = [
        TapVerdict(
            gate=str(one.gate),
            counter=one.counter,
            status=verdict if verdict in ("taken", "known") else "refused",
            reason=None if verdict in ("taken", "known") else verdict,
        )
        for one, verdict in zip(taps, verdicts, strict=True)
    ]
    statuses = [one.status for one in shown]
    return TapVerdicts(
        taken=statuses.count("taken"),
        known=statuses.count("known"),
        refused=statuses.count("refused"),
        taps=shown,
    )


def _read_number(text: str) -> Any:
    if text.isascii() and text.isdigit() and len(text) <= limits.NUMBER_DIGITS_MAX:
        return int(text)
    return Rule("Expected the number of a change.")


_AFTER = Parameter(
    name="after",
    what="The number of the last change that is known; without it all that are on the list",
    schema={"type": "integer", "minimum": 0},
)
