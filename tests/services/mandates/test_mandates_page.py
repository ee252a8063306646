"""The worked example of docs/services/mandates.md."""

from tests.integration.town import Member
from tests.services.example import played
from tests.services.mandates.scene import Scene, in_days

PAYER = "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01"
PAYEE = "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02"
MANDATE = "0192f0c4-1c22-7b63-9d6f-3c8b7e2a5d05"
END = "2027-11-01T00:00:00Z"


async def test_the_worked_example_is_answered_as_the_page_says(scene: Scene) -> None:
    """The wallet's provider permits, the shop takes."""
    real = {PAYER: scene.payer, PAYEE: scene.payee, END: in_days(365)}

    def sender(path: str) -> Member:
        return scene.merchant if path == "/v1/payments" else scene.wallet

    async for path, reply in played(scene.town, "mandates.md", real, sender, steps=6):
        if path == "/v1/mandates":
            real[MANDATE] = reply.json["id"]
