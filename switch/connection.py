"""HTTP/1.1 on the wire: from bytes on a connection to a `Request`, and from an `Answer` to bytes.

Bytes are read by aiohttp's parser; the rest of a connection's life is here, without a framework:
one task serves its requests in the order they came, an answer is one write. Every wait has a bound:
for a request, for the end of its head, for its body, for the caller to read his answers.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from functools import partial
from http import HTTPStatus

import aiohttp
from aiohttp import EMPTY_PAYLOAD, HttpVersion10, HttpVersion11, StreamReader, hdrs, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpProcessingError, HttpRequestParser, RawRequestMessage

from switch import limits, log
from switch.admission import Request, body_too_large
from switch.clock import Clock
from switch.errors import PROBLEMS, Problem
from switch.message import malformed
from switch.reply import Answer, refused

_log = log.logger("connection")

NOT_HTTP = malformed("This is not a request of HTTP/1.1 within its bounds.")
_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus
}
_TOO_LARGE, _ = PROBLEMS["body-too-large"]
_EXPECTED = "100-continue"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

# What reading a body ends with when its framing is wrong.
_UNFRAMED = (web.RequestPayloadError, aiohttp.ClientError, HttpProcessingError)

Serve = Callable[[Request], Awaitable[Answer]]


class Connection(BaseProtocol):
    """One connection, from its first byte to its end."""

    __slots__ = (
        "_body",
        "_ends",
        "_in_head",
        "_peer",
        "_requests",
        "_server",
        "_since_s",
        "_task",
        "_wake",
    )

    def __init__(self, server: "Server", loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            loop,
            HttpRequestParser(
                self,
                loop,
                limits.READ_BUFFER_BYTES,
                max_line_size=limits.HEADER_LINE_BYTES_MAX,
                max_field_size=limits.HEADER_LINE_BYTES_MAX,
                max_headers=limits.HEADERS_MAX,
                payload_exception=web.RequestPayloadError,
                auto_decompress=False,
                max_msg_queue_size=limits.PIPELINED_REQUESTS_MAX,
            ),
        )
        self._server = server
        self._peer = ""
        # What came and is not served yet; the last may be None, which is not HTTP.
        self._requests: deque[tuple[RawRequestMessage, StreamReader] | None] = deque()
        self._body: StreamReader | None = None  # of the request that is being served
        self._wake: asyncio.Future[None] | None = None  # while there is no request to serve
        self._since_s = loop.time()  # of waiting for a request, or for the rest of its head
        self._in_head = False
        self._ends = False  # nothing more is read
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to serve; what is too much is ended at once: nothing was read, nothing is owed."""
        super().connection_made(transport)
        self._server.connections.add(self)
        if len(self._server.connections) > self._server.connections_max:
            self.abort()
            return
        peer = transport.get_extra_info("peername")
        self._peer = str(peer[0]) if peer else ""
        self._task = self._loop.create_task(self._serve())

    def connection_lost(self, exc: BaseException | None) -> None:
        """The caller is gone; what was accepted is decided all the same."""
        super().connection_lost(exc)
        self._server.connections.discard(self)
        self._parser = None
        self._ends = True
        self._break_body(ConnectionResetError("the connection ended within the body"))
        self._notify()

    def data_received(self, data: bytes) -> None:
        """Bytes from the caller; from aiohttp's buffers also nothing, to parse what was held."""
        if self._ends or self._parser is None:
            return
        try:
            messages, upgraded, _ = self._parser.feed_data(data)
        except HttpProcessingError:
            self._ends = True
            self._break_body(web.RequestPayloadError("the body is not framed"))
            self._requests.append(None)
            self._notify()
            return
        if messages:
            self._in_head = False
            self._requests.extend(messages)
            self._notify()
            if len(self._requests) >= limits.PIPELINED_REQUESTS_MAX and not self._buffer_paused:
                self._pause_reading_for_buffer()
        elif self._wake is not None and not self._in_head:
            self._in_head = True
            self._since_s = self._loop.time()
        if upgraded:  # what follows is of another protocol, which is not spoken here
            self._ends = True

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Go on where reading was paused; who has read a body asks for this, paused or not."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def finish(self) -> None:
        """Serve no further request: end now if there is none, else after its answer."""
        self._ends = True
        if self._wake is not None and self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """End without waiting for anything."""
        if self._task is not None:
            self._task.cancel()
        if self.transport is not None:
            self.transport.abort()

    @property
    def is_served(self) -> bool:
        """Whether its task still runs."""
        return self._task is not None and not self._task.done()

    def end_if_idle(self, now_s: float) -> None:
        """End it when nothing came for too long, sooner within the head of a request."""
        bound_s = limits.HEAD_READ_TIMEOUT_S if self._in_head else limits.KEEPALIVE_TIMEOUT_S
        is_waiting = self._wake is not None
        if is_waiting and now_s - self._since_s > bound_s and self.transport is not None:
            self.transport.close()

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _break_body(self, error: Exception) -> None:
        if self._body is not None and not self._body.is_eof():
            self._body.set_exception(error)

    async def _serve(self) -> None:
        """Answer request after request."""
        try:
            while await self._has_request():
                request = self._requests.popleft()
                if request is None or request[0].version not in (HttpVersion11, HttpVersion10):
                    self._write(refused(NOT_HTTP), has_body=True, keep_alive=False)
                    break
                self._make_room()
                if not await self._answer(*request):
                    break
        except ConnectionError:
            pass  # the caller went away, or does not read
        except Exception:
            _log.exception("fault in a connection")
        finally:
            if self.transport is not None:
                self.transport.close()

    async def _has_request(self) -> bool:
        """Wait for the next request; false when there will be none."""
        while not self._requests:
            if self._ends or self.transport is None:
                return False
            self._since_s = self._loop.time()
            self._wake = self._loop.create_future()
            await self._wake
            self._wake = None
        return self.transport is not None

    def _make_room(self) -> None:
        """Let the parser go on where it stopped because too many requests were waiting."""
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and not self._requests:
            self.data_received(b"")
            if len(self._requests) < limits.PIPELINED_REQUESTS_MAX:
                self._resume_reading_for_buffer()

    async def _answer(self, message: RawRequestMessage, body: StreamReader) -> bool:
        """Serve one request; whether another may follow."""
        self._body = body
        request = self._request(message, body)
        try:
            answer = await self._server.serve(request)
            keep_alive = not (
                self._ends
                or self._server.is_draining
                or message.should_close
                or message.version < HttpVersion11
                or answer.status == _TOO_LARGE  # the rest of it is not worth reading
            )
            self._write(answer, has_body=message.method != "HEAD", keep_alive=keep_alive)
            if self._paused:
                await self._until_read()
        finally:
            if request.after_answer is not None:
                request.after_answer()
        if not body.is_eof() and not await _read_over(body):
            return False
        self._body = None
        return keep_alive

    def _request(self, message: RawRequestMessage, body: StreamReader) -> Request:
        authority, path, query = target(message)
        length = message.headers.get(hdrs.CONTENT_LENGTH)
        return Request(
            method=message.method,
            authority=authority,
            path=path,
            query=query,
            headers=message.headers,
            peer=self._peer,
            has_body=body is not EMPTY_PAYLOAD and length != "0",
            body_bytes=None if length is None else int(length),
            read_body=partial(self._read_body, message, body),
        )

    async def _read_body(
        self, message: RawRequestMessage, body: StreamReader, bytes_max: int
    ) -> bytes | Problem:
        """All of a body, bounded in size and time."""
        pieces = bytearray()
        try:
            if body.is_eof():  # all of it came with the head
                read = body.read_nowait()
                return read if len(read) <= bytes_max else body_too_large(bytes_max)
            self._invite(message)
            async with asyncio.timeout(limits.BODY_READ_TIMEOUT_S):
                while not body.at_eof():
                    pieces += await body.readany()
                    if len(pieces) > bytes_max:
                        return body_too_large(bytes_max)
            return bytes(pieces)
        except TimeoutError:
            return malformed(f"The body did not arrive within {limits.BODY_READ_TIMEOUT_S:g} s.")
        except _UNFRAMED:
            return malformed("The body is not framed as HTTP/1.1 asks.")
        except ConnectionError:
            return malformed("The connection ended within the body.")

    def _invite(self, message: RawRequestMessage) -> None:
        """Tell a caller that waits with its body to go on; HTTP/1.0 does not know that."""
        if message.headers.get("Expect", "").lower() != _EXPECTED:
            return
        if self.transport is not None and message.version >= HttpVersion11:
            self.transport.write(_CONTINUE)

    def _write(self, answer: Answer, *, has_body: bool, keep_alive: bool) -> None:
        """Write everything at once."""
        if self.transport is None or self.transport.is_closing():
            raise ConnectionResetError("the caller went away")
        date = self._server.date_field()
        head = _head(answer, date if keep_alive else date + "Connection: close\r\n")
        self.transport.write(head + answer.body if has_body else head)

    async def _until_read(self) -> None:
        """Wait for a slow reader before his next request is served."""
        try:
            async with asyncio.timeout(limits.ANSWER_WRITE_TIMEOUT_S):
                await self._drain_helper()
        except TimeoutError:
            if self.transport is not None:
                self.transport.abort()  # closing would wait for the caller to read
            raise ConnectionResetError("the caller does not read its answers") from None


