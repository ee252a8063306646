"""Is the ledger as fast and as lean with ten million payments as when it is empty?

Payments with a reference of twelve digits in no order, stored by the deciding function in full
batches, by two connections beside a switch whose jobs fold and number. At each size:

    stored   what the city was founded with, and so many more at least
    grown    single payments over HTTP into that ledger
    empty    the same into another cluster beside it, founded anew for this size

The machine drifts by more than what is looked for, so grown and empty are measured in the same
round, every second round the other way round, and the ratio is formed within it; at size 0 it is
how far two equal ledgers differ. Both clusters are vacuumed, analysed and at a checkpoint before
the first round at a size, and not again: pages that are logged whole after a checkpoint are many in
a large ledger, and part of what it costs (`wal_bytes` a payment), as every 15 minutes in a switch.
The books are checked after every round, not within it.

Bytes a payment are what the relations of the ledger grew by while payments were stored, after all
was folded, numbered and vacuumed, without the log. Keys have 27 characters and rise, as ids do.
Queues and new pages keep room that is not used, so of some thousand payments the bytes say little.
"""

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console

from bench import function, pairs, wrk
from bench.function import Mix
from bench.harness import Measurement, Results
from bench.pairs import Compared, Target
from bench.stage import Size, Stage, opened
from bench.sweep import Point, walk
from switch.clock import SYSTEM_CLOCK

NAME = "growth"
GROWN, EMPTY = "grown", "empty"
LONG = (0, 1_000_000, 3_000_000, 10_000_000)
BRIEF = (0, 20_000, 50_000)
TINY = (0, 2_000)
BRIEF_ROUNDS_MAX = 1  # unless the run is long: its ratios say little, its bytes enough
BRIEF_S_MAX, BRIEF_WARM_UP_S_MAX = 3.0, 2.0
CONNECTIONS = 2  # that store payments
AT_ONCE = 250_000  # payments stored before all is folded and numbered
MIX = Mix(has_reference=True)
RATE_MIN = 0.85  # of an empty ledger
BYTES_MAX = 800.0  # a payment, of everything
SHOWN_BYTES_MIN = 0.05

RELATIONS = """
SELECT t.relname AS of_table, t.relname AS relation, pg_table_size(t.oid) AS bytes
  FROM pg_class t
 WHERE t.relnamespace = 'ledger'::regnamespace AND t.relkind = 'r'
 UNION ALL
SELECT t.relname, x.relname, pg_total_relation_size(x.oid)
  FROM pg_index i
  JOIN pg_class t ON t.oid = i.indrelid
  JOIN pg_class x ON x.oid = i.indexrelid
 WHERE t.relnamespace = 'ledger'::regnamespace
"""
STATE = """
SELECT relname AS name, n_live_tup AS rows, n_dead_tup AS dead, n_mod_since_analyze AS changed,
       autovacuum_count + autoanalyze_count AS by_itself
  FROM pg_stat_user_tables WHERE schemaname = 'ledger' AND relname = ANY ($1) ORDER BY relname
"""
STATE_OF = ["account", "fold", "key_claim", "payment"]
SO_FAR = """
SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint AS wal_bytes,
       (SELECT sum(autovacuum_count + autoanalyze_count)::bigint
          FROM pg_stat_user_tables WHERE schemaname = 'ledger') AS autovacuums
"""

