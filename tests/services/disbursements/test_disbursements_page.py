"""The worked example of docs/services/disbursements.md."""

from tests.services.disbursements.office import Office
from tests.services.example import PAGES, played

PAYER = "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02"
PENSIONERS = (
    "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01",
    "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e02",
)
DISBURSEMENT = "0192f0c4-1c22-7b63-9d6f-3c8b7e2a5d05"


async def test_the_worked_example_is_answered_as_the_page_says(office: Office) -> None:
    """The clerk makes it, the head approves it, the job pays it."""
    real = {PAYER: office.account, **dict(zip(PENSIONERS, office.pensioners, strict=False))}
    text = (PAGES / "disbursements.md").read_text()
    part = text.split("```csv\n")[1].split("```")[0]
    for example, own in real.items():
        part = part.replace(example, own)
    senders = iter([office.clerk, office.clerk, office.head, office.clerk, office.clerk])

    async for path, reply in played(
        office.town, "disbursements.md", real, lambda _: next(senders), steps=5
    ):
        if path == "/v1/disbursements":
            real[DISBURSEMENT] = reply.json["disbursement"]
            lines = [tuple(line.split(",")) for line in part.splitlines()[1:]]
            assert (await office.add(real[DISBURSEMENT], lines)).status == 201
        if path.endswith("/approve"):
            assert await office.pay() == len(lines)
