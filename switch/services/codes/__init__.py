"""Codes that lead to a payment. Merchant-presented: a payer scans what the merchant shows.

`merchant_presented` (the endpoints), `message` (what may be asked), `payee` (how a code names an
account of this switch), `emv`, `tags`, `tlv` and `amounts` (the format), `picture`, `limits`,
`examples`.
"""

from switch.service import Core, Endpoint, Service
from switch.services.codes.merchant_presented import MerchantCodes


def _endpoints(core: Core) -> tuple[Endpoint, ...]:
    return MerchantCodes(core).endpoints()


CODES = Service(name="codes", endpoints=_endpoints)
