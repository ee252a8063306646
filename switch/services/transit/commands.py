"""`switch simulate rider` and `gate`: riders' devices, and gates that are offline most of the time.

What these gates do is what real ones have to: verify a token by themselves, look into a deny list
that may be old, stop when a rider has run up too much since, count their taps, and upload them
later, in any order, and again when they are not sure.
"""

import os
import random
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import msgspec
import typer
from msgspec import Struct

from switch import keyfile, terminal
from switch.cli_simulate import KeyFile, KeyId, Seed, Url
from switch.client import Client, ClientError
from switch.clock import SYSTEM_CLOCK, rfc3339
from switch.errors import SwitchError
from switch.keyfile import base64url, from_base64url
from switch.services.transit import limits, message, tap
from switch.signature import SigningKey, raw_signature, signing_key
from switch.simulate.door import SwitchKeys
from switch.structured import Fault
from switch.terminal import AsJson, option

simulators_app = typer.Typer()

Network = Annotated[UUID, option("--network", help="Whose gates, or where they ride.")]
Riders = Annotated[Path, option("--riders", help="A line of JSON for each: token and secret key.")]


def _share(name: str, what: str) -> Any:
    return option(name, help=f"{what}, 0 to 1.", min=0.0, max=1.0)


class Device(Struct, frozen=True, kw_only=True):
    """What a rider carries: the token as the switch signed it, and the secret half of its key."""

    signed: str
    secret: str  # the seed, base64url


@simulators_app.command("rider")
def simulate_rider(
    url: Url,
    key: KeyFile,
    key_id: KeyId,
    network: Network,
    mandate: Annotated[list[UUID], option("--mandate", help="By which a rider pays; repeatable.")],
    riders: Riders,
    rider_class: Annotated[str, option("--rider-class", help="As in the fares.")] = "adult",
    days: Annotated[
        int, option("--days", help="How long the tokens last.", min=1, max=limits.TOKEN_D_MAX)
    ] = 30,
) -> None:
    """A wallet provider: makes a token for each mandate, and writes what its riders carry.

    The tokens are valid for some weeks past as well, where simulated gates may let them ride.
    """

    async def work() -> None:
        now = SYSTEM_CLOCK.now()
        async with Client(url, key_id=key_id, key=key) as client:
            for one in mandate:
                seed = keyfile.generate_seed()
                public = base64url(keyfile.public_key(seed))
                made = await _told(
                    client, "/v1/transit-tokens", network=str(network), mandate=str(one),
                    public_key={"kty": "OKP", "crv": "Ed25519", "x": public},
                    rider_class=rider_class, not_before=rfc3339(now - limits.TAP_AGE_MAX),
                    not_after=rfc3339(now + timedelta(days=days)),
                )  # fmt: skip
                device = Device(signed=made["signed"], secret=base64url(seed))
                _append(riders, msgspec.json.encode(device))

    terminal.run(work())
    terminal.say(f"{len(mandate)} tokens are added to {riders}")


@simulators_app.command("gate")
def simulate_gate(
    url: Url,
    key: KeyFile,
    key_id: KeyId,
    network: Network,
    riders: Riders,
    rides: Annotated[int, option("--rides", help="To be ridden.", min=1, max=100_000)] = 100,
    gates: Annotated[int, option("--gates", help="New ones.", min=1, max=100)] = 4,
    hours: Annotated[
        int, option("--hours", help="Over which the rides are spread, up to now.", min=1, max=720)
    ] = 12,
    late: Annotated[float, _share("--late", "Share of taps uploaded after all others")] = 0.1,
    twice: Annotated[float, _share("--twice", "Share of taps uploaded again")] = 0.1,
    forgotten: Annotated[float, _share("--forgotten", "Share of rides without a tap-out")] = 0.02,
    seed: Seed = None,
    as_json: AsJson = False,
) -> None:
    """Gates of a network: they let riders in and out while offline, then upload their taps."""

    async def work() -> dict[str, Any]:
        async with Client(url, key_id=key_id, key=key) as client:
            devices = _devices(riders)
            keys = await _published(url)
            fleet = Fleet(client, str(network), keys, random.Random(seed))  # noqa: S311  rides, no secrets
            await fleet.open(gates)
            fleet.play(devices, rides, hours, forgotten)
            await fleet.upload(late, twice)
            return fleet.figures()

    told = terminal.run(work())
    terminal.show(told, as_json=as_json, text=msgspec.json.encode(told).decode())


class Gate(Struct, kw_only=True):
    """One gate: a key, and a counter that never goes back."""

    id: str
    key: SigningKey
    counter: int = 0


