"""A signed request and a trusted answer, whatever happens in between: what the client stands on.

The network loses requests, answers and both; the switch refuses when it is full. Here is the one
loop that goes on with the same idempotency key until there is an answer signed by the switch to
this very request, a refusal that repeating cannot change, or no time left. An answer without the
switch's signature says nothing, not even that nothing was decided. How an unhappy end is told:

    ProblemError      the switch refused, signed: nothing was decided
    OutcomeUnknown    it may have been decided: the same request with the same key settles it
    Unreachable       nothing was decided by this call: a look-up, or a request that never left
"""

import asyncio
import random
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import aiohttp
import msgspec
from msgspec.structs import replace
from multidict import CIMultiDict
from yarl import URL

from switch import keyfile
from switch.clock import SYSTEM_CLOCK, Clock
from switch.errors import PROBLEMS, Problem, SwitchError
from switch.keyfile import PublicKey
from switch.limits import (
    CLIENT_ANSWER_BYTES_MAX,
    CLIENT_ATTEMPT_TIMEOUT_S,
    CLIENT_ATTEMPTS_MAX,
    CLIENT_BACKOFF_S_MAX,
    CLIENT_BACKOFF_S_MIN,
    CLIENT_CONNECTIONS_MAX,
    CLIENT_DEADLINE_S,
    CLIENT_KEYS_REFETCH_S,
    CLIENT_UNSIGNED_REFUSALS_S,
    DETAIL_CHARS_MAX,
)
from switch.signature import SigningKey
from switch.signing import check_reply, sign_request

JWKS_PATH = "/.well-known/jwks.json"
PROBLEM_TYPE = "urn:switch:problem:"

# Refusals that are worth repeating, and those of them that say "surely not decided".
RETRIED = frozenset({409, 429, 500, 502, 503, 504})
NOT_DECIDED = frozenset({429, 503})
# Refusals of the request as it stands: an earlier attempt with the same bytes had no other fate.
OF_THE_BYTES = frozenset({400, 404, 405, 413, 415, 422})


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One request, the same over all attempts; path and query percent-encoded."""

    method: str
    path: str
    query: str | None = None
    body: bytes | None = None
    idempotency_key: str | None = None
    new_key: SigningKey | None = None  # signs as well, to be introduced
    media_type: str = "application/json"  # of the body


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that the switch signed to this very request."""

    status: int
    body: bytes
    retry_after_s: float = 0.0
    follows_doubt: bool = False  # an attempt before this one may have been decided as well


class Untrusted(msgspec.Struct, frozen=True, kw_only=True):
    """No answer, or none to be trusted. `sent`: the switch may have seen the request."""

    detail: str
    sent: bool
    refused: bool = False  # an unsigned 4xx: repeating is hardly going to help


class ClientError(Exception):
    """What a call of the client can end with instead of a result."""


class ProblemError(ClientError):
    """The switch refused, in a signed answer; `problem` says why. Nothing was decided."""

    def __init__(self, problem: Problem) -> None:
        where = f" (field {problem.field})" if problem.field else ""
        super().__init__(f"{problem.name}: {problem.detail}{where}")
        self.problem = problem


class OutcomeUnknown(ClientError):  # noqa: N818  the contract's word for it
    """The request may or may not have been decided.

    Sending the same request with the same `key` again settles it: it is decided once, whichever
    attempt arrived first. Until then, nothing that depends on the outcome may be assumed.
    """

    def __init__(self, key: str, detail: str) -> None:
        super().__init__(
            f"outcome unknown: {detail}; to settle it, send the same request with the same "
            f"idempotency key {key!r} again"
        )
        self.key = key


class Unreachable(ClientError):  # noqa: N818  a state, like the one above
    """There was no trusted answer, and nothing was decided by this call."""


