"""More payments than are decided soon: who floods is refused, unsigned; nobody else notices.

The worker reaches Postgres through a relay that holds back what Postgres says, so what was taken
on stays so until the test lets it be answered.
"""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from switch import keyfile, limits
from switch.signature import signing_key
from tests.databases import Database
from tests.integration.test_http_batch import item, send, statuses
from tests.integration.test_http_faults import Relay, relay_to
from tests.integration.town import Member, Reply, Town, open_town, until

ROOM = 8


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def relay_and_town(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Relay, Town]]:
    """A worker with little room, behind a relay."""
    folder = tmp_path_factory.mktemp("keys")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "PAYMENTS_ROOM_MAX", ROOM)
        async with (
            relay_to(database) as (relay, url),
            open_town(database, folder, database_url=url) as town,
        ):
            yield relay, town


async def test_a_flood_leaves_others_their_share(relay_and_town: tuple[Relay, Town]) -> None:
    """The flood is refused before its signature is looked at; the same key is decided later."""
    relay, town = relay_and_town
    flood, other = [await town.member("wallet") for _ in range(2)]
    payee = await town.account(other, "wallet")
    payers = {who.id: await town.account(who, "wallet", balance=100) for who in (flood, other)}

    async def pay(who: Member, key: str) -> Reply:
        return await town.pay(who, payers[who.id], payee, 1, key=key)

    def taken() -> int:
        return town.app.payments_in_flight

    await pay(other, uuid4().hex)
    relay.lets_answers_pass.clear()
    waiting = [asyncio.create_task(pay(flood, uuid4().hex)) for _ in range(ROOM)]
    await until(lambda: taken() == ROOM, "the room is full")
    refused_key = uuid4().hex
    forger = Member(id=flood.id, key=signing_key(flood.key.key_id, keyfile.generate_seed()))
    for sender in (flood, forger):
        refused = await pay(sender, refused_key)
        assert (refused.status, refused.problem, refused.is_signed) == (503, "overloaded", False)
        assert int(refused.headers["Retry-After"]) > 0
    waiting += [asyncio.create_task(pay(other, uuid4().hex)) for _ in range(ROOM // 2)]
    await until(lambda: taken() == ROOM + ROOM // 2, "the other's share is taken on")
    assert (await pay(other, uuid4().hex)).status == 503, "and no more than that"
    relay.lets_answers_pass.set()
    assert {reply.status for reply in await asyncio.gather(*waiting)} == {201}
    assert (await pay(flood, refused_key)).status == 201


async def test_a_batch_takes_no_room_from_its_sender(relay_and_town: tuple[Relay, Town]) -> None:
    """Whoever sends batches one after the other would else have no payment taken on beside them."""
    relay, town = relay_and_town
    sender = await town.member("wallet")
    payer, payee = [await town.account(sender, "wallet", balance=100) for _ in range(2)]
    await town.pay(sender, payer, payee, 1)
    relay.lets_answers_pass.clear()
    items = [item(uuid4().hex, payer, payee) for _ in range(2 * ROOM)]
    batch = asyncio.create_task(send(town, sender, items))
    await until(lambda: town.app.payments_in_flight == len(items), "the batch is taken on")
    alone = asyncio.create_task(town.pay(sender, payer, payee, 1))
    await until(lambda: town.app.payments_in_flight == len(items) + 1, "so is the payment")
    relay.lets_answers_pass.set()
    assert (await alone).status == 201
    assert statuses(await batch) == [201] * len(items)
