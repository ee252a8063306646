"""A metro over HTTP: its fares and gates, a rider with a token, and the job that settles."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from prometheus_client import CollectorRegistry

from switch import keyfile
from switch.clock import SYSTEM_CLOCK, rfc3339
from switch.key_message import published
from switch.keyfile import base64url
from switch.service import JobCore
from switch.services.transit import tap
from switch.services.transit.jobs import Settler
from switch.signature import SigningKey, raw_signature, signing_key
from tests.integration.town import Member, Place, Reply
from tests.services import permission

ZONE = ZoneInfo("Asia/Shanghai")  # the ledger's, unless told
FARES: dict[str, Any] = {
    "from_day": "2020-01-01",
    "stations": {"harbour": 0, "market": 0, "university": 1, "airport": 2},
    "prices": [[200, 300, 600], [300, 200, 400], [600, 400, 200]],
    "boarding_price": 150,
    "incomplete_price": 700,
    "ride_minutes_max": 120,
    "transfer_minutes": 60,
    "transfer_percent": 50,
    "classes": {
        "adult": {"percent": 100, "day_cap": 1200, "week_cap": 3000},
        "student": {"percent": 50, "day_cap": 500, "week_cap": None},
    },
}


def at(days_ago: int, hour: int, minute: int = 0) -> datetime:
    """A moment of a local date."""
    day = datetime.now(ZONE).date() - timedelta(days=days_ago)
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZONE).astimezone(UTC)


def a_tuesday_ago() -> int:
    """How many days ago was the latest Tuesday that is over, and whose taps are taken yet."""
    today = datetime.now(ZONE).date()
    return (today.isoweekday() - 2) % 7 + 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Rider:
    """A token, and the secret half of its key."""

    token: str
    key: SigningKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A gate that is known."""

    id: str
    key: SigningKey


