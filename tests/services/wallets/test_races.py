"""What two workers do at once."""

import asyncio

from tests.integration.two_workers import TwoWorkers
from tests.services.wallets.test_http import offer, phone, register, resolve

ROUNDS = 4


async def test_one_number_registered_twice_at_once(two_workers: TwoWorkers) -> None:
    """By two workers, with keys of their own: one wallet, and one refusal that spends no key."""
    await offer(two_workers)
    provider = await two_workers.member("wallet")
    for _ in range(ROUNDS):
        number = phone()
        replies = await asyncio.gather(
            *(
                register(two_workers.at(n), provider, key=f"{number}-{n}", phone=number)
                for n in range(2)
            )
        )
        assert sorted(reply.status for reply in replies) == [201, 400]
        made = next(reply for reply in replies if reply.status == 201)
        refused = next(reply for reply in replies if reply.status == 400)
        assert refused.json["field"] == "phone"
        found = [await resolve(two_workers.at(n), provider, number) for n in range(2)]
        assert [reply.json["account"] for reply in found] == [made.json["id"]] * 2


async def test_one_message_sent_twice_at_once(two_workers: TwoWorkers) -> None:
    """By two workers, under one key: one wallet, and the same bytes from both."""
    await offer(two_workers)
    provider = await two_workers.member("wallet")
    for _ in range(ROUNDS):
        number = phone()
        replies = await asyncio.gather(
            *(register(two_workers.at(n), provider, key=number, phone=number) for n in range(2))
        )
        assert sorted(reply.status for reply in replies) == [200, 201]
        assert replies[0].body == replies[1].body
