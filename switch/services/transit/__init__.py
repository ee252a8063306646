"""Transit: taps at gates that are offline, fares by rule, paid once a day by a mandate.

Read `fares` for what rides cost, `message` for what is sent, `tap` for what is signed, `desk` and
`gates` for what is asked, `pricing` and `jobs` for how weeks become payments, the functions in
`sql` for how each of that is one transaction, `commands` for gates and riders to try it with.
"""

from typing import TYPE_CHECKING

from switch.service import Core, Endpoint, Service
from switch.services.transit.desk import Desk
from switch.services.transit.gates import Gates
from switch.services.transit.jobs import jobs

if TYPE_CHECKING:
    import typer


def _simulators() -> "typer.Typer":
    from switch.services.transit.commands import simulators_app

    return simulators_app


def endpoints(core: Core) -> tuple[Endpoint, ...]:
    """What the service answers, in one worker."""
    return (*Desk(core).endpoints(), *Gates(core).endpoints())


TRANSIT = Service(name="transit", endpoints=endpoints, jobs=jobs, simulators=_simulators)
