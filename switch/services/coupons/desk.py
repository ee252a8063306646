"""`/v1/campaigns` and `/v1/coupons`: begin campaigns, give coupons, show them."""

import asyncpg
from msgspec import Struct

from switch import limits
from switch.admission import Caller
from switch.errors import Problem
from switch.fund import (
    Campaign,
    CampaignRequest,
    Coupon,
    CouponRequest,
    as_campaign,
    as_coupon,
    decode_campaign,
    decode_coupon,
)
from switch.fund_ledger import is_there
from switch.ledger import new_id
from switch.message import Id, Payment, malformed
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
from switch.services.coupons import examples

NONE_LEFT = 3  # of claim_coupon's dispositions, spending no key
REFUSALS = {NONE_LEFT: Problem(name="not-found", detail="All coupons of the campaign are given.")}


class CouponNow(Struct, frozen=True, kw_only=True):
    """A coupon of one's own wallet, how often it was used, and what it gives."""

    id: Id
    uses: int
    campaign: Campaign


class Desk:
    """Begins campaigns, gives coupons and shows them."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._admission = core.admission
        self._reads = core.reads

    async def begin(self, caller: Caller) -> Answer | Problem:
        """Begin a campaign; its budget is what is paid into its account."""

        async def decide(key: str, asked: CampaignRequest) -> list[asyncpg.Record]:
            return await self._reads.decide(
                QUERIES["give_campaign"], caller.participant.number, key, operation_digest(caller),
                new_id(self._core.clock.now_us()), asked.account, asked.name, asked.discount,
                asked.parts_per_million, asked.discount_max, asked.amount_min, asked.uses_max,
                asked.coupons_max, asked.categories, asked.districts, asked.not_before,
                asked.not_after,
            )  # fmt: skip

        return await make(
            self._core, caller, "campaign", decode=decode_campaign, decide=decide,
            render=as_campaign, refusals={},
        )  # fmt: skip

    async def claim(self, caller: Caller) -> Answer | Problem:
        """Give a wallet of the caller a coupon, if there is one left."""

        async def decide(key: str, asked: CouponRequest) -> list[asyncpg.Record]:
            return await self._reads.decide(
                QUERIES["claim_coupon"], caller.participant.number, key, operation_digest(caller),
                new_id(self._core.clock.now_us()), asked.campaign, asked.account,
            )  # fmt: skip

        return await make(
            self._core, caller, "coupon", decode=decode_coupon, decide=decide, render=as_coupon,
            refusals=REFUSALS,
        )  # fmt: skip

    async def show(self, caller: Caller) -> Answer | Problem:
        """A campaign; any participant may know what is on offer."""
        campaign_id = asked_id(caller.request)
        if isinstance(campaign_id, Problem):
            return campaign_id
        (row,) = await self._reads.ask(QUERIES["read_fund"], campaign_id)
        return document(as_campaign(row["campaign"])) if is_there(row["campaign"]) else NOT_FOUND

    async def of_account(self, caller: Caller) -> Answer | Problem:
        """The coupons of a wallet of the caller."""
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
            QUERIES["read_funds"], caller.participant.number, account, True,
            parameters.get("after"), count + 1,
        )  # fmt: skip
        return page([_now(row) for row in rows], count, lambda coupon: coupon.id)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What the service answers."""
        return (
            Endpoint(
                method="POST",
                path="/v1/campaigns",
                name="begin_campaign",
                summary="Begin a campaign that discounts purchases out of a budget",
                handler=self._admission.signed(self.begin),
                answers={201: "The campaign, begun now", 200: REPEAT},
                problems=("not-found", "participant-suspended", "outcome-unknown"),
                request=CampaignRequest,
                request_example=examples.CAMPAIGN_REQUEST,
                response=Campaign,
                response_example=examples.CAMPAIGN,
                response_also=(Payment,),  # of a key that is barred
            ),
            Endpoint(
                method="GET",
                path="/v1/campaigns/{id}",
                name="show_campaign",
                summary="Show what a campaign offers",
                handler=self._admission.signed(self.show),
                answers={200: "The campaign"},
                problems=("not-found",),
                response=Campaign,
                response_example=examples.CAMPAIGN,
            ),
            Endpoint(
                method="POST",
                path="/v1/coupons",
                name="claim_coupon",
                summary="Get a coupon of a campaign for a wallet of one's own",
                handler=self._admission.signed(self.claim),
                answers={201: "The coupon, given now or there already", 200: REPEAT},
                problems=(
                    "not-found", "participant-suspended", "outcome-unknown",
                ),
                request=CouponRequest,
                request_example=examples.COUPON_REQUEST,
                response=Coupon,
                response_example=examples.COUPON,
                response_also=(Payment,),
            ),
            Endpoint(
                method="GET",
                path="/v1/coupons",
                name="list_coupons",
                summary="List the coupons of a wallet of one's own",
                handler=self._admission.signed(self.of_account),
                answers={200: "The wallet's coupons, in the order they were given"},
                response=CouponNow,
                response_example=examples.COUPON_NOW,
                is_list=True,
                parameters=(_WALLET, AFTER_ID, LIMIT),
            ),
        )  # fmt: skip


def _now(row: asyncpg.Record) -> CouponNow:
    return CouponNow(
        id=str(row["coupon"]["id"]),
        uses=row["coupon"]["uses"],
        campaign=as_campaign(row["campaign"]),
    )


_WALLET = Parameter(
    name="account",
    what="The wallet whose coupons they are; required",
    schema={"type": "string", "format": "uuid"},
)
