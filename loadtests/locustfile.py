"""What locust loads: users of the scenario that the plan names, its stages, and its thresholds.

Run by `python -m loadtests`, which says in the environment where the plan is. With several
processes each loads this file; the one that gathers the figures judges them.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from locust import LoadTestShape, events
from locust.env import Environment
from locust.html import get_html_report
from locust.runners import WorkerRunner
from locust.stats import calculate_response_time_percentile

from loadtests import bank, merchant, wallet
from loadtests.ground import Ground
from loadtests.user import Participant

KINDS: dict[str, type[Participant]] = {
    kind.__name__: kind
    for kind in (
        wallet.Wallet,
        wallet.Watcher,
        wallet.Flood,
        bank.Bank,
        bank.IssuingBank,
        merchant.Merchant,
    )
}
CUSTOMERS = "customer's"  # requests whose answer waits for a bank begin so
GROUND = Ground()
Participant.ground = GROUND


def _user(name: str, tasks: dict[str, int], weight: int) -> type[Participant]:
    """The kind of user with the scenario's tasks; locust reads these when the class is made."""
    kind = KINDS[name]
    chosen = {getattr(kind, task): often for task, often in tasks.items()}
    return type(name, (kind,), {"abstract": False, "weight": weight, "tasks": chosen})


USERS = {
    name: _user(name, tasks, GROUND.scenario.weights[name])
    for name, tasks in GROUND.scenario.kinds.items()
}
globals().update(USERS)  # where locust looks for them


class _Stages(LoadTestShape):
    """Who is at work when, in shares of the run's time and of all users."""

    def tick(self) -> tuple[int, float, list[type[Any]] | None] | None:
        """Asked by locust about once a second."""
        plan = GROUND.plan
        done = self.get_run_time() / plan.duration_s  # type: ignore[no-untyped-call]
        stage = next((one for one in GROUND.scenario.stages if done < one.until), None)
        if stage is None:
            return None
        kinds = [USERS[name] for name in stage.kinds] or None
        return max(len(USERS), round(stage.users * plan.users)), plan.spawn_rate, kinds


if GROUND.scenario.stages:
    Stages = type("Stages", (_Stages,), {})
del _Stages


@events.quitting.add_listener  # type: ignore[untyped-decorator]
def _judge(environment: Environment, **_: Any) -> None:
    """The thresholds decide the exit code; the report is written here, however the load ended."""
    if isinstance(environment.runner, WorkerRunner):
        return
    report = Path(GROUND.plan.report) / f"{GROUND.plan.scenario}.html"
    page = get_html_report(environment)  # type: ignore[no-untyped-call]
    report.write_text(page, encoding="utf-8")
    faults = list(_faults(environment))
    for fault in faults:
        print(f"threshold missed: {fault}")
    environment.process_exit_code = 1 if faults else 0


def _faults(environment: Environment) -> list[str]:
    total, plan = environment.stats.total, GROUND.plan
    names = {name for name, _ in environment.stats.entries}
    took_ms = _p95_ms(environment)
    faults = []
    if total.num_requests == 0:
        faults.append("nothing was sent")
    if total.num_failures > plan.failures_max:
        faults.append(f"{total.num_failures} requests failed")
    if took_ms > plan.p95_ms_max:
        faults.append(f"1 in 20 answers took longer than {took_ms:g} ms")
    unseen = [
        wanted for wanted in GROUND.scenario.must_see if not any(wanted in name for name in names)
    ]
    return faults + [f"there was no {wanted}" for wanted in unseen]


def _p95_ms(environment: Environment) -> float:
    """Of all that did not wait for a bank."""
    times: Counter[int] = Counter()
    for (name, _), entry in environment.stats.entries.items():
        if not name.startswith(CUSTOMERS):
            times.update(entry.response_times)
    if not times:
        return 0.0
    return float(calculate_response_time_percentile(times, times.total(), 0.95))
