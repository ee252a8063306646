"""Events pushed to callback URLs: all, in order, again until taken, and in nobody's way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from switch import keyfile, limits
from switch.clock import SYSTEM_CLOCK
from switch.config import Config
from switch.delivery import Delivery
from switch.digest import check_digest
from switch.errors import SwitchError
from switch.metrics import DeliveryMetrics
from switch.signature import Candidate, find_candidate, verify
from switch.upkeep import sequence_events
from tests.databases import JOBS
from tests.integration.town import Member, Town, free_port, until
from tests.receivers import Inbox, payment_of, running

IN_TIME_S = 30.0  # nothing depends on it
RECORDED = """SELECT count(*) FROM ledger.delivery_taken JOIN ledger.participant p
                                                  USING (participant_no) WHERE p.id = $1"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushing:
    """A delivery that runs in this process."""

    registry: CollectorRegistry

    def attempts(self, result: str) -> float:
        """How many ended like this."""
        return self.sample("switch_deliveries_total", result=result)

    def sample(self, name: str, **labels: str) -> float:
        """Of all participants together, or of those with these labels."""
        return sum(
            sample.value
            for metric in self.registry.collect()
            for sample in metric.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


@asynccontextmanager
async def pushing(town: Town, **settings: Any) -> AsyncIterator[Pushing]:
    """The delivery, for the whole town, while the block lasts."""
    config = Config(
        authorities=(town.authority,),
        database_url=town.database.url(JOBS),
        key_dir=town.key_dir,
        callback_allow=("127.0.0.0/8",),
        **settings,
    )
    registry = CollectorRegistry()
    running_one = asyncio.create_task(Delivery(config, DeliveryMetrics(registry)).run())
    try:
        yield Pushing(registry=registry)
    finally:
        running_one.cancel()
        with suppress(asyncio.CancelledError):
            await running_one


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short pauses, so that a test sees several of them."""
    monkeypatch.setattr(limits, "DELIVERY_PAUSE_S_MIN", 0.05)
    monkeypatch.setattr(limits, "DELIVERY_PAUSE_S_MAX", 0.2)
    monkeypatch.setattr(limits, "RECEIVER_PAUSE_S_MIN", 0.05)
    monkeypatch.setattr(limits, "RECEIVER_PAUSE_S_MAX", 0.2)
    monkeypatch.setattr(limits, "DELIVERY_LOOK_S", 0.02)
    monkeypatch.setattr(limits, "DELIVERY_BACKLOG_INTERVAL_S", 0.05)


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """A wallet that pays a shop."""

    town: Town
    wallet: Member
    merchant: Member
    payer: str
    payee: str

    async def pay(self, count: int = 1, **more: Any) -> list[str]:
        """Purchases; their ids, all of them numbered in the feeds."""
        replies = [
            await self.town.pay(self.wallet, self.payer, self.payee, 1, type="purchase", **more)
            for _ in range(count)
        ]
        await self.sequence()
        return [reply.json["id"] for reply in replies]

    async def step(self, payment: str, step: str, amount: int) -> None:
        """A capture or refund by the merchant."""
        reply = await self.town.send(
            self.merchant,
            "POST",
            f"/v1/payments/{payment}/{step}",
            content={"amount": amount},
            key=f"{step}-{payment}-{amount}",
        )
        assert reply.json["status"] == "completed", reply.body
        await self.sequence()

    async def sequence(self) -> None:
        """What the jobs process does all the time."""
        while await sequence_events(self.town.operator.connection, limits.EVENT_RUN_MAX):
            pass

    async def call_merchant(self, url: str) -> None:
        """Give the merchant a callback URL."""
        await self.town.operator.set_participant(self.merchant.id, callback_url=url)

    async def feed(self) -> list[dict[str, Any]]:
        """What the merchant reads."""
        reply = await self.town.send(self.merchant, "GET", "/v1/events?limit=200")
        found: list[dict[str, Any]] = reply.json["data"]
        return found

    async def dead(self) -> list[dict[str, Any]]:
        """The merchant's dead events."""
        return await self.town.operator.dead_events(self.merchant.id)


@pytest_asyncio.fixture(loop_scope="session")
async def street(
    town: Town, wallet: Member, merchant: Member, payer: str, payee: str
) -> AsyncIterator[Street]:
    """Two participants that trade; nobody calls them after the test."""
    yield Street(town=town, wallet=wallet, merchant=merchant, payer=payer, payee=payee)
    for member in (wallet, merchant):
        await town.operator.set_participant(member.id, callback_url="")


async def test_a_timeline_says_that_an_event_was_pushed(street: Street, quick: None) -> None:
    """To whom it was pushed: that it was taken, and how many attempts that took."""
    refused: list[str] = []

    def takes_the_third(event: dict[str, Any]) -> int:
        refused.append(event["id"])
        return 200 if len(refused) > 2 else 500

    inbox = Inbox(status=takes_the_third)
    async with running(inbox.receive) as server:
        await street.call_merchant(server.url)
        [payment] = await street.pay()
        async with pushing(street.town):
            async with asyncio.timeout(IN_TIME_S):
                while not await street.town.operator.connection.fetchval(
                    RECORDED, street.merchant.id
                ):
                    pass
    [entry] = await taken(street, street.merchant, payment)
    assert (entry["event"], entry["number"], entry["attempts"]) == ("payment.completed", 1, 3)
    assert not await taken(street, street.wallet, payment)


async def taken(street: Street, reader: Member, payment: str) -> list[dict[str, Any]]:
    """Entries of a timeline that tell of pushes."""
    reply = await street.town.send(reader, "GET", f"/v1/payments/{payment}/timeline")
    return [entry for entry in reply.json["entries"] if entry["what"] == "push_taken"]


async def test_every_event_is_pushed_as_it_stands_in_the_feed(street: Street) -> None:
    """Once, the same JSON, signed by a key that the switch publishes, with its id as the key."""
    inbox = Inbox()
    async with running(inbox.receive) as server, pushing(street.town):
        await street.call_merchant(f"{server.url}?who=me")
        [held] = await street.pay(capture=False)
        await street.pay(20)
        await street.step(held, "capture", 1)
        await until(lambda: len(inbox.taken) >= 22, "all are taken", within_s=IN_TIME_S)
        feed = await street.feed()
    assert sorted(inbox.taken, key=lambda event: int(event["number"])) == feed
    assert len(inbox.sent) == len(feed) == 22
    keys = keyfile.parse_jwks((await street.town.raw("GET", "/.well-known/jwks.json")).body)
    for request, body in inbox.requests:
        path, _, query = request.raw_path.partition("?")
        candidate = find_candidate(
            method="POST",
            authority=f"127.0.0.1:{server.port}",
            path=path,
            query=query,
            headers=request.headers,
            has_body=True,
            is_known_key=keys.__contains__,
        )
        assert isinstance(candidate, Candidate), candidate
        assert verify(candidate, keys[candidate.key_id].public_key)
        assert isinstance(check_digest(request.headers["Content-Digest"], body), bytes)
        assert request.headers["Idempotency-Key"].strip('"') in body.decode()


@pytest.mark.usefixtures("quick")
async def test_events_of_a_payment_never_overtake_each_other(street: Street) -> None:
    """While its first event is not taken its others are not sent; other payments go on."""
    refused: set[str] = set()
    inbox = Inbox(status=lambda event: 503 if payment_of(event) in refused else 200)
    async with running(inbox.receive) as server:
        await street.call_merchant(server.url)
        [held] = await street.pay()
        refused.add(held)
        async with pushing(street.town):
            await until(lambda: inbox.attempts(1) >= 2, "it is tried again", within_s=IN_TIME_S)
            await street.step(held, "refund", 1)
            await street.pay(5)
            await until(lambda: len(inbox.taken) == 5, "the others go on", within_s=IN_TIME_S)
            await until(lambda: inbox.attempts(1) >= 4, "it is tried again", within_s=IN_TIME_S)
            assert inbox.attempts(2) == 0
            refused.clear()
            await until(lambda: len(inbox.taken) == 7, "all are taken", within_s=IN_TIME_S)
    assert inbox.taken_numbers[-2:] == [1, 2]
    assert inbox.attempts(2) == 1


@pytest.mark.usefixtures("quick")
async def test_payments_that_are_never_taken_do_not_stop_the_others(street: Street) -> None:
    """Even so many that the receiver counts as down in between."""
    refused: set[str] = set()
    inbox = Inbox(status=lambda event: 500 if payment_of(event) in refused else 200)
    async with running(inbox.receive) as server:
        await street.call_merchant(server.url)
        refused.update(await street.pay(3 * limits.RECEIVER_FAILURES_MAX))
        async with pushing(street.town) as pushed:
            await until(lambda: pushed.attempts("status_5xx") > 20, "they fail", within_s=IN_TIME_S)
            await street.pay(30)
            await until(lambda: len(inbox.taken) == 30, "others are taken", within_s=IN_TIME_S)
    assert not refused & {payment_of(event) for event in inbox.taken}
    assert len(set(inbox.taken_numbers)) == 30


@pytest.mark.usefixtures("quick")
async def test_a_receiver_that_was_down_catches_up_in_order(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was tried now and then, not with every event, and gets each event once when it is back."""
    monkeypatch.setattr(limits, "DELIVERIES_AT_ONCE_MAX", 4)
    inbox, port = Inbox(), free_port()
    await street.call_merchant(f"http://127.0.0.1:{port}/events")
    payments = await street.pay(60)
    for payment in payments[:20]:
        await street.step(payment, "refund", 1)
    async with pushing(street.town) as pushed:
        await until(lambda: pushed.attempts("unreachable") > 12, "it is tried", within_s=IN_TIME_S)
        mine = {"participant": street.merchant.id}
        await until(lambda: pushed.sample("switch_spared_receivers", **mine) == 1, "it is down")
        await until(lambda: pushed.sample("switch_waiting_events", **mine) == 80, "all wait")
        await asyncio.sleep(2)  # long enough to try everything, if nothing kept it from that
        rows = await street.town.operator.connection.fetchval(
            "SELECT count(*) FROM ledger.delivery d JOIN ledger.participant USING (participant_no)"
            " WHERE id = $1",
            street.merchant.id,
        )
        assert rows < 40, "a receiver that is down does not use its feed up"
        async with running(inbox.receive, port=port):
            await until(lambda: len(inbox.taken) >= 80, "it catches up", within_s=IN_TIME_S)
            await until(lambda: pushed.sample("switch_waiting_events", **mine) == 0, "none waits")
            await until(lambda: pushed.sample("switch_spared_receivers", **mine) == 0, "it is up")
    assert sorted(inbox.taken_numbers) == list(range(1, 81))
    assert len(inbox.sent) == 80
    assert inbox.at_once_most <= 4 + limits.RETRIES_AT_ONCE_MAX
    for payment in payments:
        numbers = [event["number"] for event in inbox.taken if payment_of(event) == payment]
        assert numbers == sorted(numbers)


async def test_a_receiver_that_never_answers_delays_no_other(street: Street) -> None:
    """The other side of the same payments gets its events while the first still waits."""
    silent, inbox = Inbox(), Inbox()
    silent.may_answer.clear()
    async with running(silent.receive) as slow, running(inbox.receive) as server:
        await street.call_merchant(slow.url)
        await street.town.operator.set_participant(street.wallet.id, callback_url=server.url)
        async with pushing(street.town) as pushed:
            await street.pay(100)
            await until(lambda: len(inbox.taken) >= 100, "all are taken", within_s=IN_TIME_S)
            assert pushed.attempts("timeout") == 0, "the first receiver was still being waited for"
            assert silent.at_once == limits.DELIVERIES_AT_ONCE_MAX
        silent.may_answer.set()


@pytest.mark.usefixtures("quick")
async def test_an_event_that_is_never_taken_is_dead_and_can_be_replayed(street: Street) -> None:
    """It is listed, what comes behind it goes on, and a replay sends it again in its place."""
    refused = {1}
    inbox = Inbox(status=lambda event: 422 if event["number"] in refused else 204)
    async with running(inbox.receive) as server:
        await street.call_merchant(server.url)
        [payment] = await street.pay()
        await street.step(payment, "refund", 1)
        async with pushing(street.town, delivery_s_max=1.0) as pushed:
            await until(lambda: inbox.taken_numbers == [2], "what is behind", within_s=IN_TIME_S)
            [dead] = await street.dead()
            assert (dead["number"], dead["id"]) == (1, inbox.sent[0]["id"])
            assert dead["result"] == "answered 422"
            assert dead["attempts"] == inbox.attempts(1) > 2
            assert (dead["dead_at"] - dead["first_tried_at"]).total_seconds() >= 1.0
            dead_of = {"participant": street.merchant.id}
            await until(lambda: pushed.sample("switch_dead_events", **dead_of) == 1, "it is shown")
            assert pushed.sample("switch_events_died_total") == 1
            with pytest.raises(SwitchError, match=r"event 2 of .* is not dead"):
                await street.town.operator.replay_events(street.merchant.id, [2])
            refused.clear()
            assert await street.town.operator.replay_events(street.merchant.id) == 1
            await until(lambda: inbox.taken_numbers == [2, 1], "it is taken", within_s=IN_TIME_S)
            await until(lambda: pushed.sample("switch_dead_events") == 0, "none is dead")
    assert inbox.sent[-1] == inbox.sent[0]
    assert await street.dead() == []


@pytest.mark.usefixtures("quick")
async def test_a_callback_url_gets_what_happens_from_then_on(street: Street) -> None:
    """Not the history; another URL goes on where the last one was; without one nothing is sent."""
    first, second = Inbox(), Inbox()
    await street.pay(3)
    async with (
        running(first.receive) as one,
        running(second.receive) as other,
        pushing(street.town),
    ):
        await street.call_merchant(one.url)
        await street.pay(2)
        await until(lambda: len(first.taken) == 2, "the new ones", within_s=IN_TIME_S)
        await street.call_merchant(other.url)
        await street.pay(2)
        await until(lambda: len(second.taken) == 2, "at the new place", within_s=IN_TIME_S)
        await street.call_merchant("")
        await street.pay(2)
        await street.call_merchant(other.url)
        await street.pay(1)
        await until(lambda: len(second.taken) >= 3, "from then on", within_s=IN_TIME_S)
    assert sorted(first.taken_numbers) == [4, 5]
    assert sorted(second.taken_numbers) == [6, 7, 10]


async def test_a_new_key_of_the_switch_signs_at_once(street: Street) -> None:
    """Within a second or so of a rotation, without a restart."""
    inbox = Inbox()
    async with running(inbox.receive) as server, pushing(street.town):
        await street.call_merchant(server.url)
        await street.pay()
        await until(lambda: len(inbox.taken) == 1, "the first", within_s=IN_TIME_S)
        made = await street.town.operator.make_switch_key(
            street.town.key_dir, not_before=SYSTEM_CLOCK.now()
        )
        await asyncio.sleep(limits.SWITCH_KEYS_LOOK_S + 2 * limits.DELIVERY_LOOK_S)
        await street.pay()
        await until(lambda: len(inbox.taken) == 2, "the second", within_s=IN_TIME_S)
    assert f'keyid="{made.key_id}"' not in inbox.requests[0][0].headers["Signature-Input"]
    assert f'keyid="{made.key_id}"' in inbox.requests[1][0].headers["Signature-Input"]
