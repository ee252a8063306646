"""Parking: a gate opens by a mandate, money is held, the fee is captured at the exit.

Read `tariff` for what it costs, `message` for what is sent, `desk` for what is done, the functions
in `sql` for how a stay and its payments are one transaction, `jobs` for stays that last.
"""

from switch.service import Core, Endpoint, Service
from switch.services.parking.desk import Desk
from switch.services.parking.jobs import jobs


def endpoints(core: Core) -> tuple[Endpoint, ...]:
    """What the service answers, in one worker."""
    return Desk(core).endpoints()


PARKING = Service(name="parking", endpoints=endpoints, jobs=jobs)
