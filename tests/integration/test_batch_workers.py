"""Batches at two workers that know nothing of each other: every grouping at once, and callers that
leave. Each key has one answer, whichever worker was asked, and the money goes once.
"""

import asyncio
import json
import random
import socket
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from yarl import URL

from switch.clock import SYSTEM_CLOCK
from switch.keyfile import read_private_key
from switch.message import Payment
from switch.signature import signing_key
from switch.signing import sign_request
from tests.databases import ADMIN, Database
from tests.integration import running
from tests.integration.running import Payer, paying, serving
from tests.integration.town import HOST

CUTS = 16
AT_ONCE_S = 60.0  # a shared machine may be slow; nothing depends on it


def purchases(payer: Payer, name: str, count: int) -> dict[str, bytes]:
    """Payments of 1 by key."""
    content = {
        "type": "purchase",
        "payer": payer.wallet,
        "payee": payer.shop,
        "amount": 1,
        "currency": running.CURRENCY,
    }
    return {
        f"{name}-{number}": json.dumps(content | {"reference": f"{number}"}).encode()
        for number in range(count)
    }


async def balance(payer: Payer) -> int:
    """What the payer has."""
    return (await payer.client.account(payer.wallet)).balance


async def paid(payer: Payer, bodies_by_key: Mapping[str, bytes]) -> dict[str, Payment]:
    """Have all of them decided, by a client that asks until it knows."""
    results = await payer.client.pay_batch(bodies_by_key, deadline_s=AT_ONCE_S)
    for key, result in results.items():
        assert result.payment is not None, (key, result.problem)
    return {key: one.payment for key, one in results.items() if one.payment is not None}


async def test_two_workers_and_every_grouping_at_once(
    database: Database, tmp_path: Path, seed: int
) -> None:
    """Batches in two orders, in pieces, and singly, at two workers: one decision a key."""
    chance = random.Random(seed)
    options = (*running.external(database, tmp_path), "--workers", 2)
    async with (
        serving(tmp_path, *options) as switch,
        paying(switch.url, database.url(ADMIN), tmp_path) as payer,
    ):
        orders = purchases(payer, "two", 400)
        before = await balance(payer)
        keys = list(orders)
        groups = [keys, keys[::-1]]
        for size in (150, 40):
            mixed = chance.sample(keys, len(keys))
            groups += [mixed[at : at + size] for at in range(0, len(mixed), size)]
        alone = chance.sample(keys, 100)
        batches, singles = await asyncio.gather(
            asyncio.gather(*(paid(payer, {key: orders[key] for key in one}) for one in groups)),
            asyncio.gather(
                *(
                    payer.client.pay_bytes(orders[key], idempotency_key=key, deadline_s=AT_ONCE_S)
                    for key in alone
                )
            ),
        )
        settled = await paid(payer, orders)
        for one in batches:
            assert one == {key: settled[key] for key in one}
        assert list(singles) == [settled[key] for key in alone]
        assert {one.status for one in settled.values()} == {"completed"}
        assert await balance(payer) == before - len(orders)
        served = await workers_that_decided(switch)
        assert served == 2, "both workers took part"
        assert await switch.end() == 0
        assert "Traceback" not in switch.messages.read_text()


async def workers_that_decided(switch: running.Running) -> int:
    """How many workers hold a connection of a participant now; the client keeps many."""
    pids = running.worker_pids(switch.pid)
    port = URL(switch.url).port
    assert port is not None
    return sum(1 for pid in pids if _has_connection(pid, port))


def _has_connection(pid: int, port: int) -> bool:
    """Whether a process has an established connection on a port, as the kernel lists it."""
    inodes = set()
    for entry in (Path("/proc") / str(pid) / "fd").iterdir():
        name = str(entry.readlink())
        if name.startswith("socket:["):
            inodes.add(name[8:-1])
    lines = (Path("/proc") / str(pid) / "net" / "tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return any(
        one[9] in inodes and one[3] == "01" and int(one[1].rsplit(":", 1)[1], 16) == port
        for one in fields
    )


async def test_a_caller_that_leaves_in_mid_batch_and_asks_again(
    database: Database, tmp_path: Path, seed: int
) -> None:
    """Whenever it left, every key has one answer, and the money went once."""
    chance = random.Random(seed)
    options = (*running.external(database, tmp_path), "--workers", 2)
    async with (
        serving(tmp_path, *options) as switch,
        paying(switch.url, database.url(ADMIN), tmp_path) as payer,
    ):
        before = await balance(payer)
        orders = purchases(payer, "left", 700)
        pieces = list(orders.items())
        for _ in range(CUTS):
            await leave(payer, URL(switch.url).port or 0, chance.sample(pieces, 300), chance)
        settled = await paid(payer, orders)
        assert {one.status for one in settled.values()} == {"completed"}
        assert await balance(payer) == before - len(orders)
        assert await paid(payer, dict(reversed(orders.items()))) == settled
        assert await switch.end() == 0
        assert "Traceback" not in switch.messages.read_text()


async def leave(
    payer: Payer, port: int, items: Sequence[tuple[str, bytes]], chance: random.Random
) -> None:
    """Send a batch, perhaps not all of it, and reset the connection before the answer is read."""
    texts = [
        b'{"idempotency_key":"' + key.encode() + b'","payment":' + body + b"}"
        for key, body in items
    ]
    body = b'{"payments":[' + b",".join(texts) + b"]}"
    signed = sign_request(
        signing_key(payer.key_id, read_private_key(payer.key_file)),
        method="POST",
        authority=f"{HOST}:{port}",
        path="/v1/payments/batch",
        query=None,
        body=body,
        idempotency_key="left",
        created=SYSTEM_CLOCK.now_us() // 1_000_000,
    )
    fields = signed.headers | {
        "Host": f"{HOST}:{port}",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    message = f"POST /v1/payments/batch HTTP/1.1\r\n{head}\r\n".encode() + body
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(message[: len(message) - chance.choice([0, 0, 0, 1, 1000])])
    await writer.drain()
    if chance.random() < 0.3:
        await reader.read(1)  # an answer is on its way
    await asyncio.sleep(chance.choice([0, 0.005, 0.02, 0.05]))
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
