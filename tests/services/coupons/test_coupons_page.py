"""The worked example of docs/services/coupons.md."""

from tests.services.example import played
from tests.services.funding import Funding, in_days

WALLET = "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01"
FUNDER = "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02"
SHOP = "0192f0c9-20aa-7c0f-a1b2-c3d4e5f60718"
CAMPAIGN = "0192f0c4-1c22-7b63-9d6f-3c8b7e2a5d05"
COUPON = "0192f0c5-77d1-7e44-8b0a-91f2c64e3a11"
END = "2027-11-01T00:00:00Z"


async def test_the_worked_example_is_answered_as_the_page_says(funding: Funding) -> None:
    """The office begins a campaign and pays for it, the wallet gets a coupon and uses it."""
    real = {WALLET: funding.payer, FUNDER: funding.account, SHOP: funding.payee, END: in_days(365)}
    senders = iter([funding.office] * 2 + [funding.wallet] * 3)

    async for path, reply in played(
        funding.town, "coupons.md", real, lambda _: next(senders), steps=5
    ):
        if path == "/v1/campaigns":
            real[CAMPAIGN] = reply.json["id"]
        if path == "/v1/coupons":
            real[COUPON] = reply.json["id"]
    assert await funding.balances(real[CAMPAIGN]) == (10_000 - 5400, 6000, 10_000 - 600)
    line = await funding.entry(funding.wallet, funding.payer)
    assert (line["amount"], line["drawn"]) == (5400, 600)
