"""Mandates: what an account's holder permits a payee to take from it without asking.

The ledger owns the rows and relies on them when it decides; this service gives, revokes and shows
them. It keeps nothing of its own. `desk` answers, `examples` show what it answers.
"""

from switch.service import Core, Endpoint, Service
from switch.services.mandates.desk import Desk


def endpoints(core: Core) -> tuple[Endpoint, ...]:
    """What the service answers, in one worker."""
    return Desk(core).endpoints()


MANDATES = Service(name="mandates", endpoints=endpoints)
