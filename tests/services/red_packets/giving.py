"""An office that offers red packets over HTTP, wallets that enter, and the job that gives."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from switch.clock import SYSTEM_CLOCK, rfc3339
from switch.services.red_packets import limits
from switch.services.red_packets.jobs import Giver
from tests.integration.town import Member, Place, Reply
from tests.services.funding import Funding

GIFT = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Giving:
    """An office with 1,000.00 and a purpose of its own for each offer."""

    funding: Funding

    @property
    def town(self) -> Place:
        return self.funding.town

    async def purpose(self) -> str:
        """Without the service that makes purposes."""
        purpose = uuid4()
        await self.funding.fetchval(
            "SELECT disposition FROM ledger.give_purpose($1, $2, $3, $4, $5, 'gifts', NULL, NULL,"
            " NULL, NULL, NULL, now() + interval '1 day')",
            await self.funding.number(self.funding.office), f"purpose-{purpose}", bytes(32),
            purpose, UUID(self.funding.account),
        )  # fmt: skip
        return str(purpose)

    async def offered(self, **more: Any) -> str:
        """The id of an offer; first come first served unless told otherwise."""
        content = {"purpose": await self.purpose(), "amount": GIFT, "count": 3} | more
        reply = await self.post("/v1/red-packets", content)
        assert reply.status == 201, reply.body
        return str(reply.json["id"])

    async def lottery(self, count: int = 3) -> str:
        """One that is drawn tomorrow, unless `draw` is called."""
        return await self.offered(count=count, draw_at=rfc3339(_later(hours=12)))

    async def post(
        self, path: str, content: Any, *, sender: Member | None = None, key: str | None = None
    ) -> Reply:
        return await self.town.send(
            sender or self.funding.office, "POST", path, content=content, key=key or uuid4().hex
        )

    async def wallets(self, count: int) -> list[str]:
        """New ones, empty."""
        return [await self.town.account(self.funding.wallet, "wallet") for _ in range(count)]

    async def enter(self, offer: str, wallet: str, *, key: str | None = None) -> Reply:
        path = f"/v1/red-packets/{offer}/entries"
        return await self.post(path, {"wallet": wallet}, sender=self.funding.wallet, key=key)

    async def entered(self, offer: str, wallet: str) -> str:
        reply = await self.enter(offer, wallet)
        assert reply.status == 201, reply.body
        return str(reply.json["id"])

    async def draw(self, offer: str) -> None:
        """Have the day of the draw come, and everything done that follows."""
        await self.funding.fetchval(
            "UPDATE red_packets.packet SET draw_at = now() WHERE id = $1", UUID(offer)
        )
        await self.give()

    async def give(self) -> None:
        """What the job does, until there is nothing to do now."""
        connection = await self.town.database.connect("switch_jobs_login")
        giver = Giver(SYSTEM_CLOCK)
        try:
            while await giver.turn(connection) < limits.GIVE_IDLE_S:
                pass
        finally:
            await connection.close()

    async def shown(self, path: str, reader: Member | None = None) -> Any:
        reply = await self.town.send(reader or self.funding.wallet, "GET", path)
        assert reply.status == 200, reply.body
        return reply.json

    async def entry(self, entry: str) -> Any:
        return await self.shown(f"/v1/red-packet-entries/{entry}")

    async def left(self) -> int:
        """Of the office's money."""
        return (await self.town.balance(self.funding.office, self.funding.account))[0]


def _later(**span: float) -> datetime:
    return datetime.now(UTC) + timedelta(**span)
