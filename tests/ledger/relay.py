"""A relay between a lane and Postgres that can lose an answer after the server has given it."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

SOCKET = ".s.PGSQL.5432"
CHUNK_BYTES = 64 * 1024


class Relay:
    """Passes bytes both ways until it is told to swallow what the server says next."""

    def __init__(self) -> None:
        self.swallows = False
        self.swallowed = asyncio.Event()

    async def pass_on(
        self, near: tuple[asyncio.StreamReader, asyncio.StreamWriter], server_socket: str
    ) -> None:
        """Serve one connection; once an answer has been swallowed, hang up on the client."""
        far = await asyncio.open_unix_connection(server_socket)
        asking = asyncio.create_task(self._ask(near[0], far[1]))
        with suppress(ConnectionError):
            while chunk := await far[0].read(CHUNK_BYTES):
                if self.swallows:
                    self.swallowed.set()
                    break
                near[1].write(chunk)
                await near[1].drain()
        asking.cancel()
        for writer in (near[1], far[1]):
            writer.close()

    async def _ask(self, client: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while chunk := await client.read(CHUNK_BYTES):
            server.write(chunk)
            await server.drain()
        server.close()


@asynccontextmanager
async def relayed(url: str, folder: Path) -> AsyncIterator[tuple[Relay, str]]:
    """A relay to the database of this URL, and the URL that goes through it."""
    host = parse_qs(urlsplit(url).query)["host"][0]
    relay = Relay()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await relay.pass_on((reader, writer), f"{host}/{SOCKET}")

    server = await asyncio.start_unix_server(serve, folder / SOCKET)
    try:
        yield relay, re.sub(r"host=[^&]*", f"host={folder}", url)
    finally:
        server.close()
        await server.wait_closed()
