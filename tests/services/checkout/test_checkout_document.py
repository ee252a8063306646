"""The worked example of docs/services/checkout.md, played at a live switch."""

import json
import re
from pathlib import Path

from tests.services.checkout.scene import Scene

PAGE = (Path(__file__).parents[3] / "docs" / "services" / "checkout.md").read_text()
PAYER = "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01"
PAYEE = "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02"
CHECKOUT = "0192f0c1-2d0e-7a11-b3c2-4e5f60718206"
STEPS = 5

EXCHANGE = re.compile(
    r"```http\n(?P<method>GET|POST) (?P<path>\S+)\n"
    r'(?:Idempotency-Key: "(?P<key>[^"]+)"\n)?(?:\n(?P<body>\{[^\n]*\})\n)?```'
    r".*?```json\n(?P<answer>\{[^\n]*\})\n```",
    re.DOTALL,
)


async def test_the_worked_example_is_answered_as_the_page_says(scene: Scene) -> None:
    """Each request in its turn, with real accounts in place of the example's."""
    ids = {PAYER: scene.payer, PAYEE: scene.payee}

    def real(text: str) -> str:
        for example, own in ids.items():
            text = text.replace(example, own)
        return text

    exchanges = list(EXCHANGE.finditer(PAGE))
    assert len(exchanges) == PAGE.count("```http") == STEPS
    for exchange in exchanges:
        method, path = exchange["method"], exchange["path"]
        reply = await scene.town.send(
            scene.merchant if path.startswith("/v1/checkouts") else scene.wallet,
            method,
            real(path),
            body=real(exchange["body"]).encode() if exchange["body"] else None,
            key=exchange["key"],
        )
        assert reply.status == (201 if method == "POST" else 200), reply.body
        shown = json.loads(real(exchange["answer"]))
        assert {name: reply.json[name] for name in shown} == shown
        if path == "/v1/checkouts":
            ids[CHECKOUT] = reply.json["id"]