class Server:
    """Makes connections, up to a bound, and ends them."""

    def __init__(self, serve: Serve, *, connections_max: int, clock: Clock) -> None:
        self.serve = serve
        self.connections: set[Connection] = set()
        self.connections_max = connections_max
        self.is_draining = False
        self._clock = clock
        self._date_s = 0
        self._date_field = ""
        self._watch: asyncio.Task[None] | None = None

    def __call__(self) -> Connection:
        """The protocol of a new connection."""
        if self._watch is None:
            self._watch = asyncio.create_task(self._end_idle_connections(), name="connections")
        return Connection(self, asyncio.get_running_loop())

    def drain(self) -> None:
        """From here on every answer ends its connection."""
        self.is_draining = True

    async def shutdown(self, timeout_s: float) -> None:
        """End all connections: those that are served after their answer, if it comes in time."""
        self.drain()
        if self._watch is not None:
            self._watch.cancel()
        for connection in tuple(self.connections):
            connection.finish()
        ends_s = self._clock.monotonic_s() + timeout_s
        while any(connection.is_served for connection in self.connections):
            if self._clock.monotonic_s() > ends_s:
                break
            await asyncio.sleep(limits.SHUTDOWN_LOOK_S)
        for connection in tuple(self.connections):
            connection.abort()

    def date_field(self) -> str:
        """The line of the field Date, made once a second."""
        now_s = self._clock.now_us() // 1_000_000
        if now_s != self._date_s:
            self._date_s = now_s
            self._date_field = f"Date: {formatdate(now_s, usegmt=True)}\r\n"
        return self._date_field

    async def _end_idle_connections(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(limits.CONNECTIONS_LOOK_S)
            for connection in tuple(self.connections):
                connection.end_if_idle(loop.time())


def target(message: RawRequestMessage) -> tuple[str | None, str, str | None]:
    """Authority, path and query, raw. An absolute target overrides Host (RFC 9112 §3.2.2)."""
    hosts = message.headers.getall(hdrs.HOST, [])
    authority = hosts[0] if len(hosts) == 1 else None
    text = message.path
    if not text.startswith("/"):
        _, mark, rest = text.partition("://")
        if not mark:
            return authority, text, None
        authority, _, text = rest.partition("/")
        text = "/" + text
    path, mark, query = text.partition("?")
    return authority, path, query if mark else None


async def _read_over(body: StreamReader) -> bool:
    """Skip what is left of a body nobody wanted, so that the caller reads its answer."""
    try:
        async with asyncio.timeout(limits.LINGERING_S):
            while not body.at_eof():
                await body.readany()
    except (TimeoutError, ConnectionError, *_UNFRAMED):
        return False
    return True


def _head(answer: Answer, more: str) -> bytes:
    """Status line and header fields. Every value is the switch's own or of a checked form."""
    own = "".join([f"{name}: {value}\r\n" for name, value in answer.fields.items()])
    return (
        f"{_STATUS_LINES[answer.status]}Content-Type: {answer.media_type}\r\n"
        f"Content-Length: {len(answer.body)}\r\n{own}{more}\r\n"
    ).encode("latin-1")
