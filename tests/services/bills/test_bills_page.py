"""The worked example of docs/services/bills.md, played at a live switch."""

import json
import re
from pathlib import Path
from typing import Any

from tests.services.bills.scene import Scene, day

PAGE = (Path(__file__).parents[3] / "docs" / "services" / "bills.md").read_text()
PAYER = "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01"
PAYEE = "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02"
BILL = "0192f0c1-2d0e-7a11-b3c2-4e5f60718206"
DUE_ON, PAID_ON = "2026-11-30", "2026-11-12"
STEPS = 5

EXCHANGE = re.compile(
    r"```http\n(?P<method>GET|POST) (?P<path>\S+)\n"
    r'(?:Idempotency-Key: "(?P<key>[^"]+)"\n)?(?:\n(?P<body>\{[^\n]*\})\n)?```'
    r".*?```json\n(?P<answer>\{[^\n]*\})\n```",
    re.DOTALL,
)


def holds(answer: Any, shown: Any) -> bool:
    """Whether an answer has all that the page shows of it."""
    if isinstance(shown, dict):
        return all(holds(answer[name], value) for name, value in shown.items())
    if isinstance(shown, list):
        return len(answer) == len(shown) and all(map(holds, answer, shown))
    return bool(answer == shown)


async def test_the_worked_example_is_answered_as_the_page_says(scene: Scene) -> None:
    """Each request in its turn, with real accounts and days in place of the example's."""
    real = {PAYER: scene.payer, PAYEE: scene.payee, DUE_ON: day(18)}

    def with_real(text: str) -> str:
        for example, own in real.items():
            text = text.replace(example, own)
        return text

    exchanges = list(EXCHANGE.finditer(PAGE))
    assert len(exchanges) == PAGE.count("```http") == STEPS
    for exchange in exchanges:
        method, path = exchange["method"], exchange["path"]
        is_payment = path == "/v1/payments"
        reply = await scene.town.send(
            scene.wallet if is_payment or "customer=" in path else scene.biller,
            method,
            with_real(path),
            body=with_real(exchange["body"]).encode() if exchange["body"] else None,
            key=exchange["key"],
        )
        assert reply.status == (201 if method == "POST" else 200), reply.body
        assert holds(reply.json, json.loads(with_real(exchange["answer"]))), reply.body
        if path == "/v1/bills":
            real[BILL] = reply.json["id"]
        if is_payment:
            real[PAID_ON] = await scene.local_day(reply.json["created_at"])
