"""What if every payment goes to one merchant?

As `http_uniform`, but with a single payee: the account that would be locked by every payment if a
credit locked its payee.
"""

from bench import wrk
from bench.harness import Measurement
from bench.stage import Stage


class HttpOneMerchant:
    """Payments to the same merchant all the time."""

    name = "http-one-merchant"
    asks = "signed single payments over HTTP, all to one merchant"

    async def prepare(self, stage: Stage) -> None:
        """Nothing: the city is there."""

    async def measure(self, stage: Stage) -> Measurement:
        """One turn."""
        return await wrk.measure(stage, wrk.payments(stage, stage.city.merchants[:1]))