class Exchange:
    """Signed requests of one participant to one switch, over connections that are kept."""

    def __init__(
        self,
        url: str,
        key: SigningKey,
        *,
        switch_keys: Mapping[str, PublicKey] | None = None,
        deadline_s: float = CLIENT_DEADLINE_S,
        connections_max: int = CLIENT_CONNECTIONS_MAX,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._origin = _origin(url)
        self._authority = self._origin.host_port_subcomponent or ""
        self._key = key
        self._pinned = switch_keys is not None
        self._switch_keys = dict(switch_keys or {})
        self._fetched_s = -CLIENT_KEYS_REFETCH_S
        self._fetching = asyncio.Lock()
        self.deadline_s = deadline_s  # of one call with all its attempts, unless told otherwise
        self._connections_max = connections_max
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        assert self._session is None, "an exchange is entered once"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections_max),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # the digest is that of the bytes on the wire
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def settle(self, order: Order, *, deadline_s: float | None = None) -> Answer:
        """Send until there is a trusted answer below 300; every other end is a ClientError."""
        begun_s = self._clock.monotonic_s()
        ends_s = begun_s + (self.deadline_s if deadline_s is None else deadline_s)
        doubtful = False  # whether an attempt may have been decided without our knowing
        last: Answer | Untrusted = Untrusted(detail="there was no time for an attempt", sent=False)
        for attempt in range(CLIENT_ATTEMPTS_MAX):
            now_s = self._clock.monotonic_s()
            if now_s >= ends_s:
                break
            last = await self._attempt(order, min(CLIENT_ATTEMPT_TIMEOUT_S, ends_s - now_s))
            if isinstance(last, Answer) and last.status < 300:
                return replace(last, follows_doubt=doubtful)
            doubtful = doubtful or _leaves_doubt(last)
            waited_s = self._clock.monotonic_s() - begun_s
            if not _is_worth_repeating(last, waited_s):
                break
            pause_s = backoff_s(attempt, last.retry_after_s if isinstance(last, Answer) else 0.0)
            if self._clock.monotonic_s() + pause_s >= ends_s:
                break
            await asyncio.sleep(pause_s)
        raise _unhappy_end(order, last, doubtful)

    async def _attempt(self, order: Order, timeout_s: float) -> Answer | Untrusted:
        """One request over the wire, its answer checked."""
        assert self._session is not None, "use the client in `async with`"
        try:
            async with asyncio.timeout(timeout_s):
                if not self._switch_keys:
                    await self._fetch_keys()
                return await self._send(self._session, order)
        except aiohttp.ClientConnectorError as error:
            return Untrusted(detail=f"no connection: {error}", sent=False)
        except TimeoutError:
            return Untrusted(detail=f"no answer within {timeout_s:.3g} s", sent=True)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Untrusted(detail=f"the connection broke: {error or repr(error)}", sent=True)
        except SwitchError as error:
            return Untrusted(detail=f"{JWKS_PATH}: {error}", sent=False)

    async def _send(self, session: aiohttp.ClientSession, order: Order) -> Answer | Untrusted:
        signed = sign_request(
            self._key,
            method=order.method,
            authority=self._authority,
            path=order.path,
            query=order.query,
            body=order.body,
            idempotency_key=order.idempotency_key,
            created=self._clock.now_us() // 1_000_000,
            new_key=order.new_key,
        )
        headers = CIMultiDict(signed.headers)
        if order.body is not None:
            headers["Content-Type"] = order.media_type
        url = self._target(order.path, order.query)
        async with session.request(
            order.method, url, data=order.body, headers=headers, allow_redirects=False
        ) as response:
            body = await _bounded_body(response)
        fault = check_reply(
            status=response.status,
            headers=response.headers,
            body=body,
            bound=signed.bound,
            keys=self._switch_keys,
            now_us=self._clock.now_us(),
        )
        if fault is not None and fault.unknown_key and await self._fetch_new_keys():
            return await self._send(session, order)
        if fault is not None:
            return _untrusted(response.status, body, fault.detail)
        return Answer(
            status=response.status,
            body=body,
            retry_after_s=_retry_after_s(response.headers.get("Retry-After")),
        )

    async def _fetch_new_keys(self) -> bool:
        """After an answer by an unknown key: whether the published keys were fetched again."""
        waited_s = self._clock.monotonic_s() - self._fetched_s
        if self._pinned or waited_s < CLIENT_KEYS_REFETCH_S:
            return False
        await self._fetch_keys()
        return True

    async def _fetch_keys(self) -> None:
        """The switch's published keys; many callers wait for one fetch."""
        assert self._session is not None, "use the client in `async with`"
        asked_s = self._clock.monotonic_s()
        async with self._fetching:
            if self._fetched_s >= asked_s:
                return
            url = self._target(JWKS_PATH, None)
            async with self._session.get(url, allow_redirects=False) as response:
                body = await _bounded_body(response)
            if response.status != 200:
                raise SwitchError(f"is answered with {response.status}")
            self._switch_keys = keyfile.parse_jwks(body)
            self._fetched_s = self._clock.monotonic_s()

    def _target(self, path: str, query: str | None) -> URL:
        """The URL of a target, never normalised: what is signed is what is sent."""
        target = path if query is None else f"{path}?{query}"
        return URL(f"{self._origin}{target}", encoded=True)


