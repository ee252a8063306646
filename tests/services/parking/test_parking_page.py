"""The worked example of docs/services/parking.md."""

from datetime import timedelta

from switch.clock import rfc3339
from tests.services.example import played
from tests.services.parking.garage import Garage, ago

ACCOUNT = "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02"
SITE = "0192f0c4-1c22-7b63-9d6f-3c8b7e2a5d05"
MANDATE = "0192f0c4-1c22-7b63-9d6f-3c8b7e2a5d06"
STAY = "0192f0c5-77d1-7e44-8b0a-91f2c64e3a11"
CAME, WENT = "2026-11-01T09:00:00.000000Z", "2026-11-01T10:10:00.000000Z"


async def test_the_worked_example_is_answered_as_the_page_says(garage: Garage) -> None:
    """A car comes and goes."""
    came = ago(hours=5)
    real = {
        ACCOUNT: garage.payee, MANDATE: await garage.mandate(), CAME: rfc3339(came),
        WENT: rfc3339(came + timedelta(hours=1, minutes=10)),
    }  # fmt: skip
    async for path, reply in played(
        garage.town, "parking.md", real, lambda _: garage.operator, steps=3
    ):
        if path == "/v1/parking-sites":
            real[SITE] = reply.json["id"]
        if path == "/v1/parking-stays":
            real[STAY] = reply.json["id"]
    assert (await garage.balances())[1] == (1200, 0)
