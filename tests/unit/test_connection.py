"""HTTP at the edge: what stands on the wire, sent byte by byte, and what comes back."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from switch import limits
from switch.admission import Request
from switch.clock import SYSTEM_CLOCK
from switch.connection import Server
from switch.endpoint import Dispatch
from switch.errors import Problem
from switch.metrics import WorkerMetrics
from switch.reply import Answer, document, refused
from switch.service import Endpoint
from tests.unit.door import Door

HOST = "127.0.0.1"


class Answered:
    """One answer, taken apart."""

    def __init__(self, head: bytes, body: bytes) -> None:
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split(" ")[1])
        self.fields = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])
        }
        self.body = body

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def problem(self) -> str:
        """The name of the problem."""
        assert self.fields["content-type"] == "application/problem+json"
        return str(self.json["type"]).rpartition(":")[2]


class Peer:
    """A connection to the server under test."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, *pieces: bytes | str) -> None:
        """Send exactly this."""
        for piece in pieces:
            self.writer.write(piece if isinstance(piece, bytes) else piece.encode("latin-1"))

    async def answer(self, *, has_body: bool = True) -> Answered:
        """Read one answer."""
        async with asyncio.timeout(10):
            head = (await self.reader.readuntil(b"\r\n\r\n"))[:-4]
            answered = Answered(head, b"")
            if has_body and "content-length" in answered.fields:
                length = int(answered.fields["content-length"])
                answered.body = await self.reader.readexactly(length)
            return answered

    async def ask(self, *pieces: bytes | str) -> Answered:
        """Send, then read the answer."""
        self.send(*pieces)
        return await self.answer()

    async def is_closed(self) -> bool:
        """Whether the server ends the connection, with nothing more to say."""
        async with asyncio.timeout(10):
            try:
                return await self.reader.read() == b""
            except ConnectionError:
                return True


class Edge:
    """The server under test with a few endpoints."""

    def __init__(self, *, connections_max: int) -> None:
        self.metrics = WorkerMetrics(CollectorRegistry())
        self.dispatch = Dispatch(
            self._endpoints(), admission=Door().admission, metrics=self.metrics
        )
        self.server = Server(
            self.dispatch.serve, connections_max=connections_max, clock=SYSTEM_CLOCK
        )
        self.gate = asyncio.Event()
        self.port = 0

    def _endpoints(self) -> tuple[Endpoint, ...]:
        def endpoint(method: str, path: str, handler: Any) -> Endpoint:
            return Endpoint(
                method=method,
                path=path,
                name=f"{method} {path}",
                summary="",
                handler=handler,
                answers={},
            )

        return (
            endpoint("GET", "/seen", self._seen),
            endpoint("POST", "/seen", self._seen),
            endpoint("GET", "/v1/things/{id}", self._seen),
            endpoint("POST", "/v1/things/{id}/turn", self._seen),
            endpoint("POST", "/refused", self._refused),
            endpoint("GET", "/broken", self._broken),
            endpoint("GET", "/slow", self._slow),
        )

    async def _seen(self, request: Request) -> Answer:
        body = await request.read_body(limits.BODY_BYTES_MAX)
        if isinstance(body, Problem):
            return refused(body)
        return document(
            {
                "method": request.method,
                "authority": request.authority,
                "path": request.path,
                "query": request.query,
                "has_body": request.has_body,
                "body": body.decode("latin-1"),
                "peer": request.peer,
            }
        )

    async def _refused(self, request: Request) -> Answer:
        return refused(Problem(name="signature-missing", detail="before the body was read"))

    async def _broken(self, request: Request) -> Answer:
        raise RuntimeError("a secret that must not get out")

    async def _slow(self, request: Request) -> Answer:
        await self.gate.wait()
        return document({})

    @asynccontextmanager
    async def peer(self) -> AsyncIterator[Peer]:
        """A new connection."""
        reader, writer = await asyncio.open_connection(HOST, self.port)
        try:
            yield Peer(reader, writer)
        finally:
            writer.close()


@asynccontextmanager
async def edge(*, connections_max: int = 100) -> AsyncIterator[Edge]:
    """The server on a port of its own."""
    made = Edge(connections_max=connections_max)
    server = made.server
    listener = await asyncio.get_running_loop().create_server(server, HOST, 0)
    made.port = listener.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        listener.close()
        await server.shutdown(1)


