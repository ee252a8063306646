"""Bills of a file: all of them or none, in two forms, each line that is wrong named."""

import json
from typing import Any
from uuid import uuid4

import pytest

from switch.services.bills.limits import FILE_LINES_MAX
from tests.integration.town import Reply
from tests.services.bills.scene import Scene

HEAD = ("payee", "customer", "reference", "amount", "currency", "due_on", "late_fee", "description")


async def send(scene: Scene, text: str, *, key: str | None = None, form: str = "text/csv") -> Reply:
    return await scene.town.send(
        scene.biller, "POST", "/v1/bills/file", body=text.encode(), key=key or uuid4().hex,
        changed={"Content-Type": form},
    )  # fmt: skip


def as_csv(*bills: dict[str, Any]) -> str:
    rows = [",".join(str(bill.get(name, "")) for name in HEAD) for bill in bills]
    return "\n".join([",".join(HEAD), *rows, ""])


async def count(scene: Scene) -> int:
    path = f"/v1/bills?payee={scene.payee}"
    return len((await scene.town.send(scene.biller, "GET", path)).json["data"])


async def test_a_file_is_presented_once(scene: Scene) -> None:
    """In either form; its bills are found and paid like any other."""
    bills = [
        scene.asked(customer=f"c {n}", late_fee=n or None, reference=f"r-{n}") for n in range(3)
    ]
    first = await send(scene, as_csv(*bills), key="f")
    assert (first.status, first.json["bills"], first.json["idempotency_key"]) == (201, 3, "f")
    again = await send(scene, as_csv(*bills), key="f")
    assert (again.status, again.body) == (200, first.body)
    lines = "".join(json.dumps(bill) + "\n" for bill in bills)
    same = await send(scene, lines, key="f", form="application/x-ndjson")
    assert (same.status, same.body) == (200, first.body), "the same message in another form"
    more = json.dumps(scene.asked(reference="r-4", description='with "quotes", and commas'))
    reply = await send(scene, more, form="application/x-ndjson")
    assert (reply.status, reply.json["bills"]) == (201, 1)
    assert await count(scene) == 4
    path = f"/v1/bills?payee={scene.payee}&customer=c%202"
    (found,) = (await scene.town.send(scene.biller, "GET", path)).json["data"]
    assert (found["late_fee"], found["reference"]) == (2, "r-2")
    assert (await scene.pay(found["id"], found["amount"]))["status"] == "completed"


@pytest.mark.parametrize(
    ("change", "where", "field"),
    [
        ({"amount": "12.5"}, "Line 3: ", "amount"),
        ({"amount": ""}, "Line 3: ", "amount"),
        ({"amount": "9" * 5000}, "Line 3: ", "amount"),
        ({"currency": "CNX"}, "Line 3: ", "currency"),
        ({"due_on": "soon"}, "Line 3: ", "due_on"),
        ({"payee": "water"}, "Line 3: ", "payee"),
        ({"payee": str(uuid4())}, "Bill 2: ", "payee"),
        ({"customer": ""}, "Line 3: ", "customer"),
        ({"customer": "a\x07"}, "Line 3: ", "customer"),
        ({"reference": "r-0"}, "Bill 2: ", "reference"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
async def test_a_line_that_is_wrong(
    scene: Scene, change: dict[str, str], where: str, field: str
) -> None:
    """Its number and the member are named, nothing is presented, and no key is spent."""
    bills = [scene.asked(reference=f"r-{n}") for n in range(3)]
    text = as_csv(bills[0], bills[1] | change, bills[2])
    reply = await send(scene, text, key="f")
    assert (reply.status, reply.problem) == (400, "malformed-message")
    assert (reply.json["detail"].startswith(where), reply.json["field"]) == (True, field)
    assert await count(scene) == 0
    assert (await send(scene, as_csv(*bills), key="f")).status == 201


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no line"),
        ("payee,price\n", "The head has names out of"),
        ("payee,customer\na\n", "not as many members"),
        ("payee,customer\na,b,c\n", "not as many members"),
        ('payee,customer\na,"b\n', "no CSV"),
        ("payee,amount,amount\n", "names it twice"),
        ("payee\n" + "x\n" * 6000, "Line 2"),
    ],
    ids=lambda value: None if "\n" in value or not value else value,
)
async def test_a_file_that_is_none(scene: Scene, text: str, why: str) -> None:
    """Says what is expected."""
    reply = await send(scene, text)
    assert (reply.status, why in reply.json["detail"]) == (400, True), reply.body


async def test_a_spreadsheet_s_mark_is_passed_over(scene: Scene) -> None:
    """And its line ends."""
    text = "\ufeff" + as_csv(scene.asked()).replace("\n", "\r\n")
    assert (await send(scene, text)).status == 201


async def test_a_file_that_is_too_long(scene: Scene) -> None:
    """One line more than are taken, all of them right."""
    lines = [scene.asked(reference=f"r-{n}") for n in range(FILE_LINES_MAX + 1)]
    reply = await send(scene, as_csv(*lines))
    assert (reply.status, "more than 5000 lines" in reply.json["detail"]) == (400, True)
    reply = await send(scene, as_csv(*lines[:-1]))
    assert (reply.status, reply.json["bills"]) == (201, FILE_LINES_MAX)


async def test_a_form_that_is_not_read(scene: Scene) -> None:
    """Only the two."""
    text = json.dumps(scene.asked())
    for form in ("application/json", "text/plain", "text/csv, text/csv"):
        assert (await send(scene, text, form=form)).status == 415
    reply = await scene.town.send(
        scene.biller, "POST", "/v1/bills/file", body=text.encode(), key=uuid4().hex,
        changed={"Content-Type": "text/csv", "Content-Encoding": "gzip"},
    )  # fmt: skip
    assert reply.status == 415
