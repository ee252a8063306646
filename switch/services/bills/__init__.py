"""Bills: what utilities, tax offices, hospitals and schools ask their customers to pay.

A bill is a payment request of the ledger, which holds every payment against it, with a customer by
whom it is found and a day on which it is due. `message` has what is sent, `endpoints` what is done,
`instalments` how a bill is taken in parts.
"""

from switch.service import Service
from switch.services.bills.endpoints import endpoints
from switch.services.bills.instalments import jobs

BILLS = Service(name="bills", endpoints=endpoints, jobs=jobs)
