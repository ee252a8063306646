"""The loop that turns taps into fares and fares into payments, week by week of each token."""

from datetime import date
from typing import Any
from uuid import UUID

import asyncpg
from prometheus_client import Counter

from switch.ledger import new_id
from switch.loops import Job
from switch.service import JobCore
from switch.services.transit import limits
from switch.services.transit.desk import QUERIES
from switch.services.transit.pricing import Table, price, tables_of

WEEK_LAST_DAY = 6  # after its Monday


class Settler:
    """Prices weeks that got taps, takes what is due of them, gives back what was too much."""

    def __init__(self, core: JobCore) -> None:
        self._clock = core.clock
        self._priced = Counter(
            "switch_transit_weeks", "Weeks of tokens that were priced", registry=core.registry
        )

    async def turn(self, connection: asyncpg.Connection) -> float:
        """So many weeks; a pause, long when there is nothing to do."""
        rows = await connection.fetch(QUERIES["due_weeks"], limits.WEEKS_A_TURN)
        if not rows:
            return limits.SETTLE_IDLE_S
        tables: dict[tuple[UUID, date], list[Table]] = {}
        for row in rows:
            of = row["network"], row["monday"]
            if of not in tables:
                tables[of] = await self._tables(connection, *of)
        weeks = [(row, price(row, tables[row["network"], row["monday"]])) for row in rows]
        excess = await connection.fetch(
            QUERIES["settle_weeks"],
            [row["token"] for row, _ in weeks],
            [row["monday"] for row, _ in weeks],
            [row["taps"] for row, _ in weeks],
            [week.fares for _, week in weeks],
            [week.due(row["payable_through"]) for row, week in weeks],
            [week.ride_ends_at for _, week in weeks],
            [week.next_day(row["payable_through"]) for row, week in weeks],
            self._ids(len(weeks)),
            limits.RETRY_S_MIN,
            limits.RETRY_S_MAX,
            limits.FAILURES_MAX,
        )
        for row in excess:
            await connection.fetchval(
                QUERIES["give_back"], row["token"], row["monday"],
                self._ids(limits.REFUNDS_A_TURN), limits.RETRY_S_MIN, limits.RETRY_S_MAX,
            )  # fmt: skip
        self._priced.inc(len(weeks))
        return limits.SETTLE_PAUSE_S

    async def _tables(self, connection: Any, network: UUID, monday: date) -> list[Table]:
        sunday = date.fromordinal(monday.toordinal() + WEEK_LAST_DAY)
        return tables_of(await connection.fetch(QUERIES["read_fares"], network, monday, sunday))

    def _ids(self, count: int) -> list[UUID]:
        now_us = self._clock.now_us()
        return [new_id(now_us) for _ in range(count)]


def jobs(core: JobCore) -> tuple[Job, ...]:
    """What the service does beside answering."""
    turn = Settler(core).turn
    return (Job(name="transit_settle", turn_s_max=limits.SETTLE_S_MAX, turn=turn),)
