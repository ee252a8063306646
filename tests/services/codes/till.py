"""A payer who shows a code and a till that sends it, over HTTP."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from tests.integration.town import CURRENCY, Member, Place, Reply

LIMIT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Till:
    """A wallet with money in it, and a shop."""

    town: Place
    wallet: Member
    merchant: Member
    payer: str
    payee: str

    async def make(
        self, *, key: str | None = None, sender: Member | None = None, **more: Any
    ) -> Reply:
        """Ask for a code of the wallet, as its provider unless told otherwise."""
        content = {"account": self.payer, "payment_limit": LIMIT} | more
        return await self.town.send(
            sender or self.wallet, "POST", "/v1/codes/consumer", content=content,
            key=key or uuid4().hex,
        )  # fmt: skip

    async def made(self, **more: Any) -> Any:
        """A code that was made."""
        reply = await self.make(**more)
        assert reply.status == 201, reply.body
        return reply.json

    async def take(
        self, code: str, amount: int = 700, *, key: str | None = None,
        sender: Member | None = None, **more: Any,
    ) -> Reply:  # fmt: skip
        """A purchase that the till sends by a code."""
        content = {
            "type": "purchase", "code": code, "payee": self.payee, "amount": amount,
            "currency": CURRENCY,
        }  # fmt: skip
        return await self.town.send(
            sender or self.merchant, "POST", "/v1/payments", content=content | more,
            key=key or uuid4().hex,
        )  # fmt: skip

    async def reason(self, code: str, amount: int = 700, **more: Any) -> str | None:
        """Why it is declined, None where it is paid; declined, it names no payer."""
        reply = await self.take(code, amount, **more)
        assert reply.status == 201, reply.body
        decided = reply.json
        is_paid = decided["status"] != "declined"
        assert decided["payer"] == (self.payer if is_paid else None)
        assert "code" not in decided
        reason: str | None = decided["reason"]
        return reason
