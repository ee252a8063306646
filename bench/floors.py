"""What nobody gets below: the floors under a payment, each measured by itself.

verify, sign      Ed25519 by the library that the switch calls, over what a payment signs, one core
empty-post        aiohttp answering an empty POST, one process, wrk beside it
insert-update     one statement that updates one row and inserts another, committed by pgbench

A signed payment needs one of each, and a commit that it may share.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from aiohttp import web
from multidict import CIMultiDict

from bench import beside, processor, requests, tpcb, wrk
from bench.harness import Measurement
from bench.stage import Stage, with_enough
from switch import keyfile
from switch.clock import SYSTEM_CLOCK
from switch.signature import Candidate, find_candidate, raw_signature, signing_key, verify
from switch.signing import sign_request

PREFIX = "floor-"
CURVE_S_MAX = 3.0  # arithmetic alone: it needs no longer to be known
KEY_ID, SEED, AUTHORITY = "floor/bench", bytes(range(32)), "127.0.0.1:8080"
SLICE = 100  # signatures between two looks at the clock
POST_GUESS = 15_000.0
DATABASE = "floors"
TABLES = """
CREATE TABLE account (id integer PRIMARY KEY, balance bigint NOT NULL);
CREATE TABLE payment (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account integer NOT NULL, amount bigint NOT NULL);
INSERT INTO account SELECT number, 0 FROM generate_series(1, 100000) AS number;
"""
SCRIPT = """
\\set account random(1, 100000)
\\set amount random(1000, 9999)
WITH moved AS (UPDATE account SET balance = balance - :amount WHERE id = :account RETURNING id)
INSERT INTO payment (account, amount) SELECT id, :amount FROM moved;
"""


class Ed25519:
    """One operation of the curve, on one core."""

    def __init__(self, name: str, make: Callable[[], Callable[[], object]]) -> None:
        self.name = f"{PREFIX}{name}"
        self.asks = f"Ed25519 {name}, one core"
        self._make = make

    async def prepare(self, stage: Stage) -> None:
        """Nothing."""

    async def measure(self, stage: Stage) -> Measurement:
        """One turn."""
        seconds = min(stage.size.seconds, CURVE_S_MAX)
        return await asyncio.to_thread(repeated, self._make(), seconds)


def repeated(operation: Callable[[], object], seconds: float) -> Measurement:
    """How often this goes in a second, and what it costs: processor time of this thread."""
    began_s = ended_s = SYSTEM_CLOCK.monotonic_s()
    used_s = time.thread_time()
    count = 0
    while ended_s - began_s < seconds:
        for _ in range(SLICE):
            operation()
        count += SLICE
        ended_s = SYSTEM_CLOCK.monotonic_s()
    used_s = time.thread_time() - used_s
    return Measurement(
        per_second=count / (ended_s - began_s), seen={"us": round(1e6 * used_s / count, 1)}
    )


def verifying() -> Callable[[], object]:
    """What a worker does with the signature of a payment."""
    candidate = _candidate()
    public_key = keyfile.public_key(SEED)
    assert verify(candidate, public_key), "it is by this key"
    return partial(verify, candidate, public_key)


def signing() -> Callable[[], object]:
    """What it does for an answer, over about as many bytes."""
    return partial(raw_signature, _candidate().base, signing_key(KEY_ID, SEED))


def _candidate() -> Candidate:
    """The signature of a payment, as it is verified."""
    wallet = UUID(int=0)
    signed = sign_request(
        signing_key(KEY_ID, SEED),
        method="POST",
        authority=AUTHORITY,
        path=requests.PATH,
        body=requests.purchase(random.Random(0), wallet, [wallet]),
        idempotency_key="0" * 27,
        created=SYSTEM_CLOCK.now_us() // 1_000_000,
    )
    found = find_candidate(
        method="POST",
        authority=AUTHORITY,
        path=requests.PATH,
        query=None,
        headers=CIMultiDict(signed.headers),
        has_body=True,
        is_known_key=lambda _: True,
    )
    assert isinstance(found, Candidate), found
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyPosts:
    """Requests with nothing in them."""

    authority: str
    count: int

    def messages(self) -> Iterator[bytes]:
        """The same request again and again."""
        message = f"POST / HTTP/1.1\r\nHost: {self.authority}\r\nContent-Length: 0\r\n\r\n".encode()
        return (message for _ in range(self.count))


class EmptyPost:
    """HTTP alone."""

    name = f"{PREFIX}empty-post"
    asks = "aiohttp answering an empty POST, one process"

    async def prepare(self, stage: Stage) -> None:
        """Nothing."""

    async def measure(self, stage: Stage) -> Measurement:
        """One turn, after a warm-up."""
        load = wrk.Load(
            order=lambda authority, _, count, __: EmptyPosts(authority=authority, count=count),
            connections=stage.size.connections,
        )
        async with beside.serving(application, 1) as (url, pids):
            warm = await _posts(stage, url, load, pids, stage.size.warm_up_s, POST_GUESS)
            return await _posts(stage, url, load, pids, stage.size.seconds, warm.per_second)


async def _posts(
    stage: Stage, url: str, load: wrk.Load, pids: Sequence[int], seconds: float, guess: float
) -> Measurement:
    async def attempt(rate: float) -> Measurement:
        async with wrk.signed(stage, url, load, rate * seconds) as slices:
            used_s = processor.used_s(pids)
            result = await wrk.send(url, slices, load.connections, seconds)
            used_s = processor.used_s(pids) - used_s
        seen = {**wrk.percentiles(result), "server_us": round(1e6 * used_s / result["answers"], 1)}
        return Measurement(per_second=wrk.rate(result), seen=seen)

    return await with_enough(attempt, guess)


async def application() -> web.Application:
    """A server that answers an empty POST with nothing."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response()

    made = web.Application()
    made.router.add_post("/", answer)
    return made


class InsertUpdate:
    """The least that a database does for a payment of its own."""

    name = f"{PREFIX}insert-update"
    asks = "pgbench, one insert and one update in one statement"

    async def prepare(self, stage: Stage) -> None:
        """Accounts and an empty table."""
        connection = await beside.create_database(stage, DATABASE)
        await connection.execute(TABLES)
        await connection.execute("VACUUM (ANALYZE) account")
        await connection.close()
        (stage.folder / "floors.sql").write_text(SCRIPT, encoding="utf-8")

    async def measure(self, stage: Stage) -> Measurement:
        """One turn."""
        script = ("--no-vacuum", "--file", str(stage.folder / "floors.sql"))
        return await tpcb.transactions(stage, DATABASE, *script)


OF_A_REQUEST = (Ed25519("verify", verifying), Ed25519("sign", signing), EmptyPost())
QUESTIONS = (*OF_A_REQUEST, InsertUpdate())
