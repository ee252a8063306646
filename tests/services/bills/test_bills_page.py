"""The worked example of docs/services/bills.md."""

from tests.integration.town import Member
from tests.services.bills.scene import Scene, day
from tests.services.example import played

PAYER = "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01"
PAYEE = "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02"
BILL = "0192f0c1-2d0e-7a11-b3c2-4e5f60718206"
DUE_ON, PAID_ON = "2026-11-30", "2026-11-12"


async def test_the_worked_example_is_answered_as_the_page_says(scene: Scene) -> None:
    """The customer finds and pays the bill, the biller accounts for the day."""
    real = {PAYER: scene.payer, PAYEE: scene.payee, DUE_ON: day(18)}

    def sender(path: str) -> Member:
        is_customer = path == "/v1/payments" or "customer=" in path
        return scene.wallet if is_customer else scene.biller

    async for path, reply in played(scene.town, "bills.md", real, sender, steps=5):
        if path == "/v1/bills":
            real[BILL] = reply.json["id"]
        if path == "/v1/payments":
            real[PAID_ON] = await scene.local_day(reply.json["created_at"])
