"""How many signed single payments a second does the switch take over HTTP?

`switch serve --workers 2` with its jobs, and wrk on the same machine. Payers and payees are drawn
uniformly from all wallets and merchants; every payment has a key, and a signature, of its own.
"""

from bench import wrk
from bench.harness import Measurement
from bench.stage import Stage


class HttpUniform:
    """Payments to everybody."""

    name = "http"
    asks = "signed single payments over HTTP"

    async def prepare(self, stage: Stage) -> None:
        """Nothing: the city is there."""

    async def measure(self, stage: Stage) -> Measurement:
        """One turn."""
        return await wrk.measure(stage, wrk.payments(stage, stage.city.merchants))
