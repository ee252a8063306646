"""What others than the payer pay of a purchase, and others than the payee get of it, in plain
Python: purses bound to a purpose, coupons of a campaign, and the shares of a tariff."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from switch.ledger import Order
from switch.outcome import Outcome
from tests.ledger.records import Record

if TYPE_CHECKING:
    from tests.ledger.model import Account, Ledger

MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One account's part of what a payee with this tariff is paid."""

    account: UUID
    parts_per_million: int
    fixed: int = 0
    share_min: int = 0
    share_max: int | None = None

    def of(self, amount: int) -> int:
        rounded = (amount * self.parts_per_million * 2 + MILLION) // (2 * MILLION)
        share = max(rounded + self.fixed, self.share_min)
        return share if self.share_max is None else min(share, self.share_max)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shops:
    """Where money may be spent: any category and any district where nothing is said."""

    categories: tuple[str, ...] | None = None
    districts: tuple[str, ...] | None = None

    def take(self, shop: tuple[str, str] | None) -> bool:
        if self.categories is None and self.districts is None:
            return True
        if shop is None:
            return False
        category, district = shop
        return (self.categories is None or category in self.categories) and (
            self.districts is None or district in self.districts
        )


@dataclass(slots=True, kw_only=True)
class Purse:
    """Money of a wallet that is bound to a purpose; its account bears the same id."""

    id: UUID
    wallet: UUID
    funder: UUID
    shops: Shops
    not_after: datetime
    weekdays: tuple[int, ...] | None = None
    minutes: tuple[int, int] | None = None  # of the local day, from and until
    is_swept: bool = False

    def is_open(self, local: datetime) -> bool:
        minute = local.hour * 60 + local.minute
        return (self.weekdays is None or local.isoweekday() in self.weekdays) and (
            self.minutes is None or self.minutes[0] <= minute < self.minutes[1]
        )


@dataclass(slots=True, kw_only=True)
class Campaign:
    """A discount paid from a budget; the budget's account bears the same id."""

    id: UUID
    funder: UUID
    currency: str
    shops: Shops
    discount: int | None = None
    parts_per_million: int | None = None
    discount_max: int | None = None
    amount_min: int = 1
    not_before: datetime
    not_after: datetime
    is_swept: bool = False

    def discount_of(self, amount: int) -> int:
        if self.discount is not None:
            return min(self.discount, amount)
        assert self.parts_per_million is not None, "a fixed amount or a part"
        part = (amount * self.parts_per_million * 2 + MILLION) // (2 * MILLION)
        return min(part, amount, self.discount_max or amount)


@dataclass(slots=True, kw_only=True)
class Coupon:
    """What an account has of a campaign."""

    id: UUID
    campaign: UUID
    account: UUID
    uses_max: int
    uses: int = 0


@dataclass(slots=True, kw_only=True)
class Funds:
    """All of them in a city."""

    tariffs: dict[tuple[str, str], list[Share]] = field(default_factory=dict)
    purses: dict[UUID, Purse] = field(default_factory=dict)
    campaigns: dict[UUID, Campaign] = field(default_factory=dict)
    coupons: dict[UUID, Coupon] = field(default_factory=dict)
    shops: dict[UUID, tuple[str, str]] = field(default_factory=dict)

    def has_ended(self, account: UUID, at: datetime) -> bool:
        fund = self.purses.get(account) or self.campaigns.get(account)
        return fund is not None and fund.not_after <= at


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Who pays what of a purchase."""

    draws: tuple[tuple[UUID, int], ...]  # in the order of drawing
    own: int
    refusal: Outcome | None = None  # by the coupon


def plan(ledger: "Ledger", order: Order, payer: "Account | None", at: datetime) -> Plan:
    """The coupon's discount, then purses, those that end first before the others, then his own."""
    request = order.request
    if payer is None or request.type != "purchase" or not request.capture:
        refusal = Outcome.COUPON_NOT_APPLICABLE if request.coupon else None
        return Plan(draws=(), own=request.amount, refusal=refusal)
    left, draws = request.amount, []
    refusal = _refusal(ledger, order, payer, at) if request.coupon else None
    if request.coupon is not None and refusal in (None, Outcome.COUPON_USED):
        campaign = ledger.funds.campaigns[ledger.funds.coupons[request.coupon].campaign]
        draws.append((campaign.id, campaign.discount_of(request.amount)))
        left -= draws[0][1]
    shop = ledger.funds.shops.get(request.payee)
    local = at.astimezone(ledger.time_zone)
    for purse in sorted(ledger.funds.purses.values(), key=lambda one: (one.not_after, one.id)):
        account = ledger.accounts[purse.id]
        if (
            purse.wallet == payer.id
            and at < purse.not_after
            and account.frozen_by is None
            and purse.is_open(local)
            and purse.shops.take(shop)
        ):
            draws.append((purse.id, min(left, account.balance)))
            left -= draws[-1][1]
    return Plan(draws=tuple(one for one in draws if one[1]), own=left, refusal=refusal)


def _refusal(ledger: "Ledger", order: Order, payer: "Account", at: datetime) -> Outcome | None:
    funds, request = ledger.funds, order.request
    coupon = funds.coupons.get(request.coupon) if request.coupon else None
    if coupon is None or coupon.account != payer.id:
        return Outcome.COUPON_NOT_FOUND
    campaign = funds.campaigns[coupon.campaign]
    budget = ledger.accounts[campaign.id]
    if not campaign.not_before <= at < campaign.not_after or budget.frozen_by is not None:
        return Outcome.COUPON_ENDED
    fits = campaign.shops.take(funds.shops.get(request.payee))
    if request.amount < campaign.amount_min or not fits or campaign.currency != request.currency:
        return Outcome.COUPON_NOT_APPLICABLE
    if coupon.uses >= coupon.uses_max or budget.balance < campaign.discount_of(request.amount):
        return Outcome.COUPON_USED
    return None


def shares(ledger: "Ledger", kind: str, payee: UUID, amount: int) -> list[tuple[UUID, int]]:
    """What others get of a purchase."""
    account = ledger.accounts.get(payee)
    if kind != "purchase" or account is None or account.tariff is None:
        return []
    found, left = [], amount
    for share in ledger.funds.tariffs[account.tariff]:
        part = min(share.of(amount), left)
        found.append((share.account, part))
        left -= part
    return [one for one in found if one[1]]


def back(ledger: "Ledger", parent: Record, amount: int, at: datetime) -> list[tuple[UUID, int]]:
    """Where a refund goes beside the payer: what was drawn last is given back first."""
    funds, left = ledger.funds, amount
    steps = [(parent.payer, (parent.amount or 0) - sum(part for _, part in parent.draws))]
    steps += reversed(parent.draws)
    skipped, found = parent.refunded, []
    for account, part in steps:
        passed = min(skipped, part)
        skipped -= passed
        piece = min(part - passed, left)
        left -= piece
        if account is not None and account != parent.payer and piece:
            fund = funds.purses.get(account) or funds.campaigns.get(account)
            if fund is not None and fund.not_after <= at:
                account = fund.funder
            found.append((account, piece))
    return found
