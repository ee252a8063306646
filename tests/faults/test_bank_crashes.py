"""Banks and switch agree in the end, whatever is killed between a question and its answer.

The moment is hit on purpose: the bank's server waits, a row stays locked, or a process stands
still, until something was killed. Then everything goes on by itself, and each side's own record of
what was decided is compared with the other's.
"""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from switch import keyfile
from switch.admin import Operator, connected
from switch.client import Client, ClientError
from switch.message import Payment
from switch.signature import signing_key
from tests.bank_server import Asked, BankServer, serving_bank
from tests.faults.city import CURRENCY, RICH, City, Switch, kill
from tests.integration.running import is_running, until

RUNS = 1
RUNS_LONG = 20
PAYMENTS = 4  # of a run; one more failure in a row than that, and the bank would count as down
WITHDRAWALS = 2
OPTIONS = ("--callback-allow", "127.0.0.0/8")
PENDING_S_MAX = 120.0  # after the recovery

OPEN = """
    SELECT (SELECT count(*) FROM ledger.pending_payment)
         + (SELECT count(*) FROM ledger.bank_call WHERE finished_at IS NULL)
"""
ACCEPTED = "SELECT count(*) FROM ledger.pending_payment"
BLOCKED = """
    SELECT count(*) FROM pg_stat_activity
     WHERE application_name = 'switch banks' AND wait_event_type = 'Lock'
"""


@dataclass(slots=True, kw_only=True)
class Scene:
    """A switch, a bank that decides itself, its customer, a shop and a wallet."""

    switch: Switch
    server: BankServer
    bank: Client
    wallets: Client
    customer: str
    position: str
    shop: str
    wallet: str
    payments: dict[str, Payment] = field(default_factory=dict)  # decided, by key
    count: int = 0

    async def send(self, tasks: asyncio.TaskGroup, *, withdrawals: int = WITHDRAWALS) -> int:
        """Begin some payments from and to the bank; how many."""
        for number in range(PAYMENTS + withdrawals):
            self.count += 1
            tasks.create_task(self._settle(f"bank-{self.count}", number < PAYMENTS))
        return PAYMENTS + withdrawals

    async def _settle(self, key: str, is_payment: bool) -> None:
        """Send one until it is decided, as a participant does that will know."""
        client = self.bank if is_payment else self.wallets
        terms: dict[str, Any] = {
            "type": "purchase" if is_payment else "withdrawal",
            "payer": self.customer if is_payment else self.wallet,
            "payee": self.shop if is_payment else self.customer,
            "amount": self.count,
            "currency": CURRENCY,
            "idempotency_key": key,
        }
        while True:
            try:
                answer = await client.pay(**terms)
            except ClientError:
                continue  # unknown or not decided: the same again
            if answer.status != "pending":
                self.payments[key] = answer
                return
            await asyncio.sleep(0.1)

    async def number(self, query: str) -> int:
        """One number of the ledger's, also while Postgres is coming back."""
        connection = await self.switch.operator_connection()
        try:
            return int(await connection.fetchval(query))
        finally:
            await connection.close()


# --- the moments ---------------------------------------------------------------------------------

