"""The worked example of docs/services/checkout.md."""

from tests.integration.town import Member
from tests.services.checkout.scene import Scene
from tests.services.example import played

PAYER = "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01"
PAYEE = "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02"
CHECKOUT = "0192f0c1-2d0e-7a11-b3c2-4e5f60718206"


async def test_the_worked_example_is_answered_as_the_page_says(scene: Scene) -> None:
    """The shop opens a check-out, the wallet pays it."""
    real = {PAYER: scene.payer, PAYEE: scene.payee}

    def sender(path: str) -> Member:
        return scene.merchant if path.startswith("/v1/checkouts") else scene.wallet

    async for path, reply in played(scene.town, "checkout.md", real, sender, steps=5):
        if path == "/v1/checkouts":
            real[CHECKOUT] = reply.json["id"]
