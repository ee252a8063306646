"""`/v1/purposes` and `/v1/purses`: bind money to a purpose, open purses, show them."""

import asyncpg
from msgspec import Struct

from switch import limits
from switch.admission import Caller
from switch.errors import Problem
from switch.fund import (
    Purpose,
    PurposeRequest,
    Purse,
    PurseRequest,
    as_purpose,
    as_purse,
    decode_purpose,
    decode_purse,
    minute,
)
from switch.fund_ledger import is_there
from switch.ledger import new_id
from switch.message import Id, Payment, Time, malformed
from switch.once import REPEAT, make
from switch.queries import QUERIES
from switch.reply import Answer, document, page
from switch.requests import (
    AFTER_ID,
    LIMIT,
    NOT_FOUND,
    asked_id,
    operation_digest,
    read_id,
    read_limit,
    read_query,
)
from switch.service import Core, Endpoint, Parameter
from switch.services.purposes import examples

NO_WALLET = 3  # of open_purse's dispositions, spending no key
REFUSALS = {NO_WALLET: malformed("No open wallet of the purpose's currency.", "wallet")}


class PurseNow(Struct, frozen=True, kw_only=True):
    """A purse of one's own wallet: what is in it, in minor units, and what it is for."""

    id: Id
    wallet: Id
    balance: int
    not_after: Time
    purpose: Purpose


class Desk:
    """Makes purposes, opens purses and shows them."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._admission = core.admission
        self._reads = core.reads

    async def give(self, caller: Caller) -> Answer | Problem:
        """Make a purpose that money of one's own is bound to."""

        async def decide(key: str, asked: PurposeRequest) -> list[asyncpg.Record]:
            return await self._reads.decide(
                QUERIES["give_purpose"], caller.participant.number, key, operation_digest(caller),
                new_id(self._core.clock.now_us()), asked.account, asked.name, asked.categories,
                asked.districts, asked.weekdays, minute(asked.from_time), minute(asked.until_time),
                asked.not_after,
            )  # fmt: skip

        return await make(
            self._core, caller, "purpose", decode=decode_purpose, decide=decide, render=as_purpose,
            refusals={},
        )  # fmt: skip

    async def open(self, caller: Caller) -> Answer | Problem:
        """Open a purse of one's own purpose beside somebody's wallet."""

        async def decide(key: str, asked: PurseRequest) -> list[asyncpg.Record]:
            return await self._reads.decide(
                QUERIES["open_purse"], caller.participant.number, key, operation_digest(caller),
                new_id(self._core.clock.now_us()), asked.purpose, asked.wallet,
            )  # fmt: skip

        return await make(
            self._core, caller, "purse", decode=decode_purse, decide=decide, render=as_purse,
            refusals=REFUSALS,
        )  # fmt: skip

    async def show(self, caller: Caller) -> Answer | Problem:
        """A purpose; any participant may know what it is."""
        purpose_id = asked_id(caller.request)
        if isinstance(purpose_id, Problem):
            return purpose_id
        (row,) = await self._reads.ask(QUERIES["read_fund"], purpose_id)
        return document(as_purpose(row["purpose"])) if is_there(row["purpose"]) else NOT_FOUND

    async def of_account(self, caller: Caller) -> Answer | Problem:
        """The purses beside a wallet of the caller."""
        parameters = read_query(
            caller.request.query, {"account": read_id, "after": read_id, "limit": read_limit}
        )
        if isinstance(parameters, Problem):
            return parameters
        account = parameters.get("account")
        if account is None:
            return malformed("Say of which wallet: `?account=`.", "account")
        count = parameters.get("limit", limits.PAGE_SIZE_DEFAULT)
        rows = await self._reads.ask(
            QUERIES["read_funds"], caller.participant.number, account, False,
            parameters.get("after"), count + 1,
        )  # fmt: skip
        return page([_now(row) for row in rows], count, lambda purse: purse.id)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What the service answers."""
        return (
            Endpoint(
                method="POST",
                path="/v1/purposes",
                name="give_purpose",
                summary="Bind money of one's own to a purpose",
                handler=self._admission.signed(self.give),
                answers={201: "The purpose, made now", 200: REPEAT},
                problems=("not-found", "participant-suspended", "outcome-unknown"),
                request=PurposeRequest,
                request_example=examples.PURPOSE_REQUEST,
                response=Purpose,
                response_example=examples.PURPOSE,
                response_also=(Payment,),  # of a key that is barred
            ),
            Endpoint(
                method="GET",
                path="/v1/purposes/{id}",
                name="show_purpose",
                summary="Show what a purpose binds money to",
                handler=self._admission.signed(self.show),
                answers={200: "The purpose"},
                problems=("not-found",),
                response=Purpose,
                response_example=examples.PURPOSE,
            ),
            Endpoint(
                method="POST",
                path="/v1/purses",
                name="open_purse",
                summary="Open a purse of one's own purpose beside a wallet",
                handler=self._admission.signed(self.open),
                answers={201: "The purse, opened now or there already", 200: REPEAT},
                problems=("not-found", "participant-suspended", "outcome-unknown"),
                request=PurseRequest,
                request_example=examples.PURSE_REQUEST,
                response=Purse,
                response_example=examples.PURSE,
                response_also=(Payment,),
            ),
            Endpoint(
                method="GET",
                path="/v1/purses",
                name="list_purses",
                summary="List the purses beside a wallet of one's own, with what is in them",
                handler=self._admission.signed(self.of_account),
                answers={200: "The wallet's purses, in the order they were opened"},
                response=PurseNow,
                response_example=examples.PURSE_NOW,
                is_list=True,
                parameters=(_WALLET, AFTER_ID, LIMIT),
            ),
        )


def _now(row: asyncpg.Record) -> PurseNow:
    purse = as_purse(row["purse"])
    return PurseNow(
        id=purse.id,
        wallet=purse.wallet,
        balance=row["balance"],
        not_after=purse.not_after,
        purpose=as_purpose(row["purpose"]),
    )


_WALLET = Parameter(
    name="account",
    what="The wallet beside which they are; required",
    schema={"type": "string", "format": "uuid"},
)
