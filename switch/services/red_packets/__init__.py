"""Red packets: gifts into purses, for who comes first or by lots that anybody can draw again.

Read `message` for what is sent, `desk` for what is asked, the functions in `sql` for how a gift and
its payment are one transaction, `jobs` for the draw and the giving.
"""

from switch.service import Core, Endpoint, Service
from switch.services.red_packets.desk import Desk
from switch.services.red_packets.jobs import jobs


def endpoints(core: Core) -> tuple[Endpoint, ...]:
    """What the service answers, in one worker."""
    return Desk(core).endpoints()


RED_PACKETS = Service(name="red_packets", endpoints=endpoints, jobs=jobs)
