"""The example of docs/services/wallets.md, executed as it stands there."""

import asyncio
import json
import re
import shlex
from pathlib import Path
from uuid import uuid4

from typer.testing import CliRunner

from switch.services.wallets import rules
from switch.services.wallets.commands import wallets_app
from tests.integration.town import Member, Reply, Town

PAGE = Path(__file__).resolve().parents[3] / "docs" / "services" / "wallets.md"
TEXT = PAGE.read_text(encoding="utf-8")
COMMANDS = re.findall(r"^switch tier set (.*)$", TEXT, re.MULTILINE)
DOCUMENTS = [json.loads(text) for text in re.findall(r"```json\n(.*?)\n```", TEXT, re.DOTALL)]


async def set_tiers(town: Town) -> list[str]:
    """What the commands of the page say, done by the operator; the names of the tiers."""
    names = []
    for command in COMMANDS:
        name, *options = shlex.split(command)
        given = dict(zip(options[::2], options[1::2], strict=True))
        currency = given.pop("--currency")
        bounds = {option[2:].replace("-", "_"): int(value) for option, value in given.items()}
        await town.operator.set_tier(name, currency=currency, **bounds)
        names.append(name)
    return names


async def test_the_example_of_the_page(town: Town, wallet: Member) -> None:
    """Tiers of all classes, a registration, a resolved number, a transfer, and forgetting."""
    asked, alias, found, better, closing = DOCUMENTS
    names = await set_tiers(town)
    assert sorted(names) == sorted(rules.tier_of(number) for number in rules.CLASSES)

    async def post(path: str, content: object = None) -> Reply:
        return await town.send(wallet, "POST", path, content=content, key=uuid4().hex)

    made = await post("/v1/wallets", asked)
    assert (made.status, made.json["tier"]) == (201, "wallet-class-2")
    account = made.json["id"]
    assert (await post("/v1/aliases/resolve", alias)).json == found | {"account": account}
    payer = await town.account(wallet, "wallet", balance=10)
    transfer = {"type": "transfer", "payer": payer, "payee": account, "amount": 10}
    paid = await post("/v1/payments", transfer | {"currency": "CNY"})
    assert paid.json["status"] == "completed"
    assert (await post(f"/v1/wallets/{account}/upgrade", better)).status == 201
    shown = await town.send(wallet, "GET", f"/v1/wallets/{account}")
    assert shown.json["class"] == better["class"]
    other = await town.account(wallet, "wallet")
    closed = await post(f"/v1/wallets/{account}/close", dict.fromkeys(closing, other))
    assert (closed.status, closed.json["status"], closed.json["reason"]) == (201, "closing", None)
    assert (await town.balance(wallet, other))[0] == transfer["amount"]
    assert (await post(f"/v1/wallets/{account}/forget")).status == 201
    assert (await post("/v1/aliases/resolve", alias)).status == 404


async def test_one_command_does_what_the_page_lists(town: Town) -> None:
    """The same limits; in another currency by its unit; what is there stays."""

    async def limits(currency: str) -> dict[str, list[int | None]]:
        return {
            tier["name"]: [tier[name] for name in sorted(tier) if name.endswith("_limit")]
            for tier in await town.operator.tiers()
            if tier["currency"] == currency and tier["name"].startswith("wallet-class-")
        }

    async def classes(*more: str) -> str:
        command = ["classes", *more, "--admin-database-url", town.database.url()]
        done = await asyncio.to_thread(CliRunner().invoke, wallets_app, command)
        assert done.exit_code == 0, done.output
        return done.output

    await set_tiers(town)
    await town.operator.set_tier("wallet-class-3", currency="THB", payment_limit=7)
    made = json.loads(await classes("--currency", "THB", "--yuan", "100", "--json"))["made"]
    assert sorted(made) == ["wallet-class-1", "wallet-class-2", "wallet-class-4"]
    assert await limits("THB") == await limits("CNY") | {"wallet-class-3": [None, None, 7, None]}
    assert "all four were there" in await classes("--currency", "THB")
    await classes("--currency", "JPY", "--yuan", "20")
    assert (await limits("JPY"))["wallet-class-4"] == [200_000, 100_000, 40_000, 1_000_000]


def test_the_table_of_classes() -> None:
    """The page names for each class what it needs."""
    for number in rules.CLASSES[1:3]:
        row = next(line for line in TEXT.splitlines() if line.startswith(f"| {number} |"))
        assert set(re.findall(r"`(\w+)`", row)) == set(rules.NEEDS[number])
    assert "`checked_in_person`" in next(t for t in TEXT.splitlines() if t.startswith("| 1 |"))
