"""Check-outs: a shop asks to be paid for an order, and shows its customer a page with a code.

The ledger owns what is asked and what is paid; this service opens, cancels and shows check-outs,
and keeps beside each only where its page is and where that leads back to. Read `rules` for what is
said, `desk` for what participants are answered, `page` for what people see.
"""

from switch.service import Core, Endpoint, Service
from switch.services.checkout.desk import Desk
from switch.services.checkout.page import Page


def endpoints(core: Core) -> tuple[Endpoint, ...]:
    """What the service answers, in one worker."""
    return *Desk(core).endpoints(), *Page(core).endpoints()


CHECKOUT = Service(name="checkout", endpoints=endpoints)
