"""Look-ups have a budget: over it they are refused cheaply, and payments go on."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from switch import keyfile
from switch.clock import SYSTEM_CLOCK
from switch.signature import signing_key
from switch.signing import sign_request
from tests.databases import Database
from tests.integration.town import Member, Town, open_town

PER_S = 1.0  # so slow that nothing is refilled while a test lasts that matters
BURST = 2  # twice that


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def town(database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """A worker that allows few look-ups."""
    folder: Path = tmp_path_factory.mktemp("keys")
    async with open_town(database, folder, reads_per_s=PER_S) as made:
        yield made


async def test_look_ups_over_the_budget_are_refused_before_they_are_verified(
    town: Town, wallet: Member, merchant: Member, payer: str, payee: str
) -> None:
    """429, unsigned, with Retry-After; its payments and everybody else's look-ups go on."""
    target = f"/v1/accounts/{payer}"
    replies = await asyncio.gather(*(town.send(wallet, "GET", target) for _ in range(20 * BURST)))
    refused = [reply for reply in replies if reply.status == 429]
    assert Counter(reply.status for reply in replies).keys() == {200, 429}
    assert {(reply.problem, reply.is_signed) for reply in refused} == {("too-many-requests", False)}
    assert all(int(reply.headers["Retry-After"]) > 0 for reply in refused)
    assert (await town.pay(wallet, payer, payee, 5)).status == 201
    assert (await town.send(merchant, "GET", f"/v1/accounts/{payee}")).status == 200


async def test_forged_look_ups_spend_nothing_of_the_owners(
    town: Town, wallet: Member, payer: str
) -> None:
    """Whoever names its key and cannot sign is counted as a forger, from its address too."""
    forged = Member(id=wallet.id, key=signing_key(wallet.key.key_id, keyfile.generate_seed()))
    target = f"/v1/accounts/{payer}"
    for _ in range(5 * BURST):
        assert (await town.send(forged, "GET", target)).problem == "signature-invalid"
    assert (await town.send(wallet, "GET", target)).status == 200


async def test_bodies_that_do_not_fit_or_never_come_spend_nothing_of_the_owners(
    town: Town, wallet: Member, payer: str
) -> None:
    """Nobody has proved yet who asks, so nobody has asked."""
    forged = Member(id=wallet.id, key=signing_key(wallet.key.key_id, keyfile.generate_seed()))
    target = f"/v1/accounts/{payer}"
    for _ in range(5 * BURST):
        reply = await town.send(forged, "GET", target, body=b"{}", sent_body=b"[]")
        assert reply.problem == "digest-mismatch"
    signed = sign_request(
        forged.key,
        method="GET",
        authority=town.authority,
        path=target,
        query=None,
        body=b"{}",
        idempotency_key=None,
        created=SYSTEM_CLOCK.now_us() // 1_000_000,
    )
    lines = "".join(f"{name}: {value}\r\n" for name, value in signed.headers.items())
    head = f"GET {target} HTTP/1.1\r\nHost: {town.authority}\r\nContent-Length: 2\r\n{lines}\r\n"
    waiting = [await asyncio.open_connection("127.0.0.1", town.port) for _ in range(5 * BURST)]
    for _, writer in waiting:
        writer.write(head.encode())
        await writer.drain()
    assert (await town.send(wallet, "GET", target)).status == 200
    for _, writer in waiting:
        writer.close()


async def test_a_participant_with_many_keys_has_one_budget(town: Town, merchant: Member) -> None:
    """Beyond what one key may, all keys together have twice that; the refusal is signed by then."""
    keys = [merchant]
    for name in ("two", "three", "four"):
        seed = keyfile.generate_seed()
        await town.operator.add_key(f"{merchant.id}/{name}", keyfile.public_key(seed))
        keys.append(Member(id=merchant.id, key=signing_key(f"{merchant.id}/{name}", seed)))
        await town.until_known(keys[-1])
    replies = await asyncio.gather(
        *(town.send(key, "GET", "/v1/accounts") for key in keys for _ in range(10 * BURST))
    )
    refused = [reply for reply in replies if reply.status == 429]
    assert {reply.is_signed for reply in refused} == {True, False}
