"""Debian's Prometheus with the project's own configuration, beside a running switch."""

import asyncio
import re
import shutil
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.conftest import missing
from tests.integration.running import START_S_MAX, until
from tests.ops.files import PROMETHEUS

LISTENS = re.compile(r'msg="Listening on" address=(127\.0\.0\.1:\d+)')
READY = "Server is ready to receive web requests."
TARGET = "127.0.0.1:9464"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prometheus:
    """A running one, asked over its HTTP API."""

    session: aiohttp.ClientSession
    url: str

    async def ask(self, expression: str) -> list[Any]:
        """The samples of an expression now; a fault in it is an error here."""
        where = f"{self.url}/api/v1/query"
        async with self.session.post(where, data={"query": expression}) as answer:
            document = await answer.json()
        assert document["status"] == "success", (expression, document)
        assert not document.get("warnings"), (expression, document)
        found: list[Any] = document["data"]["result"]
        return found

    async def value(self, expression: str) -> float | None:
        """The one number that an expression comes to; none while there is none."""
        found = await self.ask(expression)
        assert len(found) <= 1, (expression, found)
        return float(found[0]["value"][1]) if found else None

    async def rules(self) -> list[dict[str, Any]]:
        """Every rule as Prometheus has it, with its health."""
        async with self.session.get(f"{self.url}/api/v1/rules") as answer:
            document = await answer.json()
        return [rule for group in document["data"]["groups"] for rule in group["rules"]]


@asynccontextmanager
async def watching(folder: Path, admin_url: str) -> AsyncIterator[Prometheus]:
    """The project's configuration at work on this switch, only more often; ended with the block."""
    program = shutil.which("prometheus")
    if program is None:
        missing("prometheus")
    assert program is not None
    home = folder / "prometheus"
    shutil.copytree(PROMETHEUS, home)
    written = (home / "prometheus.yml").read_text()
    assert TARGET in written
    quick = re.sub(r"interval: \d+s", "interval: 1s", written)
    (home / "prometheus.yml").write_text(quick.replace(TARGET, admin_url.removeprefix("http://")))
    messages = folder / "prometheus.log"
    with messages.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *(program, f"--config.file={home / 'prometheus.yml'}"),
            *(f"--storage.tsdb.path={home / 'stored'}", "--web.listen-address=127.0.0.1:0"),
            stdin=DEVNULL,
            stdout=out,
            stderr=out,
        )
    try:
        await until(
            lambda: process.returncode is not None or READY in messages.read_text(),
            "Prometheus is ready",
        )
        listens = LISTENS.search(messages.read_text())
        assert listens, messages.read_text()
        async with aiohttp.ClientSession() as session:
            yield Prometheus(session=session, url=f"http://{listens[1]}")
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait_for(process.wait(), START_S_MAX)
