"""Thousands of taps, shuffled, doubled and late, while weeks are settled and the settler is killed.

In the end each token has paid exactly what a plain model says of its sorted taps.
"""

import asyncio
import random
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from prometheus_client import CollectorRegistry

from switch.clock import SYSTEM_CLOCK
from switch.loops import BROKEN
from switch.service import JobCore
from switch.services.transit.jobs import Settler
from tests.services.transit import model
from tests.services.transit.metro import FARES, ZONE, Metro, Rider
from tests.services.transit.test_fares import random_taps

TAPS = 5_000
LONG_TAPS = 100_000
TWICE = 0.2
UPLOAD = 250
MONEY = 10**9
SETTLERS = 2


def last_monday() -> datetime:
    """The midnight at which the latest week began that is over."""
    today = datetime.now(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    monday = today - timedelta(days=today.weekday() + 7)
    # Until its Sunday's service day is over, the week before counts.
    over = datetime.now(ZONE) > monday + timedelta(days=7, hours=model.BEGIN // 60)
    return monday if over else monday - timedelta(days=7)


async def settle_and_be_killed(metro: Metro, chance: random.Random) -> None:
    """Some turns of two settlers at once, each cut off by the database somewhere."""

    killing = asyncio.Lock()  # the operator has one connection

    async def one(after_s: float) -> None:
        connection = await metro.town.database.connect("switch_jobs_login")
        settler = Settler(JobCore(clock=SYSTEM_CLOCK, registry=CollectorRegistry()))
        working = asyncio.create_task(settler.turn(connection))
        await asyncio.sleep(after_s)
        async with killing:
            await metro.fetchval("SELECT pg_terminate_backend($1)", connection.get_server_pid())
        with suppress(*BROKEN):
            await working
        connection.terminate()

    await asyncio.gather(*(one(chance.random() * 0.03) for _ in range(SETTLERS)))


async def test_every_token_pays_what_the_model_says(
    metro: Metro, seed: int, long_run: bool
) -> None:
    """Whatever the order in which its taps came, and whoever was killed meanwhile."""
    chance = random.Random(seed)
    await metro.town.operator.issue(UUID(metro.payer), MONEY, reason="test")
    mandate = await metro.mandate(payment_limit=MONEY)
    monday = last_monday()
    rides: dict[str, list[tuple[int, str, str]]] = {}
    pile: list[dict[str, Any]] = []
    count = LONG_TAPS if long_run else TAPS
    while len(pile) < count:
        rider = await metro.rider(mandate)
        rides[rider.token] = random_taps(chance, chance.randrange(1, 150))
        pile += [_tap(metro, rider, monday, chance, *one) for one in rides[rider.token]]
    sent = pile + [one for one in pile if chance.random() < TWICE]
    chance.shuffle(sent)
    known = 0
    for start in range(0, len(sent), UPLOAD):
        told, _ = await asyncio.gather(
            metro.upload(sent[start : start + UPLOAD]),
            settle_and_be_killed(metro, chance) if chance.random() < 0.5 else asyncio.sleep(0),
        )
        assert told["refused"] == 0, told
        known += told["known"]
    assert known == len(sent) - len(pile)
    await metro.settle(rounds_max=count)
    total = 0
    for token, taps in rides.items():
        fare = sum(model.week(taps, FARES, "adult"))
        total += fare
        standing = await metro.shown(f"/v1/transit-tokens/{token}")
        assert (standing["fares"], standing["due"], standing["paid"]) == (fare, fare, fare), taps
    assert (await metro.balances())[1] == (total, 0)
    assert await metro.town.operator.check_books() == []


def _tap(
    metro: Metro,
    rider: Rider,
    monday: datetime,
    chance: random.Random,
    minute: int,
    station: str,
    direction: str,
) -> dict[str, Any]:
    tapped_at = monday + timedelta(minutes=minute)
    return metro.tap(rider, tapped_at, station, direction, gate=chance.choice(metro.gates))
