"""Payments that a bank decides, as their senders see them: waiting, `202`, and the decision."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from switch import keyfile, limits
from switch.client import Client
from switch.queries import QUERIES
from tests.databases import ADMIN, JOBS, Database
from tests.integration.running import switch
from tests.integration.stage import FUNDS, Stage
from tests.integration.test_http_faults import Relay, relay_to
from tests.integration.town import Member, Reply, Town, open_town, payment, until
from tests.ledger.banking import AUTHORIZATION, CREDIT

DEADLINE = timedelta(hours=1)
LONG_S = 60.0  # longer than any test: whoever waits this long is told by something else
SHORT_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """A bank with one customer, that answers when the test says so."""

    holder: Member
    position: str
    customer: str
    jobs: asyncpg.Connection

    async def asked(self, payment_id: str, kind: int) -> None:
        """Begin what was accepted, and see that the bank is asked about this payment."""
        rows = await self.jobs.fetch(QUERIES["start_bank_calls"], 100, DEADLINE, 100, *4 * [[]])
        calls = {(str(row["payment"]), row["kind"]) for row in rows}
        assert (payment_id, kind) in calls

    async def decide(self, payment_id: str, kind: int, decision: str) -> None:
        """The bank is asked and answers."""
        await self.asked(payment_id, kind)
        await self.answer(payment_id, kind, decision)

    async def answer(self, payment_id: str, kind: int, decision: str) -> None:
        """The bank, which was asked, answers."""
        await self.jobs.execute(
            QUERIES["settle_bank_calls"],
            [UUID(payment_id)], [kind], [decision], [None], [timedelta()],
        )  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def jobs(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """What plays the process that calls banks."""
    connection = await database.connect(JOBS)
    yield connection
    await connection.close()


async def open_bank(town: Town, jobs: asyncpg.Connection) -> Bank:
    """A bank that can be called, with a position and a customer."""
    holder = await town.member("bank")
    await town.operator.connection.execute(
        "SELECT ledger.set_participant($1, NULL, $2)", holder.id, "https://bank.test/switch"
    )
    return Bank(
        holder=holder,
        position=await town.account(holder, "position", floor=-FUNDS),
        customer=await town.account(holder, "external"),
        jobs=jobs,
    )


@pytest_asyncio.fixture(loop_scope="session")
async def bank(town: Town, jobs: asyncpg.Connection) -> Bank:
    """A bank of this test."""
    return await open_bank(town, jobs)


@pytest.fixture
def wait_s(town: Town, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets how long callers wait for banks."""

    def set_wait(seconds: float) -> None:
        monkeypatch.setattr(town.app._pending, "_wait_s", seconds)

    return set_wait


def in_background(request: "Coroutine[Any, Any, Reply]") -> "asyncio.Task[Reply]":
    """A request that is not answered yet."""
    return asyncio.create_task(request)


async def waiting(town: Town, count: int) -> None:
    """Until so many messages wait for banks."""
    await until(lambda: town.app._pending.total == count, f"{count} wait")


async def found(town: Town, sender: Member, key: str) -> Any:
    """What a look-up by key shows."""
    reply = await town.send(sender, "GET", f"/v1/payments?idempotency_key={key}")
    assert reply.status == 200, reply.body
    return reply.json


# --- waiting for the decision --------------------------------------------------------------


async def test_a_decision_that_comes_in_time_is_the_answer(
    town: Town, bank: Bank, payee: str, wait_s: Callable[[float], None]
) -> None:
    """The first message gets a 201 with the decision, one that joined it a 200 and the same."""
    wait_s(LONG_S)
    content = payment(bank.customer, payee, 300, type="purchase")
    send = lambda: in_background(  # noqa: E731  the same message, twice
        town.send(bank.holder, "POST", "/v1/payments", content=content, key="same")
    )
    first = send()
    await waiting(town, 1)
    second = send()
    await waiting(town, 2)
    shown = await found(town, bank.holder, "same")
    assert (shown["status"], shown["amount_captured"], shown["amount_held"]) == ("pending", 0, 0)
    await bank.decide(shown["id"], AUTHORIZATION, "approved")
    decided, repeat = await asyncio.gather(first, second)
    assert (decided.status, decided.json["status"]) == (201, "completed")
    assert "Idempotent-Replayed" not in decided.headers
    assert (repeat.status, repeat.body) == (200, decided.body)
    assert repeat.headers["Idempotent-Replayed"] == "true"
    assert decided.json["id"] == shown["id"]
    assert town.app._pending.total == 0


