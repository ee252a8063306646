"""Running processes: restarts, deaths, drains, and what the operator's port says about them."""

import asyncio
import os
import signal
import ssl
from pathlib import Path

import aiohttp
import pytest

from switch.cluster import recorded_pid
from switch.exchange import OutcomeUnknown, ProblemError, Unreachable
from switch.keeper import Home
from tests.certificates import self_signed
from tests.databases import ADMIN, Database
from tests.integration import running
from tests.integration.running import Payer, paying, serving, until, worker_pids


async def test_a_killed_worker_is_replaced_and_payments_go_on(
    database: Database, tmp_path: Path
) -> None:
    """A worker that dies is started again, and what it had counted is neither lost nor doubled."""
    options = running.external(database, tmp_path)
    async with (
        serving(tmp_path, *options, "--workers", 2) as switch,
        paying(switch.url, database.url(ADMIN), tmp_path) as payer,
    ):
        await _pay_on_new_connections(payer, 20)
        decided = _decided(payer, "approved")
        short = _decided(payer, "insufficient_funds")
        await _pay_too_much(payer)
        await until(lambda: _is(switch, decided, 20), "all decisions are counted")
        await until(lambda: _is(switch, short, 1), "each by its outcome")
        for killed in worker_pids(switch.pid):
            os.kill(killed, signal.SIGKILL)
        await until(lambda: _restarts(switch, 2), "both workers were started again")
        await until(lambda: _serves(switch, 2), "both workers serve")
        await _pay_on_new_connections(payer, 20)
        await _pay_too_much(payer)
        await until(lambda: _is(switch, decided, 40), "counters go on where the dead ended")
        await until(lambda: _is(switch, short, 2), "each of them")
        assert await switch.end() == 0


async def test_every_process_ends_with_a_killed_supervisor(tmp_path: Path) -> None:
    """When the supervisor is killed, workers, jobs and the embedded Postgres end by themselves."""
    data_dir = tmp_path / "data"
    async with serving(tmp_path, "--data-dir", data_dir, "--workers", 2) as switch:
        children = running.children(switch.pid)
        server = recorded_pid(Home(data_dir=data_dir).cluster)
        assert len(children) == 5, "two workers, jobs, delivery and banks"
        assert server is not None
        await switch.end(signal.SIGKILL)
        await until(lambda: not any(map(running.is_running, children)), "the children end")
        await until(lambda: not running.is_running(server), "Postgres is stopped")
    async with serving(tmp_path, "--data-dir", data_dir, "--workers", 1) as switch:
        assert (await switch.ready())[0] == 200
        assert await switch.end() == 0


async def test_a_killed_database_comes_back(tmp_path: Path) -> None:
    """When Postgres dies the switch waits, says so, and goes on with it, jobs included."""
    data_dir = tmp_path / "data"
    async with serving(tmp_path, "--data-dir", data_dir, "--workers", 2) as switch:
        async with paying(switch.url, running.embedded_url(data_dir), tmp_path) as payer:
            await _pay_on_new_connections(payer, 5)
            await until(lambda: _is(switch, "switch_folded_credits_total", 5), "the jobs fold")
            server = recorded_pid(Home(data_dir=data_dir).cluster)
            assert server is not None
            os.kill(server, signal.SIGKILL)
            await until(lambda: _answers(switch, 503), "without a database it is not ready")
            await until(lambda: _answers(switch, 200), "and ready with it")
            await _pay_on_new_connections(payer, 5)
            await until(lambda: _is(switch, "switch_folded_credits_total", 10), "and again")
            assert await _restarts(switch, 0), "no process had to be started again"
        assert await switch.end() == 0


async def test_a_switch_ends_tls_itself(database: Database, tmp_path: Path) -> None:
    """With a certificate it speaks https, and participants sign for the same name."""
    certificate, key = self_signed(tmp_path)
    options = (*running.external(database, tmp_path), "--workers", 1)
    async with serving(tmp_path, *options, "--tls-cert", certificate, "--tls-key", key) as switch:
        assert switch.url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=str(certificate))
        connector = aiohttp.TCPConnector(ssl=context)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(f"{switch.url}/openapi.json") as answer,
        ):
            assert answer.status == 200
        assert await switch.end() == 0


async def test_a_drain_answers_what_was_accepted(tmp_path: Path) -> None:
    """On SIGTERM under load whatever was decided was also answered, and the exit is clean."""
    data_dir = tmp_path / "data"
    arguments = ("--data-dir", data_dir, "--workers", 2)
    async with serving(tmp_path, *arguments) as switch:
        async with paying(switch.url, running.embedded_url(data_dir), tmp_path) as payer:
            answered: set[str] = set()
            unsure: set[str] = set()
            senders = [
                asyncio.create_task(_pay_until_refused(payer, number, answered, unsure))
                for number in range(16)
            ]
            await until(lambda: len(answered) > 200, "there is load")
            assert await switch.end() == 0
            await asyncio.gather(*senders)
        assert "Traceback" not in switch.messages.read_text()
    async with serving(tmp_path, *arguments) as switch:
        async with _again(switch.url, payer) as client:
            decided = {key for key in unsure if await client.payment_by_key(key) is not None}
            assert not decided, "these were decided and not answered"
            for key in sorted(answered)[-50:]:
                assert await client.payment_by_key(key) is not None
        assert await switch.end() == 0


async def test_a_second_signal_ends_at_once(database: Database, tmp_path: Path) -> None:
    """Whoever cannot wait for the drain signals again, and nothing is left running."""
    options = running.external(database, tmp_path)
    async with serving(tmp_path, *options, "--workers", 2) as switch:
        children = running.children(switch.pid)
        os.kill(children[0], signal.SIGSTOP)  # so that the drain does not end by itself
        switch.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.2)
        code = await switch.end(signal.SIGINT)
        os.kill(children[0], signal.SIGCONT)
        assert code == 1
        await until(lambda: not any(map(running.is_running, children)), "the children end")


