"""Personal data is sealed anew with a newer key, which is then the only one that is needed."""

import secrets
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from switch.services.wallets import key_folder, limits, resealing
from switch.services.wallets.commands import wallets_app
from switch.services.wallets.seal import SealedElsewhere
from tests.integration.town import Member, Town, open_town
from tests.services.wallets.test_http import DOCUMENT, NAME, offer, phone, register, resolve

RUNNER = CliRunner()


def add_key(keys: Path, name: str) -> None:
    """Put a new secret into the folder."""
    (keys / "wallets" / name).write_text(f"{secrets.token_hex(32)}\n", encoding="ascii")


async def test_the_older_key_can_go(
    town: Town, wallet: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pieces, whatever is told or forgotten meanwhile; a second time there is nothing to do."""
    monkeypatch.setattr(limits, "RESEALED_AT_ONCE", 2)
    await offer(town)
    numbers = [phone() for _ in range(5)]
    told = {"class": 2, "name": NAME, "document": DOCUMENT}
    accounts = [
        (await register(town, wallet, phone=number, **told)).json["id"] for number in numbers
    ]
    await register(town, wallet)  # of whom nothing is known
    add_key(town.key_dir, "seal-2.key")
    box = key_folder.load(town.key_dir)
    seen: list[str] = []

    async def ask(statement: str, *arguments: Any) -> Any:
        rows = await town.operator.ask(statement, *arguments)
        if statement == resealing.QUERIES["read_sealed"] and rows and not seen:
            seen.append("read")  # and forgotten before it is written
            path = f"/v1/wallets/{rows[0]['account']}/forget"
            await town.send(wallet, "POST", path, key=uuid4().hex)
        return rows

    assert await resealing.reseal(ask, box) == len(accounts) - 1
    assert await resealing.reseal(town.operator.ask, box) == 0
    (town.key_dir / "wallets" / "seal-1.key").unlink()
    async with open_town(town.database, town.key_dir) as other:
        await other.until_known(wallet)
        found = [(await resolve(other, wallet, number)).status for number in numbers]
        assert sorted(found) == [200] * 4 + [404]


async def test_what_does_not_open_stops_it(town: Town, wallet: Member) -> None:
    """Nothing is overwritten that nobody could read."""
    await offer(town)
    await register(town, wallet, phone=phone())
    folder = town.key_dir / "wallets"
    for key in folder.glob("seal-*.key"):
        key.unlink()
    add_key(town.key_dir, "seal-3.key")
    before = await town.operator.ask(resealing.QUERIES["read_sealed"], None, 1_000)
    with pytest.raises(SealedElsewhere):
        await resealing.reseal(town.operator.ask, key_folder.load(town.key_dir))
    assert await town.operator.ask(resealing.QUERIES["read_sealed"], None, 1_000) == before


def test_the_command_makes_no_keys(tmp_path: Path) -> None:
    """A folder without keys is a mistake: one line that says what to do, and nothing was made."""
    ran = RUNNER.invoke(wallets_app, ["reseal", "--key-dir", str(tmp_path)])
    assert ran.exit_code == 1
    assert "holds no keys of wallets: give --key-dir" in str(ran.exception)
    assert list(tmp_path.iterdir()) == []
