"""What the switch is compared with: floors that are measured, and a naive way that is right."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from functools import partial
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from bench import beside, city, kept, naive, naive_server
from bench.city import Provider
from bench.naive_server import Sender, Setting
from bench.open_loop import ANSWER_WAIT_S, answer_length
from bench.requests import Order
from switch import keyfile
from switch.keyfile import PublicKey
from switch.outcome import Outcome
from tests.conftest import Database, DatabaseServer, missing
from tests.integration.test_bench import Line, run_bench

SEED = bytes(range(32))
KEYS = {"naive/bench": PublicKey(key_id="naive/bench", public_key=keyfile.public_key(SEED))}
WALLET, SHOP = uuid4(), uuid4()
PURSE = Provider(id="purse", number=1, seed=SEED, wallets=(WALLET,))


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Line]:
    """What a run keeps of the yardsticks, by question; its command can be typed once more."""
    if shutil.which("wrk") is None:
        missing("wrk")
    only = ("--only", "floors", "--only", "naive", "--rounds", "1")
    kept_lines = run_bench(tmp_path_factory.mktemp("yardsticks"), *only)
    assert kept_lines[0]["machine"]["command"] == (
        "python -m bench --only floors --only naive --quick --rounds 1 --seconds 1"
        " --wallets 200 --merchants 10"
    )
    return {line["question"]: line for line in kept_lines if "round" in line}


def test_floors_and_the_naive_way_are_measured(lines: dict[str, Line]) -> None:
    """A group's name asks all its questions; each has a rate, servers their processor time."""
    floors = ["floor-verify", "floor-sign", "floor-empty-post", "floor-insert-update"]
    assert list(lines) == [*floors, "naive"]
    assert all(line["per_second"] > 0 for line in lines.values())
    assert lines["floor-empty-post"]["seen"]["server_us"] > 0
    assert lines["naive"]["seen"]["decided"] > 0


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def database(database_server: DatabaseServer) -> AsyncIterator[Database]:
    """A database with the naive way's tables, a wallet with money and a shop without."""
    made = await database_server.create("naive_way")
    connection = await asyncpg.connect(made.url())
    await connection.execute(naive_server.TABLES)
    rows = [(WALLET, 1, "CNY", 20_000, 9_999, 100_000, None), (SHOP, 2, "CNY", 0, 1, 1, None)]
    await connection.copy_records_to_table("account", records=rows, columns=naive.ACCOUNT_FIELDS)
    await connection.close()
    yield made
    await database_server.drop(made)


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def port(database: Database) -> AsyncIterator[int]:
    """Of one naive server on it."""
    sender = Sender(id=PURSE.id, number=1, public_key=keyfile.public_key(SEED))
    setting = Setting(
        url=database.url(), senders={PURSE.key_id: sender}, key_id="naive/bench", seed=SEED
    )
    async with beside.serving(partial(naive_server.application, setting), 1) as (url, _):
        yield int(url.rpartition(":")[2])


def message(port: int, name: str) -> bytes:
    """One signed payment of 10.00 to 99.99 from the wallet to the shop."""
    order = Order(
        authority=f"{beside.HOST}:{port}",
        providers=[PURSE],
        payees=[SHOP],
        count=1,
        key_prefix=name,
    )
    return next(order.messages())


async def answer(port: int, sent: bytes) -> tuple[int, bytes]:
    """The status, and the whole answer."""
    reader, writer = await asyncio.open_connection(beside.HOST, port)
    writer.write(sent)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), ANSWER_WAIT_S)
    body = await asyncio.wait_for(
        reader.readexactly(answer_length(head) - len(head)), ANSWER_WAIT_S
    )
    writer.close()
    return int(head.split(b" ", 2)[1]), head + body


async def balances(database: Database) -> dict[UUID, int]:
    """What is on the two accounts."""
    connection = await asyncpg.connect(database.url())
    rows = await connection.fetch("SELECT id, balance FROM account")
    await connection.close()
    return {row["id"]: row["balance"] for row in rows}


@pytest.mark.asyncio(loop_scope="session")
async def test_the_naive_way_decides_once_and_signs(port: int, database: Database) -> None:
    """The money moves once, a repeat gets the same decision, and the answer verifies."""
    sent = message(port, "once")
    amount = json.loads(sent.partition(b"\r\n\r\n")[2])["amount"]
    status, first = await answer(port, sent)
    assert status == 201
    assert kept.fault_of(first, sent, KEYS, is_paid=True) is None
    status, again = await answer(port, sent)
    assert (status, again.partition(b"\r\n\r\n")[2]) == (200, first.partition(b"\r\n\r\n")[2])
    assert await balances(database) == {WALLET: 20_000 - amount, SHOP: amount}


@pytest.mark.asyncio(loop_scope="session")
async def test_the_naive_way_checks_what_the_switch_checks(port: int, database: Database) -> None:
    """A forged signature and another body are refused, and nobody pays what he has not."""
    sent = message(port, "checked")
    head, _, body = sent.partition(b"\r\n\r\n")
    forged = head + b"\r\n\r\n" + body.replace(b"purchase", b"transfer")
    assert (await answer(port, forged))[0] == 400
    stranger = sent.replace(b'checked-00000000"', b'checked-00000001"')
    assert (await answer(port, stranger))[0] == 401
    before = await balances(database)
    told = [await answer(port, message(port, f"spend-{number:02}")) for number in range(30)]
    assert {status for status, _ in told} == {201}
    reasons = [json.loads(one.partition(b"\r\n\r\n")[2])["reason"] for _, one in told]
    assert "insufficient_funds" in reasons
    after = await balances(database)
    assert sum(after.values()) == sum(before.values())
    assert 0 <= after[WALLET] < 9_999


PAYER = {
    "participant_no": 1, "currency": "CNY", "status": "open", "balance": 5_000, "floor": 0,
    "payment_limit": 10_000, "daily_limit": 10_000, "spent_on": None, "spent_that_day": 0,
    "balance_limit": None,
}  # fmt: skip
AT = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("payer", "payee", "outcome"),
    [
        ({}, {}, Outcome.APPROVED),
        ({"participant_no": 2}, {}, Outcome.NOT_PERMITTED),
        ({}, None, Outcome.PAYEE_NOT_FOUND),
        ({"currency": "EUR"}, {}, Outcome.CURRENCY_MISMATCH),
        ({"status": "frozen"}, {}, Outcome.PAYER_FROZEN),
        ({"status": "closed"}, {}, Outcome.PAYER_CLOSED),
        ({}, {"status": "closed"}, Outcome.PAYEE_CLOSED),
        ({"payment_limit": 999}, {}, Outcome.PAYMENT_LIMIT_EXCEEDED),
        ({"spent_on": AT.date(), "spent_that_day": 9_001}, {}, Outcome.DAILY_LIMIT_EXCEEDED),
        ({"spent_on": date(2026, 10, 31), "spent_that_day": 9_001}, {}, Outcome.APPROVED),
        ({}, {"balance_limit": 5_999}, Outcome.PAYEE_BALANCE_LIMIT_EXCEEDED),
        ({"floor": 4_001}, {}, Outcome.INSUFFICIENT_FUNDS),
    ],
)
def test_the_naive_way_knows_the_reasons(
    payer: dict[str, object], payee: dict[str, object] | None, outcome: Outcome
) -> None:
    """A payment of 10.00 between two accounts, with one thing changed."""
    order = city.order("purse", 1, "purchase", WALLET, SHOP, amount=1_000, key="reasons")
    shop = None if payee is None else PAYER | payee
    assert naive_server.judge(order, PAYER | payer, shop, AT) is outcome
