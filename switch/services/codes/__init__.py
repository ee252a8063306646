"""Codes that lead to a payment. Merchant-presented: a payer scans what the merchant shows.
Consumer-presented: a payer shows a code that is good once, and the merchant's till sends it.

`merchant_presented` (the endpoints), `message` (what may be asked), `payee` (how a code names an
account of this switch), `emv`, `tags`, `tlv` and `amounts` (the format), `picture`;
`consumer_presented` (the endpoint), `secret` (what codes are made with), `consumer_payload` and
`ber` (the format); `limits`, `examples`.
"""

from switch.service import Core, Endpoint, Service
from switch.services.codes.consumer_presented import ConsumerCodes
from switch.services.codes.merchant_presented import MerchantCodes


def _endpoints(core: Core) -> tuple[Endpoint, ...]:
    return *MerchantCodes(core).endpoints(), *ConsumerCodes(core).endpoints()


CODES = Service(name="codes", endpoints=_endpoints)
