"""Debian's Prometheus beside a switch of two workers, with the project's own configuration: all it
is asked has an answer, and what the workers counted is what the ledger holds.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from uuid import uuid4

import aiohttp
import asyncpg
import pytest
import pytest_asyncio

from tests.bank_server import decides
from tests.databases import Database
from tests.integration.running import CURRENCY, until
from tests.integration.test_bank_process import Seaside, seaside
from tests.integration.test_batch_workers import workers_that_decided
from tests.integration.test_delivery_process import push_to
from tests.ops.files import DASHBOARD
from tests.ops.watching import Prometheus, watching
from tests.receivers import Inbox
from tests.receivers import running as receiving

PANELS = json.loads(DASHBOARD.read_text())["panels"]
GRID_COLUMNS = 24
LABEL = re.compile(r"\{\{(\w+)\}\}")
METRIC = re.compile(r"\bswitch_[a-z_]+\b")
WORKERS = 2
AT_ONCE = 64  # on connections of their own, so that both workers get some

# What a switch counts, and the same in the rows of its ledger. A first answer that says `pending`
# becomes an approval in the ledger: the bank approves everything here.
COUNTED = {
    'sum(switch_decisions_total{outcome=~"approved|pending"})': """
        SELECT count(*) FROM ledger.payment WHERE type < 100 AND outcome = 0""",
    'sum(switch_decisions_total{outcome="insufficient_funds"})': """
        SELECT count(*) FROM ledger.payment WHERE outcome = 130""",
    "sum(switch_decisions_total)": """
        SELECT count(*) FROM ledger.payment WHERE type < 100""",
    "switch_sequenced_events_total": """
        SELECT count(DISTINCT (kind, subject))
          FROM ledger.event_run, unnest(kinds, subjects) AS told (kind, subject)""",
    'sum(switch_bank_calls_total{path="credits", result="accepted"})': """
        SELECT count(*) FROM ledger.payment WHERE type = 4 AND outcome = 0""",
}

# Of a payment's time, in the order of its way.
PARTS = ("late", "body", "signature", "waiting", "working", "payment", "pending", "sealing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A city, what it tells, and who watches it."""

    city: Seaside
    inbox: Inbox
    prometheus: Prometheus
    ledger: asyncpg.Connection


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def watched(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Watched]:
    """Everything happens before the first scrape and once more after it, so that it has a rate."""
    folder = tmp_path_factory.mktemp("watched")
    inbox = Inbox()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(receiving(inbox.receive))
        city = await stack.enter_async_context(seaside(database, folder, "--workers", WORKERS))
        await push_to(database, city.payer, server.url)
        await everything_happens(city)
        assert await workers_that_decided(city.city) == WORKERS
        prometheus = await stack.enter_async_context(watching(folder, city.city.admin_url))
        await until(lambda: prometheus.ask("switch_decisions_total"), "the first scrape")
        await everything_happens(city)
        ledger = await database.connect()
        stack.push_async_callback(ledger.close)
        yield Watched(city=city, inbox=inbox, prometheus=prometheus, ledger=ledger)


async def everything_happens(city: Seaside) -> None:
    """Payments, a repeat, a decline, a batch, a bank that decides, a refusal, callers without a
    good signature.
    """
    payer = city.payer
    await asyncio.gather(*(payer.pay() for _ in range(AT_ONCE)))
    key = uuid4().hex
    assert await payer.pay(key=key) == await payer.pay(key=key)
    fields = {"type": "purchase", "payer": payer.wallet, "payee": payer.shop, "currency": CURRENCY}
    poor = await payer.client.pay(**fields, amount=10**15)
    assert poor.reason == "insufficient_funds"
    batch = {uuid4().hex: fields | {"amount": number} for number in range(1, 11)}
    assert len(await payer.client.pay_batch(batch)) == len(batch)
    city.server.behave = lambda _: "503"
    withdrawing = asyncio.create_task(city.withdraw(1))
    await until(lambda: _waits_for_bank(city), "a call that waits is seen")
    city.server.behave = decides
    withdrawn = await withdrawing
    await until(lambda: _is_completed(city, withdrawn), "the bank has decided")
    assert await payer.client.payment_by_key(uuid4().hex) is None
    url = f"{city.city.url}/v1/payments"
    forged = {"Signature-Input": f'sig=();keyid="{payer.key_id}"', "Signature": "sig=:AA==:"}
    async with aiohttp.ClientSession() as session:
        async with session.post(url, data=b"{}") as answer:
            assert answer.status == 401
        async with session.post(url, data=b"{}", headers=forged) as answer:
            assert answer.status == 400


async def _waits_for_bank(city: Seaside) -> bool:
    samples = await city.city.metrics()
    return any(count > 0 for name, count in samples.items() if "bank_waiting_calls" in name)


async def _is_completed(city: Seaside, payment: str) -> bool:
    return await city.status(payment) == "completed"


