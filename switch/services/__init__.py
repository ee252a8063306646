"""The services of the city, in one tuple: adding or removing one is one line here and its folder.

A service never stands on the way of a payment and never imports another; it writes the rows that
the ledger's functions read, and answers its own endpoints.
"""

from switch.migrate import LEDGER, Source
from switch.service import Service
from switch.services.bills import BILLS
from switch.services.checkout import CHECKOUT
from switch.services.codes import CODES
from switch.services.coupons import COUPONS
from switch.services.disbursements import DISBURSEMENTS
from switch.services.mandates import MANDATES
from switch.services.parking import PARKING
from switch.services.purposes import PURPOSES
from switch.services.red_packets import RED_PACKETS
from switch.services.transit import TRANSIT
from switch.services.wallets import WALLETS

SERVICES: tuple[Service, ...] = (
    BILLS,
    CHECKOUT,
    CODES,
    COUPONS,
    DISBURSEMENTS,
    MANDATES,
    PARKING,
    PURPOSES,
    RED_PACKETS,
    TRANSIT,
    WALLETS,
)

# What `switch migrate` lays, the ledger first.
SOURCES: tuple[Source, ...] = (
    LEDGER,
    *(service.source for service in SERVICES if service.source is not None),
)

# What a check of the books asks beside the ledger's own.
CHECKS: tuple[str, ...] = tuple(service.check for service in SERVICES if service.check is not None)
