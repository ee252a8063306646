"""The banks process of a running switch: killed in the middle, and asked by its operator."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from switch.admin import Operator, connected
from switch.keyfile import generate_seed, public_key
from switch.signature import signing_key
from tests.bank_server import BankServer, serving_bank
from tests.databases import ADMIN, Database
from tests.integration import running
from tests.integration.running import CURRENCY, Payer, Running, paying, serving, switch, until

ALLOWED = ("--callback-allow", "127.0.0.0/8")


def banks_pids(supervisor: int) -> list[int]:
    """The process that calls banks among a supervisor's children; none while it is started."""
    return [pid for pid in running.children(supervisor) if "_banks" in running.command_line(pid)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seaside:
    """A running switch, a payer at it, and a bank to which he withdraws."""

    city: Running
    payer: Payer
    operator: Operator
    server: BankServer
    account: UUID

    async def withdraw(self, amount: int) -> str:
        """Money from the wallet to the bank; the payment, which may be decided later."""
        sent = await self.payer.client.pay(
            type="withdrawal",
            payer=self.payer.wallet,
            payee=str(self.account),
            amount=amount,
            currency=CURRENCY,
        )
        return sent.id

    async def status(self, payment: str) -> str:
        """The payment's, now."""
        return str((await self.payer.client.payment(payment)).status)


@asynccontextmanager
async def seaside(database: Database, folder: Path, *options: object) -> AsyncIterator[Seaside]:
    """All of it, while the block lasts."""
    seed = generate_seed()
    server = BankServer(key=signing_key("seaside-bank/one", seed))
    arguments = (*running.external(database, folder), "--workers", 1, *ALLOWED, *options)
    async with (
        serving_bank(server),
        serving(folder, *arguments) as city,
        connected(database.url(ADMIN)) as operator,
        paying(city.url, database.url(ADMIN), folder) as payer,
    ):
        bank = f"seaside-{os.urandom(4).hex()}"
        server.key = signing_key(f"{bank}/one", seed)
        await operator.add_participant(bank, kind="bank", bank_url=server.url)
        await operator.add_key(f"{bank}/one", public_key(seed))
        await operator.open_account(participant=bank, kind="position", currency=CURRENCY)
        account = await operator.open_account(participant=bank, kind="external", currency=CURRENCY)
        yield Seaside(city=city, payer=payer, operator=operator, server=server, account=account)


async def test_a_process_that_is_killed_asks_again_under_the_same_key(
    database: Database, tmp_path: Path
) -> None:
    """Killed again and again with calls under way, each is decided once in the end."""
    async with seaside(database, tmp_path) as place, asyncio.TaskGroup() as tasks:
        place.server.behave = lambda one: "decide_hang"
        withdrawals = []
        for killed in range(1, 4):
            withdrawals += [tasks.create_task(place.withdraw(1)) for _ in range(10)]
            await until(lambda n=killed: len(place.server.asked) >= 10 * n, "calls are under way")
            await until(lambda: banks_pids(place.city.pid), "the process runs")
            [pid] = banks_pids(place.city.pid)
            os.kill(pid, signal.SIGKILL)
            await until(lambda pid=pid: not running.is_running(pid), "it is gone")
        place.server.behave = lambda _: "decide"
        payments = [await one for one in withdrawals]
        for payment in payments:
            await until(lambda one=payment: _is_completed(place, one), "it is decided")
        repeated = 0
        for payment in payments:
            asked = place.server.of("credits", payment)
            assert len({(one.key, one.body) for one in asked}) == 1
            repeated += len(asked) > 1
        assert repeated > 0, "what was under way was asked again"
        assert sum(place.server.balances.values()) == len(payments) == 30
        assert await place.operator.check_books() == []
        samples = await place.city.metrics()
        assert samples[_taken(place)] >= len(payments)
        assert samples['switch_process_restarts_total{process="banks"}'] == 3
        assert await place.city.end() == 0


async def test_a_deadline_for_banks_beyond_its_bounds_is_refused(tmp_path: Path) -> None:
    """One line says which option."""
    said = await switch("serve", "--data-dir", tmp_path, "--bank-deadline", 0.5)
    assert said.code == 2
    assert "--bank-deadline" in said.complaint


async def _is_completed(place: Seaside, payment: str) -> bool:
    return await place.status(payment) == "completed"


def _taken(place: Seaside) -> str:
    bank = place.server.key.key_id.partition("/")[0]
    return f'switch_bank_calls_total{{bank="{bank}",path="credits",result="accepted"}}'
