"""A small funded city in a data directory, and a switch that serves it in processes of its own.

It is founded once and copied for every test; each copy is served on a port that it keeps over all
restarts.
"""

import asyncio
import os
import random
import shutil
import signal
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self
from uuid import UUID

import asyncpg
import msgspec

from switch import keyfile, limits
from switch.admin import Operator, connected
from switch.cluster import recorded_pid
from switch.embedded import Embedded
from switch.keeper import Home
from switch.keyfile import PublicKey
from switch.signature import SigningKey, signing_key
from tests.faults.journal import Message
from tests.faults.wire import HOST, Connection
from tests.integration.running import (
    Running,
    children,
    command_line,
    is_running,
    serving,
    until,
    worker_pids,
)

CURRENCY = "CNY"
PROVIDERS = ("harbour-pay", "swallow-pay")
WALLETS_EACH = 16
RICH, POOR = 200_000_00, 30_00  # minor units; every fourth wallet is poor and soon declined
AMOUNT_MAX = 20_00
TEXTS = ("tea & dumplings", "青岛啤酒", '\u200bquoted "text" \\ and / more', "1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account and what was in it when the city was founded."""

    id: str
    holder: str
    kind: str
    founded_with: int


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """Who takes part, with the keys of all."""

    data_dir: Path
    signers: dict[str, SigningKey] = field(default_factory=dict)
    accounts: list[Account] = field(default_factory=list)

    @property
    def database_url(self) -> str:
        """The operator's, without holding the database open as a user of it would."""
        return Embedded(data_dir=self.data_dir, binaries=self.data_dir).url()

    def of_kind(self, kind: str) -> list[Account]:
        """All accounts of a kind."""
        return [account for account in self.accounts if account.kind == kind]

    def copied(self, data_dir: Path) -> Self:
        """The same city, as it was founded, in another directory."""
        shutil.copytree(self.data_dir, data_dir, symlinks=True)
        return replace(self, data_dir=data_dir)

    def new_message(self, chance: random.Random, key: str) -> Message:
        """Somebody pays somebody."""
        wallets, banks = self.of_kind("wallet"), self.of_kind("position")
        kind = chance.choices(("purchase", "transfer", "top_up", "withdrawal"), (50, 40, 5, 5))[0]
        payer = chance.choice(banks if kind == "top_up" else wallets)
        payees = {"purchase": self.of_kind("merchant"), "withdrawal": banks}.get(kind, wallets)
        payee = chance.choice([account for account in payees if account.id != payer.id])
        content = {
            "type": kind,
            "payer": payer.id,
            "payee": payee.id,
            "amount": chance.randint(1, AMOUNT_MAX),
            "currency": CURRENCY,
        }
        if chance.random() < 0.3:
            content["description"] = chance.choice(TEXTS)
        if chance.random() < 0.2:
            content["metadata"] = {"till": "7", chance.choice("zya"): chance.choice(TEXTS)}
        return Message(
            sender=payer.holder,
            signer=self.signers[payer.holder],
            key=key,
            body=msgspec.json.encode(content),
        )


async def found(folder: Path) -> City:
    """Found the city, with nobody left running afterwards."""
    city = City(data_dir=folder / "founded")
    async with serving(folder, "--data-dir", city.data_dir, "--workers", 1) as switch:
        async with connected(city.database_url) as operator:
            await _let_in(operator, city, "bank-of-laoshan", "bank")
            for name in PROVIDERS:
                await _let_in(operator, city, name, "wallet")
            await _let_in(operator, city, "night-market", "merchant")
            await _open(operator, city, "bank-of-laoshan", "position", RICH)
            await _open(operator, city, "night-market", "merchant", 0)
            await _open(operator, city, "night-market", "merchant", 0)
            for number in range(WALLETS_EACH):
                for name in PROVIDERS:
                    await _open(operator, city, name, "wallet", RICH if number % 4 else POOR)
        assert await switch.end() == 0
    return city


async def _let_in(operator: Operator, city: City, name: str, kind: str) -> None:
    seed = keyfile.generate_seed()
    await operator.add_participant(name, kind=kind)
    await operator.add_key(f"{name}/faults", keyfile.public_key(seed))
    city.signers[name] = signing_key(f"{name}/faults", seed)


async def _open(operator: Operator, city: City, holder: str, kind: str, amount: int) -> None:
    account: UUID = await operator.open_account(participant=holder, kind=kind, currency=CURRENCY)
    if amount:
        await operator.issue(account, amount, reason="the founding of the city")
    city.accounts.append(Account(id=str(account), holder=holder, kind=kind, founded_with=amount))


@dataclass(slots=True, kw_only=True)
class Switch:
    """The running switch of a city; started again as often as it is killed."""

    city: City
    folder: Path
    port: int
    options: tuple[object, ...] = ()
    keys: dict[str, PublicKey] = field(default_factory=dict)
    _running: Running | None = None
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @classmethod
    async def of(cls, city: City, folder: Path, *options: object) -> Self:
        """Start it for the first time, with more options of `switch serve`."""
        switch = cls(city=city, folder=folder, port=free_port(), options=options)
        await switch.start()
        connection = switch.connection()
        switch.keys.update(keyfile.parse_jwks(await connection.plain("/.well-known/jwks.json")))
        connection.close()
        return switch

    async def start(self) -> None:
        """Start `switch serve` with two workers, on the data directory and port it always has."""
        options = ("--data-dir", self.city.data_dir, "--workers", 2, "--port", self.port)
        await self._stack.aclose()
        self._running = await self._stack.enter_async_context(
            serving(self.folder, *options, *self.options)
        )

    async def close(self) -> None:
        """End whatever runs, and see that nothing is left."""
        pids = self.server_pids() + children(self.pid)
        await self._stack.aclose()
        await until(lambda: not any(map(is_running, pids)), "nothing is left running")

    @property
    def pid(self) -> int:
        """The supervisor."""
        assert self._running is not None
        return self._running.pid

    @property
    def messages(self) -> str:
        """What its processes have said so far."""
        return (self.folder / "stderr").read_text(errors="replace")

    def connection(self) -> Connection:
        """A new connection for a participant."""
        return Connection(self.port, self.keys)

    def children(self) -> list[int]:
        """Workers and jobs."""
        return children(self.pid)

    def workers(self) -> list[int]:
        """The worker processes, in order of their names."""
        return worker_pids(self.pid)

    def jobs(self) -> int:
        """The jobs process."""
        [pid] = [pid for pid in self.children() if "_jobs" in command_line(pid)]
        return pid

    def banks(self) -> list[int]:
        """The process that calls banks; none while it is being started again."""
        return [pid for pid in self.children() if "_banks" in command_line(pid)]

    def postmaster(self) -> int:
        """The Postgres server."""
        pid = recorded_pid(Home(data_dir=self.city.data_dir).cluster)
        assert pid is not None
        return pid

    def server_pids(self) -> list[int]:
        """The Postgres server and all its processes; empty when none runs."""
        pid = recorded_pid(Home(data_dir=self.city.data_dir).cluster)
        if pid is None or not is_running(pid):
            return []
        return [pid, *children(pid)]

    async def deciding_backend(self) -> int:
        """A Postgres process that serves a lane, one that decides something now if there is one."""
        connection = await self.operator_connection()
        try:
            pid = await connection.fetchval(
                "SELECT pid FROM pg_stat_activity WHERE application_name = 'switch lane'"
                " ORDER BY state <> 'active', random() LIMIT 1"
            )
        finally:
            await connection.close()
        assert pid is not None
        return int(pid)

    async def operator_connection(self) -> asyncpg.Connection:
        """A look from outside, also while Postgres is coming back."""
        async with asyncio.timeout(limits.EMBEDDED_START_WAIT_S):
            while True:
                try:
                    return await asyncpg.connect(self.city.database_url)
                except (OSError, asyncpg.PostgresError):
                    await asyncio.sleep(limits.EMBEDDED_POLL_S)

    async def is_ready(self) -> bool:
        """Whether the switch says of itself that all its processes can work."""
        assert self._running is not None
        status, _ = await self._running.ready()
        return status == 200

    async def metrics(self) -> dict[str, float]:
        """What its processes report, by name and labels."""
        assert self._running is not None
        return await self._running.metrics()

    async def in_flight_count(self) -> int:
        """Messages that the workers have accepted and not answered, as they report it."""
        samples = await self.metrics()
        return round(
            sum(
                value
                for name, value in samples.items()
                if name.startswith("switch_in_flight_messages")
            )
        )

    async def end(self) -> int:
        """SIGTERM; the exit code."""
        assert self._running is not None
        return await self._running.end()

    async def kill_supervisor(self) -> None:
        """kill -9 the supervisor, and wait until it is reaped."""
        assert self._running is not None
        await self._running.end(signal.SIGKILL)


def kill(pid: int) -> None:
    """kill -9 this very process."""
    os.kill(pid, signal.SIGKILL)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
