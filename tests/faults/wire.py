"""One connection of a participant: signs, sends, reads one answer, checks its signature.

It never repeats and hides nothing: after each attempt it says what is now known, as a `Word`, by
the contract's own reading. An answer without a good signature is no answer.
"""

import asyncio
from enum import Enum

import msgspec
from multidict import CIMultiDict

from switch import limits
from switch.clock import SYSTEM_CLOCK
from switch.keyfile import PublicKey
from switch.signature import SigningKey
from switch.signing import check_reply, sign_request

HOST = "127.0.0.1"
# The switch has its own last word long before; only something that hangs takes longer.
ANSWER_S_MAX = limits.TWIN_WAIT_S_MAX + limits.STATEMENT_WAIT_S
SILENCE = "no answer in all that time"
BROKEN = "broken connection"
UNKNOWN_OUTCOME = "504 outcome-unknown"


class Word(Enum):
    """What an attempt has taught the sender."""

    DECIDED = "signed 200 or 201"
    KEY_REUSED = "signed 422"
    NOT_DECIDED = "signed 429 or 503, or it never left"
    UNKNOWN = "anything else: 504, no answer, an unsigned answer"


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one attempt."""

    word: Word
    detail: str  # the status and its problem, or why there is no answer
    status: int = 0  # 0 when there was no answer to be trusted
    body: bytes = b""
    is_replayed: bool = False
    fault: str | None = None  # what may never happen, whatever is killed


class Connection:
    """A connection that is opened when needed and kept while both sides want it."""

    def __init__(self, port: int, keys: dict[str, PublicKey]) -> None:
        self._port = port
        self._keys = keys
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def close(self) -> None:
        """Drop it."""
        if self._streams is not None:
            self._streams[1].transport.abort()
        self._streams = None

    async def send(
        self,
        signer: SigningKey,
        method: str,
        path: str,
        *,
        query: str | None = None,
        body: bytes | None = None,
        key: str | None = None,
    ) -> Reply:
        """One attempt, once over the wire."""
        signed = sign_request(
            signer,
            method=method,
            authority=f"{HOST}:{self._port}",
            path=path,
            query=query,
            body=body,
            idempotency_key=key,
            created=SYSTEM_CLOCK.now_us() // 1_000_000,
        )
        target = path if query is None else f"{path}?{query}"
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                sent = await self._exchange(method, target, signed.headers, body)
        except TimeoutError:
            self.close()
            return Reply(word=Word.UNKNOWN, detail=SILENCE)
        if isinstance(sent, Reply):
            return sent
        status, headers, content = sent
        doubt = check_reply(
            status=status,
            headers=headers,
            body=content,
            bound=signed.bound,
            keys=self._keys,
            now_us=SYSTEM_CLOCK.now_us(),
        )
        if doubt is not None:
            fault = doubt.detail if "Signature" in headers else None
            detail = f"unsigned {status} {_problem(content)}"
            return Reply(word=Word.UNKNOWN, detail=detail, fault=fault)
        return _read(status, headers, content)

    async def plain(self, path: str) -> bytes:
        """What is published for everybody under this path."""
        answer = await self._exchange("GET", path, {}, None)
        assert not isinstance(answer, Reply), answer
        assert answer[0] == 200, answer
        return answer[2]

    async def _exchange(
        self, method: str, target: str, headers: dict[str, str], body: bytes | None
    ) -> Reply | tuple[int, "CIMultiDict[str]", bytes]:
        if self._streams is None:
            try:
                self._streams = await asyncio.open_connection(HOST, self._port)
            except OSError as error:
                return Reply(word=Word.NOT_DECIDED, detail=f"no connection: {error.strerror}")
        reader, writer = self._streams
        try:
            writer.write(_request(method, target, f"{HOST}:{self._port}", headers, body))
            status, fields = _head(await reader.readuntil(b"\r\n\r\n"))
            content = await reader.readexactly(int(fields["Content-Length"]))
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return Reply(word=Word.UNKNOWN, detail=BROKEN)
        if fields.get("Connection", "").lower() == "close":
            self.close()
        return status, fields, content


def _request(
    method: str, target: str, authority: str, headers: dict[str, str], body: bytes | None
) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"Host: {authority}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + (body or b"")


def _head(head: bytes) -> tuple[int, "CIMultiDict[str]"]:
    status_line, *lines = head.decode("latin-1").split("\r\n")
    fields: CIMultiDict[str] = CIMultiDict()
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields.add(name, value.strip())
    return int(status_line.split(" ", 2)[1]), fields


def _read(status: int, headers: "CIMultiDict[str]", content: bytes) -> Reply:
    """A signed answer by the contract's table."""
    is_replayed = headers.get("Idempotent-Replayed") == "true"
    if status in (200, 201):
        return Reply(
            word=Word.DECIDED,
            detail=str(status),
            status=status,
            body=content,
            is_replayed=is_replayed,
        )
    words = {
        422: Word.KEY_REUSED,
        429: Word.NOT_DECIDED,
        503: Word.NOT_DECIDED,
        409: Word.UNKNOWN,
        504: Word.UNKNOWN,
    }
    detail = f"{status} {_problem(content)}"
    fault = None if status in words else f"an answer that nobody should get: {detail}"
    word = words.get(status, Word.UNKNOWN)
    return Reply(word=word, detail=detail, status=status, body=content, fault=fault)


def _problem(content: bytes) -> str:
    try:
        return str(msgspec.json.decode(content)["type"]).removeprefix("urn:switch:problem:")
    except (msgspec.DecodeError, KeyError, TypeError):
        return "no problem document"
