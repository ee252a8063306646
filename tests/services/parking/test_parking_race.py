"""Exits race for a stay at two workers: one ends it, and what is held is captured once."""

import asyncio
from dataclasses import replace

import pytest

from tests.integration.two_workers import WORKERS, TwoWorkers
from tests.services.parking.garage import Garage, ago

ROUNDS = 8
EXITS = 3  # at each worker


@pytest.fixture(scope="module")
def town(two_workers: TwoWorkers) -> TwoWorkers:
    """Two workers, asked in turn."""
    return two_workers


async def test_two_gates_capture_once(town: TwoWorkers, garage: Garage) -> None:
    """Whichever is first; the others are told that it has ended."""
    site = await garage.made("/v1/parking-sites", garage.site())
    mandate = await garage.mandate()
    gates = [replace(garage, town=town.at(number)) for number in range(WORKERS)]
    for _ in range(ROUNDS):
        entered = await garage.enter(site, mandate, ago(hours=1))
        stay, left_at = entered.json["id"], ago()
        replies = await asyncio.gather(
            *(gate.leave(stay, left_at) for _ in range(EXITS) for gate in gates)
        )
        statuses = sorted(reply.status for reply in replies)
        assert statuses == [201] + [400] * (EXITS * WORKERS - 1)
    assert await garage.balances() == ((10_000 - 300 * ROUNDS, 0), (300 * ROUNDS, 0))
    assert await town.operator.check_books() == []