Moment = Callable[[Scene, asyncio.TaskGroup], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def _before_the_call(scene: Scene, tasks: asyncio.TaskGroup) -> AsyncIterator[None]:
    """Accepted, and nobody has taken it up: the process that would stands still."""
    [pid] = scene.switch.banks()
    os.kill(pid, signal.SIGSTOP)
    try:
        count = await scene.send(tasks)
        await until(lambda: _is(scene, ACCEPTED, count), "all are accepted")
        yield
    finally:
        if is_running(pid):
            os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def _during_the_call(scene: Scene, tasks: asyncio.TaskGroup) -> AsyncIterator[None]:
    """The bank has the question and has not decided; it will, whoever waits for it then."""
    for event in scene.server.may_decide.values():
        event.clear()
    asked = len(scene.server.asked)
    try:
        count = await scene.send(tasks)
        await until(lambda: len(scene.server.asked) == asked + count, "all are asked")
        yield
    finally:
        for event in scene.server.may_decide.values():
            event.set()


@asynccontextmanager
async def _before_the_commit(scene: Scene, tasks: asyncio.TaskGroup) -> AsyncIterator[None]:
    """The bank has answered; what it said cannot be recorded, since a row that it needs is locked.

    The row is locked when all are reserved, which is when the bank was asked.
    """
    for event in scene.server.may_decide.values():
        event.clear()
    asked = len(scene.server.asked)
    connection = await scene.switch.operator_connection()
    try:
        count = await scene.send(tasks)
        await until(lambda: len(scene.server.asked) == asked + count, "all are asked")
        await connection.execute("BEGIN")
        await connection.execute(
            "SELECT FROM ledger.account WHERE id = ANY ($1) FOR UPDATE",
            [UUID(scene.position), UUID(scene.wallet)],
        )
        for event in scene.server.may_decide.values():
            event.set()
        await until(lambda: _is(scene, BLOCKED, 1), "an answer waits for its commit")
        assert len(scene.server.kept) >= count, "the bank has decided"
        yield
    finally:
        connection.terminate()


@asynccontextmanager
async def _during_the_reversal(scene: Scene, tasks: asyncio.TaskGroup) -> AsyncIterator[None]:
    """Approved by an answer that proves nothing, declined for it, and being undone."""
    scene.server.behave = _approves_without_a_signature
    scene.server.may_decide["reversals"].clear()
    reversed_before = len(scene.server.of("reversals"))
    try:
        await scene.send(tasks, withdrawals=0)
        await until(
            lambda: len(scene.server.of("reversals")) == reversed_before + PAYMENTS,
            "all are being reversed",
        )
        yield
    finally:
        scene.server.behave = lambda _: "decide"
        scene.server.may_decide["reversals"].set()


def _approves_without_a_signature(one: Asked) -> str:
    return "decide_unsigned" if one.path == "authorizations" else "decide"


async def _is(scene: Scene, query: str, count: int) -> bool:
    return await scene.number(query) == count


# --- what is killed ------------------------------------------------------------------------------

Blow = Callable[[Scene, random.Random], Awaitable[None]]


async def _banks(scene: Scene, chance: random.Random) -> None:
    """The process that calls banks."""
    [pid] = scene.switch.banks()
    kill(pid)
    await until(lambda: not is_running(pid), "it is gone")


async def _worker(scene: Scene, chance: random.Random) -> None:
    """A worker, whose callers send again."""
    pid = chance.choice(scene.switch.workers())
    kill(pid)
    await until(lambda: not is_running(pid), "it is gone")


async def _postgres(scene: Scene, chance: random.Random) -> None:
    """The database, with all that was not committed."""
    pid = scene.switch.postmaster()
    kill(pid)
    await until(lambda: not is_running(pid), "it is gone")


# --- the tests -----------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """One for all tests: what one of them leaves behind, the next one would find."""
    folder = tmp_path_factory.mktemp("banks")
    async with AsyncExitStack() as stack:
        city = City(data_dir=folder / "data")
        switch = await Switch.of(city, folder, *OPTIONS)
        stack.push_async_callback(switch.close)
        operator = await stack.enter_async_context(connected(city.database_url))
        made = await _found(operator, switch, folder, stack)
        yield made


async def _found(operator: Operator, switch: Switch, folder: Path, stack: AsyncExitStack) -> Scene:
    seeds = {name: keyfile.generate_seed() for name in ("bank", "wallets", "shops")}
    server = BankServer(key=signing_key("bank/one", seeds["bank"]))
    await stack.enter_async_context(serving_bank(server))
    clients = {}
    for name, kind in (("bank", "bank"), ("wallets", "wallet"), ("shops", "merchant")):
        bank_url = server.url if kind == "bank" else None
        await operator.add_participant(name, kind=kind, bank_url=bank_url)
        await operator.add_key(f"{name}/one", keyfile.public_key(seeds[name]))
        path = folder / f"{name}.pem"
        keyfile.write_private_key(path, seeds[name])
        clients[name] = await stack.enter_async_context(
            Client(f"http://127.0.0.1:{switch.port}", key_id=f"{name}/one", key=path)
        )
    accounts = {
        kind: str(await operator.open_account(participant=holder, kind=kind, currency=CURRENCY))
        for holder, kind in (
            ("bank", "position"), ("bank", "external"), ("shops", "merchant"), ("wallets", "wallet")
        )
    }  # fmt: skip
    for kind in ("position", "wallet"):
        await operator.issue(UUID(accounts[kind]), RICH, reason="the founding of the city")
    return Scene(
        switch=switch,
        server=server,
        bank=clients["bank"],
        wallets=clients["wallets"],
        customer=accounts["external"],
        position=accounts["position"],
        shop=accounts["merchant"],
        wallet=accounts["wallet"],
    )


@pytest.mark.parametrize("blow", [_banks, _worker, _postgres])
@pytest.mark.parametrize(
    "moment", [_before_the_call, _during_the_call, _before_the_commit, _during_the_reversal]
)
async def test_bank_and_switch_agree_whatever_was_killed(
    moment: Moment, blow: Blow, scene: Scene, seed: int, long_run: bool
) -> None:
    """Every payment is decided once, nothing stays open, and both books say the same."""
    print(f"seed {seed}")  # shown with a failure
    chance = random.Random(f"{seed} {moment.__name__} {blow.__name__}")
    for _ in range(RUNS_LONG if long_run else RUNS):
        await until(lambda: len(scene.switch.banks()) == 1, "banks are called")
        async with asyncio.timeout(PENDING_S_MAX), asyncio.TaskGroup() as tasks:  # noqa: SIM117  what was sent outlasts the moment
            async with moment(scene, tasks):
                await blow(scene, chance)
        await until(lambda: _is(scene, OPEN, 0), "nothing waits any more")
        await _reconcile(scene)


async def _reconcile(scene: Scene) -> None:
    """The bank's own book against what its customer and the wallet were told, and the ledger."""
    server = scene.server
    requests = {(one.key, one.body) for one in server.asked}
    assert len(requests) == len({key for key, _ in requests}), "a key names one request"
    expected: Counter[str] = Counter()
    for payment in scene.payments.values():
        is_done = payment.status == "completed"
        path = "authorizations" if payment.type == "purchase" else "credits"
        is_undone = server.decision("reversals", payment.id) is not None
        is_agreed = server.decision(path, payment.id) in ("approved", "accepted")
        assert is_done == (is_agreed and not is_undone), (payment, is_agreed, is_undone)
        sign = -1 if payment.type == "purchase" else 1
        expected[scene.customer] += sign * payment.amount * is_done
    assert len(scene.payments) == scene.count, "all were decided"
    assert server.balances[scene.customer] == expected[scene.customer]
    position = (await scene.bank.account(scene.position)).balance
    assert position == RICH + expected[scene.customer]
    async with connected(scene.switch.city.database_url) as operator:
        assert await operator.check_books() == []
    assert "Traceback" not in scene.switch.messages