def _origin(url: str) -> URL:
    parsed = URL(url)
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.path not in ("", "/"):
        raise SwitchError(f"{url!r} is not the URL of a switch: expected http(s)://HOST[:PORT]")
    return parsed.origin()


async def _bounded_body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > CLIENT_ANSWER_BYTES_MAX:
            response.close()
            raise ValueError(f"the answer is longer than {CLIENT_ANSWER_BYTES_MAX} bytes")
    return bytes(body)


def _untrusted(status: int, body: bytes, fault: str) -> Untrusted:
    """An unsigned answer, quoted for the person who has to find out why."""
    problem = parse_problem(status, body)
    detail = f"the answer {status} {problem.name} ({problem.detail}) is not to be trusted: {fault}"
    return Untrusted(
        detail=detail, sent=True, refused=400 <= status < 500 and status not in RETRIED
    )


def parse_problem(status: int, body: bytes) -> Problem:
    """The problem in an answer's body (RFC 9457); unknown names become `internal-error`."""
    try:
        fields = msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        fields = {}
    name = str(fields.get("type", "")).removeprefix(PROBLEM_TYPE)
    field = fields.get("field")
    known = name if name in PROBLEMS else "internal-error"
    detail = str(fields.get("detail") or fields.get("title") or f"status {status}")
    return Problem(
        name=known,
        detail=detail[:DETAIL_CHARS_MAX],
        field=field if isinstance(field, str) else None,
    )


def _is_worth_repeating(last: Answer | Untrusted, waited_s: float) -> bool:
    if isinstance(last, Answer):
        return last.status in RETRIED
    # A key that was registered a moment ago is known to every worker within a second.
    return not last.refused or waited_s < CLIENT_UNSIGNED_REFUSALS_S


def _leaves_doubt(last: Answer | Untrusted) -> bool:
    """Whether the switch may have decided, or be about to, without our knowing."""
    return last.sent if isinstance(last, Untrusted) else last.status in RETRIED - NOT_DECIDED


def backoff_s(attempt: int, asked_s: float) -> float:
    """Exponential with full jitter, so that clients that failed together do not return together.

    `asked_s` is what the switch asked for (Retry-After); that comes before.
    """
    ceiling_s = min(CLIENT_BACKOFF_S_MAX, CLIENT_BACKOFF_S_MIN * 2 ** min(attempt, 16))
    jittered_s = random.uniform(CLIENT_BACKOFF_S_MIN / 2, ceiling_s)  # noqa: S311  no secret
    return asked_s + jittered_s


def _retry_after_s(field: str | None) -> float:
    """Seconds of a Retry-After field; dates and nonsense count as none."""
    return float(field) if field and field.isascii() and field.isdigit() and len(field) < 6 else 0.0


def _unhappy_end(order: Order, last: Answer | Untrusted, doubtful: bool) -> ClientError:
    key = order.idempotency_key
    if isinstance(last, Untrusted):
        if key is None or not doubtful:
            return Unreachable(last.detail)
        return OutcomeUnknown(key, last.detail)
    problem = parse_problem(last.status, last.body)
    if key is None or not doubtful or last.status in OF_THE_BYTES:
        return ProblemError(problem)
    return OutcomeUnknown(key, f"{problem.name}: {problem.detail}")