class Fleet:
    """The gates of a network, with one idea of whom to refuse: the deny list as they know it."""

    def __init__(
        self, client: Client, network: str, keys: SwitchKeys, chance: random.Random
    ) -> None:
        self._client = client
        self._network = network
        self._chance = chance
        self._gates: list[Gate] = []
        self._keys = keys
        self._fares: Any = None
        self._dearest = 0
        self._denied: set[str] = set()
        self._run_up: dict[str, int] = defaultdict(int)  # of each token, since the list was fetched
        self._taps: list[dict[str, Any]] = []
        self._uploads = 0
        self._turned_away: Counter[str] = Counter()
        self._told: Counter[str] = Counter()

    async def open(self, count: int) -> None:
        """Make gates known, and fetch what they need while they are offline."""
        shown = await _asked(self._client, f"/v1/transit-networks/{self._network}")
        if not shown["fares"]:
            raise SwitchError("the network has no fares: lay some down first")
        self._fares = shown["fares"][0]
        prices = [price for row in self._fares["prices"] for price in row]
        self._dearest = max(*prices, self._fares["boarding_price"], self._fares["incomplete_price"])
        for number in range(1, count + 1):
            secret = keyfile.generate_seed()
            jwk = {"kty": "OKP", "crv": "Ed25519", "x": base64url(keyfile.public_key(secret))}
            made = await _told(
                self._client, "/v1/transit-gates", network=self._network,
                name=f"simulated {number}", public_key=jwk,
            )  # fmt: skip
            self._gates.append(Gate(id=made["id"], key=signing_key(made["id"], secret)))
        await self._fetch_denied()

    async def _fetch_denied(self) -> None:
        after = None
        path = f"/v1/transit-networks/{self._network}/denied"
        while True:
            shown = await _asked(self._client, path, after=after)
            for one in shown["data"]:
                (self._denied.add if one["is_denied"] else self._denied.discard)(one["token"])
            after = shown["next_after"]
            if after is None:
                return

    def play(self, devices: list[Device], rides: int, hours: int, forgotten: float) -> None:
        """So many rides, one after the other, each by a rider that is let in."""
        now = SYSTEM_CLOCK.now()
        stations = list(self._fares["stations"])
        for _ in range(rides):
            device = self._chance.choice(devices)
            claims = tap.verify(device.signed, self._keys.get)
            minutes = self._chance.randrange(5, 40)
            began_at = now - timedelta(seconds=self._chance.randrange(minutes * 60, hours * 3600))
            why = self._refusal(claims, began_at)
            if why is not None:
                self._turned_away[why] += 1
                continue
            assert isinstance(claims, tap.Claims), "it was not refused"
            self._run_up[claims.sub] += self._dearest
            self._tap(device, claims, "in", self._chance.choice(stations), began_at)
            if self._chance.random() >= forgotten:
                ended_at = began_at + timedelta(minutes=minutes)
                self._tap(device, claims, "out", self._chance.choice(stations), ended_at)

    def _refusal(self, claims: tap.Claims | Fault, at: datetime) -> str | None:
        if isinstance(claims, Fault) or claims.network != self._network:
            return "not_a_token"
        if not claims.nbf <= at.timestamp() < claims.exp:
            return "token_not_valid"
        if claims.sub in self._denied:
            return "denied"
        if self._run_up[claims.sub] + self._dearest > claims.liability_max:
            return "liability"
        return None

    def _tap(
        self, device: Device, claims: tap.Claims, direction: str, station: str, at: datetime
    ) -> None:
        gate = self._chance.choice(self._gates)
        gate.counter += 1
        secret = from_base64url(device.secret)
        assert secret is not None, "it was read"
        said = tap.line(
            gate=UUID(gate.id), counter=gate.counter, token=UUID(claims.sub), station=station,
            direction=direction, tapped_at=at,
        )  # fmt: skip
        signature = base64url(raw_signature(said, signing_key(claims.sub, secret)))
        both = tap.countersigned(said, signature)
        self._taps.append(
            {
                "gate": gate.id,
                "counter": gate.counter,
                "token": claims.sub,
                "station": station,
                "direction": direction,
                "tapped_at": rfc3339(at),
                "rider_signature": signature,
                "gate_signature": base64url(raw_signature(both, gate.key)),
            }
        )

    async def upload(self, late: float, twice: float) -> None:
        """Send all taps, in no order, some late and some again."""
        first: list[dict[str, Any]] = []
        last: list[dict[str, Any]] = []
        for one in self._taps:
            (last if self._chance.random() < late else first).append(one)
            if self._chance.random() < twice:
                last.append(one)
        for pile in (first, last):
            self._chance.shuffle(pile)
            for start in range(0, len(pile), limits.TAPS_MAX):
                told = await _told(
                    self._client, "/v1/transit-taps", taps=pile[start : start + limits.TAPS_MAX]
                )
                self._uploads += 1
                verdicts = msgspec.convert(told, message.TapVerdicts)
                self._told.update(one.reason or one.status for one in verdicts.taps)

    def figures(self) -> dict[str, Any]:
        """What the gates made, and what became of it."""
        return {
            "gates": len(self._gates),
            "taps": len(self._taps),
            "uploads": self._uploads,
            "turned_away": dict(self._turned_away),
            "told": dict(self._told),
        }


def _devices(path: Path) -> list[Device]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise SwitchError(f"{path} cannot be read: {error.strerror}") from None
    devices = [_device(line) for line in lines if line.strip()]
    if not devices:
        raise SwitchError(f"{path} has no rider: make some with `switch simulate rider`")
    return devices


def _device(line: bytes) -> Device:
    try:
        device = msgspec.json.decode(line, type=Device)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SwitchError(f"this is no rider: {error}") from None
    secret = from_base64url(device.secret)
    if secret is None or len(secret) != keyfile.SEED_BYTES:
        raise SwitchError("this is no rider: its secret is no key")
    return device


async def _published(url: str) -> SwitchKeys:
    """The switch's keys, as a gate is given them before it goes offline."""
    keys = SwitchKeys(f"{url.rstrip('/')}/.well-known/jwks.json", SYSTEM_CLOCK)
    if not await keys.read_again():
        raise SwitchError(f"the switch's keys cannot be read: {keys.error}")
    return keys


def _append(path: Path, line: bytes) -> None:
    """To a file that nobody else can read."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise SwitchError(f"{path} cannot be written: {error.strerror}") from None
    with os.fdopen(file, "ab") as output:
        output.write(line + b"\n")


async def _told(client: Client, path: str, **body: object) -> Any:
    try:
        return await client.post(path, body)
    except ClientError as error:
        raise SwitchError(f"the switch did not take it: {error}") from error


async def _asked(client: Client, path: str, **query: str | int | None) -> Any:
    try:
        return await client.get(path, **query)
    except ClientError as error:
        raise SwitchError(f"the switch could not be asked: {error}") from error
