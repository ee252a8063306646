"""A merchant: it is told what it is paid, captures what is held for it, and pays some of it back.

What it does about a payment depends on the payment's id alone, and so does the idempotency key. So
a merchant that was killed does the same again, which is decided once.
"""

import hashlib
from collections.abc import Awaitable

from msgspec import Struct

from switch import limits
from switch.client import Client, Payment, Step
from switch.simulate.active import Sender
from switch.simulate.journal import Line

PART_SHARE = 0.25  # of captures: half the money only, the rest is released


class Manners(Struct, frozen=True, kw_only=True):
    """What a merchant does about what it is paid."""

    currency: str
    void_share: float  # of holds: released instead of captured
    refund_share: float  # of what was captured or paid at once
    per_second: float


class Merchant:
    """The side of a merchant that sends; `hand_on` tells it what happened."""

    def __init__(self, client: Client, manners: Manners) -> None:
        self._client = client
        self._manners = manners
        self._held: dict[str, int] = {}  # to be seen to: the amount of each hold
        self._paid: dict[str, None] = {}  # to be paid back, in their order
        self.sender = Sender()
        self.account = ""

    async def open_account(self) -> None:
        """Open its till, or find the one that it opened when it ran before."""
        account = await self._client.open_account(
            kind="merchant",
            currency=self._manners.currency,
            reference="simulated till",
            idempotency_key=f"simulated-till-{self._manners.currency}",
        )
        self.account = account.id

    def hand_on(self, line: Line) -> None:
        """Remember what is to be done about an event."""
        if line.payment is None:
            return
        match line.what:
            case "payment.held" if len(self._held) < limits.SIMULATED_TODO_MAX:
                self._held[line.payment] = line.amount or 0
            case "payment.captured" | "payment.completed":
                self._held.pop(line.payment, None)
                is_to_be_refunded = chance(line.payment, "refund") < self._manners.refund_share
                if is_to_be_refunded and len(self._paid) < limits.SIMULATED_TODO_MAX:
                    self._paid[line.payment] = None
            case "payment.voided" | "payment.expired":
                self._held.pop(line.payment, None)
            case "payment.refunded":
                self._paid.pop(line.payment, None)

    async def run(self) -> None:
        """See to what is to be done until cancelled."""
        await self.sender.run(self._manners.per_second, self._send)

    async def _send(self) -> None:
        """One step; what got no answer is done again later, which is decided once."""
        if self._held:
            payment = next(iter(self._held))
            amount = self._held.pop(payment)
            if await self.sender.count(self._see_to(payment, amount)) is None:
                self._held[payment] = amount
        elif self._paid:
            payment = next(iter(self._paid))
            del self._paid[payment]
            refund = self._client.refund(payment, idempotency_key=f"simulated-refund-{payment}")
            if await self.sender.count(refund) is None:
                self._paid[payment] = None

    def _see_to(self, payment: str, amount: int) -> Awaitable[Payment | Step]:
        if chance(payment, "void") < self._manners.void_share:
            return self._client.void(payment, idempotency_key=f"simulated-void-{payment}")
        is_part = amount > 1 and chance(payment, "part") < PART_SHARE
        return self._client.capture(
            payment,
            amount=amount // 2 if is_part else None,
            final=is_part,
            idempotency_key=f"simulated-capture-{payment}",
        )


def chance(payment: str, what: str) -> float:
    """A number from 0 up to 1 that a payment has for a purpose, always the same."""
    digest = hashlib.sha256(f"{what} {payment}".encode()).digest()
    return int.from_bytes(digest[:4]) / 2**32
