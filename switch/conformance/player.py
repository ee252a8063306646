"""Plays the switch: sends what it is given, as it is, and tells what came back.

Requests are sent again after 429, 5xx and a broken connection, as the switch would. What was
answered to true ones is kept, so that a check can judge all of a run.
"""

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

import aiohttp
from msgspec import Struct
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from switch import config, limits
from switch.bank_message import Authorization, Credit, Reversal
from switch.clock import Clock
from switch.components import BoundRequest
from switch.digest import digest_field
from switch.errors import SwitchError
from switch.keyfile import PublicKey
from switch.signature import ALGORITHM, SigningKey, sign_bytes
from switch.structured import serialise_string

USUAL = ("@method", "@authority", "@path", "content-digest", "idempotency-key")
Asked = Authorization | Credit | Reversal


class Target(Struct, frozen=True, kw_only=True):
    """Where a request goes, in the parts that are signed."""

    url: URL
    authority: str
    path: str
    query: str | None


class Sent(Struct, frozen=True, kw_only=True):
    """A request as it goes over the wire."""

    headers: Mapping[str, str]
    body: bytes
    bound: BoundRequest


class Heard(Struct, frozen=True, kw_only=True):
    """What came back; without a status there was no whole answer, and `detail` says why."""

    status: int | None
    headers: CIMultiDictProxy[str]
    body: bytes
    bound: BoundRequest
    at_us: int  # when: a signature is judged by that time, however long the run lasts
    took_s: float
    detail: str
    asked: Asked | None = None  # what it was about, of a request to a bank

    @property
    def is_refusal(self) -> bool:
        """Whether it says that the request was wrong."""
        return self.status is not None and 400 <= self.status < 500 and self.status != 429

    @property
    def is_worth_repeating(self) -> bool:
        """Whether the switch would ask again."""
        return self.detail != TIMED_OUT and (
            self.status is None or self.status == 429 or self.status >= 500
        )

    @property
    def short(self) -> str:
        """What came back, in a few words."""
        if self.status is None:
            return self.detail
        text = self.body[: limits.CONFORMANCE_QUOTED_BYTES].decode("utf-8", "replace")
        return f"answered {self.status} {text}".strip()


TIMED_OUT = f"gave no answer within {limits.CALLBACK_TIMEOUT_S:g} s"


class Player:
    """Sends requests to one server. Use it in `async with`."""

    def __init__(self, url: str, key: SigningKey, clock: Clock) -> None:
        config.check_server_url(url)
        self._base = URL(url, encoded=True)
        self._session: aiohttp.ClientSession | None = None
        self._clock = clock
        self.key = key
        self.kept: list[Heard] = []  # answers to true requests

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    def target(self, path: str) -> Target:
        """A path below the server's URL; empty for that URL itself."""
        raw = self._base.raw_path.rstrip("/") + path if path else self._base.raw_path
        url = self._base.with_path(raw or "/", encoded=True, keep_query=True)
        authority = (url.host_port_subcomponent or "").lower()
        return Target(
            url=url, authority=authority, path=url.raw_path, query=url.raw_query_string or None
        )

    def now_s(self) -> int:
        """Unix seconds."""
        return self._clock.now_us() // 1_000_000

    async def ask(
        self,
        target: Target,
        body: bytes,
        idempotency_key: str,
        asked: Asked | None = None,
        key: SigningKey | None = None,
    ) -> Heard:
        """Send one as the switch does, signed anew for each attempt, and keep what came back."""
        signer = self.key if key is None else key

        def made() -> Sent:
            return sign_over(
                signer, target, body, idempotency_key, created=self.now_s(), components=USUAL
            )

        heard = await self.settle(target, made, asked)
        self.kept.append(heard)
        return heard

    async def settle(
        self, target: Target, make: Callable[[], Sent], asked: Asked | None = None
    ) -> Heard:
        """Send until there is an answer that stands, within a few attempts; the last of them."""
        heard = await self._send(target, make(), asked)
        for _ in range(limits.CONFORMANCE_ATTEMPTS_MAX - 1):
            if not heard.is_worth_repeating:
                break
            await asyncio.sleep(limits.CONFORMANCE_PAUSE_S)
            heard = await self._send(target, make(), asked)
        return heard

    async def _send(self, target: Target, sent: Sent, asked: Asked | None) -> Heard:
        """Send exactly this, once."""
        assert self._session is not None, "use it in `async with`"
        begun_s = self._clock.monotonic_s()
        status: int | None = None
        headers: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
        body, detail = b"", ""
        fields = {"Host": target.authority, "Content-Type": "application/json", **sent.headers}
        try:
            async with (
                asyncio.timeout(limits.CALLBACK_TIMEOUT_S),
                self._session.post(
                    target.url, data=sent.body, headers=fields, allow_redirects=False
                ) as answer,
            ):
                body = await _bounded(answer)
                status, headers = answer.status, answer.headers
        except TimeoutError:
            detail = TIMED_OUT
        except (aiohttp.ClientError, OSError, ValueError) as error:
            detail = f"gave no answer: {error or type(error).__name__}"
        took_s = self._clock.monotonic_s() - begun_s
        return Heard(
            status=status, headers=headers, body=body, bound=sent.bound,
            at_us=self._clock.now_us(), took_s=took_s, detail=detail, asked=asked,
        )  # fmt: skip


def sign_over(
    key: SigningKey,
    target: Target,
    body: bytes,
    idempotency_key: str,
    *,
    created: int,
    components: tuple[str, ...],
    expires: int | None = None,
) -> Sent:
    """Sign a request over some components, which may be fewer than the switch covers."""
    digest, quoted_key = digest_field(body), serialise_string(idempotency_key)
    values = {
        "@method": "POST",
        "@authority": target.authority,
        "@path": target.path,
        "content-digest": digest,
        "idempotency-key": quoted_key,
    }
    covered = {name: values[name] for name in components}
    if target.query is not None:
        covered["@query"] = f"?{target.query}"
    end = "" if expires is None else f";expires={expires}"
    names = " ".join(f'"{name}"' for name in covered)
    parameters = f'({names});created={created}{end};keyid="{key.key_id}";alg="{ALGORITHM}"'
    lines = "".join(f'"{name}": {value}\n' for name, value in covered.items())
    base = f'{lines}"@signature-params": {parameters}'
    headers = {
        "Content-Digest": digest,
        "Idempotency-Key": quoted_key,
        "Signature-Input": f"sig={parameters}",
        "Signature": f"sig={sign_bytes(base.encode('ascii'), key)}",
    }
    bound = BoundRequest(
        method="POST",
        path=target.path,
        query=target.query,
        content_digest=digest,
        idempotency_key=quoted_key,
    )
    return Sent(headers=headers, body=body, bound=bound)


def participant_keys(pairs: Mapping[str, bytes]) -> dict[str, PublicKey]:
    """Public keys by their ids, as the switch holds those of a participant."""
    if not pairs:
        raise SwitchError("a bank's answers are signed: give --participant-key KEYID=FILE")
    return {key_id: PublicKey(key_id=key_id, public_key=key) for key_id, key in pairs.items()}


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > limits.CALLBACK_ANSWER_BYTES_MAX:
            answer.close()
            raise ValueError(f"it is longer than {limits.CALLBACK_ANSWER_BYTES_MAX} bytes")
    return bytes(body)
