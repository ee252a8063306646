"""A car park over HTTP: its tariff, its gates, and the wallet of a driver."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from switch.clock import SYSTEM_CLOCK, rfc3339
from switch.ledger import new_id
from tests.integration.town import Member, Place, Reply
from tests.services import permission

HOLD = 1_000
UNIT = 100


def ago(**span: float) -> datetime:
    """A moment that long ago."""
    return datetime.now(UTC) - timedelta(**span)


@dataclass(frozen=True, slots=True, kw_only=True)
class Garage:
    """A merchant that runs a car park, and a wallet with 100.00."""

    town: Place
    wallet: Member
    operator: Member
    payer: str
    payee: str

    async def post(
        self, path: str, content: Any, *, sender: Member | None = None, key: str | None = None
    ) -> Reply:
        return await self.town.send(
            sender or self.operator, "POST", path, content=content, key=key or uuid4().hex
        )

    async def made(self, path: str, content: Any, sender: Member | None = None) -> str:
        reply = await self.post(path, content, sender=sender)
        assert reply.status == 201, reply.body
        return str(reply.json["id"])

    def site(self, **more: Any) -> dict[str, Any]:
        """The body of a site; None is left out."""
        usual = {
            "account": self.payee, "currency": "CNY", "name": "Harbour", "free_minutes": 10,
            "unit_minutes": 30, "unit_price": UNIT, "hold_amount": HOLD, "hold_seconds": 3600,
        }  # fmt: skip
        return {name: value for name, value in (usual | more).items() if value is not None}

    async def mandate(self, payment_limit: int = 5_000) -> str:
        """The driver's wallet lets the operator take."""
        return await permission.give(
            self.town, self.wallet, self.payer, self.payee, payment_limit=payment_limit
        )

    async def revoke(self, mandate: str) -> None:
        """The driver's wallet permits it no more."""
        await permission.revoke(self.town, self.wallet, mandate)

    async def fetchval(self, statement: str, *arguments: Any) -> Any:
        """As the operator."""
        return await self.town.operator.connection.fetchval(statement, *arguments)

    async def enter(
        self, site: str, mandate: str, entered_at: datetime, *, key: str | None = None
    ) -> Reply:
        content = {"site": site, "mandate": mandate, "entered_at": rfc3339(entered_at)}
        return await self.post("/v1/parking-stays", content, key=key)

    async def leave(self, stay: str, left_at: datetime, *, key: str | None = None) -> Reply:
        content = {"left_at": rfc3339(left_at)}
        return await self.post(f"/v1/parking-stays/{stay}/exit", content, key=key)

    async def shown(self, stay: str) -> Any:
        reply = await self.town.send(self.operator, "GET", f"/v1/parking-stays/{stay}")
        assert reply.status == 200, reply.body
        return reply.json

    async def balances(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Of the driver and the operator, with what is held."""
        return (
            await self.town.balance(self.wallet, self.payer),
            await self.town.balance(self.operator, self.payee),
        )

    async def hold_on(self, seconds: int, holds_max: int = 60) -> int:
        """What the job does, until nothing is due."""
        connection = await self.town.database.connect("switch_jobs_login")
        done = 0
        try:
            while await connection.fetchval(
                "SELECT parking.hold_on($1, $2, $3)",
                [new_id(SYSTEM_CLOCK.now_us())], seconds, holds_max,
            ):  # fmt: skip
                done += 1
                if done >= holds_max:
                    break
        finally:
            await connection.close()
        return done
