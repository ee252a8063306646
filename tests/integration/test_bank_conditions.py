"""Calling banks when something else is not as it should be: no key, a backlog, a whole bad bank."""

import asyncio
import shutil
from pathlib import Path

import pytest

from switch import keyfile, limits
from switch.simulate.positions import add_up
from switch.upkeep import fold_credits
from tests.integration.branch import (
    POSITION_FLOOR,
    books,
    calling,
    decided,
    open_branch,
    sent,
    shown,
)
from tests.integration.running import until as eventually
from tests.integration.simulated import simulating
from tests.integration.town import Member, Town, until


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short pauses, so that a test sees several of them."""
    monkeypatch.setattr(limits, "BANK_REPEAT_S_MIN", 0.05)
    monkeypatch.setattr(limits, "BANK_REPEAT_S_MAX", 0.2)
    monkeypatch.setattr(limits, "BANK_PAUSE_S_MIN", 0.05)
    monkeypatch.setattr(limits, "BANK_PAUSE_S_MAX", 0.2)
    monkeypatch.setattr(limits, "JOB_PAUSE_S_MAX", 0.2)


async def test_without_a_key_of_the_switch_nothing_is_sent(
    town: Town, payee: str, tmp_path: Path
) -> None:
    """It is counted as a failure, and goes on as soon as there is one."""
    async with open_branch(town) as branch, calling(town, key_dir=tmp_path) as calls:
        key = await branch.pay(payee, 300)
        await until(
            lambda: calls.sample("switch_job_failures_total", job="calls") >= 3, "it is tried"
        )
        payment = await shown(town, branch.holder, key)
        assert payment is not None
        assert payment["status"] == "pending"
        assert branch.server.asked == []
        for file in town.key_dir.iterdir():
            shutil.copy(file, tmp_path)
        assert (await decided(town, branch.holder, key))["status"] == "completed"


async def test_a_backlog_of_credits_is_waited_for(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """A position that is short of what only a long fold finds is decided about when that is done.

    What one call may add up is lowered for it; all else is as ever.
    """
    ledger = town.operator.connection
    body = await ledger.fetchval(
        "SELECT pg_get_functiondef('ledger.fold_call_max()'::regprocedure)"
    )
    async with open_branch(town) as branch, calling(town) as calls:
        for _ in range(4):
            key = await sent(town, wallet, payer, branch.customer, 1, type="withdrawal")
            assert (await decided(town, wallet, key))["status"] == "completed"
        await ledger.execute(
            "CREATE OR REPLACE FUNCTION ledger.fold_call_max() RETURNS integer"
            " LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 2'"
        )
        try:
            before = calls.sample("switch_job_failures_total", job="calls")
            key = await branch.pay(payee, -POSITION_FLOOR + 1)
            other = await sent(town, wallet, payer, branch.customer, 1, type="withdrawal")
            assert (await decided(town, wallet, other))["status"] == "completed", (
                "nobody else waits"
            )
            assert calls.sample("switch_job_failures_total", job="calls") == before
            assert branch.server.of("authorizations") == []
            while (await fold_credits(ledger, limits.FOLD_SIZE_MAX)).credits:
                pass
            assert (await decided(town, branch.holder, key))["status"] == "completed"
        finally:
            await ledger.execute(body)
    assert await books(town) == []


async def test_a_bank_that_does_everything_wrong_agrees_in_the_end(
    town: Town, wallet: Member, payer: str, payee: str, tmp_path: Path, seed: int
) -> None:
    """Slow, silent, refusing and lying by turns, then well: its book and the switch's say the same.

    The bank is the one that participants try the switch with; its log is its book.
    """
    print(f"seed {seed}")  # shown with a failure
    async with open_branch(town) as branch:
        key_file, jwks = tmp_path / "bank.pem", tmp_path / "jwks.json"
        keyfile.write_private_key(key_file, branch.server.key.secret[: keyfile.SEED_BYTES])
        jwks.write_bytes((await town.raw("GET", "/.well-known/jwks.json")).body)
        knobs = ("--hang", 0.1, "--drop", 0.2, "--refuse", 0.2, "--decline", 0.2,
                 "--refuse-credits", 0.2, "--lie", "signature", "--lie-rate", 0.1,
                 "--jitter-ms", 50, "--seed", seed)  # fmt: skip
        identity = ("--key", key_file, "--keyid", branch.server.key.key_id, "--jwks", jwks)
        log = tmp_path / "bank.log"
        async with (
            simulating("bank", log, *identity, *knobs) as bank,
            calling(town, bank_deadline_s=2.0),
        ):
            await town.operator.set_participant(branch.holder.id, bank_url=bank.url)
            sending = [branch.pay(payee, amount) for amount in range(1, 31)]
            sending += [
                sent(town, wallet, payer, branch.customer, amount, type="withdrawal")
                for amount in range(1, 16)
            ]
            keys = await asyncio.gather(*sending)
            await asyncio.sleep(2.0)  # of a bad bank
            await bank.turn(hang=0, drop=0, refuse=0, lie_rate=0)
            owners = [branch.holder] * 30 + [wallet] * 15
            payments = [
                await decided(town, owner, key) for owner, key in zip(owners, keys, strict=True)
            ]
            await eventually(lambda: _is_nothing_open(town), "no call is left to be made")
            book = add_up(bank.lines)
    for payment in payments:
        position = book.get(payment["id"])
        moved = 0 if position is None else position.available.get(branch.customer, 0)
        is_done = payment["status"] == "completed"
        sign = -1 if payment["type"] == "transfer" else 1
        assert moved == is_done * sign * payment["amount"], (payment, position)
    assert {payment["status"] for payment in payments} == {"completed", "declined"}
    assert await books(town) == []


async def _is_nothing_open(town: Town) -> bool:
    count = await town.operator.connection.fetchval(
        "SELECT count(*) FROM ledger.bank_call WHERE finished_at IS NULL"
    )
    return bool(count == 0)
