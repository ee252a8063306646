"""A wallet with money and a shop, and the steps that the shop takes of what it is paid."""

from dataclasses import dataclass
from typing import Any

from tests.integration.town import Member, Place, Reply

AMOUNT = 100
FUNDS = 10_000
STEPS = ("capture", "void", "refund")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A wallet with money and a shop."""

    town: Place
    wallet: Member
    merchant: Member
    payer: str
    payee: str

    async def hold(self, **more: Any) -> Any:
        """A held purchase of a hundred, unless told otherwise."""
        given = {"type": "purchase", "capture": False, "amount": AMOUNT, "payee": self.payee} | more
        payee, amount = given.pop("payee"), given.pop("amount")
        reply = await self.town.pay(self.wallet, self.payer, payee, amount, **given)
        assert reply.status == 201, reply.body
        return reply.json

    async def paid(self, **more: Any) -> Any:
        """The same, captured at once."""
        return await self.hold(capture=True, **more)

    async def take(
        self, parent: str, kind: str, content: dict[str, Any] | None = None, **settings: Any
    ) -> Any:
        """A step by the merchant, unless told otherwise; it is decided now."""
        sender = settings.pop("sender", self.merchant)
        reply = await self.town.step(sender, parent, kind, content, **settings)
        assert reply.status == 201, reply.body
        assert "Idempotent-Replayed" not in reply.headers
        return reply.json

    async def now(self, payment_id: str) -> dict[str, Any]:
        """What became of a payment, in short."""
        shown = await self.town.shown(self.wallet, payment_id)
        return {
            "status": shown["status"],
            **{name: shown[f"amount_{name}"] for name in ("captured", "voided", "refunded")},
        }

    async def balances(self) -> tuple[tuple[int, int], int]:
        """Balance and held of the wallet, and the shop's balance."""
        shop, held = await self.town.balance(self.merchant, self.payee)
        assert held == 0
        return await self.town.balance(self.wallet, self.payer), shop


async def both(stage: Stage, sender: Member, target: str, key: str, **sent: Any) -> Reply:
    """Sent to both workers: decided by the first, the same bytes again from the other."""
    first = await stage.town.send(sender, "POST", target, key=key, **sent)
    assert first.status == 201, first.body
    for _ in range(2):
        repeat = await stage.town.send(sender, "POST", target, key=key, **sent)
        assert (repeat.status, repeat.body) == (200, first.body)
        assert repeat.headers["Idempotent-Replayed"] == "true"
    return first
