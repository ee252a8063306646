"""Calls of strangers' URLs: what they may reach, and how little an answer can do."""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from switch import keyfile, limits
from switch.callback import Callbacks, NoReply, Reply, is_public
from switch.signature import Candidate, find_candidate, signing_key, verify
from tests.certificates import self_signed
from tests.receivers import running

SEED = bytes(range(32))
KEY = signing_key("switch/test", SEED)
LOOPBACK = ("127.0.0.0/8",)
LOOPBACK_ADDRESS = "127.0.0.1"
BODY = b'{"id":"1"}'


async def post(
    url: str, *, allowed: tuple[str, ...] = LOOPBACK, timeout_s: float = 5.0
) -> Reply | NoReply:
    """One call."""
    async with Callbacks(allowed=allowed) as callbacks:
        return await callbacks.post(
            url,
            participant="one",
            key=KEY,
            body=BODY,
            idempotency_key="event-1",
            timeout_s=timeout_s,
        )


async def test_a_call_is_signed_over_all_that_it_says() -> None:
    """The receiver verifies method, authority, path, query, body and key with the public half."""
    async with running() as server:
        reply = await post(f"{server.url}/%2Fa?b=%20c")
    assert isinstance(reply, Reply)
    assert (reply.status, reply.body) == (200, b"ok")
    [request] = server.requests
    path, _, query = request.raw_path.partition("?")
    candidate = find_candidate(
        method=request.method,
        authority=request.headers["Host"],
        path=path,
        query=query,
        headers=request.headers,
        has_body=True,
        is_known_key=lambda key_id: key_id == KEY.key_id,
    )
    assert isinstance(candidate, Candidate), candidate
    assert verify(candidate, keyfile.public_key(SEED))
    assert request.headers["Idempotency-Key"] == '"event-1"'
    assert request.content_type == "application/json"
    assert server.bodies == [BODY]
    assert "Cookie" not in request.headers


EVERYWHERE = "0.0.0" + ".0"  # called here, not listened on


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        (EVERYWHERE, False),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("172.31.255.255", False),
        ("192.168.1.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("::7f00:1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", False),
        ("64:ff9b::7f00:1", False),
        ("fc00::1", False),
        ("fe80::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("2001::1", False),
        ("2002:7f00:1::1", False),
        ("2001:db8::1", False),
    ],
)
def test_an_address_is_public_or_not(address: str, public: bool) -> None:
    """Whatever leads into the operator's own network, or to no single host, is not public."""
    assert is_public(ipaddress.ip_address(address)) is public


@pytest.mark.parametrize(
    ("scheme", "host", "allowed"),
    [
        ("http", "127.0.0.1", ()),
        ("http", "localhost", ()),
        ("https", "localhost", ("10.0.0.0/8",)),
        ("https", "127.0.0.1", ()),
        ("https", EVERYWHERE, LOOPBACK),
        ("https", "[::ffff:127.0.0.1]", LOOPBACK),
        ("https", "[::]", LOOPBACK),
        ("https", "2130706433", ()),
        ("https", "0x7f000001", ()),
        ("https", "127.1", ()),
        ("https", "0177.0.0.1", ()),
    ],
)
async def test_an_address_that_is_not_allowed_is_never_connected_to(
    scheme: str, host: str, allowed: tuple[str, ...]
) -> None:
    """However it is written, or reached by a name: nobody hears a byte."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        port = listener.getsockname()[1]
        reply = await post(f"{scheme}://{host}:{port}/", allowed=allowed)
        assert isinstance(reply, NoReply)
        assert (reply.why, reply.was_sent) == ("address_refused", False)
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize("host", ["2130706433", "10.0.0.1", "service.example"])
async def test_plain_http_stays_on_this_machine(host: str) -> None:
    """Even where the operator allows the network: over a network it is https."""
    reply = await post(f"http://{host}:1/", allowed=("0.0.0.0/0",))
    assert isinstance(reply, NoReply)
    assert reply.why == "address_refused"


async def test_plain_http_by_a_name_that_leads_elsewhere_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`localhost` may mean something else in a name service; what counts is the address."""
    names = Names(["10.0.0.1"])
    monkeypatch.setattr(socket, "getaddrinfo", names.look_up)
    reply = await post("http://localhost:1/", allowed=("0.0.0.0/0",))
    assert isinstance(reply, NoReply)
    assert reply.why == "address_refused"


@dataclass(slots=True)
class Names:
    """A name service that gives another address at each question; the last one for ever."""

    addresses: list[str]
    asked: int = 0

    def look_up(self, host: str, port: int, **_: Any) -> list[Any]:
        """As socket.getaddrinfo answers."""
        address = self.addresses[min(self.asked, len(self.addresses) - 1)]
        self.asked += 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]


