"""The worked example of docs/services/purposes.md."""

from tests.services.example import played
from tests.services.funding import Funding, in_days

WALLET = "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01"
FUNDER = "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02"
SHOP = "0192f0c9-20aa-7c0f-a1b2-c3d4e5f60718"
PURPOSE = "0192f0c4-1c22-7b63-9d6f-3c8b7e2a5d05"
PURSE = "0192f0c5-77d1-7e44-8b0a-91f2c64e3a11"
END = "2027-11-01T00:00:00Z"


async def test_the_worked_example_is_answered_as_the_page_says(funding: Funding) -> None:
    """The office binds money and fills a purse, the wallet spends it."""
    real = {WALLET: funding.payer, FUNDER: funding.account, SHOP: funding.payee, END: in_days(365)}
    senders = iter([funding.office] * 3 + [funding.wallet] * 2)

    async for path, reply in played(
        funding.town, "purposes.md", real, lambda _: next(senders), steps=5
    ):
        if path == "/v1/purposes":
            real[PURPOSE] = reply.json["id"]
        if path == "/v1/purses":
            real[PURSE] = reply.json["id"]
    assert await funding.balances(real[PURSE]) == (10_000 - 300, 1500, 0)
    line = await funding.entry(funding.wallet, funding.payer)
    assert (line["amount"], line["drawn"]) == (300, 1200)
    line = await funding.entry(funding.wallet, real[PURSE])
    assert (line["amount"], line["direction"], line["counterparty"]) == (
        1200, "debit", funding.payee,
    )  # fmt: skip
