"""HTTP: from bytes on a connection to a `Request`, and from an `Answer` back to bytes.

Built on aiohttp's low-level server: its parser and connections, but no application, no middleware,
no router. Dispatch is one look into a table, an answer is one write. Whatever stands in a request,
the answer is below 500; an exception here is a fault of the switch, logged, counted, answered 500.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from email.utils import formatdate
from functools import partial
from http import HTTPStatus

import aiohttp
from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_protocol import RequestHandler

from switch import limits, log
from switch.admission import Request
from switch.clock import Clock
from switch.errors import Problem
from switch.message import malformed
from switch.metrics import WorkerMetrics
from switch.reply import Answer, refused
from switch.requests import path_id
from switch.service import Endpoint

_log = log.logger("endpoint")

BODY_TOO_LARGE = Problem(
    name="body-too-large", detail=f"a body has at most {limits.BODY_BYTES_MAX} bytes"
)
NO_ENDPOINT = Problem(name="not-found", detail="there is no such endpoint")
FAULT = Problem(
    name="internal-error",
    detail="a fault of the switch, logged; send the same request again to learn the outcome",
)
_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus
}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Written(web.StreamResponse):
    """An answer that is written in one piece, past aiohttp's general machinery for answers."""

    def __init__(self, written: bytes, *, keep_alive: bool) -> None:
        # Nothing of the parent's state is used: the protocol calls the three methods below only.
        self._written = written
        self._stays_open = keep_alive
        self._request: web.BaseRequest | None = None

    @property
    def keep_alive(self) -> bool | None:
        """Whether the connection stays open."""
        return self._stays_open

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Remember where to write."""
        self._request = request
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Write everything; a slow reader is waited for before its next request is served."""
        assert self._request is not None, "prepared before"
        transport = self._request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the caller went away")
        transport.write(self._written)
        if self._request.protocol.writing_paused:
            await self._until_read(transport)

    async def _until_read(self, transport: asyncio.Transport) -> None:
        assert self._request is not None, "prepared before"
        try:
            async with asyncio.timeout(limits.ANSWER_WRITE_TIMEOUT_S):
                await self._request.writer.drain()
        except TimeoutError:
            transport.abort()  # closing would wait for the caller to read
            raise ConnectionResetError("the caller does not read its answers") from None


class Connection(RequestHandler):
    """One connection; what the parser refuses is answered as a problem, not logged as a fault."""

    __slots__ = ()

    async def start(self) -> None:
        """Serve until the end; a connection may be gone before this is first run."""
        if self.transport is not None:
            await super().start()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what is not HTTP, and to what went wrong outside of any endpoint."""
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            answer = refused(malformed("This is not a request of HTTP/1.1 within its bounds."))
        else:
            _log.error("fault in a connection", exc_info=exc)
            answer = refused(FAULT)
        fields = f"Date: {formatdate(usegmt=True)}\r\nConnection: close\r\n"
        return Written(_head(answer, fields) + answer.body, keep_alive=False)


class Server(web.Server):
    """Makes connections, up to a bound."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        *,
        connections_max: int,
    ) -> None:
        super().__init__(
            handler,
            access_log=None,
            keepalive_timeout=limits.KEEPALIVE_TIMEOUT_S,
            lingering_time=limits.LINGERING_S,
            max_line_size=limits.HEADER_LINE_BYTES_MAX,
            max_field_size=limits.HEADER_LINE_BYTES_MAX,
            max_headers=limits.HEADERS_MAX,
            auto_decompress=False,
        )
        self._connections_max = connections_max

    def __call__(self) -> RequestHandler:
        """The protocol of a new connection."""
        return Connection(self, loop=self._loop, **self._kwargs)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Count it, and close at once what is too much: no answer is owed to what was not read."""
        super().connection_made(handler, transport)
        if len(self._connections) > self._connections_max:
            transport.abort()

    @property
    def connection_count(self) -> int:
        """Connections open now."""
        return len(self._connections)


class Dispatch:
    """Finds the endpoint of a request and lets it answer."""

    def __init__(
        self, endpoints: Sequence[Endpoint], *, clock: Clock, metrics: WorkerMetrics
    ) -> None:
        self._table: dict[str, dict[str, Endpoint]] = {}
        for endpoint in endpoints:
            methods = self._table.setdefault(endpoint.path, {})
            assert endpoint.method not in methods, "one endpoint a method and path"
            methods[endpoint.method] = endpoint
        self._clock = clock
        self._metrics = metrics
        self._is_draining = False
        self._date_s = 0
        self._date_field = ""

    def drain(self) -> None:
        """From here on every answer ends its connection."""
        self._is_draining = True

    async def serve(self, raw: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; what aiohttp calls."""
        name = "none"
        try:
            authority, path, query = _target(raw)
            found = self._find(raw.method, path)
            if isinstance(found, Endpoint):
                name = found.name
                answer = await self._answer(found, raw, authority, path, query)
            else:
                answer = found
        except Exception:
            _log.exception("unhandled", endpoint=name)
            self._metrics.faults.add((name,))
            answer = refused(FAULT)
        self._metrics.requests.add((name, str(answer.status)))
        return self._write(raw, answer)

    def _find(self, method: str, path: str) -> Endpoint | Answer:
        template = path if path in self._table else _template(path)
        methods = self._table.get(template)
        if methods is None:
            return refused(NO_ENDPOINT)
        endpoint = methods.get(method)
        if endpoint is not None:
            return endpoint
        if template != path and path_id(path) is None:
            return refused(NO_ENDPOINT)  # names nothing, so no method would help
        allowed = ", ".join(sorted(methods))
        problem = Problem(name="method-not-allowed", detail=f"send {allowed}")
        return refused(problem).with_fields({"Allow": allowed})

    async def _answer(
        self,
        endpoint: Endpoint,
        raw: web.BaseRequest,
        authority: str | None,
        path: str,
        query: str | None,
    ) -> Answer:
        length = raw.headers.get("Content-Length")
        if length is not None and int(length) > limits.BODY_BYTES_MAX:
            return refused(BODY_TOO_LARGE)
        request = Request(
            method=raw.method,
            authority=authority,
            path=path,
            query=query,
            headers=raw.headers,
            peer=raw.remote or "",
            has_body=raw.body_exists and length != "0",
            read_body=partial(_read_body, raw),
        )
        return await endpoint.handler(request)

    def _write(self, raw: web.BaseRequest, answer: Answer) -> Written:
        keep_alive = raw.keep_alive and raw.version >= HttpVersion11 and not self._is_draining
        if answer.status == BODY_TOO_LARGE.status:
            keep_alive = False  # the rest of it is not worth reading
        head = _head(answer, self._date() if keep_alive else self._date() + "Connection: close\r\n")
        return Written(head if raw.method == "HEAD" else head + answer.body, keep_alive=keep_alive)

    def _date(self) -> str:
        now_s = self._clock.now_us() // 1_000_000
        if now_s != self._date_s:
            self._date_s = now_s
            self._date_field = f"Date: {formatdate(now_s, usegmt=True)}\r\n"
        return self._date_field


