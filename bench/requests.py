"""Requests signed beforehand, as the exact bytes that go over the wire.

Signing costs the client as much as verifying costs the switch, and wrk cannot do it; so every
message of a measurement is signed before its clock starts, seconds old when it is sent. Payments
have keys that were never used; they lie in files, one slice a thread, all messages of a slice of
the same length, so the sender needs no index. Look-ups may be sent again and again.
"""

import asyncio
import multiprocessing
import os
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import UUID

from bench import city
from bench.city import CURRENCY, Holder, Provider
from switch.clock import SYSTEM_CLOCK
from switch.signature import SigningKey, signing_key
from switch.signing import sign_request

PATH = "/v1/payments"
EVENTS_PATH = "/v1/events"
EVENTS_AT_ONCE = 10  # asked for by a look at a feed
AMOUNTS = (1_000, 9_999)  # minor units, of equal length


class Messages(Protocol):
    """What one thread is to send; made in a process of its own, so it must be picklable."""

    @property
    def count(self) -> int:
        """How many messages that makes."""
        ...

    def messages(self) -> Iterator[bytes]:
        """Signed, as whole HTTP requests of equal length."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to sign: `count` purchases from random wallets to random payees."""

    authority: str
    providers: Sequence[Provider]
    payees: Sequence[UUID]
    count: int
    key_prefix: str  # never used before
    is_hold: bool = False
    has_reference: bool = False

    def messages(self) -> Iterator[bytes]:
        """Signed purchases, as whole HTTP requests."""
        chosen = random.Random(self.key_prefix)
        created = SYSTEM_CLOCK.now_us() // 1_000_000
        keys = [signing_key(provider.key_id, provider.seed) for provider in self.providers]
        for number in range(self.count):
            holder = chosen.randrange(len(keys))
            payer = chosen.choice(self.providers[holder].wallets)
            yield signed_post(
                keys[holder],
                self.authority,
                PATH,
                purchase(
                    chosen,
                    payer,
                    self.payees,
                    is_hold=self.is_hold,
                    reference=city.reference(chosen) if self.has_reference else None,
                ),
                idempotency_key=f"{self.key_prefix}-{number:08}",
                created=created,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """Signed messages in files `prefix.0`, `prefix.1` …, each `message_bytes` long."""

    prefix: Path
    message_bytes: int
    count: int
    began_us: int  # when signing began: no message is older

    def read(self) -> Iterator[bytes]:
        """All messages, one slice after the other."""
        for path in sorted(self.prefix.parent.glob(self.prefix.name + ".*")):
            content = path.read_bytes()
            for at in range(0, len(content), self.message_bytes):
                yield content[at : at + self.message_bytes]

    def remove(self) -> None:
        """They are large, and worth nothing once sent."""
        for path in self.prefix.parent.glob(self.prefix.name + ".*"):
            path.unlink()


async def sign(prefix: Path, orders: Sequence[Messages]) -> Slices:
    """Sign all orders side by side, one file each, written through to the disk."""
    began_us = SYSTEM_CLOCK.now_us()
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
    return Slices(prefix=prefix, message_bytes=message_bytes, count=count, began_us=began_us)


def write_slice(path: Path, order: Messages) -> int:
    """Sign one slice; the length of each of its messages in bytes."""
    length = 0
    with path.open("wb") as file:
        for message in order.messages():
            assert length in (0, len(message)), "all messages have the same length"
            length = len(message)
            file.write(message)
        file.flush()
        os.fsync(file.fileno())
    return length


def purchase(
    chosen: random.Random,
    payer: UUID,
    payees: Sequence[UUID],
    *,
    is_hold: bool = False,
    reference: str | None = None,
) -> bytes:
    """The body of a purchase from a wallet to one of these payees, always of the same length."""
    payee = chosen.choice(payees)
    amount = chosen.randint(*AMOUNTS)
    held = ',"capture":false' if is_hold else ""
    named = "" if reference is None else f',"reference":"{reference}"'
    return (
        f'{{"type":"purchase","payer":"{payer}","payee":"{payee}",'
        f'"amount":{amount},"currency":"{CURRENCY}"{held}{named}}}'
    ).encode()


def signed_post(
    key: SigningKey,
    authority: str,
    path: str,
    body: bytes,
    *,
    idempotency_key: str,
    created: int,
) -> bytes:
    """A whole HTTP request with a body, signed."""
    signed = sign_request(
        key,
        method="POST",
        authority=authority,
        path=path,
        body=body,
        idempotency_key=idempotency_key,
        created=created,
    )
    fields = "".join(f"{name}: {value}\r\n" for name, value in signed.headers.items())
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {authority}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{fields}\r\n"
    )
    return head.encode() + body


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What one participant looks at: payments of its own, and its feed after a number."""

    holder: Holder
    payments: Sequence[UUID]
    after: int


def look_ups(authority: str, watches: Sequence[Watch]) -> tuple[bytes, ...]:
    """Signed look-ups in turn: one of each participant, then the next of each.

    Every second is of a feed, the others of payments, as many as everybody has.
    """
    created = SYSTEM_CLOCK.now_us() // 1_000_000
    keys = [signing_key(watch.holder.key_id, watch.holder.seed) for watch in watches]
    found = []
    for number in range(min(len(watch.payments) for watch in watches)):
        for is_of_feed in (False, True):
            for watch, key in zip(watches, keys, strict=True):
                path = EVENTS_PATH if is_of_feed else f"{PATH}/{watch.payments[number]}"
                query = f"after={watch.after}&limit={EVENTS_AT_ONCE}" if is_of_feed else None
                signed = sign_request(
                    key,
                    method="GET",
                    authority=authority,
                    path=path,
                    query=query,
                    created=created,
                )
                fields = "".join(f"{name}: {value}\r\n" for name, value in signed.headers.items())
                target = path if query is None else f"{path}?{query}"
                found.append(f"GET {target} HTTP/1.1\r\nHost: {authority}\r\n{fields}\r\n".encode())
    return tuple(found)
