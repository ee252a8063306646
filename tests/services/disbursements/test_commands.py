"""`switch disbursements`: what the operator sees and does, without a participant's key."""

import asyncio
import json
from uuid import uuid4

from typer.testing import CliRunner, Result

from switch.services.disbursements.commands import disbursements_app
from tests.services.disbursements.office import Office

RUNNER = CliRunner()


async def run(office: Office, *arguments: str) -> Result:
    """A command at the database of the town."""
    url = office.town.database.url()
    command = [arguments[0], "--admin-database-url", url, *arguments[1:]]
    return await asyncio.to_thread(RUNNER.invoke, disbursements_app, command)


async def test_an_operator_sees_one_through(office: Office) -> None:
    """Approved, paused, resumed, watched to its end, and its results as CSV."""
    made = await office.drafted(office.lines(70))
    await office.act(made, "submit")
    assert (await run(office, "approve", made)).exit_code == 0
    await office.pay(batches=1)
    assert (await run(office, "pause", made)).exit_code == 0
    assert await office.pay() == 0
    shown = json.loads((await run(office, "show", made, "--json")).stdout)
    assert (shown["status"], shown["paid"], shown["percent"]) == ("paused", 64, 91.4)
    assert (await run(office, "resume", made)).exit_code == 0
    watching = asyncio.create_task(run(office, "show", made, "--watch", "--json"))
    assert await office.pay() == 6
    shown = json.loads((await watching).stdout)
    assert (shown["status"], shown["paid"]) == ("done", 70)
    listed = json.loads((await run(office, "list", "--json")).stdout)["disbursements"]
    assert made in [one["id"] for one in listed]
    head, *lines = (await run(office, "results", made)).stdout.splitlines()
    assert head == "line,account,amount,reference,payment,reason"
    assert [int(line.split(",")[0]) for line in lines] == list(range(1, 71))


async def test_what_cannot_be_done_is_said(office: Office) -> None:
    """One line, an exit code, and nothing changed."""
    made = await office.drafted(office.lines(1))
    for act in ("approve", "pause", "resume"):
        result = await run(office, act, made)
        assert (result.exit_code, "that is draft cannot be" in result.output) == (1, True), act
    for act in ("approve", "show", "results", "cancel"):
        result = await run(office, act, str(uuid4()))
        assert (result.exit_code, "there is no disbursement" in result.output) == (1, True), act
    assert (await run(office, "cancel", made)).exit_code == 0
    assert (await office.shown(made))["status"] == "cancelled"
