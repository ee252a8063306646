"""The switch as its operator meets it: commands and running processes, started and ended by pid."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import aiohttp

from switch import keyfile
from switch.admin import Operator, connected
from switch.client import Client
from switch.embedded import Embedded
from tests.databases import ADMIN, JOBS, WORKER, Database
from tests.integration import warm

COMMAND_S_MAX = 60  # a shared machine may be slow; nothing depends on it
START_S_MAX = 60
CLIENT_DEADLINE_S = 8  # a dead switch is given up after this; a restart takes a second or two
CURRENCY = "CNY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)

    @property
    def complaint(self) -> str:
        """The one line on standard error."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        return lines[0]


def environment(**more: str) -> dict[str, str]:
    """This process's environment without the switch's own variables, but for one."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("SWITCH_")}
    return plain | {"SWITCH_READS_PER_SECOND": "1e6"} | more  # tests look often


async def switch(
    *arguments: object,
    before: tuple[str, ...] = (),
    flags: tuple[str, ...] = (),
    **variables: str,
) -> Said:
    """Run one command to its end; `before` is a program that runs it, `flags` are for Python."""
    if not before and not flags and "PYTHONOPTIMIZE" not in variables:
        ran = warm.run(list(map(str, arguments)), environment(**variables))
        code, told, complained = await asyncio.wait_for(ran, COMMAND_S_MAX)
        return Said(code=code, out=told, err=complained)
    process = await asyncio.create_subprocess_exec(
        *(*before, sys.executable, *flags, "-m", "switch", *map(str, arguments)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        env=environment(**variables),
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), COMMAND_S_MAX)
    except BaseException:
        with suppress(ProcessLookupError):
            process.kill()
        raise
    assert process.returncode is not None
    return Said(code=process.returncode, out=out.decode(), err=err.decode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A `switch serve` that serves."""

    process: Process
    url: str
    admin_url: str
    messages: Path

    @property
    def pid(self) -> int:
        """The supervisor."""
        return self.process.pid

    async def ready(self) -> tuple[int, Any]:
        """What `/readyz` says."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.admin_url}/readyz") as answer,
        ):
            return answer.status, await answer.json()

    async def metrics(self) -> dict[str, float]:
        """The samples of `/metrics` by name and labels."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.admin_url}/metrics") as answer,
        ):
            assert answer.status == 200
            text = await answer.text()
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), START_S_MAX)


@asynccontextmanager
async def serving(folder: Path, *options: object) -> AsyncIterator[Running]:
    """`switch serve` on free ports while the block lasts; killed at its end if it still runs."""
    messages = folder / "stderr"
    with messages.open("ab") as err:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "switch", "serve", "--json"),
            *("--port", "0", "--admin-port", "0", *map(str, options)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=err,
            env=environment(),
        )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), START_S_MAX)
        assert line, messages.read_text()
        document = json.loads(line)
        yield Running(
            process=process,
            url=document["url"],
            admin_url=document["admin_url"],
            messages=messages,
        )
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def external(database: Database, folder: Path) -> tuple[str, ...]:
    """Options of `serve` for a database by URL, with the operator's; one key folder a database."""
    key_dir = database.embedded.data_dir.with_name(f"keys-of-{database.name}")
    return (
        *("--database-url", database.url(WORKER), "--jobs-database-url", database.url(JOBS)),
        *("--admin-database-url", database.url(ADMIN)),
        *("--data-dir", str(folder / "data"), "--key-dir", str(key_dir)),
    )


def embedded_url(data_dir: Path) -> str:
    """The operator's URL of an embedded database that somebody else holds open."""
    return Embedded(data_dir=data_dir, binaries=Path()).url()


@dataclass(slots=True, kw_only=True)
class Payer:
    """A wallet provider with a client, one rich wallet and a shop to pay."""

    client: Client
    key_file: Path
    key_id: str
    wallet: str
    shop: str

    @classmethod
    async def make(cls, operator: Operator, folder: Path, url: str) -> Self:
        """Let it in, through the operator's connection."""
        name = f"purse-{uuid4().hex[:12]}"
        key_file = folder / f"{name}.pem"
        seed = keyfile.generate_seed()
        keyfile.write_private_key(key_file, seed)
        await operator.add_participant(name, kind="wallet")
        await operator.add_participant(f"{name}-shop", kind="merchant")
        await operator.add_key(f"{name}/one", keyfile.public_key(seed))
        wallet = await operator.open_account(participant=name, kind="wallet", currency=CURRENCY)
        shop = await operator.open_account(
            participant=f"{name}-shop", kind="merchant", currency=CURRENCY
        )
        await operator.issue(wallet, 10**12, reason="test")
        client = Client(url, key_id=f"{name}/one", key=key_file, deadline_s=CLIENT_DEADLINE_S)
        return cls(
            client=client,
            key_file=key_file,
            key_id=f"{name}/one",
            wallet=str(wallet),
            shop=str(shop),
        )

    @property
    def name(self) -> str:
        """The participant, which is its label in the metrics."""
        return self.key_id.partition("/")[0]

    async def pay(self, amount: int = 100, key: str | None = None) -> str:
        """One purchase; its id."""
        payment = await self.client.pay(
            type="purchase",
            payer=self.wallet,
            payee=self.shop,
            amount=amount,
            currency=CURRENCY,
            idempotency_key=key,
        )
        assert payment.status == "completed", payment.reason
        return payment.id


@asynccontextmanager
async def paying(url: str, admin_url: str, folder: Path) -> AsyncIterator[Payer]:
    """A payer at a running switch, let in through this database URL of the operator."""
    async with connected(admin_url) as operator:
        payer = await Payer.make(operator, folder, url)
    async with payer.client:
        yield payer


def children(pid: int) -> list[int]:
    """The processes that this one started and that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                if int(fields[1]) == pid and fields[0] != "Z":
                    found.append(int(entry.name))
    return sorted(found)


def command_line(pid: int) -> list[str]:
    """How a process was started; empty when it is gone."""
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_text().split("\0")
    except OSError:
        return []


def is_running(pid: int) -> bool:
    """Whether it is there and not just waiting to be noticed."""
    try:
        stat = (Path("/proc") / str(pid) / "stat").read_text()
    except OSError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


def worker_pids(supervisor: int) -> list[int]:
    """The workers among a supervisor's children, in order of their names."""
    named = [
        (line[-2], pid) for pid in children(supervisor) if "_worker" in (line := command_line(pid))
    ]
    return [pid for _, pid in sorted(named)]


async def until(condition: Callable[[], Any], what: str) -> None:
    """Wait for something that must come true; the bound is only there so that a test can fail."""
    try:
        async with asyncio.timeout(START_S_MAX):
            while True:
                found = condition()
                if found if not asyncio.iscoroutine(found) else await found:
                    return
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"in vain waited for this: {what}") from None
