"""locust and its reports: in processes of its own, which it patches for its green threads."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from loadtests.city import PLAN, Plan
from loadtests.scenarios import BY_NAME
from switch.binaries import end_with_parent
from switch.config import HOST_DEFAULT
from switch.errors import SwitchError
from switch.serving import reserve_port

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
STOP_WAIT_S = 20  # for users to get their last answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a load ended."""

    held: bool  # the thresholds
    was_asked: bool  # by a signal, before its time


async def run_locust(
    plan: Plan,
    *,
    processes: int,
    page: Sequence[str] | None,
    course: Coroutine[Any, Any, None] | None,
) -> Ended:
    """Run locust to its end; where things take their course meanwhile, that is when they have."""
    plan_file = Path(plan.record).with_suffix(".plan")
    plan_file.write_bytes(msgspec.json.encode(plan))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE)),
        *(["--headless", "--only-summary"] if page is None else page),
        *_load(plan),
        *("--csv", str(Path(plan.report) / plan.scenario)),
        *(_processes(processes) if processes > 1 else []),
        *("--host", plan.city.url, "--stop-timeout", str(STOP_WAIT_S), "--loglevel", "WARNING"),
        env=os.environ | {PLAN: str(plan_file)},
        stdin=asyncio.subprocess.DEVNULL,  # it would change the terminal to read single keys
        process_group=0,  # a Ctrl-C comes to this process, which passes it on once
        preexec_fn=end_with_parent(signal.SIGKILL),
    )
    running = asyncio.create_task(process.wait())
    happening = None if course is None else asyncio.create_task(course)
    was_asked = False
    try:
        waited_for = [running] if happening is None else [running, happening]
        await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()  # the load ends early; what it did is audited all the same
        was_asked = True
    if not running.done():
        process.send_signal(signal.SIGTERM)
    held = await running == 0
    if happening is not None:
        happening.cancel()  # does nothing to what is done
        with suppress(asyncio.CancelledError):
            await happening
    return Ended(held=held, was_asked=was_asked)


def _load(plan: Plan) -> list[str]:
    """How many users for how long; stages tell both, and an incident when it is over."""
    if BY_NAME[plan.scenario].stages:
        return []
    users = ["--users", str(plan.users), "--spawn-rate", str(plan.spawn_rate)]
    if BY_NAME[plan.scenario].incident is not None:
        return users
    return [*users, "--run-time", f"{round(plan.duration_s)}s"]


def _processes(count: int) -> list[str]:
    """Options for several processes, which meet on a port of loopback only."""
    with socket.socket() as probe:
        probe.bind((HOST_DEFAULT, 0))
        port = str(probe.getsockname()[1])
    return [
        *("--processes", str(count)),
        *("--master-bind-host", HOST_DEFAULT, "--master-bind-port", port),
        *("--master-host", HOST_DEFAULT, "--master-port", port),
    ]


def web_page(port: int) -> list[str]:
    """Options for locust's page; it starts the first run by itself."""
    try:
        with reserve_port(HOST_DEFAULT, port) as free:  # else locust would go on without a page
            port = free.getsockname()[1]
    except SwitchError as error:
        raise SwitchError(f"port {port} is taken: name another with --web-port") from error
    page = f"http://{HOST_DEFAULT}:{port}"
    print(f"locust's page will be {page}; Ctrl-C ends it, and the audit follows", flush=True)
    return ["--autostart", "--web-host", HOST_DEFAULT, "--web-port", str(port)]
