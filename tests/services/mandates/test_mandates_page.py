"""The worked example of docs/services/mandates.md, played at a live switch."""

import json
import re
from pathlib import Path

from tests.services.mandates.scene import Scene, in_days

PAGE = (Path(__file__).parents[3] / "docs" / "services" / "mandates.md").read_text()
PAYER = "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01"
PAYEE = "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02"
MANDATE = "0192f0c4-1c22-7b63-9d6f-3c8b7e2a5d05"
END = "2027-11-01T00:00:00Z"
STEPS = 6

EXCHANGE = re.compile(
    r"```http\n(?P<method>GET|POST) (?P<path>\S+)\n"
    r'(?:Idempotency-Key: "(?P<key>[^"]+)"\n)?(?:\n(?P<body>\{[^\n]*\})\n)?```'
    r".*?```json\n(?P<answer>\{[^\n]*\})\n```",
    re.DOTALL,
)


async def test_the_worked_example_is_answered_as_the_page_says(scene: Scene) -> None:
    """Each request in its turn, with real accounts and times in place of the example's."""
    ids = {PAYER: scene.payer, PAYEE: scene.payee, END: in_days(365)}

    def real(text: str) -> str:
        for example, own in ids.items():
            text = text.replace(example, own)
        return text

    exchanges = list(EXCHANGE.finditer(PAGE))
    assert len(exchanges) == PAGE.count("```http") == STEPS
    for exchange in exchanges:
        method, path = exchange["method"], exchange["path"]
        reply = await scene.town.send(
            scene.merchant if path == "/v1/payments" else scene.wallet,
            method,
            real(path),
            body=real(exchange["body"]).encode() if exchange["body"] else None,
            key=exchange["key"],
        )
        assert reply.status == (201 if method == "POST" else 200), reply.body
        shown = json.loads(real(exchange["answer"]))
        assert {name: reply.json[name] for name in shown} == shown
        if path == "/v1/mandates":
            ids[MANDATE] = reply.json["id"]
