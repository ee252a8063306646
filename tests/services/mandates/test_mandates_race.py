"""A mandate is revoked at one worker while its payee takes by it at both."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tests.integration.town import Reply
from tests.integration.two_workers import WORKERS, TwoWorkers
from tests.services.mandates.scene import Scene

ROUNDS = 6  # three at each worker, the revocation at another place each time
TAKEN = 8  # at each worker
AMOUNT = 1


@pytest.fixture(scope="module")
def town(two_workers: TwoWorkers) -> TwoWorkers:
    """Two workers, asked in turn."""
    return two_workers


async def in_order(scene: Scene, mandate: str, revoked_after: int | None) -> list[Any]:
    """Payments one after the other at one worker; the revocation after so many of them."""
    done: list[Any] = []
    for number in range(TAKEN):
        if number == revoked_after:
            done.append(await scene.revoke(mandate))
        done.append(await scene.take(mandate, AMOUNT))
    return done


async def test_nothing_is_taken_after_the_revocation_was_answered(
    town: TwoWorkers, scene: Scene
) -> None:
    """What was approved was decided before it; what was sent after the answer is declined."""
    doors = [replace(scene, town=town.at(number)) for number in range(WORKERS)]
    total = 0
    for turn in range(ROUNDS):
        mandate = await scene.given(payment_limit=AMOUNT)
        here, there = turn % WORKERS, (turn + 1) % WORKERS
        before = 1 + turn
        own, others = await asyncio.gather(
            in_order(doors[here], mandate, before), in_order(doors[there], mandate, None)
        )
        answer: Reply = own.pop(before)
        assert answer.status == 201, answer.body
        reasons = [one["reason"] for one in own]
        assert reasons == [None] * before + ["mandate_ended"] * (TAKEN - before)
        late = [await door.take(mandate, AMOUNT) for door in doors]
        assert [one["reason"] for one in late] == ["mandate_ended"] * WORKERS
        assert {one["reason"] for one in others} <= {None, "mandate_ended"}
        approved = [one for one in own + others if one["reason"] is None]
        assert all(one["created_at"] <= answer.json["revoked_at"] for one in approved)
        assert answer.json["uses"] == len(approved), "it counts all of them, and no more come"
        total += len(approved) * AMOUNT
    assert await town.balance(scene.merchant, scene.payee) == (total, 0)
    assert await town.operator.check_books() == []
