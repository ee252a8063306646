"""A funder, a wallet and a shop: money beside a payer's own, over HTTP."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from switch.clock import rfc3339
from tests.integration.town import CURRENCY, Member, Place, Reply
from tests.services import permission


def in_days(count: float) -> str:
    """A time so many days from now."""
    return rfc3339(datetime.now(UTC) + timedelta(days=count))


@dataclass(frozen=True, slots=True, kw_only=True)
class Funding:
    """An office of the city with money, a wallet with 100.00, a restaurant in the east."""

    town: Place
    office: Member
    account: str
    wallet: Member
    merchant: Member
    payer: str
    payee: str

    async def post(
        self, sender: Member, path: str, content: dict[str, Any], key: str | None = None
    ) -> Reply:
        return await self.town.send(sender, "POST", path, content=content, key=key or uuid4().hex)

    async def made(self, sender: Member, path: str, content: dict[str, Any]) -> str:
        """The id of what was made."""
        reply = await self.post(sender, path, content)
        assert reply.status == 201, reply.body
        return str(reply.json["id"])

    def purpose(self, **more: Any) -> dict[str, Any]:
        """The body of a purpose; None is left out."""
        usual = {"account": self.account, "name": "Meals", "not_after": in_days(30)}
        return {name: value for name, value in (usual | more).items() if value is not None}

    def campaign(self, **more: Any) -> dict[str, Any]:
        """The body of a campaign; None is left out."""
        usual = {
            "account": self.account, "name": "Festival", "discount": 100, "coupons_max": 10,
            "not_after": in_days(30),
        }  # fmt: skip
        return {name: value for name, value in (usual | more).items() if value is not None}

    async def purse(self, balance: int = 0, **more: Any) -> str:
        """A purse of a purpose of its own beside the wallet."""
        purpose = await self.made(self.office, "/v1/purposes", self.purpose(**more))
        asked = {"purpose": purpose, "wallet": self.payer}
        purse = await self.made(self.office, "/v1/purses", asked)
        await self.fill(purse, balance)
        return purse

    async def budget(self, balance: int = 0, **more: Any) -> str:
        """A campaign with so much to give."""
        campaign = await self.made(self.office, "/v1/campaigns", self.campaign(**more))
        await self.fill(campaign, balance)
        return campaign

    async def coupon(self, campaign: str) -> str:
        asked = {"campaign": campaign, "account": self.payer}
        return await self.made(self.wallet, "/v1/coupons", asked)

    async def fill(self, fund: str, amount: int) -> None:
        if amount:
            paid = await self.town.pay(self.office, self.account, fund, amount, type="transfer")
            assert paid.json["status"] == "completed", paid.body

    async def purse_in_the_ledger(self, balance: int) -> str:
        """The same without the service that makes them."""
        purpose, purse = uuid4(), uuid4()
        number = await self.number(self.office)
        await self.fetchval(
            "SELECT disposition FROM ledger.give_purpose($1, $2, $3, $4, $5, 'meals', NULL, NULL,"
            " NULL, NULL, NULL, now() + interval '1 day')",
            number, f"purpose-{purpose}", bytes(32), purpose, self.account,
        )  # fmt: skip
        await self.fetchval(
            "SELECT disposition FROM ledger.open_purse($1, $2, $3, $4, $5, $6)",
            number, f"purse-{purse}", bytes(32), purse, purpose, self.payer,
        )  # fmt: skip
        await self.fill(str(purse), balance)
        return str(purse)

    async def mandate_in_the_ledger(self, payment_limit: int) -> str:
        """The wallet's holder lets the shop take, without the service that says so."""
        return await permission.give(
            self.town, self.wallet, self.payer, self.payee, payment_limit=payment_limit
        )

    async def number(self, member: Member) -> int:
        """Of a participant, in the ledger."""
        return int(
            await self.fetchval(
                "SELECT participant_no FROM ledger.participant WHERE id = $1", member.id
            )
        )

    async def fetchval(self, statement: str, *arguments: Any) -> Any:
        """As the operator."""
        return await self.town.operator.connection.fetchval(statement, *arguments)

    async def buy(self, amount: int, **more: Any) -> Any:
        """What a purchase at the shop was answered."""
        order = self.order(amount=amount, **more)
        reply = await self.post(self.wallet, "/v1/payments", order)
        assert reply.status == 201, reply.body
        return reply.json

    async def balances(self, *funds: str) -> tuple[int, ...]:
        """Of the wallet, the shop, and funds, whoever holds them."""
        rows = await self.town.operator.connection.fetch(
            "SELECT id, balance FROM ledger.account_now WHERE id = ANY ($1::uuid[])",
            [self.payer, self.payee, *funds],
        )
        found = {str(row["id"]): int(row["balance"]) for row in rows}
        return tuple(found[account] for account in (self.payer, self.payee, *funds))

    async def entry(self, holder: Member, account: str) -> Any:
        """The latest line of a statement, once its credits are added up."""
        await self.town.operator.fold_credits()
        reply = await self.town.send(holder, "GET", f"/v1/accounts/{account}/entries")
        assert reply.status == 200, reply.body
        return reply.json["data"][-1]

    def order(self, **more: Any) -> dict[str, Any]:
        """The body of a purchase."""
        return {
            "type": "purchase", "payer": self.payer, "payee": self.payee, "amount": 100,
            "currency": CURRENCY,
        } | more  # fmt: skip


async def funded(town: Place, wallet: Member, merchant: Member, payer: str, payee: str) -> Funding:
    """A new office with 1,000.00, beside a wallet and a merchant that becomes a restaurant."""
    office = await town.member("government")
    treasury = await town.account(office, "government", balance=100_000)
    await town.operator.connection.execute("SELECT ledger.set_shop($1, '5812', 'east')", payee)
    return Funding(
        town=town, office=office, account=treasury, wallet=wallet, merchant=merchant,
        payer=payer, payee=payee,
    )  # fmt: skip
