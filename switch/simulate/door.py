"""Who calls: the door of a participant's server, which lets in what the switch has signed.

The checks are those of the switch itself, from the other side: the authority is one of one's own
names, the signature by a published key of the switch that was valid, young enough, over all that
the request says. Whatever is turned away gets an unsigned answer that promises nothing; what is let
in gets a signed one.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import aiohttp
from aiohttp import web
from msgspec import Struct

from switch import keyfile, limits
from switch.clock import Clock
from switch.components import BoundRequest
from switch.config import normal_authority
from switch.digest import check_digest
from switch.errors import Problem, SwitchError
from switch.keyfile import PublicKey
from switch.signature import Candidate, check_age, find_candidate, parse_idempotency_key, verify


class Asked(Struct, frozen=True, kw_only=True):
    """A verified request of the switch."""

    path: str
    key: str  # the idempotency key
    body: bytes
    bound: BoundRequest  # what the answer is bound to


class SwitchKeys:
    """The switch's published keys, from a file or a URL, read again when one is not known."""

    def __init__(self, source: str, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._keys: Mapping[str, PublicKey] = {}
        self._read_at_s = float("-inf")
        self._reading = asyncio.Lock()
        self.error: str | None = None  # why they could not be read the last time

    def get(self, key_id: str) -> PublicKey | None:
        """A key that was read."""
        return self._keys.get(key_id)

    async def read_again(self) -> bool:
        """Whether they were read, now or by somebody else while this waited."""
        asked_at_s = self._clock.monotonic_s()
        async with self._reading:
            if self._read_at_s >= asked_at_s:
                return True
            if asked_at_s - self._read_at_s < limits.CLIENT_KEYS_REFETCH_S:
                return False
            try:
                self._keys = keyfile.parse_jwks(await _document(self._source))
            except (SwitchError, OSError, aiohttp.ClientError, TimeoutError) as error:
                self.error = str(error) or type(error).__name__
                return False  # the next request that needs them tries again
            self.error = None
            self._read_at_s = self._clock.monotonic_s()
            return True


class Door:
    """Lets requests in, or says why not."""

    def __init__(self, keys: SwitchKeys, authorities: tuple[str, ...], clock: Clock) -> None:
        self._keys = keys
        self._authorities = authorities
        self._clock = clock

    async def admit(self, request: web.Request) -> Asked | Problem:
        """The request, verified whole; the body is read once the headers are in order."""
        candidate = await self._candidate(request)
        if isinstance(candidate, Problem):
            return candidate
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return Problem(name="body-too-large", detail="the switch sends no such body")
        digest = check_digest(candidate.bound.content_digest, body)
        if isinstance(digest, Problem):
            return digest
        key = self._keys.get(candidate.key_id)
        if key is None or not verify(candidate, key.public_key):
            return Problem(name="signature-invalid", detail="the signature does not verify")
        idempotency_key = parse_idempotency_key(candidate.bound.idempotency_key)
        if isinstance(idempotency_key, Problem):
            return idempotency_key
        return Asked(
            path=candidate.bound.path, key=idempotency_key, body=body, bound=candidate.bound
        )

    async def _candidate(self, request: web.Request) -> Candidate | Problem:
        """The signature to verify, by all that the headers tell."""
        found = self._find(request)
        if isinstance(found, Problem) and found.name == "key-unknown":
            found = self._find(request) if await self._keys.read_again() else found
        if isinstance(found, Problem):
            return found
        problem = check_age(
            found,
            now_us=self._clock.now_us(),
            age_s_max=limits.SIGNATURE_AGE_S_MAX,
            ahead_s_max=limits.SIGNATURE_AHEAD_S_MAX,
        )
        if problem is not None:
            return problem
        key = self._keys.get(found.key_id)
        if key is None or not key.was_valid_in(found.created):
            return Problem(name="key-not-valid", detail="the key was not valid at that time")
        return found

    def _find(self, request: web.Request) -> Candidate | Problem:
        hosts = request.headers.getall("Host", [])
        authority = normal_authority(hosts[0], scheme="http") if len(hosts) == 1 else ""
        if authority not in self._authorities:
            return Problem(name="wrong-authority", detail="this server has another name")
        path, mark, query = request.raw_path.partition("?")
        return find_candidate(
            method=request.method,
            authority=authority,
            path=path,
            query=query if mark else None,
            headers=request.headers,
            has_body=request.body_exists,
            is_known_key=lambda key_id: self._keys.get(key_id) is not None,
            scheme="http",
        )


async def _document(source: str) -> bytes:
    """The JWK set at a URL or in a file, bounded."""
    if source.startswith(("http://", "https://")):
        content = await _fetched(source)
    else:
        content = await asyncio.to_thread(Path(source).read_bytes)
    if len(content) > limits.JWKS_BYTES_MAX:
        raise SwitchError(f"{source} is longer than {limits.JWKS_BYTES_MAX} bytes")
    return content


async def _fetched(url: str) -> bytes:
    timeout = aiohttp.ClientTimeout(total=limits.CONNECT_TIMEOUT_S)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(url, allow_redirects=False) as answer,
    ):
        if answer.status != 200:
            raise SwitchError(f"{url} answered {answer.status}")
        content = bytearray()
        async for piece in answer.content.iter_any():
            content += piece
            if len(content) > limits.JWKS_BYTES_MAX:
                break
        return bytes(content)