def get(path: str, *fields: str) -> str:
    """The bytes of a GET."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: a", *fields, "", ""])


def post(path: str, body: str, *fields: str) -> str:
    """The bytes of a POST with its body."""
    length = f"Content-Length: {len(body)}"
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: a", length, *fields, "", body])


async def test_a_request_arrives_raw() -> None:
    """Path and query reach the endpoint as sent: nothing is decoded, nothing normalised."""
    async with edge() as made, made.peer() as peer:
        seen = (await peer.ask(get("/seen?a=%2F&b=+&&c"))).json
        assert seen["path"] == "/seen"
        assert seen["query"] == "a=%2F&b=+&&c"
        assert seen["authority"] == "a"
        assert seen["peer"] == HOST
        assert seen["has_body"] is False
        assert (await peer.ask(get("/seen?"))).json["query"] == ""
        assert (await peer.ask(get("/seen"))).json["query"] is None
        assert (await peer.ask(get("/v1/things/%41%2f"))).json["path"] == "/v1/things/%41%2f"


async def test_an_absolute_target_overrides_the_host_field() -> None:
    """What RFC 9112 asks of every server."""
    async with edge() as made, made.peer() as peer:
        seen = (await peer.ask("GET http://other:80/seen?x HTTP/1.1\r\nHost: a\r\n\r\n")).json
        assert (seen["authority"], seen["path"], seen["query"]) == ("other:80", "/seen", "x")


@pytest.mark.parametrize("fields", ["", "Host: a\r\nHost: b\r\n"])
async def test_an_authority_that_is_not_sent_once_is_none(fields: str) -> None:
    """No Host and two Hosts name nobody; either is refused, by the parser or as no authority."""
    async with edge() as made, made.peer() as peer:
        answered = await peer.ask(f"GET /seen HTTP/1.1\r\n{fields}\r\n")
        assert answered.status == 400 or answered.json["authority"] is None


async def test_every_answer_has_its_date_and_length() -> None:
    """RFC 9110 asks for a Date; the length makes the connection last."""
    async with edge() as made, made.peer() as peer:
        for _ in range(3):
            answered = await peer.ask(get("/seen"))
            assert answered.fields["date"].endswith(" GMT")
            assert "connection" not in answered.fields


async def test_unknown_paths_and_methods() -> None:
    """404 for no endpoint, 405 with Allow for one that has other methods; HEAD has no body."""
    async with edge() as made, made.peer() as peer:
        for path in ("/", "/nothing", "/seen/", "/v1/things", "/v1/things/1/turn/2", "//seen"):
            assert (await peer.ask(get(path))).problem == "not-found"
        answered = await peer.ask("PUT /seen HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        assert (answered.status, answered.problem) == (405, "method-not-allowed")
        assert answered.fields["allow"] == "GET, POST"
        thing = "/v1/things/0190f1a2-3b4c-7d5e-8f60-718293a4b5c6"
        for method in ("POST", "DELETE"):
            for path, status in (("/v1/things/batch", 404), (thing, 405), (thing + "/turn", 405)):
                if (method, path) != ("POST", thing + "/turn"):
                    sent = f"{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
                    assert (await peer.ask(sent)).status == status
        peer.send("HEAD /seen HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await peer.answer(has_body=False)).status == 405
        assert (await peer.ask(get("/seen"))).status == 200, "no body came after the HEAD"
        assert (await peer.ask("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")).status == 404


async def test_a_body_in_pieces_chunks_and_pipelines() -> None:
    """However a body is framed, the endpoint gets all of it."""
    async with edge() as made, made.peer() as peer:
        whole = post("/seen", "abcdef")
        peer.send(whole[:-3])
        await asyncio.sleep(0.05)
        peer.send(whole[-3:])
        assert (await peer.answer()).json["body"] == "abcdef"
        chunked = "POST /seen HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        seen = (await peer.ask(chunked, "3\r\nabc\r\n", "3\r\ndef\r\n0\r\n\r\n")).json
        assert (seen["body"], seen["has_body"]) == ("abcdef", True)
        peer.send(post("/seen", "1") + post("/seen", "2") + get("/seen"))
        assert [(await peer.answer()).json["body"] for _ in range(3)] == ["1", "2", ""]


async def test_a_compressed_body_stays_compressed() -> None:
    """What was digested and signed is what was sent; nothing inflates on the way."""
    async with edge() as made, made.peer() as peer:
        answered = await peer.ask(post("/seen", "\x1f\x8b\x08", "Content-Encoding: gzip"))
        assert answered.json["body"] == "\x1f\x8b\x08"


async def test_a_body_that_is_too_large_is_refused_before_it_is_read() -> None:
    """A length beyond the bound is answered at once, a chunked body when it passes the bound."""
    async with edge() as made:
        async with made.peer() as peer:
            length = limits.BODY_BYTES_MAX + 1
            peer.send(f"POST /seen HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")
            answered = await peer.answer()
            assert (answered.status, answered.problem) == (413, "body-too-large")
            assert answered.fields["connection"] == "close"
        async with made.peer() as peer:
            peer.send("POST /seen HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(limits.BODY_BYTES_MAX // 4096 + 1):
                peer.send("1000\r\n", b"x" * 4096, "\r\n")
            assert (await peer.answer()).problem == "body-too-large"
        async with made.peer() as peer:
            answered = await peer.ask(post("/seen", "x" * limits.BODY_BYTES_MAX))
            assert len(answered.json["body"]) == limits.BODY_BYTES_MAX


async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow body has a bound in time, and its refusal is below 500."""
    monkeypatch.setattr(limits, "BODY_READ_TIMEOUT_S", 0.1)
    async with edge() as made, made.peer() as peer:
        peer.send("POST /seen HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        assert (await peer.answer()).status == 400


async def test_expect_continue_is_answered_when_the_body_is_wanted() -> None:
    """A client that asks first is told to go on; one that is refused anyway is told that."""
    async with edge() as made, made.peer() as peer:
        head = "POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        peer.send(head.format("/seen"))
        assert (await peer.answer()).status == 100
        assert (await peer.ask("abc")).json["body"] == "abc"
        assert (await peer.ask(head.format("/refused"))).problem == "signature-missing"


async def test_http_1_0_is_not_told_to_continue() -> None:
    """It would take the word for the answer."""
    async with edge() as made, made.peer() as peer:
        peer.send("POST /seen HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        await asyncio.sleep(0.05)
        assert (await peer.ask("abc")).json["body"] == "abc"


async def test_a_refusal_before_the_body_leaves_the_connection_usable() -> None:
    """The rest of a refused request is skipped; the next request is read from its start."""
    async with edge() as made, made.peer() as peer:
        assert (await peer.ask(post("/refused", "GET /seen HTTP/1.1\r\n\r\n"))).status == 401
        assert (await peer.ask(get("/seen"))).status == 200


@pytest.mark.parametrize(
    "sent",
    [
        "\r\n\r\n\r\nnonsense\r\n\r\n",
        "GET /seen\r\n\r\n",
        "GET /seen HTTP/9.9\r\nHost: a\r\n\r\n",
        "GET /seen HTTP/2.0\r\nHost: a\r\n\r\n",
        "GET /se\x01en HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /seen HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /seen HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET /seen HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
        "GET /seen HTTP/1.1\r\nHost: a\r\n" + "X: y\r\n" * 1000 + "\r\n",
        "GET /seen HTTP/1.1\r\nHost: a\r\nX: " + "y" * 100_000 + "\r\n\r\n",
        "GET /" + "y" * 100_000 + " HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /seen HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        "POST /seen HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST /seen HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na",
        "POST /seen HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "POST /seen HTTP/1.1\r\nHost: a\r\nContent-Length: " + "9" * 30 + "\r\n\r\n",
        "POST /seen HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /seen HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked, x\r\n\r\n",
        "POST /seen HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nz\r\nabc\r\n",
        "POST /seen HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=range(22),
)
async def test_what_is_not_http_is_refused_below_500(
    sent: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nonsense, smuggling and excess end in a refusal or a closed connection, never in a fault."""
    async with edge() as made:
        async with made.peer() as peer:
            peer.send(sent)
            peer.writer.write_eof()
            async with asyncio.timeout(15):
                try:
                    received = await peer.reader.read()
                except ConnectionError:
                    received = b""
            for line in received.split(b"\r\n"):
                if line.startswith(b"HTTP/1.1 "):
                    assert 400 <= int(line.split()[1]) < 500, received
        async with made.peer() as peer:
            assert (await peer.ask(get("/seen"))).status == 200, "the server still serves"
        made.metrics.flush()
    assert "Traceback" not in capfd.readouterr().err


async def test_a_fault_is_answered_500_and_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """An exception is counted and answered; what it said stays inside."""
    async with edge() as made, made.peer() as peer:
        answered = await peer.ask(get("/broken"))
        assert (answered.status, answered.problem) == (500, "internal-error")
        assert b"secret" not in answered.body
        assert (await peer.ask(get("/seen"))).status == 200
        assert +Counter(made.metrics.faults._counts) == {("GET /broken",): 1}


async def test_http_1_0_gets_its_answer_and_the_end() -> None:
    """An old client is served, one request a connection."""
    async with edge() as made, made.peer() as peer:
        answered = await peer.ask("GET /seen HTTP/1.0\r\nHost: a\r\n\r\n")
        assert answered.status == 200
        assert answered.fields["connection"] == "close"
        assert await peer.is_closed()


async def test_close_is_honoured() -> None:
    """A client that asks for the end gets it."""
    async with edge() as made, made.peer() as peer:
        answered = await peer.ask(get("/seen", "Connection: close"))
        assert answered.fields["connection"] == "close"
        assert await peer.is_closed()


async def test_a_draining_server_ends_each_connection_after_its_answer() -> None:
    """What was accepted is answered, with word that the connection ends."""
    async with edge() as made, made.peer() as waiting, made.peer() as idle:
        assert (await idle.ask(get("/seen"))).status == 200
        waiting.send(get("/slow"))
        await asyncio.sleep(0.05)
        made.server.drain()
        made.gate.set()
        for peer, answered in (
            (waiting, await waiting.answer()),
            (idle, await idle.ask(get("/seen"))),
        ):
            assert answered.status == 200
            assert answered.fields["connection"] == "close"
            assert await peer.is_closed()


async def test_connections_are_bounded() -> None:
    """One connection too many is closed at once; those within the bound are served."""
    async with edge(connections_max=2) as made, made.peer() as first, made.peer() as second:
        assert (await first.ask(get("/seen"))).status == 200
        assert (await second.ask(get("/seen"))).status == 200
        async with made.peer() as third:
            assert await third.is_closed()
        assert (await first.ask(get("/seen"))).status == 200


async def test_requests_are_counted_by_endpoint_and_status() -> None:
    """Labels are the table's own names; what a caller invents becomes none."""
    async with edge() as made, made.peer() as peer:
        for path in ("/seen", "/seen", "/invented", "/v1/things/1"):
            await peer.ask(get(path))
        assert +Counter(made.metrics.requests._counts) == {
            ("GET /seen", "200"): 2,
            ("none", "404"): 1,
            ("GET /v1/things/{id}", "200"): 1,
        }


async def test_more_pipelined_requests_than_are_held_are_all_answered() -> None:
    """What is too much to hold waits in the kernel; nothing is lost or turned around."""
    async with edge() as made, made.peer() as peer:
        count = 4 * limits.PIPELINED_REQUESTS_MAX
        peer.send(*(post("/seen", str(number)) for number in range(count)))
        bodies = [(await peer.answer()).json["body"] for _ in range(count)]
        assert bodies == [str(number) for number in range(count)]
        assert (await peer.ask(get("/seen"))).status == 200


@pytest.mark.parametrize("sent", ["", "GET /seen HTTP/1.1\r\nHost:"], ids=["silent", "half a head"])
async def test_who_sends_no_whole_request_is_not_waited_for(
    sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An idle connection ends, and one within the head of a request ends sooner."""
    monkeypatch.setattr(limits, "CONNECTIONS_LOOK_S", 0.02)
    monkeypatch.setattr(limits, "KEEPALIVE_TIMEOUT_S", 60.0 if sent else 0.1)
    monkeypatch.setattr(limits, "HEAD_READ_TIMEOUT_S", 0.1 if sent else 60.0)
    async with edge() as made, made.peer() as peer:
        assert (await peer.ask(get("/seen"))).status == 200
        peer.send(sent)
        assert await peer.is_closed()


async def test_the_time_of_a_head_begins_with_its_first_byte(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A connection that was long idle has as much time for a head as any other."""
    monkeypatch.setattr(limits, "CONNECTIONS_LOOK_S", 0.01)
    async with edge() as made, made.peer() as peer:
        assert (await peer.ask(get("/seen"))).status == 200
        (connection,) = made.server.connections
        connection._since_s -= limits.HEAD_READ_TIMEOUT_S + 1.0
        whole = get("/seen")
        peer.send(whole[:9])
        await asyncio.sleep(0.1)
        assert (await peer.ask(whole[9:])).status == 200


async def test_a_served_connection_is_not_taken_for_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for a slow answer is not cut off."""
    monkeypatch.setattr(limits, "CONNECTIONS_LOOK_S", 0.02)
    monkeypatch.setattr(limits, "KEEPALIVE_TIMEOUT_S", 0.1)
    async with edge() as made, made.peer() as peer:
        peer.send(get("/slow"))
        await asyncio.sleep(0.3)
        made.gate.set()
        assert (await peer.answer()).status == 200


async def test_a_caller_that_leaves_within_a_body_is_let_go(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Nobody waits for a body whose sender is gone, and it is no fault."""
    async with edge() as made:
        async with made.peer() as peer:
            peer.send("POST /seen HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
            await asyncio.sleep(0.05)
            (connection,) = made.server.connections
            assert connection.is_served
        async with asyncio.timeout(limits.BODY_READ_TIMEOUT_S / 2):
            while connection.is_served:  # noqa: ASYNC110  what is waited for tells nobody
                await asyncio.sleep(0.01)
        assert not made.server.connections
    assert "Traceback" not in capfd.readouterr().err