async def test_a_name_that_changes_its_address_gains_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The address that was checked is the one that is connected to: the name is looked up once."""
    async with running() as server:
        names = Names(["127.0.0.1", "127.0.0.2"])
        monkeypatch.setattr(socket, "getaddrinfo", names.look_up)
        reply = await post(server.url.replace("127.0.0.1", "localhost"), allowed=("127.0.0.1/32",))
        assert isinstance(reply, Reply)
        assert names.asked == 1
        names = Names(["127.0.0.2", "127.0.0.1"])
        monkeypatch.setattr(socket, "getaddrinfo", names.look_up)
        reply = await post(server.url.replace("127.0.0.1", "localhost"), allowed=("127.0.0.1/32",))
        assert isinstance(reply, NoReply)
        assert reply.why == "address_refused"
        assert len(server.requests) == 1


async def test_a_redirect_is_not_followed() -> None:
    """It is an answer like any other, and the place that it names is not called."""
    async with running() as inside:

        async def redirect(_: web.BaseRequest) -> web.StreamResponse:
            return web.Response(status=307, headers={"Location": inside.url})

        async with running(redirect) as server:
            reply = await post(server.url)
        assert isinstance(reply, Reply)
        assert reply.status == 307
        assert inside.requests == []


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is anything else that this machine's environment says about the way."""
    async with running() as proxy, running() as server:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert isinstance(await post(server.url), Reply)
        assert (len(proxy.requests), len(server.requests)) == (0, 1)


async def test_a_cookie_is_not_kept() -> None:
    """Each call stands alone."""

    async def sets_a_cookie(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(headers={"Set-Cookie": "who=switch; Path=/"})

    async with running(sets_a_cookie) as server, Callbacks(allowed=LOOPBACK) as callbacks:
        for _ in range(2):
            await callbacks.post(
                server.url, participant="one", key=KEY, body=BODY, idempotency_key="1"
            )
        assert all("Cookie" not in request.headers for request in server.requests)
        assert len(server.requests) == 2


async def test_a_huge_answer_is_given_up() -> None:
    """After the bytes that an answer may have; the rest is not read."""
    sent = 0

    async def floods(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while sent < 100 * 1024 * 1024:
            await response.write(b"x" * 65536)
            sent += 65536
        return response

    async with running(floods) as server:
        reply = await post(server.url)
    assert isinstance(reply, NoReply)
    assert reply.why == "answer_too_large"
    assert sent < 50 * 1024 * 1024


async def test_an_answer_that_drips_is_given_up() -> None:
    """The time is that of the whole answer, not that between two bytes."""

    async def drips(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.05)

    async with running(drips) as server, asyncio.timeout(30):
        reply = await post(server.url, timeout_s=0.5)
    assert isinstance(reply, NoReply)
    assert (reply.why, reply.was_sent) == ("timeout", True)


ENDLESS = {
    "a head": (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 8192),
    "interim answers": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: " + b"x" * 8000 + b"\r\n\r\n"),
    "small interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "a chunk's extension": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=",
        b"x" * 8192,
    ),
    "extensions": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1;" + b"x" * 8192 + b"\r\nx\r\n",
    ),
    "trailers": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: ",
        b"x" * 8192,
    ),
}


@pytest.mark.parametrize("what", ENDLESS)
async def test_an_answer_without_end_is_given_up(what: str) -> None:
    """Whatever it consists of: heads and framing are bounded as bodies are, long before time."""
    begin, more = ENDLESS[what]
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begin)
        try:
            while sent < 100 * 1024 * 1024:
                writer.write(more)
                sent += len(more)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(endless, LOOPBACK_ADDRESS, 0)
    port = server.sockets[0].getsockname()[1]
    reply = await post(f"http://{LOOPBACK_ADDRESS}:{port}/", timeout_s=20)
    server.close()
    assert isinstance(reply, NoReply)
    assert reply.why in {"broken", "answer_too_large"}, "the parser has bounds of its own"
    assert reply.was_sent
    assert sent < 50 * 1024 * 1024, "what the kernel holds, and no more"


async def test_an_answer_may_be_as_large_as_it_is_said() -> None:
    """In chunks, with a large head and an interim answer; and the next one over again."""
    body = b"x" * limits.CALLBACK_ANSWER_BYTES_MAX

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(BODY):
                writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: " + b"x" * 4000 + b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n")
                for number in range(8):
                    writer.write(b"X-%d: " % number + b"x" * 4000 + b"\r\n")
                writer.write(b"\r\n")
                for start in range(0, len(body), 1000):
                    piece = body[start : start + 1000]
                    writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                writer.write(b"0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answers, LOOPBACK_ADDRESS, 0)
    port = server.sockets[0].getsockname()[1]
    async with Callbacks(allowed=LOOPBACK) as callbacks:
        for _ in range(3):
            reply = await callbacks.post(
                f"http://{LOOPBACK_ADDRESS}:{port}/",
                participant="one",
                key=KEY,
                body=BODY,
                idempotency_key="1",
            )
            assert isinstance(reply, Reply), reply
            assert (reply.status, reply.body) == (200, body)
    server.close()


async def test_a_certificate_that_the_system_does_not_trust_is_refused(tmp_path: Path) -> None:
    """Nothing is sent to a server that cannot prove its name."""
    certificate, key = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    async with running(context=context) as server:
        reply = await post(f"https://127.0.0.1:{server.port}/")
        assert isinstance(reply, NoReply)
        assert (reply.why, reply.was_sent) == ("unreachable", False)
        assert server.requests == []


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    """And nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    reply = await post(f"http://127.0.0.1:{port}/")
    assert isinstance(reply, NoReply)
    assert (reply.why, reply.was_sent) == ("unreachable", False)
