"""Disbursements: one instruction with up to a million payouts, checked, approved by two, resumed.

Read `message` for what is sent, `desk` for what is done, `sql/functions/pay_next.sql` for how it is
paid, `jobs` for who does it, `commands` for what the operator does.
"""

from typing import TYPE_CHECKING

from switch.service import Core, Endpoint, Service
from switch.services.disbursements.desk import Desk
from switch.services.disbursements.jobs import jobs

if TYPE_CHECKING:
    import typer


def endpoints(core: Core) -> tuple[Endpoint, ...]:
    """What the service answers, in one worker."""
    return Desk(core).endpoints()


def _commands() -> "typer.Typer":
    from switch.services.disbursements.commands import disbursements_app

    return disbursements_app


DISBURSEMENTS = Service(name="disbursements", endpoints=endpoints, jobs=jobs, commands=_commands)