def _target(raw: web.BaseRequest) -> tuple[str | None, str, str | None]:
    """Authority, path and query, raw. An absolute target overrides Host (RFC 9112 §3.2.2)."""
    hosts = raw.headers.getall("Host", [])
    authority = hosts[0] if len(hosts) == 1 else None
    target = raw.raw_path
    if not target.startswith("/"):
        _, mark, rest = target.partition("://")
        if not mark:
            return authority, target, None
        authority, _, target = rest.partition("/")
        target = "/" + target
    path, mark, query = target.partition("?")
    return authority, path, query if mark else None


def _template(path: str) -> str:
    """The path with its fourth segment as `{id}`: `/v1/accounts/{id}/entries`."""
    segments = path.split("/", 4)
    if len(segments) < 4:
        return path
    segments[3] = "{id}"
    return "/".join(segments)


async def _read_body(raw: web.BaseRequest) -> bytes | Problem:
    """All of the body, bounded in size and time."""
    content = raw.content
    try:
        if content.is_eof():
            body = content.read_nowait()
            return body if len(body) <= limits.BODY_BYTES_MAX else BODY_TOO_LARGE
        if raw.headers.get("Expect", "").lower() == "100-continue":
            transport = raw.transport
            if transport is not None and raw.version >= HttpVersion11:
                transport.write(_CONTINUE)
        pieces = bytearray()
        async with asyncio.timeout(limits.BODY_READ_TIMEOUT_S):
            while not content.at_eof():
                pieces += await content.readany()
                if len(pieces) > limits.BODY_BYTES_MAX:
                    return BODY_TOO_LARGE
        return bytes(pieces)
    except TimeoutError:
        return malformed(f"The body did not arrive within {limits.BODY_READ_TIMEOUT_S:g} s.")
    except (web.RequestPayloadError, aiohttp.ClientError, aiohttp.http.HttpProcessingError):
        return malformed("The body is not framed as HTTP/1.1 asks.")
    except ConnectionError:
        return malformed("The connection ended within the body.")


def _head(answer: Answer, more: str) -> bytes:
    """Status line and header fields. Every value is the switch's own or of a checked form."""
    own = "".join([f"{name}: {value}\r\n" for name, value in answer.fields.items()])
    return (
        f"{_STATUS_LINES[answer.status]}Content-Type: {answer.media_type}\r\n"
        f"Content-Length: {len(answer.body)}\r\n{own}{more}\r\n"
    ).encode("latin-1")
