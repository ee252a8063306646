"""What a service may add beside its endpoints: jobs, and commands of the operator."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any, Never

import asyncpg
import msgspec
import pytest
import typer
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from switch import cli, db, message
from switch.banks import Banks
from switch.config import Config
from switch.delivery import Delivery
from switch.errors import SwitchError
from switch.jobs import Jobs
from switch.loops import SERVICE_LOCK_MIN, Job
from switch.metrics import BankMetrics, DeliveryMetrics, JobMetrics
from switch.openapi import openapi_document
from switch.service import Endpoint, JobCore, Service
from switch.services import SERVICES

LOCK_MAX = 2**31 - 1  # Postgres takes a signed `integer`


async def rest(connection: asyncpg.Connection) -> float:
    """A turn that does nothing."""
    return 60.0


def parades(*jobs: Job, commands: Any = None) -> Service:
    """A service that no city has."""
    return Service(name="parades", endpoints=lambda _: (), jobs=lambda _: jobs, commands=commands)


def job(name: str, lock: int | None = None) -> Job:
    return Job(name=name, lock=lock, turn_s_max=1.0, turn=rest)


def jobs_with(config: Config, *services: Service) -> Jobs:
    return Jobs(config, JobMetrics(CollectorRegistry()), services=services)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(authorities=("a",), database_url="", key_dir=tmp_path)


def test_the_lock_of_a_services_job_comes_from_its_name() -> None:
    """The same on every machine and in every version, or two machines would do the work twice."""
    assert job("parades_march").lock_number == 1597300308
    assert job("parades_march").lock_number != job("parades_rest").lock_number
    for number in range(1000):
        assert SERVICE_LOCK_MIN <= job(f"parades_{number}").lock_number <= LOCK_MAX


def test_every_job_of_every_process_has_a_lock_and_a_name_of_its_own(config: Config) -> None:
    """Of the switch and of all services together."""
    every = [
        *jobs_with(config, *SERVICES).jobs,
        *Delivery(config, DeliveryMetrics(CollectorRegistry())).jobs,
        *Banks(config, BankMetrics(CollectorRegistry())).jobs,
    ]
    assert len({one.lock_number for one in every}) == len(every)
    assert len({one.name for one in every}) == len(every)


def test_a_services_jobs_are_loops_of_the_jobs_process(config: Config) -> None:
    """Behind the switch's own, given a clock and where to register what they measure."""
    given: list[JobCore] = []

    def make(core: JobCore) -> tuple[Job, ...]:
        given.append(core)
        return (job("parades_march"),)

    metrics = JobMetrics(CollectorRegistry())
    service = Service(name="parades", endpoints=lambda _: (), jobs=make)
    assert Jobs(config, metrics, services=(service,)).jobs[-1].name == "parades_march"
    assert [core.registry for core in given] == [metrics.registry]


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param((job("march"),), id="not-its-name"),
        pytest.param((job("parades_march", lock=500),), id="a-number-of-its-own"),
        pytest.param((job("parades_march"), job("parades_march")), id="twice"),
    ],
)
def test_a_job_that_could_meet_another_is_refused_at_the_start(
    wrong: tuple[Job, ...], config: Config
) -> None:
    """A name outside the service, a chosen number, or one lock for two loops."""
    with pytest.raises(AssertionError):
        jobs_with(config, parades(*wrong))


async def test_a_failing_job_of_a_service_is_counted_and_tried_again(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under its own name, shown as 0 before; the switch's own jobs go on."""
    tried: asyncio.Queue[str] = asyncio.Queue()

    async def connect(url: str, *, application_name: str, **_: Any) -> None:
        tried.put_nowait(application_name)
        raise SwitchError("no database")

    monkeypatch.setattr(db, "connect", connect)
    metrics = JobMetrics(CollectorRegistry())
    jobs = Jobs(config, metrics, services=(parades(job("parades_march")),))
    running = asyncio.create_task(jobs.run())
    seen: list[str] = []
    while seen.count("switch jobs parades_march") < 2:
        seen.append(await tried.get())
    running.cancel()
    await asyncio.wait([running])
    labels = {"job": "parades_march"}
    failures = metrics.registry.get_sample_value("switch_job_failures_total", labels)
    assert failures is not None
    assert failures >= 1


def test_no_two_shapes_of_the_interface_have_one_name() -> None:
    """A service's `Payment` would hide the switch's own from who makes a client of the document."""

    async def answer(request: Any) -> Never:
        raise AssertionError(request)

    def endpoint(name: str, response: type[msgspec.Struct]) -> Endpoint:
        return Endpoint(
            method="GET",
            path=f"/v1/{name}",
            name=name,
            summary=name,
            handler=answer,
            answers={200: "It is there"},
            response=response,
        )

    floats = endpoint("floats", msgspec.defstruct("Payment", [("colour", str)]))
    with pytest.raises(ValueError, match=r"rename one"):
        openapi_document([endpoint("payments", message.Payment), floats], version="1")


def test_a_services_commands_are_a_family_of_its_name() -> None:
    """`switch parades start`, beside the switch's own."""
    family = typer.Typer()

    @family.command("start")
    def start() -> None:
        """Begin."""
        typer.echo("it begins")

    @family.command("end")
    def end() -> None:
        """End."""

    root = typer.Typer()
    cli.mount(root, (parades(commands=lambda: family), Service(name="x", endpoints=lambda _: ())))
    done = CliRunner().invoke(root, ["parades", "start"])
    assert (done.exit_code, done.output) == (0, "it begins\n")
    assert [group.name for group in root.registered_groups] == ["parades"]


def test_the_command_line_mounts_the_services_of_the_tuple(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`switch` itself knows the family, not only a test's own command line."""
    family = typer.Typer()
    family.command("start")(lambda: typer.echo("it begins"))
    family.command("end")(lambda: None)
    monkeypatch.setattr(cli, "app", typer.Typer())
    monkeypatch.setattr(cli, "SERVICES", (parades(commands=lambda: family),))
    monkeypatch.setattr(sys, "argv", ["switch", "parades", "start"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert (ended.value.code, capsys.readouterr().out) == (0, "it begins\n")


def test_no_two_commands_have_one_name() -> None:
    """A service's family hides no command of the switch."""
    families = {service.name: service.commands() for service in SERVICES if service.commands}
    # Whoever ran a command in this process has mounted them.
    names = [
        group.name
        for group in cli.app.registered_groups
        if group.typer_instance not in families.values()
    ]
    names += families
    for command in cli.app.registered_commands:
        assert command.callback is not None
        names.append(command.name or command.callback.__name__.replace("_", "-"))
    assert len(set(names)) == len(names)


def test_no_process_beside_the_command_line_loads_commands() -> None:
    """A worker's memory holds no options and no tables of the terminal."""
    look = "import sys, switch.app, switch.jobs; print('typer' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