# Which part of a payment a table is, and its indexes; what is not named is `other`.
PARTS = {
    "payment": ("payment_rows", "payment_indexes"),
    "key_claim": ("key_claims", "key_claims"),
    "outbox": ("events", "events"),
    "event_run": ("events", "events"),
    "event_feed": ("events", "events"),
    "unfolded_credit": ("credits", "credits"),
    "fold": ("credits", "credits"),
    "account": ("accounts", "accounts"),
}
OTHER = ("other", "other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What a ledger takes on disk: bytes by table and relation, an index beside its table."""

    payments: int
    relations: Mapping[tuple[str, str], int]

    @classmethod
    async def of(cls, stage: Stage) -> "Footprint":
        """As it is now."""
        connection = stage.operator.connection
        rows = await connection.fetch(RELATIONS)
        return cls(
            payments=await connection.fetchval("SELECT count(*) FROM ledger.payment"),
            relations={(row["of_table"], row["relation"]): row["bytes"] for row in rows},
        )

    def a_payment(self, before: "Footprint") -> dict[tuple[str, str], float]:
        """Bytes that each relation has grown by for each payment since."""
        count = self.payments - before.payments
        return {
            name: (size - before.relations.get(name, 0)) / count
            for name, size in self.relations.items()
        }


def parts(relations: Mapping[tuple[str, str], float]) -> dict[str, float]:
    """The same in the parts of a payment; `total` is all of it."""
    found = {"total": sum(relations.values())}
    found |= {name: 0.0 for both in (*PARTS.values(), OTHER) for name in both}
    for (table, relation), size in relations.items():
        of_rows, of_indexes = PARTS.get(table, OTHER)
        found[of_rows if relation == table else of_indexes] += size
    return {name: round(size, 1) for name, size in found.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """One run: the ledger that grows, and where the figures go."""

    stage: Stage
    results: Results
    console: Console

    async def store(self, count: int, size: int) -> float:
        """So many payments more, which makes this size; how many bytes each takes."""
        stage = self.stage
        async with stage.switch():
            await _rested(stage)
            before = await Footprint.of(stage)
            left = count
            while left > 0:
                with self.console.status(f"{NAME}: {size - left:,} of {size:,} payments"):
                    each = -(-min(left, AT_ONCE) // (CONNECTIONS * MIX.batch_size))
                    done = await function.decided(
                        stage,
                        CONNECTIONS,
                        each * MIX.batch_size,
                        math.inf,
                        MIX,
                        is_made_before=False,  # in the order of their ids, as over HTTP
                    )
                    left -= sum(one.decided + one.warm_up for one in done)
                    await stage.folded()
                    await stage.numbered()
            with self.console.status(f"{NAME}: vacuum at {size:,}"):
                await _rested(stage)
            after = await Footprint.of(stage)
        return self._say_bytes(after.a_payment(before), after.payments - before.payments, size)

    async def compare(self, size: int) -> Compared:
        """Payments over HTTP here and into a ledger that is empty, round after round."""
        folder = self.stage.folder / f"{NAME}-{size}"
        folder.mkdir()
        try:
            async with opened(folder, self.stage.size, self.console) as empty:
                ledgers = {GROWN: self.stage, EMPTY: empty}
                books_s = await self._check(ledgers)
                for one in ledgers.values():
                    with self.console.status("vacuum and checkpoint"):
                        await one.operator.connection.execute("VACUUM (ANALYZE)")
                        await one.settle()
                await self._say_state(size, books_s[GROWN])
                return Compared(
                    target=Target(
                        name=f"{NAME} at {size:,} ÷ empty: payments", wanted=RATE_MIN, is_floor=True
                    ),
                    ratios=tuple(
                        [
                            await self._round(round_no, size, ledgers)
                            for round_no in range(1, self.stage.size.rounds + 1)
                        ]
                    ),
                )
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def _round(self, round_no: int, size: int, ledgers: Mapping[str, Stage]) -> float:
        """Both, one after the other; the ratio of their rates."""

        async def measure(at: Point) -> Measurement:
            for one in ledgers.values():
                await one.rest()
            return await _payments(ledgers[at["ledger"]])

        points = [{"stored": size, "ledger": name} for name in ledgers]
        found = await walk(NAME, round_no, points, measure, self.results, self.console)
        await self._check(ledgers)
        rates = {at["ledger"]: seen.per_second for at, seen in found}
        return rates[GROWN] / rates[EMPTY]

    async def _check(self, ledgers: Mapping[str, Stage]) -> dict[str, float]:
        """The books of both must be right; how long looking at each took, in seconds."""
        took_s = {}
        for name, one in ledgers.items():
            with self.console.status(f"checking the books, {name}"):
                began_s = SYSTEM_CLOCK.monotonic_s()
                await one.check_books()
                took_s[name] = SYSTEM_CLOCK.monotonic_s() - began_s
        return took_s

    async def _say_state(self, size: int, books_s: float) -> None:
        """What there is before a measurement."""
        connection = self.stage.operator.connection
        tables = {row["name"]: dict(row) for row in await connection.fetch(STATE, STATE_OF)}
        count = await connection.fetchval("SELECT count(*) FROM ledger.payment")
        self._write(stored=size, payments=count, books_s=round(books_s, 2), tables=tables)
        said = "; ".join(
            f"{name} {table['rows']:,} rows, {table['dead']:,} dead, {table['changed']:,} changed"
            f" since, by itself {table['by_itself']} times"
            for name, table in tables.items()
        )
        self._print(
            f"{NAME} at {size:,}: {count:,} payments, their books checked in {books_s:.1f} s;"
            f" vacuumed and analysed: {said}"
        )

    def _say_bytes(
        self, relations: Mapping[tuple[str, str], float], count: int, size: int
    ) -> float:
        split = parts(relations)
        self._write(phase=f"bytes a payment, up to {size:,}", stored=size, payments=count, **split)
        shown = "  ".join(f"{name} {value:g}" for name, value in split.items())
        self._print(f"{NAME}  bytes a payment, {count:,} payments up to {size:,}: {shown}")
        for (table, relation), value in sorted(relations.items(), key=lambda one: -one[1]):
            if abs(value) >= SHOWN_BYTES_MIN:
                name = relation if relation == table else f"{table}: {relation}"
                self._write(phase=name, total=round(value, 1))
                self._print(f"    {value:>8.1f}  {name}")
        return split["total"]

    def _write(self, **seen: Any) -> None:
        self.results.write({"question": NAME, **seen})

    def _print(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)


async def report(stage: Stage, results: Results, console: Console) -> None:
    """Size after size; at each what was added takes on disk, and how fast it is."""
    growth = Growth(stage=replace(stage, size=_size(stage.size)), results=results, console=console)
    compared, stored, whole = [], 0, 0.0
    for size in _sizes(stage.size):
        if size > stored:
            whole = await growth.store(size - stored, size)
            stored = size
        compared.append(await growth.compare(size))
    target = Target(name=f"{NAME}: bytes a payment", wanted=BYTES_MAX, is_floor=False)
    compared.append(Compared(target=target, ratios=(whole,)))
    pairs.conclude(compared, results, console)


def _sizes(size: Size) -> tuple[int, ...]:
    if size.is_long:
        return LONG
    return BRIEF if size.is_thorough else TINY


def _size(size: Size) -> Size:
    """Of a measurement: what a run that is not long has time for."""
    if size.is_long:
        return size
    return replace(
        size,
        rounds=min(size.rounds, BRIEF_ROUNDS_MAX),
        seconds=min(size.seconds, BRIEF_S_MAX),
        warm_up_s=min(size.warm_up_s, BRIEF_WARM_UP_S_MAX),
    )


async def _rested(stage: Stage) -> None:
    """Folded, numbered, vacuumed: what is on disk is what is kept."""
    await stage.folded()
    await stage.numbered()
    await stage.operator.connection.execute("VACUUM (ANALYZE)")


async def _payments(stage: Stage) -> Measurement:
    """One turn, after a warm-up; with what the server wrote and did by itself meanwhile."""
    load = wrk.payments(stage, stage.city.merchants, has_reference=True)
    connection = stage.operator.connection
    mark, before = stage.mark(), await connection.fetchrow(SO_FAR)
    measured = await wrk.measure(stage, load)
    after, count = await connection.fetchrow(SO_FAR), await stage.decided_since(mark)
    meanwhile = {
        "wal_bytes": round((after["wal_bytes"] - before["wal_bytes"]) / max(1, count)),
        "autovacuums": after["autovacuums"] - before["autovacuums"],
    }
    return Measurement(per_second=measured.per_second, seen={**measured.seen, **meanwhile})
