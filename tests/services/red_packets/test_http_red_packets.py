"""Red packets over HTTP: for who comes first, and by lots that can be drawn again."""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from switch.clock import rfc3339
from tests.services.red_packets.giving import GIFT, Giving

MONEY = 100_000


async def test_who_comes_first_is_given_one(giving: Giving) -> None:
    """Into a purse beside the wallet; the others are told that all are gone."""
    offer = await giving.offered(count=2)
    wallets = await giving.wallets(3)
    replies = [await giving.enter(offer, wallet) for wallet in wallets]
    assert [reply.status for reply in replies] == [201, 201, 404]
    assert [reply.json["status"] for reply in replies[:2]] == ["won", "won"]
    await giving.give()
    for reply in replies[:2]:
        entry = await giving.entry(reply.json["id"])
        assert (entry["status"], entry["reason"]) == ("given", None)
        purse = await giving.town.balance(giving.funding.wallet, entry["purse"])
        assert purse == (GIFT, 0)
        paid = await giving.town.shown(giving.funding.wallet, entry["payment"])
        assert (paid["amount"], paid["payee"]) == (GIFT, entry["purse"])
    assert await giving.left() == MONEY - 2 * GIFT
    now = await giving.shown(f"/v1/red-packets/{offer}")
    assert (now["entries"], now["won"], now["seed"]) == (2, 2, None)
    assert await giving.town.operator.check_books() == []


async def test_a_wallet_has_one_of_an_offer(giving: Giving) -> None:
    """Under any key the one that is there, and the same bytes to a repeat."""
    offer = await giving.offered()
    (wallet,) = await giving.wallets(1)
    first = await giving.enter(offer, wallet, key="mine")
    again = await giving.enter(offer, wallet, key="mine")
    other = await giving.enter(offer, wallet)
    assert (first.status, again.status, other.status) == (201, 200, 201)
    assert first.body == again.body == other.body
    await giving.give()
    later = await giving.enter(offer, wallet, key="mine")
    assert (later.status, later.body) == (200, first.body)
    assert await giving.left() == MONEY - GIFT


async def test_many_at_once_are_given_no_more_than_there_are(giving: Giving) -> None:
    """Whoever is first; books and counts agree."""
    offer = await giving.offered(count=5)
    wallets = await giving.wallets(12)
    replies = await asyncio.gather(*(giving.enter(offer, wallet) for wallet in wallets))
    assert sorted(reply.status for reply in replies) == [201] * 5 + [404] * 7
    await asyncio.gather(giving.give(), giving.give())
    assert await giving.left() == MONEY - 5 * GIFT
    assert await giving.town.operator.check_books() == []


async def test_lots_are_drawn_and_can_be_drawn_again(giving: Giving) -> None:
    """By the seed, whose digest was told before anybody entered."""
    offer = await giving.lottery(count=3)
    before = await giving.shown(f"/v1/red-packets/{offer}")
    entries = [await giving.entered(offer, wallet) for wallet in await giving.wallets(8)]
    assert {(await giving.entry(entry))["status"] for entry in entries} == {"waiting"}
    await giving.give()
    assert (await giving.entry(entries[0]))["status"] == "waiting", "nothing before its time"
    await giving.draw(offer)
    now = await giving.shown(f"/v1/red-packets/{offer}")
    assert (before["seed"], now["entries"], now["won"]) == (None, 8, 3)
    seed = bytes.fromhex(now["seed"])
    assert hashlib.sha256(seed).hexdigest() == before["offer"]["seed_digest"]
    lots = {one: hashlib.sha256(seed + UUID(one).bytes).hexdigest() for one in entries}
    winners = sorted(entries, key=lambda one: lots[one])[:3]
    listed = (await giving.shown(f"/v1/red-packets/{offer}/entries", giving.funding.merchant))[
        "data"
    ]
    assert {one["id"]: one["lot"] for one in listed} == lots
    given = {one["id"] for one in listed if one["status"] == "given"}
    assert given == set(winners)
    assert {one["status"] for one in listed} == {"given", "lost"}
    assert await giving.left() == MONEY - 3 * GIFT
    late = await giving.enter(offer, (await giving.wallets(1))[0])
    assert late.status == 404
    assert await giving.town.operator.check_books() == []


