"""Debian's chromium without a window: opens a page of ours, and tells what it fetched and logged.

It is driven over its debugging protocol, which answers when a thing is done, so no test waits for a
time. Names other than loopback resolve to nothing, as on a machine without internet. The profile is
new each time; the process is ended by its pid.
"""

import asyncio
import itertools
import os
import re
import shutil
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from tests.conftest import missing

START_S_MAX = 60  # the bounds are only there so that a test can fail
ANSWER_S_MAX = 60
END_S_MAX = 10  # to go by itself, before it is killed
MESSAGE_BYTES_MAX = 16 * 1024 * 1024  # of one answer of the protocol

LISTENING = re.compile(rb"DevTools listening on (ws://\S+)")
WATCHED = ("Network", "Log", "Runtime", "Page")
OPTIONS = (
    "--headless",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers have little of it
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


class Page:
    """One page of the browser: what it fetched, what it complained of, what is on it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.fetched: list[str] = []  # every URL asked for, also those that were refused
        self.complaints: list[str] = []  # errors and warnings of scripts, policy and network
        self._socket = socket
        self._numbers = itertools.count(1)
        self._session: dict[str, str] = {}

    async def open(self, url: str) -> None:
        """Go there from an empty page, watching."""
        if not self._session:
            made = await self.call("Target.createTarget", url="about:blank")
            attach = {"targetId": made["targetId"], "flatten": True}
            attached = await self.call("Target.attachToTarget", **attach)
            self._session = {"sessionId": attached["sessionId"]}
            for domain in WATCHED:
                await self.call(f"{domain}.enable")
        gone = await self.call("Page.navigate", url=url)
        assert "errorText" not in gone, gone

    async def evaluate(self, expression: str) -> Any:
        """What an expression comes to on the page; a promise is awaited."""
        how = {"awaitPromise": True, "returnByValue": True}
        done = await self.call("Runtime.evaluate", expression=expression, **how)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    async def close_browser(self) -> None:
        """Ask it to end; it goes once nobody is connected any more."""
        self._session = {}
        await self.call("Browser.close")

    async def call(self, method: str, **parameters: Any) -> Any:
        """One command of the protocol, and its result; what happens meanwhile is written down."""
        number = next(self._numbers)
        command = {"id": number, "method": method, "params": parameters} | self._session
        async with asyncio.timeout(ANSWER_S_MAX):
            await self._socket.send_json(command)
            while (told := await self._socket.receive_json()).get("id") != number:
                self._note(told.get("method"), told.get("params", {}))
        assert "error" not in told, (method, told["error"])
        return told["result"]

    def _note(self, happened: str | None, what: dict[str, Any]) -> None:
        if happened == "Network.requestWillBeSent":
            self.fetched.append(what["request"]["url"])
        elif happened == "Runtime.exceptionThrown":
            self.complaints.append(str(what["exceptionDetails"]))
        elif happened == "Runtime.consoleAPICalled" and what["type"] in {"error", "warning"}:
            self.complaints.append(str(what["args"]))
        elif happened == "Log.entryAdded" and what["entry"]["level"] in {"error", "warning"}:
            self.complaints.append(str(what["entry"]))


@asynccontextmanager
async def open_browser(folder: Path) -> AsyncIterator[Page]:
    """An empty page of a browser whose home, profile and messages are in this folder."""
    program = shutil.which("chromium")
    if program is None:
        missing("chromium")
    assert program is not None
    as_root = ("--no-sandbox",) if os.geteuid() == 0 else ()  # as root it starts in no other way
    messages = folder / "chromium-stderr"
    with messages.open("wb") as err:
        process = await asyncio.create_subprocess_exec(
            *(program, *OPTIONS, *as_root, f"--user-data-dir={folder / 'profile'}", "about:blank"),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=err,
            env=os.environ | {"HOME": str(folder)},
        )
    try:
        address = await _address(process, messages)
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(address, max_msg_size=MESSAGE_BYTES_MAX) as socket,
        ):
            page = Page(socket)
            yield page
            await page.close_browser()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), END_S_MAX)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _address(process: Process, messages: Path) -> str:
    """Where it is driven: the address of this very process, as it says on standard error."""
    async with asyncio.timeout(START_S_MAX):
        while True:
            said = await asyncio.to_thread(messages.read_bytes)
            if (found := LISTENING.search(said)) is not None:
                return found[1].decode()
            assert process.returncode is None, said.decode(errors="replace")
            await asyncio.sleep(0.02)
