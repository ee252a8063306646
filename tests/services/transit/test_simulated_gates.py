"""`switch simulate rider` and `gate`: processes of their own, at a live switch."""

import json
import stat
from pathlib import Path

from switch import keyfile
from tests.integration.running import Said, switch
from tests.integration.town import Member
from tests.services.transit.metro import FARES, Metro

RIDERS = 3


def key_file(folder: Path, member: Member) -> Path:
    """Its private key, where commands read it."""
    path = folder / f"{member.id}.pem"
    if not path.exists():
        keyfile.write_private_key(path, member.key.secret[: keyfile.SEED_BYTES])
    return path


async def gates(metro: Metro, riders: Path, *options: object) -> Said:
    """Run the gates to their end."""
    return await switch(
        "simulate", "gate", "--url", f"http://{metro.town.authority}",
        "--key", key_file(riders.parent, metro.operator), "--keyid", metro.operator.key.key_id,
        "--network", metro.network, "--riders", riders, "--json", *options,
    )  # fmt: skip


async def made_riders(metro: Metro, folder: Path) -> tuple[Path, Said]:
    """Tokens for some riders, in a file."""
    riders = folder / "riders.ndjson"
    mandates = [("--mandate", await metro.mandate()) for _ in range(RIDERS)]
    said = await switch(
        "simulate", "rider", "--url", f"http://{metro.town.authority}",
        "--key", key_file(folder, metro.wallet), "--keyid", metro.wallet.key.key_id,
        "--network", metro.network, "--riders", riders, *sum(mandates, ()),
    )  # fmt: skip
    return riders, said


async def test_gates_let_riders_in_and_the_switch_is_paid(metro: Metro, tmp_path: Path) -> None:
    """Each tap counts once, though some are late and some come twice."""
    await metro.open(FARES, liability_max=100_000)
    riders, said = await made_riders(metro, tmp_path)
    assert said.code == 0, said.err
    assert stat.S_IMODE(riders.stat().st_mode) == 0o600
    tokens = [str(token) for token in await _tokens(metro)]
    assert len(tokens) == len(riders.read_bytes().splitlines()) == RIDERS
    said = await gates(metro, riders, "--rides", 60, "--hours", 1, "--twice", 0.5, "--seed", 7)
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert told["taps"] > 0
    assert told["told"]["taken"] == told["taps"]
    assert told["told"]["known"] > 0
    assert set(told["told"]) == {"taken", "known"}
    await metro.settle()
    weeks = await metro.fetchval("SELECT sum(taps) FROM transit.week")
    assert weeks == told["taps"]


async def test_gates_turn_away_whom_they_know(metro: Metro, tmp_path: Path) -> None:
    """Who is on the deny list, and nobody where the file is empty."""
    riders, _ = await made_riders(metro, tmp_path)
    for token in await _tokens(metro):
        await metro.post(f"/v1/transit-tokens/{token}/block", {}, sender=metro.wallet)
    told = json.loads((await gates(metro, riders, "--rides", 20, "--hours", 1)).out)
    assert (told["taps"], set(told["turned_away"])) == (0, {"denied"})
    riders.write_bytes(b"")
    said = await gates(metro, riders)
    assert (said.code, "has no rider" in said.err) == (1, True)


async def _tokens(metro: Metro) -> list[object]:
    return list(
        await metro.fetchval(
            "SELECT array_agg(id) FROM transit.token WHERE network = $1", metro.network
        )
    )


async def test_a_gate_that_is_offline_stops_at_the_liability(metro: Metro, tmp_path: Path) -> None:
    """Each ride counts as the dearest there is until the next deny list."""
    riders, _ = await made_riders(metro, tmp_path)
    told = json.loads((await gates(metro, riders, "--rides", 60, "--hours", 2)).out)
    dearest = FARES["incomplete_price"]
    let_in = await metro.fetchval(
        "SELECT count(*) FROM transit.tap WHERE token = ANY ($1) AND direction = 'in'",
        await _tokens(metro),
    )
    assert let_in <= RIDERS * (3000 // dearest)
    assert told["turned_away"].keys() >= {"liability"}