async def test_without_a_decision_the_present_state_is_told(
    town: Town, bank: Bank, payee: str, wait_s: Callable[[float], None]
) -> None:
    """A signed 202, for every repeat as well; later 200 with the decision, for ever."""
    wait_s(SHORT_S)
    for decision, status, reason in (
        ("approved", "completed", None),
        ("declined", "declined", "issuer_declined"),
    ):
        key = uuid4().hex
        sent = [await town.pay(bank.holder, bank.customer, payee, 5, key=key) for _ in range(2)]
        for reply in sent:
            assert (reply.status, reply.is_signed) == (202, True)
            assert (reply.json["status"], reply.json["reason"]) == ("pending", None)
            assert "Idempotent-Replayed" not in reply.headers
        assert sent[0].body == sent[1].body
        await bank.decide(sent[0].json["id"], AUTHORIZATION, decision)
        for _ in range(2):
            repeat = await town.pay(bank.holder, bank.customer, payee, 5, key=key)
            assert (repeat.status, repeat.headers["Idempotent-Replayed"]) == (200, "true")
            assert (repeat.json["status"], repeat.json["reason"]) == (status, reason)
            assert repeat.json["created_at"] == sent[0].json["created_at"]


async def test_who_waits_is_counted_apart_from_payments_in_flight(
    town: Town, stage: Stage, bank: Bank, wait_s: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A slow bank takes nobody's place; over its own bound a 202 comes at once."""
    wait_s(LONG_S)
    monkeypatch.setattr(town.app._pending._budget, "_each_max", 2)
    slow = [
        in_background(town.pay(bank.holder, bank.customer, stage.payee, 1, key=key))
        for key in ("one", "two")
    ]
    await waiting(town, 2)
    assert town.app.payments_in_flight == 0
    over = await town.pay(bank.holder, bank.customer, stage.payee, 1)
    assert (over.status, over.json["status"]) == (202, "pending")
    assert (await town.pay(stage.wallet, stage.payer, stage.payee, 1)).status == 201
    monkeypatch.setattr(town.app._pending._budget, "_total_max", 2)
    other = await open_bank(town, bank.jobs)
    assert (await town.pay(other.holder, other.customer, stage.payee, 1)).status == 202
    ids = [(await found(town, bank.holder, key))["id"] for key in ("one", "two")]
    await bank.decide(ids[0], AUTHORIZATION, "approved")
    await bank.answer(ids[1], AUTHORIZATION, "approved")
    assert [(await reply).status for reply in slow] == [201, 201]


async def test_the_same_key_with_other_bytes_while_it_is_pending(
    town: Town, bank: Bank, payee: str, wait_s: Callable[[float], None]
) -> None:
    """It is spent: 422, and nothing changes."""
    wait_s(SHORT_S)
    first = await town.pay(bank.holder, bank.customer, payee, 5, key="spent")
    other = await town.pay(bank.holder, bank.customer, payee, 6, key="spent")
    assert (first.status, other.status, other.problem) == (202, 422, "idempotency-key-reused")
    assert (await found(town, bank.holder, "spent"))["amount"] == 5


async def test_a_suspended_participant_repeats_what_is_pending(
    town: Town, bank: Bank, payee: str, wait_s: Callable[[float], None]
) -> None:
    """It learns the state and the decision of what it sent before, and begins nothing new."""
    wait_s(SHORT_S)
    first = await town.pay(bank.holder, bank.customer, payee, 5, key="before")
    await bank.asked(first.json["id"], AUTHORIZATION)
    await town.operator.set_participant_status(bank.holder.id, status="suspended")
    await until(
        lambda: town.app.participants.key(bank.holder.key.key_id).participant.is_suspended,
        "the suspension is known",
    )
    assert (await town.pay(bank.holder, bank.customer, payee, 5, key="after")).status == 403
    repeat = await town.pay(bank.holder, bank.customer, payee, 5, key="before")
    assert (repeat.status, repeat.body) == (202, first.body)


# --- other ways to ask -----------------------------------------------------------------------


async def test_a_key_that_is_pending_cannot_be_barred(
    town: Town, bank: Bank, payee: str, wait_s: Callable[[float], None]
) -> None:
    """The bar is answered at once with the present state, later with the decision."""
    wait_s(SHORT_S)
    first = await town.pay(bank.holder, bank.customer, payee, 5, key="unbarred")
    wait_s(LONG_S)
    barred = await town.bar(bank.holder, "unbarred")
    assert (barred.status, barred.body) == (202, first.body)
    await bank.decide(first.json["id"], AUTHORIZATION, "approved")
    barred = await town.bar(bank.holder, "unbarred")
    assert (barred.status, barred.json["status"]) == (200, "completed")


async def test_look_ups_of_what_is_pending(
    town: Town, bank: Bank, merchant: Member, payee: str, wait_s: Callable[[float], None]
) -> None:
    """By id, by key and in lists, for payer's and payee's side; there is no receipt so far."""
    wait_s(SHORT_S)
    sent = (await town.pay(bank.holder, bank.customer, payee, 5, key="seen")).json
    for reader, account in ((bank.holder, bank.customer), (merchant, payee)):
        assert (await town.shown(reader, sent["id"]))["status"] == "pending"
        listed = (await town.send(reader, "GET", f"/v1/payments?account={account}")).json["data"]
        assert [(one["id"], one["status"]) for one in listed] == [(sent["id"], "pending")]
    assert (await found(town, bank.holder, "seen"))["id"] == sent["id"]
    receipt = await town.send(bank.holder, "GET", f"/v1/payments/{sent['id']}/receipt")
    assert (receipt.status, receipt.problem) == (404, "not-found")
    assert "not decided" in receipt.json["detail"]
    await bank.decide(sent["id"], AUTHORIZATION, "approved")
    receipt = await town.send(bank.holder, "GET", f"/v1/payments/{sent['id']}/receipt")
    assert receipt.status == 200


async def test_a_refund_to_a_bank_waits_as_a_payment_does(
    town: Town, bank: Bank, merchant: Member, payee: str, wait_s: Callable[[float], None]
) -> None:
    """202 and `pending` until the bank takes the money; then the step is the answer to a repeat."""
    wait_s(SHORT_S)
    paid = (await town.pay(bank.holder, bank.customer, payee, 300)).json
    await bank.decide(paid["id"], AUTHORIZATION, "approved")
    target = f"/v1/payments/{paid['id']}/refund"
    first = await town.send(merchant, "POST", target, content={"amount": 100}, key="back")
    assert (first.status, first.json["status"], first.json["parent"]) == (
        202, "pending", paid["id"],
    )  # fmt: skip
    assert (await town.shown(bank.holder, paid["id"]))["amount_refunded"] == 0
    assert await town.balance(merchant, payee) == (300, 100)
    wait_s(LONG_S)
    repeat = in_background(town.send(merchant, "POST", target, content={"amount": 100}, key="back"))
    await waiting(town, 1)
    await bank.decide(first.json["id"], CREDIT, "accepted")
    decided = await repeat
    assert (decided.status, decided.json["status"]) == (200, "completed")
    assert decided.headers["Idempotent-Replayed"] == "true"
    assert (await town.shown(bank.holder, paid["id"]))["amount_refunded"] == 100
    assert await town.balance(merchant, payee) == (200, 0)


async def test_what_is_pending_in_a_batch_waits_together(
    town: Town, stage: Stage, bank: Bank, wait_s: Callable[[float], None]
) -> None:
    """Each item has the answer it would have alone; one wait for all of them, twins included."""
    wait_s(LONG_S)
    items = [
        ("a", payment(bank.customer, stage.payee, 1)),
        ("b", payment(bank.customer, stage.payee, 2)),
        ("a", payment(bank.customer, stage.payee, 1)),
        ("c", payment(bank.customer, stage.payee, 0)),
    ]
    content = {"payments": [{"idempotency_key": k, "payment": p} for k, p in items]}
    send = lambda: in_background(  # noqa: E731  the same batch, twice
        town.send(bank.holder, "POST", "/v1/payments/batch", content=content, key=uuid4().hex)
    )
    batch = send()
    await waiting(town, 3)
    ids = {key: (await found(town, bank.holder, key))["id"] for key in ("a", "b")}
    await bank.decide(ids["a"], AUTHORIZATION, "approved")
    assert not batch.done(), "the other one is waited for"
    await bank.answer(ids["b"], AUTHORIZATION, "declined")
    answers = (await batch).json["answers"]
    assert [(one["status"], one["replayed"]) for one in answers] == [
        (201, False), (201, False), (200, True), (400, False),
    ]  # fmt: skip
    assert [one["body"].get("reason") for one in answers[:3]] == [None, "issuer_declined", None]


async def test_a_batch_without_decisions_tells_the_present_state(
    town: Town, stage: Stage, bank: Bank, wait_s: Callable[[float], None]
) -> None:
    """Status 202 with the body, not replayed, beside others that are decided."""
    wait_s(SHORT_S)
    items = {
        "p": payment(bank.customer, stage.payee, 1),
        "q": payment(bank.position, stage.payee, 1),
    }
    content = {"payments": [{"idempotency_key": k, "payment": p} for k, p in items.items()]}
    for replayed in (False, True):
        reply = await town.send(
            bank.holder, "POST", "/v1/payments/batch", content=content, key=uuid4().hex
        )
        pending, decided = reply.json["answers"]
        assert (pending["status"], pending["replayed"]) == (202, False)
        assert pending["body"]["status"] == "pending"
        assert decided["replayed"] == replayed


@pytest.fixture
def folder(town: Town) -> Path:
    """Where the switch's key is, for a worker of the test's own on the same database."""
    return town.key_dir


# --- what goes wrong -------------------------------------------------------------------------


async def test_a_ledger_that_is_away_meanwhile(
    database: Database, jobs: asyncpg.Connection, folder: Path
) -> None:
    """Who waits is told what is known; when the ledger is back, the decision is found."""
    async with (
        relay_to(database) as (relay, url),
        open_town(database, folder, database_url=url, bank_wait_s=1.0) as town,
    ):
        bank = await open_bank(town, jobs)
        merchant = await town.member("merchant")
        payee = await town.account(merchant, "merchant")
        first = in_background(town.pay(bank.holder, bank.customer, payee, 5, key="away"))
        await waiting(town, 1)
        _break(relay)
        reply = await first
        assert (reply.status, reply.json["status"], reply.is_signed) == (202, "pending", True)
        await bank.decide(reply.json["id"], AUTHORIZATION, "approved")
        relay.is_open = True
        await until(lambda: town.app.waiting_for() is None, "the ledger is back")
        again = await town.pay(bank.holder, bank.customer, payee, 5, key="away")
        assert (again.status, again.json["status"]) == (200, "completed")


def _break(relay: Relay) -> None:
    relay.is_open = False
    relay.cut()


async def test_a_worker_that_stops_tells_the_present_state(
    database: Database, jobs: asyncpg.Connection, folder: Path
) -> None:
    """Who waits for a bank is answered with a signed 202 at once, not cut off."""
    async with open_town(database, folder, bank_wait_s=limits.BANK_WAIT_S_MAX) as town:
        bank = await open_bank(town, jobs)
        merchant = await town.member("merchant")
        payee = await town.account(merchant, "merchant")
        await town.pay(bank.holder, bank.position, payee, 1)  # the switch's keys are known by now
        sent = [in_background(town.pay(bank.holder, bank.customer, payee, 5)) for _ in range(3)]
        await waiting(town, 3)
        await town.app.drain()
        for reply in await asyncio.gather(*sent):
            assert (reply.status, reply.json["status"], reply.is_signed) == (202, "pending", True)


async def test_few_batches_wait_at_a_time(
    town: Town, stage: Stage, bank: Bank, wait_s: Callable[[float], None]
) -> None:
    """A batch keeps its room while it waits: one too many does not, and is told what is known."""
    wait_s(LONG_S)

    def batch(key: str) -> "Coroutine[Any, Any, Reply]":
        items = [{"idempotency_key": key, "payment": payment(bank.customer, stage.payee, 1)}]
        content = {"payments": items}
        return town.send(bank.holder, "POST", "/v1/payments/batch", content=content, key=key)

    keys = [f"b{number}" for number in range(limits.PARTICIPANT_BATCHES_WAITING_MAX)]
    slow = [in_background(batch(key)) for key in keys]
    await waiting(town, len(slow))
    (item,) = (await batch("over")).json["answers"]
    assert (item["status"], item["body"]["status"]) == (202, "pending")
    ids = [(await found(town, bank.holder, key))["id"] for key in keys]
    await bank.decide(ids[0], AUTHORIZATION, "approved")
    for payment_id in ids[1:]:
        await bank.answer(payment_id, AUTHORIZATION, "approved")
    for reply in await asyncio.gather(*slow):
        assert [one["status"] for one in reply.json["answers"]] == [201]


async def test_what_is_pending_is_counted(
    town: Town, bank: Bank, payee: str, wait_s: Callable[[float], None]
) -> None:
    """Its first answer as `pending`; a repeat is a replay once there is a decision to replay."""
    wait_s(SHORT_S)

    mine = {"participant": bank.holder.id, "outcome": "pending"}

    def counted() -> tuple[float, float, float]:
        town.app.metrics.flush()
        read = town.registry.get_sample_value
        return (
            read("switch_decisions_total", mine) or 0.0,
            read("switch_replays_total", {"operation": "payment"}) or 0.0,
            read("switch_pending_seconds_count") or 0.0,
        )

    pending, replays, waits = counted()
    for number in (1, 2):
        sent = await town.pay(bank.holder, bank.customer, payee, 5, key="counted")
        assert counted() == (pending + 1, replays, waits + number)
    await bank.decide(sent.json["id"], AUTHORIZATION, "approved")
    await town.pay(bank.holder, bank.customer, payee, 5, key="counted")
    assert counted() == (pending + 1, replays + 1, waits + 2)


# --- the client and the command line ---------------------------------------------------------


async def test_the_client_waits_for_a_bank_by_repeating(
    town: Town, bank: Bank, merchant: Member, payee: str, wait_s: Callable[[float], None]
) -> None:
    """A payment and a refund are pending or, for who waits, decided; a batch shows what is."""
    wait_s(SHORT_S)
    url = f"http://{town.authority}"
    fields = {"type": "purchase", "payer": bank.customer, "payee": payee, "currency": "CNY"}
    async with (
        Client(url, key_id=bank.holder.key.key_id, key=bank.holder.key.secret[:32]) as payer,
        Client(url, key_id=merchant.key.key_id, key=merchant.key.secret[:32]) as shop,
    ):
        pending = await payer.pay(**fields, amount=300, idempotency_key="mine")
        assert pending.status == "pending"
        paying = asyncio.create_task(
            payer.pay(**fields, amount=300, idempotency_key="mine", wait_s=LONG_S)
        )
        await bank.decide(pending.id, AUTHORIZATION, "approved")
        assert (await paying).status == "completed"
        assert (await shop.refund(pending.id, amount=1)).status == "pending"
        batched = await payer.pay_batch({"two": {**fields, "amount": 2}})
        assert batched["two"].payment is not None
        assert batched["two"].payment.status == "pending"
        assert (await payer.bar("two")).status == "pending"


async def test_the_operator_traces_what_is_pending(
    town: Town, bank: Bank, payee: str, wait_s: Callable[[float], None]
) -> None:
    """By its key: accepted, and which bank was asked."""
    wait_s(SHORT_S)
    sent = (await town.pay(bank.holder, bank.customer, payee, 5, key="followed")).json
    await bank.asked(sent["id"], AUTHORIZATION)
    said = await switch("trace", "followed", SWITCH_ADMIN_DATABASE_URL=town.database.url(ADMIN))
    _, received, accepted, asked = said.out.splitlines()
    assert "received" in received
    assert "accepted" in accepted
    assert f"participant={bank.holder.id}" in asked
    assert "call=authorization" in asked


async def test_the_command_says_that_a_payment_is_pending(
    town: Town, bank: Bank, payee: str, wait_s: Callable[[float], None], tmp_path: Path
) -> None:
    """It is sent and not refused; the line on standard error names the key to ask with."""
    wait_s(SHORT_S)
    key_file = tmp_path / "bank.pem"
    keyfile.write_private_key(key_file, bank.holder.key.secret[:32])
    command = (
        "pay", "--key", key_file, "--keyid", bank.holder.key.key_id,
        "--url", f"http://{town.authority}", "--payer", bank.customer, "--payee", payee,
        "--amount", 5, "--currency", "CNY", "--idempotency-key", "by-hand",
    )  # fmt: skip
    said = await switch(*command)
    assert (said.code, said.out.split()[1]) == (0, "pending")
    assert "--idempotency-key by-hand" in said.err
    payment_id = said.out.split()[0]
    await bank.decide(payment_id, AUTHORIZATION, "declined")
    said = await switch(*command)
    assert (said.code, said.out.split()[:3]) == (1, [payment_id, "declined", "(issuer_declined)"])
