"""HTTP by hand: requests as bytes, sent as they are, and a strict reader of what comes back.

Nothing here mends a request or forgives an answer. Each conversation may have a loopback address
of its own, so that what one of them got wrong does not use up the budget of another.
"""

import asyncio
import json
import re
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from multidict import CIMultiDict

from switch.clock import SYSTEM_CLOCK
from switch.components import BoundRequest
from switch.signature import SigningKey
from switch.signing import sign_request

HOST = "127.0.0.1"
ANSWER_WAIT_S = 30.0  # for an answer that is owed, and for the end of a connection
PATIENCE_S = 0.3  # for an answer that may never come: the request may look unfinished to the switch
CONNECT_TRIES_MAX = 3
MEDIA_TYPES = re.compile(r"application/(problem\+json|json|jwk-set\+json)|text/[a-z]+.*")

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) ([\t -~]*)")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([!-~](?:[ -~]*[!-~])?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class WireAnswer:
    """One answer that is well-formed HTTP."""

    status: int
    headers: "CIMultiDict[str]"
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def problem(self) -> str:
        """The name of the problem; empty when it is none."""
        if self.headers["Content-Type"] != "application/problem+json":
            return ""
        return str(self.json["type"]).removeprefix("urn:switch:problem:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What came back over one connection, and whether the switch ended it."""

    answers: Sequence[WireAnswer]
    is_closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request by hand; `bound` is what a signed answer must be bound to."""

    start: bytes
    lines: Sequence[bytes]
    body: bytes
    bound: BoundRequest

    @property
    def data(self) -> bytes:
        """All of it."""
        return assemble(self.start, self.lines, self.body)

    @property
    def head(self) -> bytes:
        """All but the body."""
        return assemble(self.start, self.lines)


def assemble(start: bytes, lines: Sequence[bytes], body: bytes = b"") -> bytes:
    """The bytes of a request with these lines, whatever they are."""
    return b"\r\n".join([start, *lines, b"", body])


def signed(
    key: SigningKey,
    authority: str,
    method: str,
    target: str,
    body: bytes | None = None,
    *,
    idempotency_key: str | None = None,
    created: int | None = None,
) -> Sent:
    """A good request, in the order of lines that clients usually send."""
    path, mark, query = target.partition("?")
    request = sign_request(
        key,
        method=method,
        authority=authority,
        path=path,
        query=query if mark else None,
        body=body,
        idempotency_key=idempotency_key,
        created=SYSTEM_CLOCK.now_us() // 1_000_000 if created is None else created,
    )
    headers = {"Host": authority, **request.headers}
    if body is not None:
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    return Sent(
        start=f"{method} {target} HTTP/1.1".encode(),
        lines=[f"{name}: {value}".encode() for name, value in headers.items()],
        body=body or b"",
        bound=request.bound,
    )


async def converse(
    port: int,
    pieces: Sequence[bytes],
    *,
    answers: int | None = None,
    source: str = HOST,
    is_head: bool = False,
) -> Received:
    """Send, then read until so many answers came, or the switch ended the connection.

    Without a number, an answer is waited for a moment; then the sending side is closed, which the
    switch has to notice.
    """
    reader, writer = await connect(port, source)
    received = bytearray()
    is_closed = False
    try:
        sending = asyncio.create_task(_write(writer, pieces))
        try:
            is_closed = await _read(reader, received, answers, is_head, PATIENCE_S)
            if answers is None and not is_closed:
                await asyncio.wait_for(sending, ANSWER_WAIT_S)
                with suppress(OSError):
                    writer.write_eof()
                is_closed = await _read(reader, received, None, is_head, ANSWER_WAIT_S)
                assert is_closed, "the switch keeps a connection that its caller has ended"
        finally:
            sending.cancel()
    finally:
        writer.close()
    found, rest = parse_answers(bytes(received), is_head=is_head)
    assert is_closed or not rest, f"more than was asked for: {rest[:80]!r}"
    assert answers is None or len(found) >= answers, f"{len(found)} answers, {answers} are owed"
    return Received(answers=found, is_closed=is_closed)


async def reset(port: int, pieces: Sequence[bytes], *, source: str = HOST) -> None:
    """Send, and break the connection off (RST) without waiting for anything."""
    _, writer = await connect(port, source)
    await _write(writer, pieces)
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def connect(
    port: int, source: str = HOST
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection from this loopback address."""
    return await asyncio.open_connection(HOST, port, local_addr=(source, 0))


async def _write(writer: asyncio.StreamWriter, pieces: Sequence[bytes]) -> None:
    """Each piece a write of its own; a switch that has heard enough may hang up meanwhile."""
    with suppress(ConnectionError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)


async def _read(
    reader: asyncio.StreamReader,
    received: bytearray,
    answers: int | None,
    is_head: bool,
    patience_s: float,
) -> bool:
    """Read on; true when the switch has ended the connection."""
    wait_s = patience_s if answers is None else ANSWER_WAIT_S
    while True:
        if (
            answers is not None
            and len(parse_answers(bytes(received), is_head=is_head)[0]) >= answers
        ):
            return False
        try:
            piece = await asyncio.wait_for(reader.read(65536), wait_s)
        except TimeoutError:
            assert answers is None, f"no answer within {wait_s:g} s to what needs one"
            return False
        except ConnectionError:
            return True
        if not piece:
            return True
        received += piece


def parse_answers(received: bytes, *, is_head: bool = False) -> tuple[list[WireAnswer], bytes]:
    """The whole answers at the beginning, and what follows them; AssertionError if not HTTP."""
    found = []
    while True:
        head, end, rest = received.partition(b"\r\n\r\n")
        if not end:
            return found, received
        if head == b"HTTP/1.1 100 Continue":
            received = rest
            continue
        status, headers = _parse_head(head)
        length = 0 if is_head else int(headers["Content-Length"])
        if len(rest) < length:
            return found, received
        found.append(WireAnswer(status=status, headers=headers, body=rest[:length]))
        received = rest[length:]


def _parse_head(head: bytes) -> tuple[int, "CIMultiDict[str]"]:
    first, *lines = head.split(b"\r\n")
    status = _STATUS_LINE.fullmatch(first)
    assert status is not None, f"not a status line: {first[:80]!r}"
    assert HTTPStatus(int(status[1])).phrase.encode() == status[2]
    headers: CIMultiDict[str] = CIMultiDict()
    for line in lines:
        field = _FIELD.fullmatch(line)
        assert field is not None, f"not a header field: {line[:80]!r}"
        headers.add(field[1].decode(), field[2].decode())
    for name in ("Content-Length", "Content-Type", "Date"):
        assert len(headers.getall(name)) == 1, f"{name} stands once in every answer"
    assert headers["Content-Length"].isdigit()
    assert MEDIA_TYPES.fullmatch(headers["Content-Type"])
    assert headers.get("Connection", "close") == "close"
    assert "Transfer-Encoding" not in headers
    return int(status[1]), headers
