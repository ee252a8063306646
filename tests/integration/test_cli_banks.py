"""`switch bank …` beside the process that calls banks: what never comes back is ended by hand."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from switch import limits
from tests.databases import ADMIN
from tests.integration.branch import Branch, books, calling, decided, open_branch, sent
from tests.integration.running import Said, switch, until
from tests.integration.town import Member, Town

REASON = ("--reason", "wound up, notice 12")


@pytest_asyncio.fixture(loop_scope="session")
async def branch(town: Town, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Branch]:
    """A bank that breaks every connection; the books are right in the end."""
    monkeypatch.setattr(limits, "BANK_REPEAT_S_MAX", 0.2)
    monkeypatch.setattr(limits, "BANK_BACKLOG_INTERVAL_S", 0.05)
    async with open_branch(town, lambda _: "503") as made:
        yield made
    assert await books(town) == []


async def bank(town: Town, command: str, *arguments: object) -> Said:
    """One command."""
    access = ("--admin-database-url", town.database.url(ADMIN))
    return await switch("bank", command, *arguments, *access)


async def calls(town: Town, command: str, *arguments: object) -> list[dict[str, Any]]:
    """What one command says of calls."""
    said = await bank(town, command, *arguments, "--json")
    found: list[dict[str, Any]] = said.document["calls"]
    return found


async def test_what_a_bank_never_answers_is_given_up(
    town: Town, branch: Branch, wallet: Member, payer: str
) -> None:
    """Listed with its last words, ended one by one or all at once, counted, sent no more."""
    name = branch.holder.id
    async with calling(town) as metrics:
        keys = [
            await sent(town, wallet, payer, branch.customer, 5, type="withdrawal") for _ in range(3)
        ]
        await until(lambda: len(branch.server.of("credits")) >= len(keys), "all are asked")

        async def is_tried() -> bool:
            return all(row["attempts"] for row in await calls(town, "calls", name))

        await until(is_tried, "all were tried")
        listed = await calls(town, "calls", name)
        assert {row["result"] for row in listed} == {"answered 503"}
        assert listed[0]["account_reference"] == "0000-4711"
        first = listed[0]["payment"]
        [ended] = await calls(town, "give-up", name, first, *REASON)
        assert ended == {
            "payment": first, "kind": "credit", "decision": "given_up",
            "outcome": "issuer_unavailable",
        }  # fmt: skip
        refused = await bank(town, "give-up", name, "--all", *REASON)
        assert refused.code == 1
        assert "--bank-url ''" in refused.complaint
        await town.operator.set_participant(name, bank_url="")
        assert len(await calls(town, "give-up", name, "--all", *REASON)) == 2
        payments = [await decided(town, wallet, key) for key in keys]
        assert {payment["reason"] for payment in payments} == {"issuer_unavailable"}
        labels = {"bank": name, "path": "credits"}
        await until(
            lambda: metrics.sample("switch_bank_given_up_calls", **labels) == 3, "it is counted"
        )
        assert metrics.sample("switch_bank_waiting_calls", **labels) == 0
        asked = len(branch.server.of("credits"))
        await town.operator.set_participant(name, bank_url=branch.server.url)
        await asyncio.sleep(3 * limits.BANK_REPEAT_S_MAX)
        assert len(branch.server.of("credits")) == asked
    assert await calls(town, "calls", name) == []
    assert len(await calls(town, "calls", name, "--given-up")) == 3
    assert "wound up" in (await bank(town, "calls", name, "--given-up")).out


async def test_a_bank_that_was_faster(
    town: Town, branch: Branch, wallet: Member, payer: str
) -> None:
    """Its decision stands: the command says so, and fails."""
    branch.server.behave = lambda _: "decide"
    async with calling(town):
        key = await sent(town, wallet, payer, branch.customer, 5, type="withdrawal")
        payment = await decided(town, wallet, key)
    said = await bank(town, "give-up", branch.holder.id, payment["id"], *REASON)
    assert said.code == 1
    assert "answered 1 of them before" in said.complaint
    assert "accepted" in said.out


async def test_what_is_not_said_is_not_given_up(town: Town, branch: Branch) -> None:
    """Nobody gives up everything because he forgot which, or names some and everything."""
    for arguments in ((), ("--all", "0192f0c2-7b40-7d31-a1c4-0f3b2d9c8e03")):
        said = await bank(town, "give-up", branch.holder.id, *arguments, *REASON)
        assert said.code == 2
        assert "--all" in said.complaint
