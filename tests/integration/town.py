"""A switch of one worker in this process, with participants whose keys the test holds.

Real HTTP over loopback, the real ledger; every answer to a verified request is checked against the
switch's keys as a participant would check it.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
from prometheus_client import CollectorRegistry
from yarl import URL

from switch import keyfile, limits
from switch.admin import Operator, connected
from switch.app import App
from switch.clock import SYSTEM_CLOCK
from switch.config import Config, known_authorities
from switch.keyfile import PublicKey
from switch.signature import SigningKey, signing_key
from switch.signing import SignedRequest, check_reply, sign_request
from tests.databases import WORKER, Database

HOST = "127.0.0.1"
CURRENCY = "CNY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer as it came."""

    status: int
    headers: Any  # case-insensitive, a field may stand several times
    body: bytes
    is_signed: bool

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def problem(self) -> str:
        """The name of the problem."""
        assert self.headers["Content-Type"] == "application/problem+json", self.body
        return str(self.json["type"]).removeprefix("urn:switch:problem:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A participant and its key."""

    id: str
    key: SigningKey


@dataclass(slots=True, kw_only=True)
class Place:
    """A switch somewhere, seen over HTTP, and its operator."""

    port: int
    database: Database
    operator: Operator
    session: aiohttp.ClientSession
    switch_keys: dict[str, PublicKey] = field(default_factory=dict)

    @property
    def authority(self) -> str:
        """The name that participants sign for."""
        return f"{HOST}:{self.port}"

    async def member(self, kind: str) -> Member:
        """A new participant with a key that is valid at once; its feed is empty so far."""
        name = f"{kind}-{uuid4().hex[:12]}"
        seed = keyfile.generate_seed()
        await self.operator.add_participant(name, kind=kind)
        await self.operator.add_key(f"{name}/one", keyfile.public_key(seed))
        await self.operator.connection.execute("DELETE FROM ledger.outbox WHERE kind = 4")
        made = Member(id=name, key=signing_key(f"{name}/one", seed))
        await self.until_known(made)
        return made

    async def until_known(self, member: Member) -> None:
        """Wait until whoever answers knows the key that the operator has just added."""
        await eventually(lambda: self.send(member, "GET", "/v1/accounts"), 200)

    async def account(
        self,
        holder: Member,
        kind: str,
        *,
        balance: int = 0,
        currency: str = CURRENCY,
        floor: int = 0,
        tier: str | None = None,
        reference: str | None = None,
    ) -> str:
        """A new account, opened by the operator, with money in it."""
        account = await self.operator.open_account(
            participant=holder.id,
            kind=kind,
            currency=currency,
            floor=floor,
            tier=tier,
            reference=reference,
        )
        if balance:
            await self.operator.issue(account, balance, reason="test")
        return str(account)

    async def send(
        self,
        sender: Member,
        method: str,
        target: str,
        *,
        content: Any = None,
        body: bytes | None = None,
        key: str | None = None,
        new_key: SigningKey | None = None,
        created: int | None = None,
        authority: str | None = None,
        changed: dict[str, str] | None = None,
        sent_target: str | None = None,
        sent_body: bytes | None = None,
        sent_method: str | None = None,
    ) -> Reply:
        """Sign a request and send it, perhaps changed on the way; check the answer's signature."""
        if content is not None:
            body = json.dumps(content).encode()
        path, mark, query = target.partition("?")
        request = sign_request(
            sender.key,
            method=method,
            authority=authority or self.authority,
            path=path,
            query=query if mark else None,
            body=body,
            idempotency_key=key,
            created=SYSTEM_CLOCK.now_us() // 1_000_000 if created is None else created,
            new_key=new_key,
        )
        headers = request.headers | {"Host": authority or self.authority}
        if body is not None:
            headers["Content-Type"] = "application/json"
        headers |= changed or {}
        return await self.raw(
            sent_method or method,
            sent_target or target,
            headers=headers,
            body=body if sent_body is None else sent_body,
            signed=request,
        )

    async def raw(
        self,
        method: str,
        target: str,
        *,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        signed: SignedRequest | None = None,
    ) -> Reply:
        """Send exactly this; a signed answer must be good, and only a verified request gets one."""
        url = URL(f"http://{HOST}:{self.port}{target}", encoded=True)
        async with self.session.request(
            method, url, headers=headers, data=body, skip_auto_headers=("Content-Type",)
        ) as answer:
            content = await answer.read()
            is_signed = "Signature" in answer.headers
            if is_signed:
                assert signed is not None, "an unsigned request got a signed answer"
                fault = check_reply(
                    status=answer.status,
                    headers=answer.headers,
                    body=content,
                    bound=signed.bound,
                    keys=await self.keys(answer.headers["Signature-Input"]),
                    now_us=SYSTEM_CLOCK.now_us(),
                )
                assert fault is None, fault
            return Reply(
                status=answer.status, headers=answer.headers, body=content, is_signed=is_signed
            )

    async def keys(self, signature_input: str) -> dict[str, PublicKey]:
        """The switch's published keys, asked for again when an answer names an unknown one."""
        if not any(f'keyid="{key_id}"' in signature_input for key_id in self.switch_keys):
            answer = await self.raw("GET", "/.well-known/jwks.json")
            self.switch_keys = keyfile.parse_jwks(answer.body)
        return self.switch_keys

    async def pay(
        self,
        sender: Member,
        payer: str,
        payee: str,
        amount: int,
        *,
        key: str | None = None,
        **more: Any,
    ) -> Reply:
        """One payment; a purchase in the usual currency unless told otherwise."""
        content = payment(payer, payee, amount, **more)
        return await self.send(
            sender, "POST", "/v1/payments", content=content, key=key or uuid4().hex
        )

    async def step(
        self,
        sender: Member,
        parent: str,
        kind: str,
        content: dict[str, Any] | None = None,
        *,
        key: str | None = None,
    ) -> Reply:
        """A capture, void or refund of a payment; without content it has no body."""
        target = f"/v1/payments/{parent}/{kind}"
        return await self.send(sender, "POST", target, content=content, key=key or uuid4().hex)

    async def bar(self, sender: Member, key: str) -> Reply:
        """Bar a key of the sender."""
        content = {"idempotency_key": key}
        return await self.send(sender, "POST", "/v1/payments/bar", content=content, key=key)

    async def shown(self, reader: Member, payment_id: str) -> Any:
        """A payment or a step as it is now."""
        reply = await self.send(reader, "GET", f"/v1/payments/{payment_id}")
        assert reply.status == 200, reply.body
        return reply.json

    async def balance(self, holder: Member, account: str) -> tuple[int, int]:
        """What the holder is told that it has, and what of it is held."""
        now = (await self.send(holder, "GET", f"/v1/accounts/{account}")).json
        assert now["available"] == now["balance"] - now["held"] - now["floor"]
        return now["balance"], now["held"]


@dataclass(slots=True, kw_only=True)
class Town(Place):
    """One worker in this process, its operator, and an HTTP client."""

    app: App
    registry: CollectorRegistry
    key_dir: Path

    async def until_known(self, member: Member) -> None:
        """Wait until the worker knows the key that the operator has just added."""
        await until(lambda: self.app.participants.is_known(member.key.key_id), "the key is known")


def payment(payer: str, payee: str, amount: int, **more: Any) -> dict[str, Any]:
    """The body of a payment."""
    content = {
        "type": "transfer",
        "payer": payer,
        "payee": payee,
        "amount": amount,
        "currency": CURRENCY,
    }
    return content | more


async def eventually(
    ask: Callable[[], Awaitable[Reply]], status: int, *, within_s: float = 10.0
) -> Reply:
    """Ask until the answer has this status: a change takes a moment to reach a worker."""
    async with asyncio.timeout(within_s):
        while True:
            reply = await ask()
            if reply.status == status:
                return reply
            await asyncio.sleep(0.01)


async def until(condition: Callable[[], bool], what: str, *, within_s: float = 10.0) -> None:
    """Wait until something holds; a generous bound, and its words when it never does."""
    give_up_at_s = SYSTEM_CLOCK.monotonic_s() + within_s
    while not condition():
        assert SYSTEM_CLOCK.monotonic_s() < give_up_at_s, f"waited in vain: {what}"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def open_town(
    database: Database, folder: Path, *, database_url: str | None = None, **settings: Any
) -> AsyncIterator[Town]:
    """Start a worker on a migrated database, with a signing key, and end it afterwards.

    `database_url` is how the worker reaches the database, when not directly.
    """
    async with connected(database.url()) as operator:
        await operator.make_first_switch_key(folder)
        port = free_port()
        config = Config(
            host=HOST,
            port=port,
            authorities=known_authorities((), host=HOST, port=port, scheme="http"),
            database_url=database_url or database.url(WORKER),
            key_dir=folder,
            **({"reads_per_s": limits.READS_PER_S_MAX} | settings),
        )
        registry = CollectorRegistry()
        app = App(config, registry=registry)
        await app.start()
        try:
            await until(lambda: app.waiting_for() is None, "the worker serves")
            connector = aiohttp.TCPConnector(limit=0)
            async with aiohttp.ClientSession(connector=connector) as session:
                yield Town(
                    app=app,
                    port=port,
                    database=database,
                    operator=operator,
                    session=session,
                    registry=registry,
                    key_dir=folder,
                )
        finally:
            await app.drain()


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
