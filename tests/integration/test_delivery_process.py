"""The delivery as a process of a running switch: killed, and asked by its operator."""

import os
import signal
from pathlib import Path

from switch.admin import connected
from tests.databases import ADMIN, Database
from tests.integration import running
from tests.integration.running import Payer, Running, paying, serving, switch, until
from tests.receivers import Inbox
from tests.receivers import running as receiving

ALLOWED = ("--callback-allow", "127.0.0.0/8")


def delivery_pid(supervisor: int) -> int:
    """The delivery process among a supervisor's children."""
    [pid] = [
        pid for pid in running.children(supervisor) if "_delivery" in running.command_line(pid)
    ]
    return pid


async def push_to(database: Database, payer: Payer, url: str) -> str:
    """Give the shop of a payer a callback URL; the shop's participant."""
    shop = f"{payer.key_id.partition('/')[0]}-shop"
    async with connected(database.url(ADMIN)) as operator:
        await operator.set_participant(shop, callback_url=url)
    return shop


async def test_a_delivery_that_is_killed_loses_nothing(database: Database, tmp_path: Path) -> None:
    """Killed again and again with events under way, it sends each of them in the end."""
    inbox = Inbox()
    options = (*running.external(database, tmp_path), "--workers", 1, *ALLOWED)
    async with (
        receiving(inbox.receive) as server,
        serving(tmp_path, *options) as city,
        paying(city.url, database.url(ADMIN), tmp_path) as payer,
    ):
        await push_to(database, payer, server.url)
        paid = []
        for killed in range(1, 4):
            inbox.may_answer.clear()
            paid += [await payer.pay() for _ in range(30)]
            await until(lambda: inbox.at_once > 0, "some are under way")
            os.kill(delivery_pid(city.pid), signal.SIGKILL)
            inbox.may_answer.set()
            await until(lambda seen=killed: _restarts(city, seen), "it was started again")
        await until(lambda: _taken(inbox) == set(paid), "all are taken")
        assert await city.end() == 0
    assert {event["number"] for event in inbox.taken} == set(range(1, len(paid) + 1))
    assert len(inbox.sent) > len(paid), "what was under way was sent again"


async def test_an_operator_lists_and_replays_dead_events(
    database: Database, tmp_path: Path
) -> None:
    """`switch event dead` and `switch event replay`, beside a running switch."""
    inbox = Inbox(status=lambda _: 500)
    access = ("--admin-database-url", database.url(ADMIN))
    options = (*running.external(database, tmp_path), "--workers", 1, *ALLOWED)
    async with (
        receiving(inbox.receive) as server,
        serving(tmp_path, *options, "--delivery-seconds", 1) as city,
        paying(city.url, database.url(ADMIN), tmp_path) as payer,
    ):
        shop = await push_to(database, payer, server.url)
        payment = await payer.pay()

        async def dead() -> list[dict[str, object]]:
            said = await switch("event", "dead", "--participant", shop, "--json", *access)
            found: list[dict[str, object]] = said.document["events"]
            return found

        await until(dead, "the event is dead")
        [event] = await dead()
        assert (event["number"], event["payment"]) == (1, payment)
        assert event["result"] == "answered 500"
        assert "answered 500" in (await switch("event", "dead", *access)).out
        refused = await switch("event", "replay", shop, 7, *access)
        assert (refused.code, refused.complaint) == (
            1,
            f"switch: event 7 of {shop} is not dead — `switch event dead` lists those that are",
        )
        inbox.status = lambda _: 200
        replayed = await switch("event", "replay", shop, 1, "--json", *access)
        assert replayed.document == {"participant": shop, "replayed": 1}
        await until(lambda: inbox.taken_numbers == [1], "it is taken")
        assert await dead() == []
        assert (await switch("event", "replay", payer.key_id.split("/")[0], *access)).code == 1
        assert await city.end() == 0


async def test_a_callback_to_the_operators_own_network_is_refused(
    database: Database, tmp_path: Path
) -> None:
    """Unless the operator allows it, nothing of this machine is called, and the metrics say so."""
    inbox = Inbox()
    options = (*running.external(database, tmp_path), "--workers", 1)
    async with (
        receiving(inbox.receive) as server,
        serving(tmp_path, *options) as city,
        paying(city.url, database.url(ADMIN), tmp_path) as payer,
    ):
        await push_to(database, payer, server.url)
        await payer.pay()
        labels = f'participant="{payer.name}-shop",result="address_refused"'
        refused = f"switch_deliveries_total{{{labels}}}"

        async def is_refused() -> bool:
            return (await city.metrics()).get(refused, 0) > 0

        await until(is_refused, "it is refused")
        assert inbox.sent == []
        assert await city.end() == 0


async def test_a_network_that_is_none_is_refused_at_the_start(tmp_path: Path) -> None:
    """One line says which option and what to give."""
    said = await switch("serve", "--data-dir", tmp_path, "--callback-allow", "10.0.0.1/8")
    assert said.code == 1
    assert said.complaint.startswith("switch: --callback-allow: 10.0.0.1/8 has host bits set")


async def _restarts(city: Running, count: int) -> bool:
    samples = await city.metrics()
    return samples['switch_process_restarts_total{process="delivery"}'] >= count


def _taken(inbox: Inbox) -> set[str]:
    return {event["payment"]["id"] for event in inbox.taken}
