"""One signed request to a participant's own server, as safe as a call to a stranger's URL can be.

The URL is the participant's, the network the operator's. So: every address is checked when a socket
for it is made, which is after its name was looked up and just before it is connected to; no other
look-up comes between, whatever a name server says next. Only public addresses pass, and those the
operator allows; plain http reaches this machine alone. No redirect is followed, no proxy of the
environment used, no cookie kept; an answer has a bounded size, all that comes with it included, and
a bounded time; TLS certificates are verified against those that the system trusts.

Events are pushed and banks asked with it; what an answer means, and whether its signature counts,
is the caller's business, who gets all that `signing.check_reply` needs.
"""

import asyncio
import functools
import ipaddress
import socket
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Literal, Self

import aiohttp
import msgspec
from aiohttp.client_proto import ResponseHandler
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from switch import config, limits, resolver
from switch.clock import SYSTEM_CLOCK, Clock
from switch.components import BoundRequest
from switch.errors import SwitchError
from switch.signature import SigningKey
from switch.signing import sign_request
from switch.traceparent import FIELD as TRACE_FIELD

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
WhyNot = Literal["address_refused", "unreachable", "timeout", "broken", "answer_too_large"]

# IANA's registries of special-purpose addresses, and multicast: whatever is not a stranger's host.
NOT_PUBLIC = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    )
)
PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")  # IPv4-mapped and -translated ones are beyond it


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What the participant's server answered, unverified; `bound` is what it was asked."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    bound: BoundRequest


