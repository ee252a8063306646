"""A biller that asks a customer to pay, over HTTP."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tests.integration.town import CURRENCY, Member, Place, Reply


def day(count: int) -> str:
    """A day so many days from now, in UTC."""
    return (datetime.now(UTC) + timedelta(days=count)).date().isoformat()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A biller with an account, and a wallet with 10,000 in it."""

    town: Place
    wallet: Member
    biller: Member
    payer: str
    payee: str

    def asked(self, **more: Any) -> dict[str, Any]:
        """The body that presents a bill, due in a month; None is left out."""
        usual = {
            "payee": self.payee,
            "customer": "contract 4711",
            "reference": uuid4().hex,
            "amount": 8640,
            "currency": CURRENCY,
            "due_on": day(30),
        }
        return {name: value for name, value in (usual | more).items() if value is not None}

    async def present(self, *, key: str | None = None, **more: Any) -> Reply:
        """Ask for one bill to be presented."""
        return await self.town.send(
            self.biller, "POST", "/v1/bills", content=self.asked(**more), key=key or uuid4().hex
        )

    async def presented(self, **more: Any) -> str:
        """The id of a bill."""
        reply = await self.present(**more)
        assert reply.status == 201, reply.body
        return str(reply.json["id"])

    async def batch(self, *bills: dict[str, Any], key: str | None = None) -> Reply:
        """Ask for several to be presented."""
        content = {"bills": list(bills)}
        return await self.town.send(
            self.biller, "POST", "/v1/bills/batch", content=content, key=key or uuid4().hex
        )

    async def pay(self, bill: str, amount: int, **more: Any) -> Any:
        """The decision of a payment of a bill."""
        content = {
            "type": "purchase",
            "payer": self.payer,
            "payee": self.payee,
            "request": bill,
            "amount": amount,
            "currency": CURRENCY,
        }
        reply = await self.town.send(
            self.wallet, "POST", "/v1/payments", content=content | more, key=uuid4().hex
        )
        assert reply.status == 201, reply.body
        return reply.json

    async def cancel(self, bill: str, *, key: str | None = None, by: Member | None = None) -> Reply:
        """Ask for a bill no more."""
        target = f"/v1/bills/{bill}/cancel"
        return await self.town.send(by or self.biller, "POST", target, key=key or uuid4().hex)

    async def get(self, target: str, reader: Member | None = None) -> Reply:
        """A look-up, by the biller unless told otherwise."""
        return await self.town.send(reader or self.biller, "GET", target)

    async def local_day(self, at: str) -> str:
        """The city's day at a moment."""
        found = await self.town.operator.connection.fetchval(
            "SELECT ledger.local_day($1::timestamptz)::text", datetime.fromisoformat(at)
        )
        return str(found)

    async def shown(self, bill: str, reader: Member | None = None) -> Any:
        """A bill as it is now."""
        reply = await self.get(f"/v1/bills/{bill}", reader)
        assert reply.status == 200, reply.body
        return reply.json
