"""How fast is the naive way? The yardstick that shows what the design gains.

`naive_server`, two processes on one port like the switch's workers, in a database of its own with
the same wallets and merchants, and the same signed payments by the same wrk. Believed if the
payments it has recorded are those that were answered, and if no money came or went.
"""

from collections.abc import Sequence
from functools import partial

import asyncpg

from bench import beside, city, processor, wrk
from bench.harness import Measurement
from bench.naive_server import TABLES, Sender, Setting, application
from bench.requests import Slices
from bench.stage import WORKER_COUNT, BenchError, Stage, with_enough
from switch import keyfile

DATABASE = "naive"
RATE_GUESS = 3_000.0
BOOKS = """
SELECT count(*) AS decided, count(*) FILTER (WHERE outcome = 0) AS approved,
       (SELECT count(*) FROM key_claim) AS claimed, (SELECT sum(balance) FROM account) AS money
  FROM payment
"""
ACCOUNT_FIELDS = (
    "id", "participant_no", "currency", "balance", "payment_limit", "daily_limit", "balance_limit"
)  # fmt: skip


class Naive:
    """Payments to servers that decide each by itself."""

    name = "naive"
    asks = "one transaction a request, same checks, same requests"

    def __init__(self) -> None:
        self._connection: asyncpg.Connection | None = None
        self._money = 0  # on all accounts, at first and for ever

    async def prepare(self, stage: Stage) -> None:
        """A database with the same accounts, and the same money on them."""
        self._connection = await beside.create_database(stage, DATABASE)
        await self._connection.execute(TABLES)
        await self._connection.copy_records_to_table(
            "account", records=accounts(stage.city), columns=ACCOUNT_FIELDS
        )
        await self._connection.execute("VACUUM (ANALYZE)")
        self._money = (await self._books())["money"]

    async def measure(self, stage: Stage) -> Measurement:
        """One turn, after a warm-up; the books at its end."""
        load = wrk.payments(stage, stage.city.merchants)
        make = partial(application, setting(stage))
        async with beside.serving(make, WORKER_COUNT) as (url, pids):

            async def burst(seconds: float, rate_guess: float) -> Measurement:
                async def attempt(rate: float) -> Measurement:
                    async with wrk.signed(stage, url, load, rate * seconds) as slices:
                        return await self._burst(stage, url, load, pids, slices, seconds)

                return await with_enough(attempt, rate_guess)

            warm = await burst(stage.size.warm_up_s, RATE_GUESS)
            measured = await burst(stage.size.seconds, warm.per_second)
        self._check(await self._books())
        return measured

    async def _burst(
        self,
        stage: Stage,
        url: str,
        load: wrk.Load,
        pids: Sequence[int],
        slices: Slices,
        seconds: float,
    ) -> Measurement:
        before = (await self._books())["decided"]
        server = processor.with_children(stage.database.server_pid())
        used_s = processor.used_s(pids), processor.used_s(server)
        result = await wrk.send(url, slices, load.connections, seconds)
        used_s = processor.used_s(pids) - used_s[0], processor.used_s(server) - used_s[1]
        decided = (await self._books())["decided"] - before
        # What wrk did not wait for may be decided later: of this burst, and of the one before.
        if not 0 <= decided - result["answers"] <= 2 * load.connections:
            raise BenchError(f"{result['answers']} answers for {decided} payments of the naive way")
        return Measurement(
            per_second=wrk.rate(result),
            seen={
                "decided": decided,
                **wrk.percentiles(result),
                "worker_us": round(1e6 * used_s[0] / decided),
                "postgres_us": round(1e6 * used_s[1] / decided),
            },
        )

    async def _books(self) -> asyncpg.Record:
        assert self._connection is not None, "it was prepared"
        return await self._connection.fetchrow(BOOKS)

    def _check(self, books: asyncpg.Record) -> None:
        if books["money"] != self._money:
            raise BenchError(f"the naive way made {books['money'] - self._money} out of nothing")
        if not books["decided"] == books["approved"] == books["claimed"]:
            raise BenchError(f"payments of the naive way are wrong: {dict(books)}")


def accounts(founded: city.City) -> list[tuple[object, ...]]:
    """The same wallets and merchants, as rows; limits are there, and nobody reaches them."""
    wallets = [
        (wallet, provider.number, city.TOP_UP)
        for provider in founded.providers
        for wallet in provider.wallets
    ]
    shops = [(shop, founded.merchant_holders[0].number, 0) for shop in founded.merchants]
    limits = (city.LIMIT, city.LIMIT, city.LIMIT)
    return [
        (account, holder_no, city.CURRENCY, balance, *limits)
        for account, holder_no, balance in wallets + shops
    ]


def setting(stage: Stage) -> Setting:
    """For its servers: where the database is, who may send, and a key to sign answers with."""
    return Setting(
        url=beside.database_url(stage, DATABASE),
        senders={
            provider.key_id: Sender(
                id=provider.id,
                number=provider.number,
                public_key=keyfile.public_key(provider.seed),
            )
            for provider in stage.city.providers
        },
        key_id="naive/bench",
        seed=keyfile.generate_seed(),
    )
