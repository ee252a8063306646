"""Simulated participants as processes, and the switch's own way of calling them."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import msgspec

from switch import keyfile
from switch.bank_message import Authorization, BankPath, Credit, Reversal, idempotency_key
from switch.callback import Callbacks, NoReply, Reply
from switch.clock import SYSTEM_CLOCK, rfc3339
from switch.keyfile import PublicKey
from switch.signature import SigningKey, signing_key
from switch.signing import ReplyFault, check_reply
from switch.simulate.journal import Line, read_lines
from tests.integration.running import START_S_MAX, environment

PAYER, PAYEE = str(uuid4()), str(uuid4())
CURRENCY = "CNY"
ANSWER_S_MAX = 20.0  # generous: no test is decided by it


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """The keys of both sides, in files where commands read them."""

    folder: Path
    id: str
    key: SigningKey  # the participant's
    switch_key: SigningKey

    @property
    def key_file(self) -> Path:
        """Its private key."""
        return self.folder / f"{self.id}.pem"

    @property
    def jwks(self) -> Path:
        """What the switch publishes."""
        return self.folder / "jwks.json"

    @property
    def public_keys(self) -> dict[str, PublicKey]:
        """What the switch knows of it."""
        public = self.key.secret[keyfile.SEED_BYTES :]
        return {self.key.key_id: PublicKey(key_id=self.key.key_id, public_key=public)}

    @property
    def options(self) -> tuple[object, ...]:
        """How a simulation is told who it is and whom it believes."""
        return (*self.identity, "--jwks", self.jwks)

    @property
    def identity(self) -> tuple[object, ...]:
        """Who it is."""
        return ("--key", self.key_file, "--keyid", self.key.key_id)


def participant(folder: Path, name: str = "red-bank") -> Participant:
    """New keys for a participant and a switch that publishes its own."""
    seed, switch_seed = keyfile.generate_seed(), keyfile.generate_seed()
    made = Participant(
        folder=folder,
        id=name,
        key=signing_key(f"{name}/one", seed),
        switch_key=signing_key("switch/one", switch_seed),
    )
    keyfile.write_private_key(made.key_file, seed)
    keyfile.write_private_key(folder / "switch.pem", switch_seed)
    publish(made.jwks, made.switch_key)
    return made


def publish(path: Path, *keys: SigningKey) -> None:
    """Write a JWK set as a switch serves it."""
    public = [
        PublicKey(key_id=key.key_id, public_key=key.secret[keyfile.SEED_BYTES :]) for key in keys
    ]
    path.write_bytes(keyfile.jwks_document(public))


@dataclass(slots=True, kw_only=True)
class Simulated:
    """A simulation that runs."""

    process: Process
    ready: dict[str, Any]
    log: Path
    session: aiohttp.ClientSession
    said: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it serves."""
        return str(self.ready["url"])

    @property
    def lines(self) -> tuple[Line, ...]:
        """Its book as it is on disk."""
        return read_lines(self.log)

    async def turn(self, **knobs: object) -> dict[str, Any]:
        """Change its knobs while it runs."""
        async with self.session.put(f"{self.url}/knobs", json=knobs) as answer:
            document: dict[str, Any] = await answer.json(content_type=None)
            assert answer.status == 200, document
            return document

    async def figures(self) -> dict[str, Any]:
        """What it counted."""
        async with self.session.get(f"{self.url}/figures") as answer:
            document: dict[str, Any] = await answer.json()
            return document

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.process.send_signal(number)
        _, err = await asyncio.wait_for(self.process.communicate(), START_S_MAX)
        self.said = err.decode().splitlines()
        assert self.process.returncode is not None
        return self.process.returncode


