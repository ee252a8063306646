"""Random messages for a small city: mostly sensible, aimed at the edges of every rule."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from switch.ledger import Order
from tests.ledger import funding_traffic
from tests.ledger.city import CURRENCY, NOON, City, Participant
from tests.ledger.model import PAYEE_KINDS, PAYER_KINDS, PRIVATE

OTHER_CURRENCY = "USD"
MICROSECOND = timedelta(microseconds=1)

# How often each type is sent, and how often something about a message is off.
TYPES = {"transfer": 8, "purchase": 4, "withdrawal": 2, "top_up": 3}
STRANGER = 0.03
UNKNOWN_ACCOUNT = 0.02
ANY_ACCOUNT = 0.04
WRONG_CURRENCY = 0.02
EXPIRES = 0.1
HOLDS = 0.2
BY_MANDATE = 0.15
OF_ANY_PAYEE = 0.1  # of these: not the one that it is for, or sent by anybody
TAKEN = 0.2  # of what pays requests: by a mandate
BY_CODE = 0.3  # likewise: a payment code, one of the latest
CODES_TRIED = 3
MANDATES_MAX = 12
OF_A_REQUEST = 0.15
REQUESTS_MAX = 12
HOLD_SECONDS = (60, 61, 300, 3600, 43_200, None)
SAME_KEY_SAME_MESSAGE = 0.05
SAME_KEY_OTHER_MESSAGE = 0.03
REMEMBERED_ORDERS_MAX = 60
ACCOUNTS_MAX = 40
FROZEN_MAX = 2
ACTIONS = (
    "issue",
    "issue",
    "issue",
    "issue",
    "issue",
    "freeze",
    "unfreeze",
    "tier",
    "floor",
    "limits",
    "new",
    "mandate",
    "request",
    "request",
    "code",
    "code",
    "tariff",
    "shop",
)

TIERS = {
    "free": {},
    "small": {"payment_limit": 50, "daily_limit": 300, "balance_limit": 400},
    "daily": {"daily_limit": 400},
    "yearly": {"yearly_limit": 900},
    "capped": {"balance_limit": 250},
}


@dataclass(slots=True, kw_only=True)
class Traffic:
    """The people of the city and what they send."""

    city: City
    random: Random
    holders: dict[UUID, Participant] = field(default_factory=dict)
    sent: list[Order] = field(default_factory=list)
    fees: list[UUID] = field(default_factory=list)

    async def settle(self) -> None:
        """Two banks, two wallet providers, a merchant, the tax office; some tight, some poor."""
        city = self.city
        for name, limits in TIERS.items():
            for currency in (CURRENCY, OTHER_CURRENCY):
                await city.tier(name, currency, **limits)
        banks = [await city.participant("bank") for _ in range(2)]
        providers = [await city.participant("wallet") for _ in range(2)]
        for bank in banks:
            await self._open(bank, "position", floor=-2000, balance=1000)
        for provider in providers:
            for tier in ("free", "small", "daily", "yearly", "capped", None):
                await self._open(provider, "wallet", tier=tier, balance=200)
        for provider in providers:
            await self._open(provider, "wallet", currency=OTHER_CURRENCY, balance=200)
        await self._open(await city.participant("merchant"), "merchant", balance=50)
        await self._open(await city.participant("merchant"), "merchant", tier="capped")
        await self._open(await city.participant("government"), "government")
        self.fees = [await city.account(banks[0], "fee") for _ in range(2)]
        await funding_traffic.change_a_tariff(self, NOON)
        for _ in range(3):
            await funding_traffic.set_up_a_shop(self, NOON)
            await funding_traffic.open_a_purse(self, datetime.now(UTC))
            await funding_traffic.begin_a_campaign(self, datetime.now(UTC))
            for _ in range(3):
                await funding_traffic.claim_a_coupon(self, datetime.now(UTC))
        for _ in range(MANDATES_MAX // 2):
            await self._permit(NOON)
            await self._ask(datetime.now(UTC))
            await self._make_a_code()

    async def _permit(self, at: datetime) -> None:
        """A mandate between two accounts of a currency; some end soon, or are for a few uses."""
        random, accounts = self.random, self.city.ledger.accounts.values()
        payer = random.choice([a for a in accounts if a.kind == "wallet"])
        shops = [
            a for a in accounts
            if a.kind in PRIVATE and a.currency == payer.currency and a is not payer
        ]  # fmt: skip
        day = timedelta(days=1)
        await self.city.mandate(
            payer.id, random.choice(shops).id,
            not_before=at + random.choice([-30 * day, timedelta(), day / 24]),
            not_after=at + random.choice([day / 12, 2 * day, 60 * day]),
            payment_limit=random.choice([None, 40]), daily_limit=random.choice([None, 60, 90]),
            monthly_limit=random.choice([None, 100]), uses_max=random.choice([None, None, 1, 3]),
        )  # fmt: skip

    async def _ask(self, at: datetime) -> None:
        """What some account asks to be paid, at once or in parts; some ends soon."""
        random, accounts = self.random, self.city.ledger.accounts.values()
        payee = random.choice([a for a in accounts if a.kind in PRIVATE])
        amount, late_fee = random.randint(1, 60), random.choice([0, 0, 1, 5])
        await self.city.ask(
            payee.id, amount, amount_min=random.choice([None, None, 1, max(1, amount // 3)]),
            not_after=at + timedelta(days=random.choice([1, 2, 60]), hours=2), late_fee=late_fee,
            late_at=at + timedelta(hours=random.choice([0, 1, 30])) if late_fee else None,
        )  # fmt: skip

    async def _make_a_code(self) -> None:
        """A payment code of an account that one can be made of."""
        payers = [
            a.id for a in self.city.ledger.accounts.values()
            if a.kind in PRIVATE and a.lifecycle == "open" and not a.frozen_by
        ]  # fmt: skip
        await self.city.code(self.random.choice(payers), self.random.choice([20, 40]))

    async def _open(self, holder: Participant, kind: str, **fields: Any) -> None:
        account = await self.city.account(holder, kind, **fields)
        self.holders[account] = holder

    async def operate(self, at: datetime) -> None:
        """One thing that the operator may do at any time, now that it is at least this late."""
        account = self.random.choice(list(self.city.ledger.accounts.values()))
        action = self.random.choice(ACTIONS)
        if account.kind in ("fee", "purse", "campaign") and action != "freeze":
            account = self.city.ledger.accounts[self.random.choice(list(self.holders))]
        if action == "issue" and account.lifecycle == "open":
            await self.city.issue(account.id, self.random.randint(1, 400))
        elif action == "tier":
            await self.city.set_tier(account.id, self.random.choice(list(TIERS)))
        elif action == "floor" and account.kind == "position":
            floor = min(account.balance - account.held(at), -self.random.randint(500, 3000))
            await self.city.set_floor(account.id, floor)
        elif action == "limits":
            limit = self.random.choice([None, 250, 400])
            await self.city.tier("daily", daily_limit=400, balance_limit=limit)
        elif action == "new" and len(self.holders) < ACCOUNTS_MAX:
            await self._replace_a_wallet()
        elif action in funding_traffic.ACTIONS:
            await funding_traffic.ACTIONS[action](self, at)
        elif action == "code":
            await self._make_a_code()
        elif action == "mandate":
            valid = [m for m in self.city.ledger.mandates.values() if m.is_valid(at)]
            if len(valid) < MANDATES_MAX:
                await self._permit(at)
            else:
                await self.city.revoke(self.random.choice(valid).id)
        elif action == "request":
            asked = [one for one in self.city.ledger.asked.values() if not one.has_ended(at)]
            if len([one for one in asked if one.left(at)]) < REQUESTS_MAX:
                await self._ask(at)
            else:
                await self.city.cancel(self.random.choice(asked).id)
        elif action in ("freeze", "unfreeze"):
            frozen = [a for a in self.city.ledger.accounts.values() if a.frozen_by]
            if len(frozen) > FROZEN_MAX:
                await self.city.change(self.random.choice(frozen).id, "unfreeze")
            else:
                await self.city.change(account.id, action)

    async def _replace_a_wallet(self) -> None:
        """Close one wallet for good and open another beside it."""
        wallets = [a for a in self.city.ledger.accounts.values() if a.kind == "wallet"]
        old = self.random.choice(wallets)
        if old.lifecycle == "open":
            await self.city.change(old.id, "close")
            await self._open(self.holders[old.id], "wallet", tier="free", balance=100)

    def message(self, at: datetime) -> Order:
        """One message that may be decided around this time."""
        dice = self.random.random()
        if self.sent and dice < SAME_KEY_SAME_MESSAGE:
            return self._again(self.random.choice(self.sent))
        if self.sent and dice < SAME_KEY_SAME_MESSAGE + SAME_KEY_OTHER_MESSAGE:
            earlier = self.random.choice(self.sent)
            sender = self.city.participants[earlier.participant_no]
            order = self._fresh(at, sender=sender, key=earlier.key)
        else:
            order = self._fresh(at)
        self.sent.append(order)
        del self.sent[:-REMEMBERED_ORDERS_MAX]
        return order

    def _again(self, order: Order) -> Order:
        """The same message; its sender made another id for it, as a retry through the path does."""
        return replace(order, payment_id=self.city.new_id())

    def _fresh(
        self, at: datetime, *, sender: Participant | None = None, key: str | None = None
    ) -> Order:
        random = self.random
        if sender is None and self.city.ledger.mandates and random.random() < BY_MANDATE:
            return self._by_mandate(at, key)
        if sender is None and random.random() < OF_A_REQUEST:
            return self._of_a_request(at, key)
        if sender is None and random.random() < funding_traffic.INTO_A_FUND:
            return funding_traffic.into_a_fund(self, at, key)
        if sender is None and random.random() < funding_traffic.OUT_OF_A_FUND:
            return funding_traffic.out_of_a_fund(self, at, key)
        kind = random.choices(list(TYPES), weights=list(TYPES.values()))[0]
        payer = self._account(PAYER_KINDS[kind])
        payee = self._account(PAYEE_KINDS[kind], beside=payer)
        if sender is None:
            sender = self.holders.get(payer) or random.choice(list(self.holders.values()))
            if random.random() < STRANGER:
                sender = random.choice(list(self.holders.values()))
        return self.city.order(
            sender, payer, payee, self.amount(payer, payee, at), type=kind, key=key,
            currency=self._currency(payer), expires_at=self.expires_at(at), **self._hold(),
            reference=random.choice([None, "order 7"]),
            metadata=random.choice([None, {"z": "1", "a": "\N{SNOWMAN}"}]),
        )  # fmt: skip

    def _by_mandate(self, at: datetime, key: str | None) -> Order:
        """What the payee takes by a mandate, at the edges of what that allows."""
        random, ledger = self.random, self.city.ledger
        mandates = list(ledger.mandates.values())
        codes = [mandate for mandate in mandates if mandate.payee is None][-CODES_TRIED:]
        mandate = random.choice(codes if random.random() < BY_CODE else mandates)
        payee = mandate.payee or random.choice(list(self.holders))
        sender = self.holders[payee]
        if random.random() < OF_ANY_PAYEE:
            payee = random.choice(list(self.holders))
            sender = random.choice([sender, self.holders[payee]])
        limits = (mandate.payment_limit, mandate.daily_limit, mandate.monthly_limit)
        edges = [random.randint(1, 30), *(limit for limit in limits if limit)]
        return self.city.order(
            sender, None, payee,
            max(1, random.choice(edges) // random.choice([1, 1, 2]) + random.choice([0, 0, 1])),
            type=random.choice(["purchase", "transfer"]), key=key, mandate=mandate.id,
            currency=self._currency(mandate.payer), expires_at=self.expires_at(at),
            **self._hold(),
        )  # fmt: skip

    def _of_a_request(self, at: datetime, key: str | None) -> Order:
        """What somebody pays of a request, at the edges of what is left of it."""
        random, ledger = self.random, self.city.ledger
        asked = random.choice(list(ledger.asked.values()))
        payee = asked.payee
        if random.random() < OF_ANY_PAYEE:
            payee = random.choice(list(self.holders))
        payer: UUID | None = self._account(PRIVATE | {"position"}, beside=payee)
        sender = self.holders.get(payer) or random.choice(list(self.holders.values()))
        edges = [asked.left(at)] * 3 + [asked.left(asked.not_after), asked.amount_min, 1]
        amount = random.choice(edges)
        mandates = [one.id for one in ledger.mandates.values() if one.payee == payee]
        mandate = random.choice(mandates) if mandates and random.random() < TAKEN else None
        if mandate is not None:
            payer, sender = None, self.holders.get(payee) or sender
        return self.city.order(
            sender, payer, payee, max(1, amount + random.choice([0, 0, 0, 1, -1])),
            mandate=mandate,
            type=random.choice(["purchase", "transfer", "transfer"]), key=key,
            request=random.choice([asked.id] * 9 + [self.city.new_id()]),
            currency=self._currency(payer or payee), expires_at=self.expires_at(at),
        )  # fmt: skip

    def _account(self, kinds: Collection[str], beside: UUID | None = None) -> UUID:
        """Usually of a kind and currency that fit; else any, or one that is not there."""
        accounts = self.city.ledger.accounts
        dice = self.random.random()
        if dice < UNKNOWN_ACCOUNT:
            return self.city.new_id()
        if dice < UNKNOWN_ACCOUNT + ANY_ACCOUNT:
            return self.random.choice(list(accounts))
        currency = accounts[beside].currency if beside in accounts else CURRENCY
        fitting = [
            account.id
            for account in accounts.values()
            if account.kind in kinds
            and account.id in self.holders
            and (beside is None or account.currency == currency)
        ]
        return self.random.choice(fitting or list(accounts))

    def amount(self, payer: UUID, payee: UUID, at: datetime) -> int:
        """Small, or exactly at, or just beyond, what a limit or the balance still allows."""
        ledger = self.city.ledger
        edges = [self.random.randint(1, 9), self.random.randint(1, 30), self.random.randint(1, 90)]
        if payer in ledger.accounts:
            account = ledger.accounts[payer]
            tier = ledger.tier_of(account)
            edges += [account.available(at), tier.payment_limit or 0]
            if tier.daily_limit is not None:
                edges.append(tier.daily_limit - ledger.spent(account, at))
            if tier.yearly_limit is not None:
                edges.append(tier.yearly_limit - ledger.spent_this_year(account, at))
        if payee in ledger.accounts:
            account = ledger.accounts[payee]
            limit = ledger.tier_of(account).balance_limit
            edges += [limit - account.balance] if limit is not None else []
        amount = self.random.choice(edges) + self.random.choice([0, 0, 0, 1, -1])
        return max(1, min(amount, 10**15))

    def _currency(self, payer: UUID) -> str:
        account = self.city.ledger.accounts.get(payer)
        if self.random.random() < WRONG_CURRENCY:
            return self.random.choice([CURRENCY, OTHER_CURRENCY])
        return account.currency if account else CURRENCY

    def _hold(self) -> dict[str, Any]:
        if self.random.random() >= HOLDS:
            return {}
        return {"capture": False, "hold_seconds": self.random.choice(HOLD_SECONDS)}

    def expires_at(self, at: datetime) -> datetime | None:
        if self.random.random() >= EXPIRES:
            return None
        hour = timedelta(hours=1)
        return at + self.random.choice([-hour, -MICROSECOND, MICROSECOND * 0, MICROSECOND, hour])
