"""A shop that asks to be paid, and a wallet that pays: opening, paying, cancelling, over HTTP."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from tests.integration.town import CURRENCY, Member, Place, Reply

AMOUNT = 1250


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A wallet with money in it, and a shop."""

    town: Place
    wallet: Member
    merchant: Member
    payer: str
    payee: str

    def asked(self, **more: Any) -> dict[str, Any]:
        """The body that opens a check-out; None is left out."""
        usual = {
            "payee": self.payee,
            "amount": AMOUNT,
            "currency": CURRENCY,
            "reference": "order-4711",
        }
        return {name: value for name, value in (usual | more).items() if value is not None}

    async def open(
        self, *, key: str | None = None, sender: Member | None = None, **more: Any
    ) -> Reply:
        """Ask for a check-out as the shop."""
        return await self.town.send(
            sender or self.merchant,
            "POST",
            "/v1/checkouts",
            content=self.asked(**more),
            key=key or uuid4().hex,
        )

    async def opened(self, **more: Any) -> Any:
        """A check-out that was opened."""
        reply = await self.open(**more)
        assert reply.status == 201, reply.body
        return reply.json

    async def pay(self, checkout: str, amount: int = AMOUNT, **more: Any) -> Any:
        """The decision of a purchase that the wallet sends for a check-out."""
        content = {
            "type": "purchase",
            "payer": self.payer,
            "payee": self.payee,
            "request": checkout,
            "amount": amount,
            "currency": CURRENCY,
        }
        reply = await self.town.send(
            self.wallet, "POST", "/v1/payments", content=content | more, key=uuid4().hex
        )
        assert reply.status == 201, reply.body
        return reply.json

    async def cancel(
        self, checkout: str, *, key: str | None = None, sender: Member | None = None, **sent: Any
    ) -> Reply:
        """Ask to cancel a check-out, as the shop unless told otherwise."""
        target = f"/v1/checkouts/{checkout}/cancel"
        return await self.town.send(
            sender or self.merchant, "POST", target, key=key or uuid4().hex, **sent
        )

    async def shown(self, checkout: str) -> Any:
        """A check-out as the shop sees it now."""
        reply = await self.town.send(self.merchant, "GET", f"/v1/checkouts/{checkout}")
        assert reply.status == 200, reply.body
        return reply.json
