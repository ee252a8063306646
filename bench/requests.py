"""Payments signed beforehand: files of the exact bytes that go over the wire, one slice a thread.

Signing costs the client as much as verifying costs the switch, and wrk cannot do it; so every
message of a measurement is signed before its clock starts, seconds old when it is sent, with a key
that was never used. All messages of a slice have the same length, so the sender needs no index.
"""

import asyncio
import multiprocessing
import os
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from bench.city import CURRENCY, Provider
from switch.clock import SYSTEM_CLOCK
from switch.signature import signing_key
from switch.signing import sign_request

PATH = "/v1/payments"
AMOUNTS = (1_000, 9_999)  # minor units, of equal length


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to sign: `count` purchases from random wallets to random payees."""

    authority: str
    providers: Sequence[Provider]
    payees: Sequence[UUID]
    count: int
    key_prefix: str  # never used before


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """Signed messages in files `prefix.0`, `prefix.1` …, each `message_bytes` long."""

    prefix: Path
    message_bytes: int
    count: int

    def remove(self) -> None:
        """They are large, and worth nothing once sent."""
        for path in self.prefix.parent.glob(self.prefix.name + ".*"):
            path.unlink()


async def sign(prefix: Path, orders: Sequence[Order]) -> Slices:
    """Sign all orders side by side, one file each, written through to the disk."""
    loop = asyncio.get_running_loop()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(orders), mp_context=context) as pool:
        lengths = await asyncio.gather(
            *(
                loop.run_in_executor(pool, write_slice, Path(f"{prefix}.{number}"), order)
                for number, order in enumerate(orders)
            )
        )
    (message_bytes,) = set(lengths)
    count = sum(order.count for order in orders)
    return Slices(prefix=prefix, message_bytes=message_bytes, count=count)


def write_slice(path: Path, order: Order) -> int:
    """Sign one slice; the length of each of its messages in bytes."""
    length = 0
    with path.open("wb") as file:
        for message in messages(order):
            assert length in (0, len(message)), "all messages have the same length"
            length = len(message)
            file.write(message)
        file.flush()
        os.fsync(file.fileno())
    return length


def messages(order: Order) -> Iterator[bytes]:
    """Signed purchases, as whole HTTP requests."""
    chosen = random.Random(order.key_prefix)
    created = SYSTEM_CLOCK.now_us() // 1_000_000
    keys = [signing_key(provider.key_id, provider.seed) for provider in order.providers]
    for number in range(order.count):
        holder = chosen.randrange(len(keys))
        payer = chosen.choice(order.providers[holder].wallets)
        payee = chosen.choice(order.payees)
        amount = chosen.randint(*AMOUNTS)
        body = (
            f'{{"type":"purchase","payer":"{payer}","payee":"{payee}",'
            f'"amount":{amount},"currency":"{CURRENCY}"}}'
        ).encode()
        signed = sign_request(
            keys[holder],
            method="POST",
            authority=order.authority,
            path=PATH,
            body=body,
            idempotency_key=f"{order.key_prefix}-{number:08}",
            created=created,
        )
        fields = "".join(f"{name}: {value}\r\n" for name, value in signed.headers.items())
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: {order.authority}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{fields}\r\n"
        )
        yield head.encode() + body