@asynccontextmanager
async def simulating(kind: str, log: Path, *options: object) -> AsyncIterator[Simulated]:
    """`switch simulate KIND` on a free port while the block lasts."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "switch", "simulate", kind, "--json", "--log", str(log)),
        *map(str, options),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        env=environment(),
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        line = await asyncio.wait_for(process.stdout.readline(), START_S_MAX)
        assert line, (await process.stderr.read()).decode()
        async with aiohttp.ClientSession() as session:
            yield Simulated(process=process, ready=json.loads(line), log=log, session=session)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.communicate()


# --- what the switch sends a bank


def authorization(amount: int = 100, **more: Any) -> Authorization:
    """May this account pay?"""
    given: dict[str, Any] = {
        "payment": str(uuid4()),
        "type": "purchase",
        "account": PAYER,
        "account_reference": "customer-1",
        "payee": PAYEE,
        "amount": amount,
        "currency": CURRENCY,
        "capture": True,
        "hold_expires_at": None,
        "reference": None,
        "payee_reference": None,
        "description": None,
        "created_at": rfc3339(SYSTEM_CLOCK.now()),
        "deadline": rfc3339(SYSTEM_CLOCK.now() + timedelta(seconds=30)),
    }
    return Authorization(**given | more)


def credit(amount: int = 100, **more: Any) -> Credit:
    """Money for an account."""
    given: dict[str, Any] = {
        "payment": str(uuid4()),
        "parent": None,
        "type": "transfer",
        "account": PAYER,
        "account_reference": "customer-1",
        "payer": PAYEE,
        "amount": amount,
        "currency": CURRENCY,
        "reference": None,
        "payee_reference": None,
        "description": None,
        "created_at": rfc3339(SYSTEM_CLOCK.now()),
    }
    return Credit(**given | more)


def reversal_of(asked: Authorization) -> Reversal:
    """An authorization counts for nothing."""
    return Reversal(
        payment=asked.payment,
        account=asked.account,
        account_reference=asked.account_reference,
        amount=asked.amount,
        currency=asked.currency,
        reason="issuer_timeout",
        created_at=rfc3339(SYSTEM_CLOCK.now()),
    )


def event(asked: Authorization, kind: str, *, step_amount: int | None = None, **step: Any) -> bytes:
    """What the switch tells about a payment, of a step if it has an amount."""
    about: dict[str, Any] = {
        "id": asked.payment,
        "idempotency_key": "order-1",
        "request_digest": "sha-256=:x9sVsU2Zzgr1NnSSW3CyA1k9fQ4d8s1bqQnZqsyO5H4=:",
        "participant": "red-bank",
        "type": asked.type,
        "payer": asked.account,
        "payee": asked.payee,
        "amount": asked.amount,
        "currency": asked.currency,
        "status": "held",
        "reason": None,
        "created_at": asked.created_at,
    }
    if step_amount is None:
        rest = ("hold_seconds", "expires_at", "reference", "payee_reference", "description",
                "metadata", "hold_expires_at")  # fmt: skip
        amounts = ("amount_held", "amount_captured", "amount_voided", "amount_refunded")
        payment = about | dict.fromkeys(rest) | dict.fromkeys(amounts, 0) | {"capture": False}
        taken = None
    else:
        payment = None
        own = {"id": str(uuid4()), "parent": asked.payment, "amount": step_amount, "final": None}
        taken = about | own | {"type": kind.partition(".")[2], "status": "completed"} | step
    return msgspec.json.encode(
        {
            "id": f"{asked.payment}.{kind}",
            "number": 1,
            "type": kind,
            "occurred_at": asked.created_at,
            "payment": payment,
            "step": taken,
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Teller:
    """The switch's side: asks as the switch asks, and looks at the answers as the switch does."""

    who: Participant
    callbacks: Callbacks

    async def ask(
        self,
        url: str,
        path: BankPath,
        request: Authorization | Credit | Reversal,
        *,
        timeout_s: float = ANSWER_S_MAX,
        key: SigningKey | None = None,
    ) -> Reply | NoReply:
        """One request under its own key."""
        return await self.callbacks.post(
            f"{url}/{path}",
            participant="simulated",
            key=key or self.who.switch_key,
            body=msgspec.json.encode(request),
            idempotency_key=idempotency_key(path, request.payment),
            timeout_s=timeout_s,
        )

    async def tell(self, url: str, body: bytes) -> Reply | NoReply:
        """One event."""
        return await self.callbacks.post(
            f"{url}/events",
            participant="simulated",
            key=self.who.switch_key,
            body=body,
            idempotency_key=json.loads(body)["id"],
            timeout_s=ANSWER_S_MAX,
        )

    def fault(self, reply: Reply) -> ReplyFault | None:
        """Why an answer is not to be trusted."""
        return check_reply(
            status=reply.status,
            headers=reply.headers,
            body=reply.body,
            bound=reply.bound,
            keys=self.who.public_keys,
            now_us=SYSTEM_CLOCK.now_us(),
        )

    async def decided(
        self, url: str, path: BankPath, request: Authorization | Credit | Reversal
    ) -> tuple[int, dict[str, Any]]:
        """The status and content of a good answer."""
        reply = await self.ask(url, path, request)
        assert isinstance(reply, Reply), reply
        assert self.fault(reply) is None, reply.body
        return reply.status, json.loads(reply.body)


@asynccontextmanager
async def teller(who: Participant) -> AsyncIterator[Teller]:
    """Calls of this machine while the block lasts."""
    async with Callbacks(allowed=("127.0.0.0/8",)) as callbacks:
        yield Teller(who=who, callbacks=callbacks)
