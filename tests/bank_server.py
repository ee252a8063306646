"""A bank's own server for tests: a real one on loopback that does what its test tells it.

It keeps what it decided under each key and answers a repeat with the same bytes. A payment that was
reversed is never approved afterwards. How it behaves is asked anew for every request.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from switch.bank_message import BankAnswer
from switch.clock import SYSTEM_CLOCK
from switch.components import BoundRequest
from switch.keyfile import generate_seed
from switch.reply import document
from switch.signature import SigningKey, sign_reply, signing_key
from tests.receivers import running

OF_PATH = {"authorizations": "approved", "credits": "accepted", "reversals": "acknowledged"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request, as it came."""

    path: str
    key: str
    body: bytes
    headers: Any
    attempt: int  # under this key, from 1

    @property
    def json(self) -> dict[str, Any]:
        """The body, decoded."""
        found: dict[str, Any] = json.loads(self.body)
        return found


# How a request fares: `decide`, `decline` and `refuse` answer; `hang` and `drop` do not, having
# decided before with `decide_hang` and `decide_drop`; `decide_unsigned` decides and answers without
# a signature. A number is a status without a decision; `unsigned`, `forged`, `other_amount`,
# `other_payment` and `other_decision` are no answers either.
Behave = Callable[[Asked], str]


def decides(_: Asked) -> str:
    """Everything is welcome."""
    return "decide"


@dataclass(slots=True, kw_only=True)
class BankServer:
    """What a bank was asked, and what it decided."""

    key: SigningKey
    behave: Behave = decides
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    kept: dict[str, tuple[bytes, str]] = field(default_factory=dict)  # by key: request, decision
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    may_decide: dict[str, asyncio.Event] = field(default_factory=dict)  # by path
    at_once: int = 0
    at_once_most: int = 0

    def __post_init__(self) -> None:
        self.may_answer.set()
        self.may_decide = {path: asyncio.Event() for path in OF_PATH}
        for event in self.may_decide.values():
            event.set()

    @property
    def url(self) -> str:
        """Where the switch calls it."""
        return f"http://127.0.0.1:{self.port}/switch"

    def of(self, path: str, payment: str | None = None) -> list[Asked]:
        """What was asked at a path, of one payment where one is named."""
        return [
            one for one in self.asked if one.path == path and payment in (None, one.json["payment"])
        ]

    def decision(self, path: str, payment: str) -> str | None:
        """What it has decided, None for nothing."""
        kept = self.kept.get(f"{path}-{payment}")
        return None if kept is None else kept[1]

    @property
    def balances(self) -> Counter[str]:
        """What its accounts have gained or lost: its own view of the books."""
        balances: Counter[str] = Counter()
        for key, (body, decision) in self.kept.items():
            said = json.loads(body)
            if decision == "approved" and self.decision("reversals", said["payment"]) is None:
                balances[said["account"]] -= said["amount"]
            if decision == "accepted":
                balances[said["account"]] += said["amount"]
            assert key.endswith(said["payment"])
        return balances

    async def receive(self, request: web.BaseRequest) -> web.StreamResponse:
        """Note one request and do with it what is to be done."""
        key = request.headers["Idempotency-Key"].strip('"')
        one = Asked(
            path=request.path.rpartition("/")[2],
            key=key,
            body=await request.read(),
            headers=request.headers,
            attempt=1 + sum(earlier.key == key for earlier in self.asked),
        )
        self.asked.append(one)
        self.at_once += 1
        self.at_once_most = max(self.at_once_most, self.at_once)
        try:
            await self.may_decide[one.path].wait()
            return await self._fare(request, one, self.behave(one))
        finally:
            self.at_once -= 1

    async def _fare(self, request: web.BaseRequest, one: Asked, how: str) -> web.StreamResponse:
        if how.isdigit():
            return web.Response(status=int(how))
        if how.startswith(("decide", "decline", "refuse")):
            decision = self._decide(one, how)
            if decision is None:
                return web.Response(status=422)
        else:
            decision = OF_PATH[one.path]
        if how.endswith("hang"):
            await asyncio.Event().wait()
        if how.endswith("drop"):
            assert request.transport is not None
            request.transport.abort()
            await asyncio.Event().wait()
        await self.may_answer.wait()
        return self._answer(request, one, decision, how)

    def _decide(self, one: Asked, how: str) -> str | None:
        """What was decided before, or what is now; None for a key of another request."""
        kept = self.kept.get(one.key)
        if kept is not None:
            return kept[1] if kept[0] == one.body else None
        decision = {"decline": "declined", "refuse": "refused"}.get(how, OF_PATH[one.path])
        if decision == "approved" and self.decision("reversals", one.json["payment"]):
            decision = "declined"
        self.kept[one.key] = (one.body, decision)
        return decision

    def _answer(
        self, request: web.BaseRequest, one: Asked, decision: str, how: str
    ) -> web.StreamResponse:
        said = one.json
        answer = BankAnswer(
            payment="0192f0c2-7b40-7d31-a1c4-0f3b2d9c8e03"
            if how == "other_payment"
            else said["payment"],
            decision="refused" if how == "other_decision" else decision,  # type: ignore[arg-type]
            amount=said["amount"] + (how == "other_amount"),
            currency=said["currency"],
        )
        body = document(answer).body
        key = signing_key(self.key.key_id, generate_seed()) if how == "forged" else self.key
        headers = sign_reply(
            key,
            status=200,
            body=body,
            bound=BoundRequest(
                method="POST",
                path=request.raw_path,
                query=None,
                content_digest=one.headers["Content-Digest"],
                idempotency_key=one.headers["Idempotency-Key"],
            ),
            created=SYSTEM_CLOCK.now_us() // 1_000_000,
        )
        return web.Response(
            status=200,
            body=body,
            headers={} if how.endswith("unsigned") else headers,
            content_type="application/json",
        )


@asynccontextmanager
async def serving_bank(bank: BankServer, *, port: int = 0) -> AsyncIterator[BankServer]:
    """The bank's server while the block lasts."""
    async with running(bank.receive, port=port) as server:
        bank.port = server.port
        yield bank
