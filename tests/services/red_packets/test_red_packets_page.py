"""The worked example of docs/services/red-packets.md."""

from datetime import UTC, datetime, timedelta

from switch.clock import rfc3339
from tests.services.example import played
from tests.services.red_packets.giving import Giving

PURPOSE = "0192f0c4-1c22-7b63-9d6f-3c8b7e2a5d05"
OFFER = "0192f0c8-1c22-7b63-9d6f-3c8b7e2a5f01"
ENTRY = "0192f0c8-77d1-7e44-8b0a-91f2c64e3f02"
WALLET = "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01"
NOON = "2027-01-01T04:00:00.000000Z"


async def test_the_worked_example_is_answered_as_the_page_says(giving: Giving) -> None:
    """An offer, an entry, a draw."""
    real = {
        PURPOSE: await giving.purpose(), WALLET: giving.funding.payer,
        NOON: rfc3339(datetime.now(UTC) + timedelta(hours=12)),
    }  # fmt: skip
    async for path, reply in played(
        giving.town,
        "red-packets.md",
        real,
        lambda path: giving.funding.wallet if "entries" in path else giving.funding.office,
        steps=4,
    ):
        if path == "/v1/red-packets":
            real[OFFER] = reply.json["id"]
        if path.endswith("/entries"):
            real[ENTRY] = reply.json["id"]
            await giving.draw(real[OFFER])
