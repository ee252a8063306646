"""Calls of banks that hold the money themselves: typed calls of the functions in sql/.

The ledger keeps which calls are to be made, which are under way and what became of them; what is
said in a call is made from its row alone, so it is the same bytes however often it is made.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any
from uuid import UUID

import asyncpg

from switch.bank_message import Authorization, BankPath, Credit, Reversal, idempotency_key
from switch.clock import rfc3339
from switch.queries import QUERIES
from switch.traceparent import passed_on


class Kind(IntEnum):
    """What a bank is asked, as in ledger.bank_call."""

    AUTHORIZATION = 1
    CREDIT = 2
    REVERSAL = 3


PATHS: dict[Kind, BankPath] = {
    Kind.AUTHORIZATION: "authorizations",
    Kind.CREDIT: "credits",
    Kind.REVERSAL: "reversals",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call that is to be made now."""

    payment: UUID
    kind: Kind
    attempts: int  # that have ended
    participant_no: int
    participant: str
    bank_url: str | None  # None: it was taken away meanwhile
    deadline_at: datetime | None  # of an authorization
    traceparent: str | None
    message: Authorization | Credit | Reversal

    @property
    def path(self) -> BankPath:
        """Where below the bank's URL it is made."""
        return PATHS[self.kind]

    @property
    def idempotency_key(self) -> str:
        """The same over all attempts."""
        return idempotency_key(self.path, str(self.payment))


@dataclass(frozen=True, slots=True, kw_only=True)
class Spared:
    """Banks that get less than usual, by participant_no."""

    shut: Sequence[int]  # whose authorizations are declined at once
    probed: Sequence[int]  # who are asked for one at a time
    room: Mapping[int, int]  # how many calls may begin; of those that are missing the usual number


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What became of an attempt: decided, or when it is to be tried again."""

    payment: UUID
    kind: Kind
    decision: str | None  # as ledger.bank_call.decision, None to try again
    result: str  # for a person
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BankBacklog:
    """What waits for one bank, and what waits no more."""

    participant: str
    waiting: Mapping[BankPath, int]
    oldest_age_s: float
    given_up: Mapping[BankPath, int]  # by the operator, to be settled beside the switch


async def start_calls(
    connection: asyncpg.Connection,
    *,
    limit: int,
    deadline_s: float,
    calls_max: int,
    spared: Spared,
) -> list[Call]:
    """Begin what was accepted for banks, and take the calls to make now, at most so many."""
    rows = await connection.fetch(
        QUERIES["start_bank_calls"], limit, timedelta(seconds=deadline_s), calls_max,
        spared.shut, spared.probed, list(spared.room), list(spared.room.values()),
    )  # fmt: skip
    return [_call(row) for row in rows]


async def settle_calls(connection: asyncpg.Connection, called: Sequence[Called]) -> int:
    """Record what became of calls, in one transaction; how many payments are decided by it."""
    decided: int = await connection.fetchval(
        QUERIES["settle_bank_calls"],
        [one.payment for one in called],
        [int(one.kind) for one in called],
        [one.decision for one in called],
        [one.result for one in called],
        [timedelta(seconds=one.wait_s) for one in called],
    )
    return decided


async def resume_calls(connection: asyncpg.Connection) -> int:
    """Have all calls made again that nobody has settled; how many they are."""
    resumed: int = await connection.fetchval(QUERIES["resume_bank_calls"])
    return resumed


async def time_out_calls(connection: asyncpg.Connection, limit: int) -> int:
    """Decline what no bank has answered in time, at most so many; how many it were."""
    late: int = await connection.fetchval(QUERIES["time_out_calls"], limit)
    return late


async def bank_backlog(connection: asyncpg.Connection) -> list[BankBacklog]:
    """Every bank for which something waits or was given up."""
    rows = await connection.fetch(QUERIES["read_bank_backlog"])
    return [
        BankBacklog(
            participant=row["participant"],
            waiting={path: row[path] for path in PATHS.values()},
            oldest_age_s=row["oldest_age_s"],
            given_up={
                "credits": row["credits_given_up"],
                "reversals": row["reversals_given_up"],
            },
        )
        for row in rows
    ]


def _call(row: Mapping[str, Any]) -> Call:
    kind = Kind(row["kind"])
    return Call(
        payment=row["payment"],
        kind=kind,
        attempts=row["attempts"],
        participant_no=row["participant_no"],
        participant=row["participant"],
        bank_url=row["bank_url"],
        deadline_at=row["deadline_at"] if kind is Kind.AUTHORIZATION else None,
        traceparent=passed_on(row["traceparent"], row["span_id"]),
        message=_MESSAGES[kind](row),
    )


def _authorization(row: Mapping[str, Any]) -> Authorization:
    return Authorization(
        payment=str(row["payment"]),
        type=row["type"],
        account=str(row["account"]),
        account_reference=row["account_reference"],
        payee=str(row["payee"]),
        amount=row["amount"],
        currency=row["currency"],
        capture=not row["is_hold"],
        hold_expires_at=rfc3339(row["hold_expires_at"]) if row["is_hold"] else None,
        reference=row["reference"],
        payee_reference=row["payee_reference"],
        description=row["description"],
        created_at=rfc3339(row["created_at"]),
        deadline=rfc3339(row["deadline_at"]),
    )


def _credit(row: Mapping[str, Any]) -> Credit:
    return Credit(
        payment=str(row["payment"]),
        parent=str(row["parent"]) if row["parent"] else None,
        type=row["type"],
        account=str(row["account"]),
        account_reference=row["account_reference"],
        payer=str(row["payer"]),
        amount=row["amount"],
        currency=row["currency"],
        reference=row["reference"],
        payee_reference=row["payee_reference"],
        description=row["description"],
        created_at=rfc3339(row["created_at"]),
    )


def _reversal(row: Mapping[str, Any]) -> Reversal:
    return Reversal(
        payment=str(row["payment"]),
        account=str(row["account"]),
        account_reference=row["account_reference"],
        amount=row["amount"],
        currency=row["currency"],
        reason=row["reason"],
        created_at=rfc3339(row["called_at"]),
    )


_MESSAGES: dict[Kind, Callable[[Mapping[str, Any]], Authorization | Credit | Reversal]] = {
    Kind.AUTHORIZATION: _authorization,
    Kind.CREDIT: _credit,
    Kind.REVERSAL: _reversal,
}
