"""Coupons: campaigns with a budget, and what wallets have of them.

The ledger pays a coupon's discount from the budget when it decides a purchase; this service makes
campaigns, gives coupons to who comes first, and shows them. It keeps nothing of its own. `desk`
answers, `examples` show what it answers.
"""

from switch.service import Core, Endpoint, Service
from switch.services.coupons.desk import Desk


def endpoints(core: Core) -> tuple[Endpoint, ...]:
    """What the service answers, in one worker."""
    return Desk(core).endpoints()


COUPONS = Service(name="coupons", endpoints=endpoints)