class NoReply(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no whole answer, and in words; when `was_sent` it may have been acted upon."""

    why: WhyNot
    detail: str
    was_sent: bool


class AddressRefusedError(PermissionError):
    """No socket is made for this address."""


class Callbacks:
    """Calls participants' servers, over connections that are kept. Use it in `async with`."""

    def __init__(self, *, allowed: Iterable[str] = (), clock: Clock = SYSTEM_CLOCK) -> None:
        self._allowed = tuple(ipaddress.ip_network(text) for text in allowed)
        self._clock = clock
        self._resolver = resolver.Resolver()
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Self:
        self._sessions = {scheme: self._session(scheme) for scheme in ("http", "https")}
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for session in self._sessions.values():
            await session.close()
        self._resolver.end()

    async def post(
        self,
        url: str,
        *,
        participant: str,
        key: SigningKey,
        body: bytes,
        idempotency_key: str,
        traceparent: str | None = None,
        timeout_s: float = limits.CALLBACK_TIMEOUT_S,
    ) -> Reply | NoReply:
        """Send a participant one JSON document, signed; every way to have no answer is a value."""
        resolver.called.set(participant)
        try:
            config.check_server_url(url)
            async with asyncio.timeout(timeout_s):
                return await self._send(URL(url), key, body, idempotency_key, traceparent)
        except (SwitchError, aiohttp.InvalidURL) as error:
            return NoReply(why="address_refused", detail=str(error), was_sent=False)
        except aiohttp.ClientConnectorError as error:
            refused = isinstance(error.os_error, PermissionError)
            why: WhyNot = "address_refused" if refused else "unreachable"
            return NoReply(why=why, detail=str(error), was_sent=False)
        except TimeoutError:
            return NoReply(why="timeout", detail=f"no answer within {timeout_s:g} s", was_sent=True)
        except _TooLargeError as error:
            return NoReply(why="answer_too_large", detail=str(error), was_sent=True)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return NoReply(why="broken", detail=str(error) or repr(error), was_sent=True)

    async def _send(
        self,
        url: URL,
        key: SigningKey,
        body: bytes,
        idempotency_key: str,
        traceparent: str | None,
    ) -> Reply | NoReply:
        """Sign what goes over the wire: the parts of the URL as the client library writes them."""
        authority = url.host_port_subcomponent
        assert authority is not None, "a URL that was checked has a host"
        signed = sign_request(
            key,
            method="POST",
            authority=authority.lower(),
            path=url.raw_path,
            query=url.raw_query_string or None,
            body=body,
            idempotency_key=idempotency_key,
            created=self._clock.now_us() // 1_000_000,
        )
        headers = CIMultiDict(signed.headers)
        headers["Host"] = authority.lower()
        headers["Content-Type"] = "application/json"
        if traceparent is not None:
            headers[TRACE_FIELD] = traceparent
        async with self._sessions[url.scheme].post(
            url, data=body, headers=headers, allow_redirects=False
        ) as response:
            answer = await _bounded(response)
        return Reply(
            status=response.status, headers=response.headers, body=answer, bound=signed.bound
        )

    def _session(self, scheme: str) -> aiohttp.ClientSession:
        def make_socket(found: tuple[Any, ...]) -> socket.socket:
            family, kind, protocol, _, where = found
            self._check(str(where[0]), scheme)
            return socket.socket(family, kind, protocol)

        return aiohttp.ClientSession(
            connector=_BoundedConnector(
                limit=0,  # whoever calls bounds what is under way
                use_dns_cache=False,
                keepalive_timeout=limits.CALLBACK_KEEPALIVE_S,
                resolver=self._resolver,
                socket_factory=make_socket,
            ),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,  # what is bounded are the bytes on the wire
            headers={"Accept": "application/json", "Accept-Encoding": "identity",
                     "User-Agent": "payment-switch"},
        )  # fmt: skip

    def _check(self, host: str, scheme: str) -> None:
        address = ipaddress.ip_address(host)
        if scheme == "http" and not address.is_loopback:
            raise AddressRefusedError(
                f"{address} is not this machine, and plain http goes no further"
            )
        if not is_public(address) and not any(address in network for network in self._allowed):
            raise AddressRefusedError(f"{address} is not public, nor allowed by --callback-allow")


def told(reply: Reply | NoReply) -> tuple[str, str] | None:
    """Why an attempt came to nothing, as a label for metrics and in words; None for a 2xx."""
    if isinstance(reply, NoReply):
        return reply.why, f"{reply.why}: {reply.detail}"[: limits.DETAIL_CHARS_MAX]
    if 200 <= reply.status < 300:
        return None
    return f"status_{reply.status // 100}xx", f"answered {reply.status}"


def is_public(address: Address) -> bool:
    """Whether an address is a unicast one that anybody on the internet may mean."""
    if address.version == 6 and address not in PUBLIC_IPV6:
        return False
    return not any(address in network for network in NOT_PUBLIC)


class _TooLargeError(ValueError):
    """More bytes came than an answer may have."""


class _BoundedHandler(ResponseHandler):
    """aiohttp's side of a connection, broken off when more comes for a request than may.

    It counts what came off the wire before anybody parses it: heads, interim answers, framing of
    chunks, trailers, and what was never asked for.
    """

    _came_bytes = 0  # since the last request

    def set_response_params(self, **parameters: Any) -> None:
        """As aiohttp does when it sends a request."""
        self._came_bytes = 0
        super().set_response_params(**parameters)

    def data_received(self, data: bytes) -> None:
        """As the transport does."""
        self._came_bytes += len(data)
        if self._came_bytes <= limits.CALLBACK_WIRE_BYTES_MAX:
            super().data_received(data)
            return
        if self.transport is not None:
            self.transport.abort()
        error = _TooLargeError(
            f"with all that came with it, the answer is longer than "
            f"{limits.CALLBACK_WIRE_BYTES_MAX} bytes"
        )
        self.set_exception(error)  # for whoever waits for the head
        if self._payload is not None:  # for whoever reads the body
            self._payload.set_exception(error)


class _BoundedConnector(aiohttp.TCPConnector):
    """Connections of that kind; aiohttp has no option for it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        handler: type[ResponseHandler] = _BoundedHandler
        self._factory = functools.partial(handler, loop=self._loop)


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limits.CALLBACK_ANSWER_BYTES_MAX:
            response.close()
            raise _TooLargeError(
                f"the answer is longer than {limits.CALLBACK_ANSWER_BYTES_MAX} bytes"
            )
    return bytes(body)
