"""The event feed over HTTP: whose it is, what it tells, and waiting for what comes next."""

import asyncio
from typing import Any

import pytest

from switch import limits
from switch.upkeep import prune_events, sequence_events
from tests.integration.town import Member, Reply, Town


async def sequenced(town: Town) -> None:
    """What the jobs process does all the time, beside the switch."""
    while await sequence_events(town.operator.connection, limits.EVENT_RUN_MAX):
        pass


async def events(town: Town, reader: Member, **query: Any) -> Reply:
    """One piece of a feed."""
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    return await town.send(reader, "GET", f"/v1/events{'?' if asked else ''}{asked}")


async def test_a_feed_tells_each_side_what_happened(
    town: Town, wallet: Member, merchant: Member, payer: str, payee: str
) -> None:
    """The decision as answered, without metadata for the payee; a declined one not at all."""
    sent = (await town.pay(wallet, payer, payee, 5, key="told", metadata={"till": "3"})).json
    await town.pay(wallet, payer, payee, 10**9, key="declined")
    refund = await town.send(merchant, "POST", f"/v1/payments/{sent['id']}/refund", key="back")
    await sequenced(town)
    [issued, *told] = (await events(town, wallet)).json["data"]
    assert issued["payment"]["type"] == "issue"
    assert [event["type"] for event in told] == ["payment.completed", "payment.refunded"]
    assert [event["number"] for event in (issued, *told)] == [1, 2, 3]
    assert told[0]["payment"] == sent
    assert told[0]["step"] is None
    assert told[1]["step"] == refund.json
    [first, _] = (await events(town, merchant)).json["data"]
    assert first["payment"] == sent | {"metadata": None}
    assert first["id"] == told[0]["id"], "whoever holds both sides sees one thing that happened"


async def test_a_feed_is_read_in_pieces(
    town: Town, wallet: Member, merchant: Member, payer: str, payee: str
) -> None:
    """`next_after` is what to send next, also when there is nothing more for now."""
    for number in range(5):
        await town.pay(wallet, payer, payee, 1, key=f"piece-{number}")
    await sequenced(town)
    first = (await events(town, merchant, limit=3)).json
    assert (len(first["data"]), first["has_more"], first["next_after"]) == (3, True, "3")
    second = (await events(town, merchant, limit=3, after=first["next_after"])).json
    assert (len(second["data"]), second["has_more"], second["next_after"]) == (2, False, "5")
    third = (await events(town, merchant, after=second["next_after"])).json
    assert third == {"data": [], "has_more": False, "next_after": "5"}


async def test_a_feed_without_events_is_empty(town: Town) -> None:
    """A participant to whom nothing happened yet has a feed all the same."""
    reply = await events(town, await town.member("bank"))
    assert reply.json == {"data": [], "has_more": False, "next_after": "0"}


async def test_whoever_waits_is_told_when_it_happens(
    town: Town, wallet: Member, merchant: Member, payer: str, payee: str
) -> None:
    """The answer comes with the event, long before the wait is over."""
    waiting = asyncio.create_task(events(town, merchant, wait=limits.EVENT_WAIT_S_MAX))
    await asyncio.sleep(2 * limits.EVENT_LOOK_S)
    sent = (await town.pay(wallet, payer, payee, 5, key="awaited")).json
    await sequenced(town)
    async with asyncio.timeout(limits.EVENT_WAIT_S_MAX / 2):
        reply = await waiting
    assert [event["payment"]["id"] for event in reply.json["data"]] == [sent["id"]]


async def test_a_wait_ends_without_an_event(town: Town, merchant: Member) -> None:
    """After the time asked for, an empty piece: nothing happened."""
    reply = await events(town, merchant, wait=1)
    assert (reply.status, reply.json["data"]) == (200, [])


async def test_one_participant_does_not_wait_too_often(town: Town, wallet: Member) -> None:
    """Over its budget of waiting callers it is refused, and only it."""
    most = limits.PARTICIPANT_EVENT_WAITERS_MAX
    replies = await asyncio.gather(*(events(town, wallet, wait=2) for _ in range(most + 1)))
    assert sorted(reply.status for reply in replies) == [200] * most + [429]
    assert (await events(town, wallet)).status == 200


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"after": "x"}, "after"),
        ({"after": -1}, "after"),
        ({"after": 7}, "after"),
        ({"wait": 31}, "wait"),
        ({"wait": "1.5"}, "wait"),
        ({"limit": 0}, "limit"),
        ({"since": 1}, "since"),
    ],
)
async def test_a_query_that_means_nothing_is_refused(
    query: dict[str, Any], field: str, town: Town, merchant: Member
) -> None:
    """The field is named; a number beyond the feed is no place in it."""
    reply = await events(town, merchant, **query)
    assert (reply.status, reply.problem, reply.json["field"]) == (400, "malformed-message", field)


async def test_a_number_that_is_no_longer_kept_is_told_so(
    town: Town, wallet: Member, merchant: Member, payer: str, payee: str
) -> None:
    """410, with the number to go on with; from there the feed goes on."""
    await town.pay(wallet, payer, payee, 5, key="old")
    await sequenced(town)
    await town.operator.connection.execute(
        "UPDATE ledger.event_run SET sequenced_at = sequenced_at - interval '91 days'"
    )
    await prune_events(town.operator.connection, limits.EVENT_RETENTION_D, limits.EVENT_PRUNE_MAX)
    reply = await events(town, merchant)
    assert (reply.status, reply.problem) == (410, "archived")
    assert "after=1" in reply.json["detail"]
    await town.pay(wallet, payer, payee, 6, key="new")
    await sequenced(town)
    [event] = (await events(town, merchant, after=1)).json["data"]
    assert (event["number"], event["payment"]["amount"]) == (2, 6)