async def test_metrics_add_up_two_workers(database: Database, tmp_path: Path) -> None:
    """One scrape shows what both workers and the jobs did, and how the processes are."""
    options = running.external(database, tmp_path)
    async with (
        serving(tmp_path, *options, "--workers", 2) as switch,
        paying(switch.url, database.url(ADMIN), tmp_path) as payer,
    ):
        await _pay_on_new_connections(payer, 30)
        decided = _decided(payer, "approved")
        await until(lambda: _is(switch, decided, 30), "all decisions are counted")
        await until(lambda: _is(switch, "switch_folded_credits_total", 30), "the jobs fold")
        await until(lambda: _is(switch, "switch_unfolded_credits", 0), "nothing is left to fold")
        await until(lambda: _is(switch, "switch_books_deviations", 0), "the books are checked")
        samples = await switch.metrics()
        assert samples["switch_books_checked_timestamp_seconds"] > 0
        assert samples["switch_payment_seconds_count"] == 30
        for process in ("worker-0", "worker-1", "jobs", "delivery", "banks"):
            assert samples[f'switch_process_serving{{process="{process}"}}'] == 1
            assert samples[f'switch_process_restarts_total{{process="{process}"}}'] == 0
        assert await switch.end() == 0


async def test_readiness_follows_the_workers(database: Database, tmp_path: Path) -> None:
    """`/readyz` turns to 503 when no worker answers, and back; `/livez` is about the supervisor."""
    options = running.external(database, tmp_path)
    async with serving(tmp_path, *options, "--workers", 2) as switch:
        status, document = await switch.ready()
        assert status == 200
        assert document["ready"] is True
        async with aiohttp.ClientSession() as session:
            for path in ("readyz", "metrics", "nothing"):
                async with session.get(f"{switch.admin_url}/{path}") as answer:
                    assert answer.headers["Server"] == "switch", "no versions of what serves it"
        beside = {"jobs", "delivery", "banks"}
        assert set(document["processes"]) == {"worker-0", "worker-1", *beside}
        stopped = worker_pids(switch.pid)
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        await until(lambda: _answers(switch, 503), "silent workers are not ready")
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        await until(lambda: _answers(switch, 200), "they are ready again")
        assert await switch.end() == 0


async def test_two_switches_share_one_database(database: Database, tmp_path: Path) -> None:
    """A second machine may run the same command; its jobs take over when the first dies."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    options = [(*running.external(database, folder), "--workers", 1) for folder in folders]
    async with (
        serving(folders[0], *options[0]) as first,
        serving(folders[1], *options[1]) as second,
        paying(first.url, database.url(ADMIN), folders[0]) as payer,
    ):
        await payer.pay()
        await until(lambda: _is(first, "switch_folded_credits_total", 1), "the first folds")
        assert (await second.metrics())["switch_folded_credits_total"] == 0
        await first.end(signal.SIGKILL)
        async with _again(second.url, payer) as client:
            payer.client = client
            await payer.pay()
            await until(lambda: _is(second, "switch_folded_credits_total", 1), "the second does")
        assert await second.end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_idle_switch_ends_cleanly(
    database: Database, tmp_path: Path, number: signal.Signals
) -> None:
    """Either signal ends it with exit code 0 and without a word."""
    async with serving(tmp_path, *running.external(database, tmp_path), "--workers", 1) as switch:
        children = running.children(switch.pid)
        assert await switch.end(number) == 0
        assert not any(map(running.is_running, children))
        assert switch.messages.read_text() == ""


async def _pay_on_new_connections(payer: Payer, count: int) -> None:
    """Payments over many connections, so that the kernel spreads them over the workers."""
    await asyncio.gather(*(payer.pay() for _ in range(count)))


async def _pay_until_refused(
    payer: Payer, number: int, answered: set[str], unsure: set[str]
) -> None:
    for count in range(100_000):
        key = f"load-{number}-{count}"
        try:
            await payer.pay(key=key)
        except OutcomeUnknown:
            unsure.add(key)
            return
        except (Unreachable, ProblemError):
            return
        answered.add(key)


def _again(url: str, payer: Payer) -> "running.Client":
    """The same participant at another address."""
    return running.Client(url, key_id=payer.key_id, key=payer.key_file)


async def _pay_too_much(payer: Payer) -> None:
    fields = {"type": "purchase", "payer": payer.wallet, "payee": payer.shop}
    poor = await payer.client.pay(**fields, amount=10**15, currency=running.CURRENCY)
    assert poor.reason == "insufficient_funds"


def _decided(payer: Payer, outcome: str) -> str:
    return f'switch_decisions_total{{outcome="{outcome}",participant="{payer.name}"}}'


async def _is(switch: running.Running, name: str, value: float) -> bool:
    return (await switch.metrics()).get(name) == value


async def _restarts(switch: running.Running, count: int) -> bool:
    samples = await switch.metrics()
    restarts = (value for name, value in samples.items() if "process_restarts_total" in name)
    return sum(restarts) == count


async def _serves(switch: running.Running, count: int) -> bool:
    return len(worker_pids(switch.pid)) == count and (await _all_serve(switch))


async def _all_serve(switch: running.Running) -> bool:
    _, document = await switch.ready()
    return all(state == "serves" for state in document["processes"].values())


async def _answers(switch: running.Running, status: int) -> bool:
    return (await switch.ready())[0] == status
