"""`/v1/bills/{id}/instalments`: parts of a bill that its biller takes by a mandate, day by day."""

from datetime import date, timedelta
from importlib.resources import files
from typing import Annotated, Any, Final
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Meta, Struct

from switch.admission import Caller
from switch.errors import Problem
from switch.ledger import new_id
from switch.loops import Job
from switch.message import Amount, Id, Payment, Reason, decode, malformed, one_of
from switch.once import REPEAT, make
from switch.queries import queries_of
from switch.reply import Answer, document
from switch.requests import NOT_FOUND, asked_id, operation_digest, path_id
from switch.service import Core, Endpoint, JobCore
from switch.services.bills import limits

QUERIES: Final = queries_of(files("switch.services") / "bills" / "sql")
# Of plan_instalments; dispositions that spend no key.
REFUSALS = {
    6: malformed("Expected a mandate for the payee of the bill.", "mandate"),
    7: malformed("The bill is paid in instalments already.", "parts"),
    8: malformed("The parts do not add up to what is left of the bill.", "parts"),
    9: malformed("The bill takes no part of less than its `amount_min`.", "parts"),
}


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So much, from that day on."""

    amount: Amount
    due_on: date


class PlanRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/bills/{id}/instalments`: all that is left, in the order of the days."""

    mandate: UUID
    parts: Annotated[list[Part], Meta(min_length=1, max_length=limits.INSTALMENTS_MAX)]


class Instalment(Struct, frozen=True, kw_only=True):
    """A part: `planned`, `paid`, or `given_up`; `reason`: why it was declined the last time."""

    amount: int
    due_on: str
    status: Annotated[str, one_of("planned", "paid", "given_up")]
    payment: Id | None
    reason: Reason | None


class Plan(Struct, frozen=True, kw_only=True):
    """The instalments of a bill."""

    bill: Id
    mandate: Id
    parts: list[Instalment]


_decoder = msgspec.json.Decoder(PlanRequest)


def decode_plan(body: bytes, today: date) -> PlanRequest | Problem:
    """The plan in these bytes, or which rule they break."""
    request = decode(_decoder, body)
    if isinstance(request, Problem):
        return request
    earliest = today - timedelta(days=1)  # somewhere it is still yesterday
    latest = today + timedelta(days=limits.INSTALMENT_AHEAD_D_MAX)
    for place, part in enumerate(request.parts):
        if not earliest <= part.due_on <= latest:
            return malformed("Expected a day of the next five years.", f"parts[{place}].due_on")
        earliest = part.due_on
    return request


class Instalments:
    """Plans and shows instalments, in one worker."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def plan(self, caller: Caller) -> Answer | Problem:
        """Have what is left of a bill of the caller taken in parts."""
        bill = path_id(caller.request.path)
        today = self._core.clock.now().date()

        async def decide(key: str, asked: PlanRequest) -> list[asyncpg.Record]:
            return await self._core.reads.decide(
                QUERIES["plan_instalments"], caller.participant.number, key,
                operation_digest(caller), bill, asked.mandate,
                [part.amount for part in asked.parts], [part.due_on for part in asked.parts],
            )  # fmt: skip

        def planned(row: asyncpg.Record) -> Plan:
            asked = decode_plan(caller.body, today)
            assert isinstance(asked, PlanRequest), "it was decoded before"
            return Plan(
                bill=str(bill),
                mandate=str(asked.mandate),
                parts=[
                    Instalment(
                        amount=part.amount, due_on=part.due_on.isoformat(), status="planned",
                        payment=None, reason=None,
                    )
                    for part in asked.parts
                ],
            )  # fmt: skip

        return await make(
            self._core, caller, "bill", decode=lambda body: decode_plan(body, today),
            decide=decide, render=planned, refusals=REFUSALS,
        )  # fmt: skip

    async def show(self, caller: Caller) -> Answer | Problem:
        """The instalments of a bill of the caller, or that its mandate pays."""
        bill = asked_id(caller.request)
        if isinstance(bill, Problem):
            return bill
        rows = await self._core.reads.ask(
            QUERIES["read_instalments"], caller.participant.number, bill
        )
        if not rows:
            return NOT_FOUND
        return document(
            Plan(
                bill=str(bill),
                mandate=str(rows[0]["mandate"]),
                parts=[_instalment(row) for row in rows],
            )
        )

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What this room answers."""
        signed = self._core.admission.signed
        return (
            Endpoint(
                method="POST",
                path="/v1/bills/{id}/instalments",
                name="plan_instalments",
                summary="Have what is left of a bill taken in parts by a mandate",
                handler=signed(self.plan),
                answers={201: "The parts, planned now", 200: REPEAT},
                problems=("not-found", "participant-suspended", "outcome-unknown"),
                request=PlanRequest,
                request_example=PLAN_REQUEST,
                response=Plan,
                response_example=PLAN,
                response_also=(Payment,),  # of a key that is barred
            ),
            Endpoint(
                method="GET",
                path="/v1/bills/{id}/instalments",
                name="show_instalments",
                summary="Show the instalments of a bill, and what became of them",
                handler=signed(self.show),
                answers={200: "The parts as they are now"},
                problems=("not-found",),
                response=Plan,
                response_example=PLAN,
            ),
        )


def _instalment(row: asyncpg.Record) -> Instalment:
    return Instalment(
        amount=row["amount"],
        due_on=row["due_on"].isoformat(),
        status=row["status"],
        payment=None if row["payment"] is None else str(row["payment"]),
        reason=row["reason"],
    )


class Taker:
    """Takes instalments whose day has come."""

    def __init__(self, core: JobCore) -> None:
        self._clock = core.clock

    async def turn(self, connection: asyncpg.Connection) -> float:
        """So many; a pause, long when there is none."""
        now_us = self._clock.now_us()
        ids = [new_id(now_us) for _ in range(limits.INSTALMENTS_A_TURN)]
        tried = await connection.fetchval(
            QUERIES["take_instalments"], ids, limits.RETRY_S, limits.ATTEMPTS_MAX
        )
        return limits.TAKE_PAUSE_S if tried else limits.TAKE_INTERVAL_S


def jobs(core: JobCore) -> tuple[Job, ...]:
    """What the service does beside answering."""
    turn = Taker(core).turn
    return (Job(name="bills_take", turn_s_max=limits.TAKE_S_MAX, turn=turn),)


PLAN_REQUEST: dict[str, Any] = {
    "mandate": "0192f0c4-1c22-7b63-9d6f-3c8b7e2a5d06",
    "parts": [
        {"amount": 200000, "due_on": "2026-12-01"},
        {"amount": 200000, "due_on": "2027-01-01"},
        {"amount": 80000, "due_on": "2027-02-01"},
    ],
}
PLAN: dict[str, Any] = {
    "bill": "0192f0c1-2d0e-7a11-b3c2-4e5f60718206",
    "mandate": PLAN_REQUEST["mandate"],
    "parts": [
        part | {"status": "planned", "payment": None, "reason": None}
        for part in PLAN_REQUEST["parts"]
    ],
}
