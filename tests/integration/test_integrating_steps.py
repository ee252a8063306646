"""The worked requests of docs/INTEGRATING.md about holds and bars, played at a live switch."""

import json
import re
from pathlib import Path

import pytest

from tests.integration.town import Member, Town

DOCUMENT = (Path(__file__).parents[2] / "docs" / "INTEGRATING.md").read_text()
PAYER = "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01"
PAYEE = "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02"
PAYMENT = "0192f0c2-7b40-7d31-a1c4-0f3b2d9c8e03"
STEP = ("/capture", "/void", "/refund")

EXCHANGE = re.compile(
    r"```http\n(?P<method>GET|POST) (?P<path>\S+)\n"
    r'(?:Idempotency-Key: "(?P<key>[^"]+)"\n)?(?:\n(?P<body>\{[^\n]*\})\n)?```'
    r".*?```json\n(?P<answer>\{[^\n]*\})\n```",
    re.DOTALL,
)


@pytest.mark.parametrize(
    ("heading", "count"),
    [("Holding money first", 5), ("When an answer does not come: ask or bar", 1)],
)
async def test_the_worked_requests_are_answered_as_the_document_says(
    town: Town, wallet: Member, merchant: Member, payer: str, payee: str, heading: str, count: int
) -> None:
    """Each in its turn, with real accounts in place of the example's; steps by the merchant."""
    section = DOCUMENT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    ids = {PAYER: payer, PAYEE: payee}
    exchanges = list(EXCHANGE.finditer(section))
    assert len(exchanges) == section.count("```http") == count
    for exchange in exchanges:
        path, body = exchange["path"], exchange["body"]
        for example, real in ids.items():
            path = path.replace(example, real)
            body = body.replace(example, real) if body else None
        reply = await town.send(
            merchant if path.endswith(STEP) else wallet,
            exchange["method"],
            path,
            body=body.encode() if body else None,
            key=exchange["key"],
        )
        assert reply.status == (201 if exchange["method"] == "POST" else 200), reply.body
        shown = json.loads(exchange["answer"])
        assert {name: reply.json[name] for name in shown} == shown
        if path == "/v1/payments":
            ids[PAYMENT] = reply.json["id"]
