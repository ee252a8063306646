"""Banks that hold the money themselves: one that decides at once, and one that hangs.

The one that hangs takes every request and answers none until it is let go: then it decides as a
bank should, what it was asked before included, so that all that was left open comes to its end
before something else is measured. The other has its server in a process of its own, as a bank has.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import msgspec
from aiohttp import web

from bench import city
from bench.city import LIMIT, Holder, Provider
from bench.stage import BenchError, Stage
from switch import keyfile
from switch.bank_message import DECISIONS, BankAnswer, BankPath
from switch.clock import SYSTEM_CLOCK
from switch.components import BoundRequest
from switch.reply import JSON, document
from switch.signature import sign_reply, signing_key

NAME = "bank-that-hangs"
CUSTOMERS = 100
HOST = "127.0.0.1"
PATH = "/switch"  # of its URL
ALLOWED = ("127.0.0.0/8",)
REST_WAIT_S = 180.0  # for what was left open: deadlines, and pauses of a bank that was down
REST_LOOK_S = 0.1

OPEN = """
SELECT (SELECT count(*) FROM ledger.pending_payment)
     + (SELECT count(*) FROM ledger.bank_call WHERE finished_at IS NULL)
"""


class Asked(msgspec.Struct, frozen=True):
    """What all requests of the switch have in common."""

    payment: str
    amount: int
    currency: str


class Desk:
    """What a bank says: yes, save to what was reversed before."""

    def __init__(self, holder: Holder) -> None:
        self._key = signing_key(holder.key_id, holder.seed)
        self._reversed: set[str] = set()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """The signed answer to one request."""
        asked = msgspec.json.decode(await request.read(), type=Asked)
        path: BankPath = request.path.rpartition("/")[2]  # type: ignore[assignment]  # one of three
        decision = DECISIONS[path][0]
        if path == "reversals":
            self._reversed.add(asked.payment)
        elif path == "authorizations" and asked.payment in self._reversed:
            decision = "declined"
        told = BankAnswer(
            payment=asked.payment, decision=decision, amount=asked.amount, currency=asked.currency
        )
        body = document(told).body
        bound = BoundRequest(
            method="POST",
            path=request.path,
            query=None,
            content_digest=request.headers["Content-Digest"],
            idempotency_key=request.headers["Idempotency-Key"],
        )
        created = SYSTEM_CLOCK.now_us() // 1_000_000
        signed = sign_reply(self._key, status=200, body=body, bound=bound, created=created)
        return web.Response(status=200, body=body, headers={"Content-Type": JSON, **signed})


async def application(holder: Holder) -> web.Application:
    """The server of a bank that decides at once."""
    made = web.Application()
    made.router.add_post(f"{PATH}/{{path}}", Desk(holder).answer)
    return made


class Bank:
    """The server of one that hangs, and the customers in whose name it pays."""

    def __init__(self, stage: Stage, payer: Provider) -> None:
        self.payer = payer
        self.asked_count = self.answered_count = 0
        self._stage = stage
        self._desk = Desk(payer)
        self._may_answer = asyncio.Event()

    def hang(self) -> None:
        """Answer nothing from now on."""
        self._may_answer.clear()

    async def rest(self) -> None:
        """Answer everything from now on, and wait until nothing is open any more."""
        self._may_answer.set()
        await settled(self._stage)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Read one request, and answer it when the bank answers at all."""
        await request.read()
        self.asked_count += 1
        await self._may_answer.wait()
        self.answered_count += 1
        return await self._desk.answer(request)


async def settled(stage: Stage) -> None:
    """Wait until nothing is open at any bank."""
    ends_s = SYSTEM_CLOCK.monotonic_s() + REST_WAIT_S
    while open_count := await stage.operator.connection.fetchval(OPEN):
        if SYSTEM_CLOCK.monotonic_s() > ends_s:
            raise BenchError(f"{open_count} payments and calls wait for a bank for too long")
        await asyncio.sleep(REST_LOOK_S)


async def join(stage: Stage, name: str) -> Provider:
    """A new bank of the city with its customers; it has no server so far."""
    seed = keyfile.generate_seed()
    operator = stage.operator
    number = await city.let_in(operator, name, "bank", seed)
    customers: tuple[UUID, ...] = await city.open_accounts(operator, name, "external", CUSTOMERS)
    await operator.open_account(
        participant=name, kind="position", currency=city.CURRENCY, floor=-LIMIT
    )
    return Provider(id=name, number=number, seed=seed, wallets=customers)


@asynccontextmanager
async def hanging(stage: Stage) -> AsyncIterator[Bank]:
    """A new bank of the city, whose server hangs while the block lasts unless it is let go."""
    bank = Bank(stage, await join(stage, NAME))
    runner = web.ServerRunner(web.Server(bank.serve), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, 0).start()
        port = runner.addresses[0][1]
        await stage.operator.set_participant(NAME, bank_url=f"http://{HOST}:{port}{PATH}")
        yield bank
    finally:
        await runner.cleanup()