async def test_every_rule_is_evaluated_and_has_what_it_asks_for(watched: Watched) -> None:
    """No fault in a rule, no recording without samples, no alert about what is not there."""
    prometheus = watched.prometheus
    rules = await prometheus.rules()
    assert {rule["type"] for rule in rules} == {"alerting", "recording"}
    for rule in rules:
        if rule["type"] == "recording":
            await until(
                lambda name=rule["name"]: prometheus.ask(name), f"samples of {rule['name']}"
            )
            assert await prometheus.ask(rule["query"]), rule["name"]
        else:
            await prometheus.ask(rule["query"])
            for metric in METRIC.findall(rule["query"]):
                named = f'{{__name__=~"(.*:)?{metric}(:.*)?"}}'
                await until(lambda asked=named: prometheus.ask(asked), f"{rule['name']}: {metric}")
    assert {rule["health"] for rule in await prometheus.rules()} == {"ok"}
    assert await prometheus.ask('ALERTS{alertstate="firing"}') == [], "all is well in this city"


async def test_every_panel_of_the_dashboard_has_something_to_show(watched: Watched) -> None:
    """No fault in an expression and no empty answer, and no label in a legend that is not there."""
    targets = [one for panel in PANELS if panel["type"] != "row" for one in panel["targets"]]
    assert targets
    for target in targets:
        expression, legend = target["expr"], target["legendFormat"]
        await until(lambda asked=expression: watched.prometheus.ask(asked), expression)
        for sample in await watched.prometheus.ask(expression):
            assert set(LABEL.findall(legend)) <= sample["metric"].keys(), (expression, legend)


def test_panels_lie_beside_each_other() -> None:
    """Each has a number of its own, a title, a place on the grid, and says what it shows."""
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        assert panel["title"]
        assert panel["type"] == "row" or panel["description"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= GRID_COLUMNS
        columns = range(place["x"], place["x"] + place["w"])
        cells = {(x, place["y"] + y) for x in columns for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


async def test_the_log_of_the_database_is_measured(watched: Watched) -> None:
    """What was written by now is seen by a later scrape, and the database has a size."""
    written = int(
        await watched.ledger.fetchval("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint")
    )
    await until(lambda: _reaches(watched.prometheus, "switch_wal_bytes", written), "it is seen")
    stored = await watched.ledger.fetchval("SELECT pg_database_size(current_database())")
    assert 0 < (await watched.prometheus.value("switch_database_bytes") or 0) < 2 * stored
    assert (await watched.prometheus.value("switch_database_connections") or 0) > WORKERS
    assert (await watched.prometheus.value("switch_database_commits") or 0) > 2 * AT_ONCE


@pytest.mark.parametrize("part", PARTS)
async def test_every_part_of_the_path_is_timed(watched: Watched, part: str) -> None:
    """Each was seen, by one worker or both."""
    count = f"sum(switch_{part}_seconds_count)"
    await until(lambda: _reaches(watched.prometheus, count, WORKERS), f"{part} is timed")


@pytest.mark.parametrize("counter", COUNTED)
async def test_counters_over_both_workers_equal_the_rows_of_the_ledger(
    watched: Watched, counter: str
) -> None:
    """To the last one, as soon as everything is handed over and scraped."""
    prometheus, ledger = watched.prometheus, watched.ledger
    await until(lambda: _is_numbered(ledger), "all events are numbered")
    rows = int(await ledger.fetchval(COUNTED[counter]))
    assert rows > 1
    await until(lambda: _reaches(prometheus, counter, rows), f"{counter} reaches {rows}")
    assert await prometheus.value(counter) == rows, "nothing is counted twice"


async def test_decisions_by_participant_equal_the_rows_of_the_ledger(watched: Watched) -> None:
    """Each under the name of its sender, over both workers, with none left over."""
    rows = await watched.ledger.fetch(
        "SELECT p.id, outcome = 0 AS is_approved, count(*) FROM ledger.payment"
        " JOIN ledger.participant p USING (participant_no) WHERE type < 100 GROUP BY 1, 2"
    )
    made = {(row["id"], row["is_approved"]): row["count"] for row in rows}
    assert (watched.city.payer.name, False) in made
    counted: dict[tuple[str, bool], float] = {}

    async def is_complete() -> bool:
        counted.clear()
        asked = "sum by (participant, outcome) (switch_decisions_total)"
        for sample in await watched.prometheus.ask(asked):
            labels, count = sample["metric"], float(sample["value"][1])
            name = (labels["participant"], labels["outcome"] in {"approved", "pending"})
            counted[name] = counted.get(name, 0.0) + count
        return sum(counted.values()) >= sum(made.values())

    await until(is_complete, "all are counted")
    assert counted == made


async def test_deliveries_equal_what_the_receiver_took(watched: Watched) -> None:
    """Every event of the shop was taken, and counted as taken once."""
    prometheus, inbox = watched.prometheus, watched.inbox
    await until(lambda: _is_numbered(watched.ledger), "all events are numbered")
    events = await watched.ledger.fetchval(
        "SELECT sum(last_no) FROM ledger.event_feed JOIN ledger.participant USING (participant_no)"
        " WHERE callback_url IS NOT NULL"
    )
    await until(lambda: len(inbox.taken) >= events, "all events are taken")
    taken = 'sum(switch_deliveries_total{result="taken"})'
    await until(lambda: _reaches(prometheus, taken, len(inbox.taken)), "all are counted")
    assert await prometheus.value(taken) == len(inbox.taken)


async def _reaches(prometheus: Prometheus, expression: str, count: int) -> bool:
    return (await prometheus.value(expression) or 0) >= count


async def _is_numbered(ledger: asyncpg.Connection) -> bool:
    return not await ledger.fetchval("SELECT EXISTS (SELECT FROM ledger.outbox)")
