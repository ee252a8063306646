"""A bank that takes part in a town: its server, its position, one customer's account."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from prometheus_client import CollectorRegistry

from switch.banks import Banks
from switch.config import Config
from switch.keyfile import generate_seed, public_key
from switch.metrics import BankMetrics
from switch.signature import signing_key
from tests.bank_server import BankServer, Behave, decides, serving_bank
from tests.databases import JOBS
from tests.integration.town import Member, Place, Town, eventually

IN_TIME_S = 30.0  # nothing depends on it
POSITION_FLOOR = -1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A bank and its server."""

    place: Place
    holder: Member
    server: BankServer
    position: str
    customer: str

    async def pay(self, payee: str, amount: int, **more: Any) -> str:
        """The customer pays; the key under which it is decided, perhaps not yet."""
        return await sent(self.place, self.holder, self.customer, payee, amount, **more)

    async def balances(self) -> tuple[int, int]:
        """What the position has and holds."""
        return await self.place.balance(self.holder, self.position)


async def sent(
    place: Place, sender: Member, payer: str, payee: str, amount: int, **more: Any
) -> str:
    """Send a payment and do not wait for a bank; its key, once the switch has accepted it."""
    key = uuid4().hex
    sending = asyncio.create_task(place.pay(sender, payer, payee, amount, key=key, **more))
    _SENDING.add(sending)
    sending.add_done_callback(_SENDING.discard)
    await eventually(lambda: place.send(sender, "GET", f"/v1/payments?idempotency_key={key}"), 200)
    return key


_SENDING: set[asyncio.Task[Any]] = set()  # kept, so that none is lost before it is answered


async def shown(place: Place, sender: Member, key: str) -> dict[str, Any] | None:
    """The payment under a key as it is now."""
    reply = await place.send(sender, "GET", f"/v1/payments?idempotency_key={key}")
    found: dict[str, Any] | None = reply.json if reply.status == 200 else None
    return found


async def decided(place: Place, sender: Member, key: str) -> dict[str, Any]:
    """The payment under a key, once it is decided."""
    async with asyncio.timeout(IN_TIME_S):
        while True:
            payment = await shown(place, sender, key)
            if payment is not None and payment["status"] != "pending":
                return payment
            await asyncio.sleep(0.01)


@asynccontextmanager
async def open_branch(place: Place, behave: Behave = decides) -> AsyncIterator[Branch]:
    """A new bank whose server runs while the block lasts."""
    async with AsyncExitStack() as stack:
        holder = await place.member("bank")
        seed = generate_seed()
        key_id = f"{holder.id}/server"
        await place.operator.add_key(key_id, public_key(seed))
        server = BankServer(key=signing_key(key_id, seed), behave=behave)
        await stack.enter_async_context(serving_bank(server))
        await place.operator.set_participant(holder.id, bank_url=server.url)
        yield Branch(
            place=place,
            holder=holder,
            server=server,
            position=await place.account(holder, "position", floor=POSITION_FLOOR),
            customer=await place.account(holder, "external", reference="0000-4711"),
        )
        await place.operator.set_participant(holder.id, bank_url="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calling:
    """A banks process that runs in this one."""

    registry: CollectorRegistry

    def calls(self, bank: Branch, path: str, result: str) -> float:
        """How many attempts ended like this."""
        labels = {"bank": bank.holder.id, "path": path, "result": result}
        return self.registry.get_sample_value("switch_bank_calls_total", labels) or 0.0

    def sample(self, name: str, **labels: str) -> float:
        """A gauge or counter."""
        return self.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def calling(town: Town, **settings: Any) -> AsyncIterator[Calling]:
    """The calls of all banks of a town, while the block lasts."""
    config = Config(
        authorities=(town.authority,),
        database_url=town.database.url(JOBS),
        callback_allow=("127.0.0.0/8",),
        **({"key_dir": town.key_dir} | settings),
    )
    registry = CollectorRegistry()
    running = asyncio.create_task(Banks(config, BankMetrics(registry)).run())
    try:
        yield Calling(registry=registry)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def books(place: Place) -> list[Any]:
    """Every deviation in the switch's own books."""
    return await place.operator.check_books()
