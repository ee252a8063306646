"""A day in the demo city: commute, lunch, parking, school fees, welfare, a festival.

Each scene is played over HTTP by those who would do it, with signed messages, and says in one line
what happened; it ends with a comparison of what was paid with what had to be. A scene whose
services this switch does not serve is left out.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from switch import keyfile, limits
from switch.client import Client, ClientError
from switch.clock import SYSTEM_CLOCK, rfc3339
from switch.demo_city import CURRENCY, DINER, Cast
from switch.keyfile import base64url
from switch.signature import SigningKey, raw_signature, signing_key

ZONE = ZoneInfo("Asia/Shanghai")  # the ledger's, unless told
NOODLES, ALLOWANCE = 18_00, 30_00
FEE = 480_00
WELFARE = 50_00
DISCOUNT, DISCOUNTS, SUPPER = 5_00, 7, 40_00  # one, how many are in the budget, a meal
STATIONS = {"harbour": 0, "market": 1, "university": 2}
PRICES = [[200, 300, 400], [300, 200, 300], [400, 300, 200]]
DAY_CAP = 700


class WrongError(Exception):
    """What a scene came to is not what it had to come to."""


@dataclass(slots=True, kw_only=True)
class Scene:
    """One part of the day."""

    hour: str
    name: str
    services: frozenset[str]
    play: Callable[[], Awaitable[str]]
    status: str = "later"  # then playing, and done, left out or wrong
    told: str = ""


@dataclass(slots=True, kw_only=True)
class Day:
    """The scenes in their order, and what money is bound to in the end."""

    cast: Cast
    seed: int
    services: frozenset[str]
    scenes: list[Scene] = field(default_factory=list)
    purposes: dict[str, int] = field(default_factory=dict)  # what is left, by what it is for
    _chance: random.Random = field(init=False)
    _funds: dict[str, tuple[Client, list[str]]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)  # noqa: S311  a day's chances, no secrets
        self.scenes = [
            Scene(hour=hour, name=name, services=frozenset(services.split()), play=play)
            for hour, name, services, play in (
                ("07:30", "commute", "mandates transit", self._commute),
                ("12:10", "lunch", "codes purposes", self._lunch),
                ("13:00", "parking", "mandates parking", self._park),
                ("15:00", "school fees", "bills", self._school),
                ("17:00", "welfare", "disbursements", self._welfare),
                ("20:00", "festival", "coupons", self._festival),
            )
        ]

    @property
    def surprises(self) -> list[str]:
        """What went wrong."""
        return [f"{one.name}: {one.told}" for one in self.scenes if one.status == "wrong"]

    async def run(self, seconds: float) -> None:
        """The scenes, one after the other, spread over the time that there is."""
        loop = asyncio.get_running_loop()
        began_at_s = loop.time()
        for number, scene in enumerate(self.scenes):
            if not scene.services <= self.services:
                scene.status = "left out"
                continue
            await asyncio.sleep(began_at_s + seconds * number / len(self.scenes) - loop.time())
            scene.status = "playing"
            try:
                async with asyncio.timeout(limits.DEMO_SCENE_S_MAX):
                    scene.told = await scene.play()
                scene.status = "done"
            except (ClientError, WrongError, TimeoutError) as error:
                scene.status, scene.told = "wrong", str(error) or type(error).__name__
        await self._count()

    async def _count(self) -> None:
        """What money is bound to now, and what of it is the residents' own."""
        try:
            residents = [await self._balance(self._rider, one) for one in self._wallets]
            self.purposes["own money"] = sum(residents)
            for name, (client, funds) in self._funds.items():
                self.purposes[name] = sum([await self._balance(client, one) for one in funds])
        except ClientError:
            self.purposes.clear()  # the switch is gone: there is nothing to tell

    # --- who

    @property
    def _rider(self) -> Client:
        return self.cast.provider.client

    @property
    def _wallets(self) -> tuple[str, ...]:
        return self.cast.provider.accounts

    @staticmethod
    async def _balance(client: Client, account: str) -> int:
        return (await client.account(account)).balance

    async def _mandates(self, payee: str, purpose: str) -> list[str]:
        """A permission of each resident for a payee."""
        made = [
            await self._rider.post(
                "/v1/mandates",
                {
                    "payer": wallet, "payee": payee, "purpose": purpose, "daily_limit": 100_00,
                    "not_after": _in_days(365),
                },
            )
            for wallet in self._wallets
        ]  # fmt: skip
        return [one["id"] for one in made]

    async def _buy(self, wallet: str, payee: str, amount: int, **more: Any) -> Any:
        body = {
            "type": "purchase", "payer": wallet, "payee": payee, "amount": amount,
            "currency": CURRENCY,
        }  # fmt: skip
        return await self._rider.post("/v1/payments", body | more)

    # --- the scenes

    async def _commute(self) -> str:
        """There in yesterday's morning and back in its evening; the day is over, so it is paid."""
        metro, till = self.cast.metro.client, self.cast.metro.accounts[0]
        network = await metro.post(
            "/v1/transit-networks",
            {
                "account": till, "currency": CURRENCY, "name": "City metro", "settle_minutes": 0,
                "liability_max": 100_00,
            },
        )  # fmt: skip
        yesterday = datetime.now(ZONE).replace(minute=0, second=0, microsecond=0)
        yesterday -= timedelta(days=1 if yesterday.hour >= 5 else 2)
        await metro.post(
            f"/v1/transit-networks/{network['id']}/fares",
            {
                "from_day": (yesterday - timedelta(days=7)).date().isoformat(),
                "stations": STATIONS, "prices": PRICES, "boarding_price": 200,
                "incomplete_price": 400, "classes": {"adult": {"day_cap": DAY_CAP}},
            },
        )  # fmt: skip
        gates = [await _Gate.made(metro, network["id"], name) for name in ("north", "south")]
        taps: list[dict[str, Any]] = []
        riders: list[tuple[str, int]] = []
        for mandate in await self._mandates(till, "Metro"):
            token, key = await self._token(network["id"], mandate, yesterday)
            home, work = self._chance.sample(list(STATIONS), 2)
            for hour, origin, destination in ((7, home, work), (18, work, home)):
                at = yesterday.replace(hour=hour, minute=self._chance.randrange(30))
                taps.append(gates[0].tap(token, key, origin, "in", at))
                taps.append(
                    gates[1].tap(token, key, destination, "out", at + timedelta(minutes=25))
                )
            price = PRICES[STATIONS[home]][STATIONS[work]]
            riders.append((token, min(2 * price, DAY_CAP)))
        twice = self._chance.sample(taps, len(taps) // 4)
        self._chance.shuffle(taps)
        first = await metro.post("/v1/transit-taps", {"taps": taps})
        again = await metro.post("/v1/transit-taps", {"taps": twice})
        _expect("taps taken", first["taken"], len(taps))
        _expect("taps known", again["known"], len(twice))
        for token, fare in riders:
            await self._until_paid(token, fare)
        total = sum(fare for _, fare in riders)
        _expect("fares paid", await self._balance(metro, till), total)
        self.purposes["metro fares"] = total
        return (
            f"{len(taps)} taps in no order, {len(twice)} of them twice: {len(riders)} riders paid"
            f" {_money(total)} for yesterday, each once"
        )

    async def _token(
        self, network: str, mandate: str, began_at: datetime
    ) -> tuple[str, SigningKey]:
        seed = keyfile.generate_seed()
        made = await self._rider.post(
            "/v1/transit-tokens",
            {
                "network": network, "mandate": mandate, "public_key": _jwk(seed),
                "rider_class": "adult", "not_before": rfc3339(began_at - timedelta(days=7)),
                "not_after": _in_days(30),
            },
        )  # fmt: skip
        return made["id"], signing_key(made["id"], seed)

    async def _until_paid(self, token: str, fare: int) -> None:
        path = f"/v1/transit-tokens/{token}"
        await _until(self._rider, path, lambda now: now["paid"] == fare)

    async def _lunch(self) -> str:
        """Noodles by QR code; the office pays for those who have an allowance."""
        office, canteen = self.cast.office, self.cast.canteen
        purpose = await office.client.post(
            "/v1/purposes",
            {
                "account": office.accounts[0], "name": "Meals", "categories": [DINER],
                "not_after": _in_days(30),
            },
        )  # fmt: skip
        entitled = self._wallets[: len(self._wallets) // 2]
        purses = []
        for wallet in entitled:
            purse = await office.client.post(
                "/v1/purses", {"purpose": purpose["id"], "wallet": wallet}
            )
            await self._fill(purse["id"], ALLOWANCE)
            purses.append(purse["id"])
        code = await canteen.client.post(
            "/v1/codes",
            {
                "account": canteen.accounts[0], "merchant_name": "Tea House",
                "merchant_city": "Qingdao", "country": "CN", "category": DINER, "amount": NOODLES,
            },
        )  # fmt: skip
        before = sum([await self._balance(self._rider, wallet) for wallet in self._wallets])
        for wallet in self._wallets:
            read = await self._rider.post("/v1/codes/decode", {"payload": code["payload"]})
            bought = await self._buy(wallet, read["account"], read["amount"])
            _expect("lunch", bought["status"], "completed")
        after = sum([await self._balance(self._rider, wallet) for wallet in self._wallets])
        own = NOODLES * (len(self._wallets) - len(entitled))
        _expect("own money for lunch", before - after, own)
        self._funds["left for meals"] = self._rider, purses
        given = NOODLES * len(entitled)
        return (
            f"{len(self._wallets)} bowls of noodles by QR code, {_money(given)} of"
            f" {_money(given + own)} out of meal purses"
        )

    async def _fill(self, fund: str, amount: int) -> None:
        office = self.cast.office
        paid = await office.client.pay(
            type="transfer", payer=office.accounts[0], payee=fund, amount=amount,
            currency=CURRENCY,
        )  # fmt: skip
        _expect("public money", paid.status, "completed")

    async def _park(self) -> str:
        """A gate opens by a mandate; the fee is captured at the exit."""
        parking, till = self.cast.parking.client, self.cast.parking.accounts[0]
        site = await parking.post(
            "/v1/parking-sites",
            {
                "account": till, "currency": CURRENCY, "name": "Harbour car park",
                "unit_minutes": 30, "unit_price": 4_00, "hold_amount": 40_00,
            },
        )  # fmt: skip
        mandates = await self._mandates(till, "Parking")
        owed = 0
        for mandate in mandates:
            minutes = self._chance.randrange(10, 240)
            came_at = SYSTEM_CLOCK.now() - timedelta(minutes=minutes)
            stay = await parking.post(
                "/v1/parking-stays",
                {"site": site["id"], "mandate": mandate, "entered_at": rfc3339(came_at)},
            )
            _expect("gate", stay["status"], "open")
            gone_at = came_at + timedelta(minutes=minutes)
            left = await parking.post(
                f"/v1/parking-stays/{stay['id']}/exit", {"left_at": rfc3339(gone_at)}
            )
            _expect("parking", left["owed"], 0)
            owed += -(-minutes // 30) * 4_00
        _expect("parking fees", await self._balance(parking, till), owed)
        self.purposes["parking fees"] = owed
        return f"{len(mandates)} cars held for at the gate; {_money(owed)} captured at the exit"

    async def _school(self) -> str:
        """The deadline is near; one parent pays twice and is told so."""
        school, account = self.cast.school.client, self.cast.school.accounts[0]
        term = f"term-{self._chance.getrandbits(32):08x}"
        bills = [
            {
                "payee": account, "payee_name": "Harbour School", "customer": f"pupil {number}",
                "reference": f"{term}-{number}", "amount": FEE, "currency": CURRENCY,
                "due_on": (datetime.now(UTC) + timedelta(days=2)).date().isoformat(),
            }
            for number in range(len(self._wallets))
        ]  # fmt: skip
        await school.post("/v1/bills/batch", {"bills": bills})
        for number, wallet in enumerate(self._wallets):
            found = await self._rider.get("/v1/bills", payee=account, customer=f"pupil {number}")
            bill = found["data"][-1]
            paid = await self._buy(wallet, account, bill["amount_left"], request=bill["id"])
            _expect("school fee", paid["status"], "completed")
        again = await self._buy(wallet, account, FEE, request=bill["id"])
        _expect("the second payment of a bill", again["reason"], "request_paid")
        total = FEE * len(bills)
        self.purposes["school fees"] = total
        return f"{len(bills)} bills of {_money(FEE)} paid before the deadline, none twice"

    async def _welfare(self) -> str:
        """One instruction for everybody, prepared by one, approved by another."""
        office = self.cast.office
        total = WELFARE * len(self._wallets)
        draft = await office.client.post(
            "/v1/disbursements",
            {
                "payer": office.accounts[0], "currency": CURRENCY, "purpose": "Heating allowance",
                "count": len(self._wallets), "total": total,
            },
        )  # fmt: skip
        path = f"/v1/disbursements/{draft['disbursement']}"
        lines = ["line,account,amount,reference"]
        lines += [f"{n},{wallet},{WELFARE},H-{n}" for n, wallet in enumerate(self._wallets, 1)]
        part = ("\n".join(lines) + "\n").encode()
        await office.client.post(f"{path}/parts", part, media_type="text/csv")
        await office.client.post(f"{path}/submit", {})
        await self.cast.head.post(f"{path}/approve", {})
        now = await _until(office.client, path, lambda now: now["status"] == "done")
        _expect("payouts", (now["paid"], now["paid_total"]), (len(self._wallets), total))
        return f"{now['paid']} payouts of {_money(WELFARE)}, approved by two, paid once each"

    async def _festival(self) -> str:
        """More want a discount than there is money for, all at the same moment."""
        office, market = self.cast.office, self.cast.market.accounts[0]
        campaign = await office.client.post(
            "/v1/campaigns",
            {
                "account": office.accounts[0], "name": "Festival", "discount": DISCOUNT,
                "coupons_max": len(self._wallets), "not_after": _in_days(1),
            },
        )  # fmt: skip
        await self._fill(campaign["id"], DISCOUNT * DISCOUNTS)
        coupons = [
            await self._rider.post("/v1/coupons", {"campaign": campaign["id"], "account": wallet})
            for wallet in self._wallets
        ]
        bought = await asyncio.gather(
            *(
                self._buy(wallet, market, SUPPER, coupon=coupon["id"])
                for wallet, coupon in zip(self._wallets, coupons, strict=True)
            )
        )
        outcomes = sorted(one["reason"] or "" for one in bought)
        late = len(self._wallets) - DISCOUNTS
        _expect("suppers", outcomes, [""] * DISCOUNTS + ["coupon_used"] * late)
        left = await self._balance(office.client, campaign["id"])
        _expect("budget", left, 0)
        self._funds["left for discounts"] = office.client, [campaign["id"]]
        return (
            f"{len(self._wallets)} suppers at once, {DISCOUNTS} discounts in the budget:"
            f" {DISCOUNTS} given, {late} told to pay without"
        )


@dataclass(slots=True, kw_only=True)
class _Gate:
    """A gate of the metro, by the book of docs/services/transit.md."""

    id: str
    key: SigningKey
    counter: int = 0

    @staticmethod
    async def made(metro: Client, network: str, name: str) -> "_Gate":
        seed = keyfile.generate_seed()
        body = {"network": network, "name": name, "public_key": _jwk(seed)}
        made = await metro.post("/v1/transit-gates", body)
        return _Gate(id=made["id"], key=signing_key(made["id"], seed))

    def tap(
        self, token: str, key: SigningKey, station: str, direction: str, at: datetime
    ) -> dict[str, Any]:
        self.counter += 1
        when = rfc3339(at.astimezone(UTC))
        said = f"transit-tap-1 {self.id} {self.counter} {token} {station} {direction} {when}"
        by_rider = base64url(raw_signature(said.encode(), key))
        by_gate = base64url(raw_signature(f"{said} {by_rider}".encode(), self.key))
        return {
            "gate": self.id, "counter": self.counter, "token": token, "station": station,
            "direction": direction, "tapped_at": when, "rider_signature": by_rider,
            "gate_signature": by_gate,
        }  # fmt: skip


async def _until(client: Client, path: str, is_so: Callable[[Any], bool]) -> Any:
    """What a path shows once it is so; the scene's time is the bound."""
    now = await client.get(path)
    while not is_so(now):
        await asyncio.sleep(limits.DEMO_LOOK_S)
        now = await client.get(path)
    return now


def _jwk(seed: bytes) -> dict[str, str]:
    return {"kty": "OKP", "crv": "Ed25519", "x": base64url(keyfile.public_key(seed))}


def _in_days(days: int) -> str:
    return rfc3339(SYSTEM_CLOCK.now() + timedelta(days=days))


def _money(amount: int) -> str:
    return f"{amount / 100:,.2f}"


def _expect(what: str, seen: object, wanted: object) -> None:
    if seen != wanted:
        raise WrongError(f"{what}: {seen}, expected {wanted}")