async def test_a_draw_counts_from_its_moment_on(giving: Giving) -> None:
    """What became of an entry is shown before it is written down, piece by piece."""
    offer = await giving.lottery(count=2)
    entries = [await giving.entered(offer, wallet) for wallet in await giving.wallets(5)]
    fetchval = giving.funding.fetchval
    await fetchval("UPDATE red_packets.packet SET draw_at = now() WHERE id = $1", UUID(offer))
    assert await fetchval("SELECT red_packets.draw_next()") == 5
    statuses = [(await giving.entry(entry))["status"] for entry in entries]
    assert sorted(statuses) == ["lost", "lost", "lost", "won", "won"]
    assert await giving.town.operator.check_books() == []
    told = [await fetchval("SELECT red_packets.tell_next(2)") for _ in range(4)]
    assert told == [2, 2, 1, 0]
    await giving.give()
    again = [(await giving.entry(entry))["status"] for entry in entries]
    assert again == [status.replace("won", "given") for status in statuses]


async def test_fewer_entries_than_red_packets_all_win(giving: Giving) -> None:
    """An entry is answered as it was made, also after the draw."""
    offer = await giving.lottery(count=5)
    (wallet,) = await giving.wallets(1)
    first = await giving.enter(offer, wallet, key="mine")
    await giving.draw(offer)
    again = await giving.enter(offer, wallet, key="mine")
    assert (again.status, again.body) == (200, first.body)
    assert (await giving.entry(first.json["id"]))["status"] == "given"


async def test_what_cannot_be_given_is_tried_again(giving: Giving) -> None:
    """When there is money, each is given once."""
    offer = await giving.offered(amount=MONEY // 2 + 1, count=2)
    entries = [await giving.entered(offer, wallet) for wallet in await giving.wallets(2)]
    await giving.give()
    statuses = sorted(
        (entry["status"], entry["reason"] or "")
        for entry in [await giving.entry(one) for one in entries]
    )
    assert statuses == [("given", ""), ("won", "insufficient_funds")]
    await giving.town.operator.issue(UUID(giving.funding.account), MONEY, reason="test")
    await giving.give()
    assert {(await giving.entry(one))["status"] for one in entries} == {"given", "won"}
    await giving.funding.fetchval(
        "UPDATE red_packets.entry SET try_at = now() WHERE try_at > now()"
    )
    await giving.give()
    assert {(await giving.entry(one))["status"] for one in entries} == {"given"}
    assert await giving.left() == MONEY - 2
    assert await giving.town.operator.check_books() == []


async def test_a_suspended_giver_gives_nothing(giving: Giving) -> None:
    """Until it is back."""
    offer = await giving.offered()
    entry = await giving.entered(offer, (await giving.wallets(1))[0])
    operator = giving.town.operator
    await operator.set_participant_status(giving.funding.office.id, status="suspended")
    try:
        await giving.give()
        assert (await giving.entry(entry))["status"] == "won"
    finally:
        await operator.set_participant_status(giving.funding.office.id, status="active")
    await giving.give()
    assert (await giving.entry(entry))["status"] == "given"


async def test_offers_that_break_a_rule_are_refused(giving: Giving) -> None:
    """Another's purpose, a draw after its end or too far ahead, nothing to give."""
    purpose = await giving.purpose()
    content = {"purpose": purpose, "amount": GIFT, "count": 1}
    now = datetime.now(UTC)
    cases = [
        (content | {"draw_at": rfc3339(now + timedelta(days=2))}, 400, "draw_at"),
        (content | {"draw_at": rfc3339(now + timedelta(days=900))}, 400, "draw_at"),
        (content | {"count": 0}, 400, "count"),
        (content | {"amount": 0}, 400, "amount"),
        (content | {"purpose": str(uuid4())}, 404, None),
    ]
    for asked, status, field in cases:
        reply = await giving.post("/v1/red-packets", asked)
        assert (reply.status, reply.json.get("field")) == (status, field), reply.body
    other = await giving.post("/v1/red-packets", content, sender=giving.funding.merchant)
    assert other.status == 404
    offer = await giving.offered()
    for wallet in (giving.funding.payee, str(uuid4())):
        assert (await giving.enter(offer, wallet)).status == 404
    stranger = await giving.town.member("wallet")
    entry = await giving.entered(offer, (await giving.wallets(1))[0])
    path = f"/v1/red-packet-entries/{entry}"
    assert (await giving.town.send(stranger, "GET", path)).status == 404


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ("UPDATE red_packets.packet SET won = won - 1 WHERE won > 0", "red_packet_won"),
        ("UPDATE red_packets.entry SET purse = wallet WHERE status = 'given'", "red_packet_gift"),
    ],
)
async def test_a_check_of_the_books_sees_what_was_changed(
    giving: Giving, change: str, check: str
) -> None:
    """Beside the functions that write it."""
    await giving.entered(await giving.offered(), (await giving.wallets(1))[0])
    await giving.give()
    connection = giving.town.operator.connection
    change_back = connection.transaction()
    await change_back.start()
    try:
        await connection.execute(change)
        found = {one["check_name"] for one in await giving.town.operator.check_books()}
    finally:
        await change_back.rollback()
    assert found == {check}