@dataclass(slots=True, kw_only=True)
class Metro:
    """A merchant that runs a metro, and a wallet with 100.00."""

    town: Place
    wallet: Member
    operator: Member
    payer: str
    payee: str
    network: str = ""
    gates: list[Gate] = field(default_factory=list)
    counter: int = 0

    async def open(self, fares: dict[str, Any] = FARES, **more: Any) -> None:
        """A network with fares and two gates."""
        self.network = await self.made("/v1/transit-networks", self.network_body(**more))
        await self.made(f"/v1/transit-networks/{self.network}/fares", fares)
        self.gates = [await self.gate(name) for name in ("north", "south")]

    def network_body(self, **more: Any) -> dict[str, Any]:
        return {
            "account": self.payee, "currency": "CNY", "name": "Metro", "day_begins": "04:00",
            "settle_minutes": 0, "liability_max": 3000,
        } | more  # fmt: skip

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

    async def shown(self, path: str, sender: Member | None = None) -> Any:
        reply = await self.town.send(sender or self.wallet, "GET", path)
        assert reply.status == 200, reply.body
        return reply.json

    async def gate(self, name: str) -> Gate:
        seed = keyfile.generate_seed()
        public = published(keyfile.public_key(seed))
        body = {"network": self.network, "name": name, "public_key": _jwk(public.x)}
        made = await self.made("/v1/transit-gates", body)
        return Gate(id=made, key=signing_key(made, seed))

    async def mandate(self, payment_limit: int = 10_000, payer: str | None = None) -> str:
        """The rider's wallet lets the operator take."""
        return await permission.give(
            self.town, self.wallet, payer or self.payer, self.payee, payment_limit=payment_limit
        )

    async def revoke(self, mandate: str) -> None:
        """The rider's wallet permits it no more."""
        await permission.revoke(self.town, self.wallet, mandate)

    async def fetchval(self, statement: str, *arguments: Any) -> Any:
        """As the operator."""
        return await self.town.operator.connection.fetchval(statement, *arguments)

    def token_body(self, mandate: str, public_key: bytes, **more: Any) -> dict[str, Any]:
        return {
            "network": self.network, "mandate": mandate, "rider_class": "adult",
            "public_key": _jwk(published(public_key).x),
            "not_before": "2020-01-01T00:00:00Z",
            "not_after": rfc3339(datetime.now(UTC) + timedelta(days=300)),
        } | more  # fmt: skip

    async def rider(self, mandate: str | None = None, **more: Any) -> Rider:
        """A token whose device the test holds."""
        seed = keyfile.generate_seed()
        body = self.token_body(mandate or await self.mandate(), keyfile.public_key(seed), **more)
        token = await self.made("/v1/transit-tokens", body, self.wallet)
        return Rider(token=token, key=signing_key(token, seed))

    def tap(
        self,
        rider: Rider,
        tapped_at: datetime,
        station: str,
        direction: str = "in",
        *,
        gate: Gate | None = None,
        counter: int | None = None,
    ) -> dict[str, Any]:
        """One tap as a gate uploads it."""
        gate = gate or self.gates[0]
        if counter is None:
            self.counter += 1
            counter = self.counter
        said = tap.line(
            gate=UUID(gate.id), counter=counter, token=UUID(rider.token), station=station,
            direction=direction, tapped_at=tapped_at,
        )  # fmt: skip
        signature = base64url(raw_signature(said, rider.key))
        both = tap.countersigned(said, signature)
        return {
            "gate": gate.id, "counter": counter, "token": rider.token, "station": station,
            "direction": direction, "tapped_at": rfc3339(tapped_at),
            "rider_signature": signature,
            "gate_signature": base64url(raw_signature(both, gate.key)),
        }  # fmt: skip

    def ride(
        self, rider: Rider, began_at: datetime, origin: str, destination: str, minutes: int = 20
    ) -> list[dict[str, Any]]:
        """In at one gate, out at another."""
        ended_at = began_at + timedelta(minutes=minutes)
        return [
            self.tap(rider, began_at, origin, "in"),
            self.tap(rider, ended_at, destination, "out", gate=self.gates[1]),
        ]

    async def upload(self, taps: list[dict[str, Any]], sender: Member | None = None) -> Any:
        """What became of them."""
        reply = await self.post("/v1/transit-taps", {"taps": taps}, sender=sender)
        assert reply.status == 200, reply.body
        return reply.json

    async def taken(self, taps: list[dict[str, Any]]) -> None:
        """All of them count, and are settled."""
        told = await self.upload(taps)
        assert (told["known"], told["refused"]) == (0, 0), told
        await self.settle()

    async def settle(self, rounds_max: int = 400) -> int:
        """What the job does, until there is nothing to do now; how many turns it took."""
        connection = await self.town.database.connect("switch_jobs_login")
        settler = Settler(JobCore(clock=SYSTEM_CLOCK, registry=CollectorRegistry()))
        try:
            for turn in range(rounds_max):
                if await settler.turn(connection) >= 1.0:
                    return turn
        finally:
            await connection.close()
        raise AssertionError("there is always something to settle")

    async def standing(self, rider: Rider) -> Any:
        return await self.shown(f"/v1/transit-tokens/{rider.token}")

    async def week(self, rider: Rider, day: date | None = None) -> Any:
        query = "" if day is None else f"?day={day}"
        return await self.shown(f"/v1/transit-tokens/{rider.token}/rides{query}")

    async def denied(self, after: int | None = None) -> list[Any]:
        query = "" if after is None else f"?after={after}"
        path = f"/v1/transit-networks/{self.network}/denied{query}"
        return list((await self.shown(path, self.operator))["data"])

    async def balances(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Of the rider and the operator, with what is held."""
        return (
            await self.town.balance(self.wallet, self.payer),
            await self.town.balance(self.operator, self.payee),
        )


def _jwk(x: str) -> dict[str, str]:
    return {"kty": "OKP", "crv": "Ed25519", "x": x}
