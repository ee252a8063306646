"""Purposes: money that is bound to shops, districts, days and hours, in purses beside wallets.

The ledger draws from purses when it decides a purchase; this service makes purposes, opens purses
and shows them. It keeps nothing of its own. `desk` answers, `examples` show what it answers.
"""

from switch.service import Core, Endpoint, Service
from switch.services.purposes.desk import Desk


def endpoints(core: Core) -> tuple[Endpoint, ...]:
    """What the service answers, in one worker."""
    return Desk(core).endpoints()


PURPOSES = Service(name="purposes", endpoints=endpoints)
