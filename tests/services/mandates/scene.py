"""A wallet that permits a shop to take from it: giving, taking and revoking, over HTTP."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from switch.clock import rfc3339
from tests.integration.town import CURRENCY, Member, Place, Reply


def in_days(count: int) -> str:
    """A time so many days from now."""
    return rfc3339(datetime.now(UTC) + timedelta(days=count))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A wallet with money in it, and a shop."""

    town: Place
    wallet: Member
    merchant: Member
    payer: str
    payee: str

    def asked(self, **more: Any) -> dict[str, Any]:
        """The body that gives a mandate; None is left out, a time may be a number of days ahead."""
        usual = {"payer": self.payer, "payee": self.payee, "payment_limit": 1000, "not_after": 30}
        content = usual | more
        for name in ("not_before", "not_after"):
            if isinstance(content.get(name), int):
                content[name] = in_days(content[name])
        return {name: value for name, value in content.items() if value is not None}

    async def give(self, *, key: str | None = None, **more: Any) -> Reply:
        """Ask for a mandate as the wallet's provider."""
        return await self.town.send(
            self.wallet,
            "POST",
            "/v1/mandates",
            content=self.asked(**more),
            key=key or uuid4().hex,
        )

    async def given(self, **more: Any) -> str:
        """The id of a mandate that was given."""
        reply = await self.give(**more)
        assert reply.status == 201, reply.body
        return str(reply.json["id"])

    async def take(self, mandate: str, amount: int, **more: Any) -> Any:
        """The decision of a purchase that the shop sends by a mandate."""
        content = {
            "type": "purchase",
            "mandate": mandate,
            "payee": self.payee,
            "amount": amount,
            "currency": CURRENCY,
        }
        reply = await self.town.send(
            self.merchant, "POST", "/v1/payments", content=content | more, key=uuid4().hex
        )
        assert reply.status == 201, reply.body
        return reply.json

    async def revoke(
        self, mandate: str, *, key: str | None = None, sender: Member | None = None, **sent: Any
    ) -> Reply:
        """Ask to revoke a mandate, as the wallet's provider unless told otherwise."""
        target = f"/v1/mandates/{mandate}/revoke"
        return await self.town.send(
            sender or self.wallet, "POST", target, key=key or uuid4().hex, **sent
        )

    async def shown(self, mandate: str, reader: Member | None = None) -> Any:
        """A mandate as it is now."""
        reply = await self.town.send(reader or self.wallet, "GET", f"/v1/mandates/{mandate}")
        assert reply.status == 200, reply.body
        return reply.json
