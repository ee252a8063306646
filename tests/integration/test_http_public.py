"""What anyone may ask: health, keys, the description of everything, and the page that draws it."""

import json
import re
from typing import Any
from uuid import uuid4

import msgspec
import openapi_spec_validator
import pytest
from jsonschema import Draft202012Validator

from switch.errors import PROBLEMS
from switch.message import AccountRequest, Payment, PaymentRequest, Step
from tests.integration.town import Member, Reply, Town, payment


async def openapi(town: Town) -> dict[str, Any]:
    """The document as served."""
    reply = await town.raw("GET", "/openapi.json")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
    document: dict[str, Any] = reply.json
    return document


async def test_the_openapi_document_is_valid_and_complete(town: Town) -> None:
    """OpenAPI 3.1, every endpoint that is served, every problem, every answer with an example."""
    document = await openapi(town)
    openapi_spec_validator.validate(document)
    assert document["openapi"].startswith("3.1.")
    described = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    served = {
        (method, endpoint.path)
        for methods in town.app.dispatch._table.values()
        for method, endpoint in methods.items()
    }
    assert described == served
    assert document["x-problems"].keys() == PROBLEMS.keys()
    for path, methods in document["paths"].items():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                for kind, content in answer["content"].items():
                    if (
                        kind in {"application/json", "application/problem+json"}
                        and path[:3] == "/v1"
                    ):
                        assert "example" in content or "examples" in content, (path, status)


async def test_examples_are_what_they_are_examples_of(town: Town) -> None:
    """Every example is accepted by the type that it shows."""
    schemas = (await openapi(town))["components"]["schemas"]
    for kind in (PaymentRequest, AccountRequest, Payment, Step):
        (example,) = schemas[kind.__name__]["examples"]
        msgspec.json.decode(json.dumps(example), type=kind, strict=True)


async def test_every_example_is_what_its_schema_says(town: Town) -> None:
    """Requests and answers of every operation, by the schemas of the document itself."""
    document = await openapi(town)
    checked = 0
    for path, methods in document["paths"].items():
        for operation in methods.values():
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            for body in bodies:
                for content in body.get("content", {}).values():
                    shown = [one["value"] for one in content.get("examples", {}).values()]
                    shown += [content["example"]] if "example" in content else []
                    for example in shown:
                        assert not broken_rules(document, content["schema"], example), path
                        checked += 1
    assert checked > len(document["paths"])


async def test_what_participants_serve_is_described_too(town: Town) -> None:
    """OpenAPI 3.1 of a bank's endpoints and of the callback, beside the switch's own."""
    reply = await town.raw("GET", "/openapi-participant.json")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
    openapi_spec_validator.validate(reply.json)
    assert reply.json["openapi"].startswith("3.1.")
    assert set(reply.json["paths"]) == {"/authorizations", "/credits", "/reversals", "/events"}


def broken_rules(document: dict[str, Any], schema: dict[str, Any], value: Any) -> list[str]:
    """What is wrong with a value, by a schema of the document."""
    whole = schema | {"components": document["components"]}
    checker = Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [error.message for error in checker.iter_errors(value)]


async def test_steps_and_bars_are_answered_as_described(
    town: Town, wallet: Member, merchant: Member, payer: str, payee: str
) -> None:
    """Each real answer fits the schema of its operation, and GET shows payments and steps."""
    document = await openapi(town)

    def check(method: str, path: str, reply: Reply) -> Any:
        answers = document["paths"][path][method]["responses"]
        content = answers[str(reply.status)]["content"][reply.headers["Content-Type"]]
        assert not broken_rules(document, content["schema"], reply.json), (path, reply.json)
        return reply.json

    payments = "/v1/payments/{id}"
    held = check("post", "/v1/payments", await town.pay(wallet, payer, payee, 9, capture=False))
    for kind, content in (("capture", {"amount": 5}), ("void", None), ("refund", {"amount": 2})):
        for parent in (held["id"], str(uuid4())):
            reply = await town.step(merchant, parent, kind, content, key=f"{kind}-{parent}")
            step = check("post", f"{payments}/{kind}", reply)
            check("get", payments, await town.send(merchant, "GET", f"/v1/payments/{step['id']}"))
        reply = await town.bar(merchant, f"{kind}-{held['id']}")
        assert check("post", "/v1/payments/bar", reply)["type"] == kind
    check("get", payments, await town.send(wallet, "GET", f"/v1/payments/{held['id']}"))
    check("post", "/v1/payments/bar", await town.bar(merchant, "never"))
    for target, path, content in (
        ("/v1/payments", "/v1/payments", payment(payee, payer, 1)),
        ("/v1/accounts", "/v1/accounts", {"currency": "CNY", "kind": "merchant"}),
        (f"/v1/accounts/{payee}/freeze", "/v1/accounts/{id}/freeze", None),
        (f"/v1/payments/{held['id']}/refund", f"{payments}/refund", None),
    ):
        reply = await town.send(merchant, "POST", target, content=content, key="never")
        assert check("post", path, reply)["reason"] == "barred"
    for query in ("", f"?account={payee}", "?idempotency_key=never"):
        check("get", "/v1/payments", await town.send(merchant, "GET", f"/v1/payments{query}"))


async def test_answers_are_described_by_their_values(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """Ids and times have a format, names an enumeration; real answers are as described."""
    schemas = (await openapi(town))["components"]["schemas"]

    def described(kind: str, member: str) -> dict[str, Any]:
        schema: dict[str, Any] = schemas[kind]["properties"][member]
        return next((one for one in schema.get("anyOf", []) if one["type"] != "null"), schema)

    for kind in ("Payment", "Account", "AccountOperation", "Entry"):
        for member in schemas[kind]["properties"]:
            if member.endswith("_at"):
                assert described(kind, member)["format"] == "date-time"
            if member in {"id", "payer", "payee", "payment", "account", "counterparty"}:
                assert described(kind, member)["format"] == "uuid"
            if member in {"status", "reason", "type", "kind", "operation", "direction"}:
                assert described(kind, member)["enum"]
    assert "issue" in described("Payment", "type")["enum"]
    assert "insufficient_funds" in described("Payment", "reason")["enum"]
    await town.pay(wallet, payer, payee, 1)
    await town.pay(wallet, payer, payee, 10**15)
    answers = [
        ("Account", (await town.send(wallet, "GET", f"/v1/accounts/{payer}")).json),
        ("AccountOperation", (await town.send(
            wallet, "POST", f"/v1/accounts/{payer}/close", key=uuid4().hex)).json),
    ]  # fmt: skip
    for kind, target in (
        ("Payment", f"/v1/payments?account={payer}"),
        ("Entry", f"/v1/accounts/{payer}/entries"),
    ):
        answers += [(kind, one) for one in (await town.send(wallet, "GET", target)).json["data"]]
    assert {kind for kind, _ in answers} == {"Payment", "Account", "AccountOperation", "Entry"}
    for kind, answer in answers:
        for member, value in answer.items():
            if value is not None and "enum" in described(kind, member):
                assert value in described(kind, member)["enum"], (kind, member)


async def test_every_shape_of_an_answer_is_described(
    town: Town, wallet: Member, merchant: Member, payer: str, payee: str
) -> None:
    """Look-ups show steps beside payments, and a barred key is answered wherever it is sent."""
    document = await openapi(town)
    held = (await town.pay(wallet, payer, payee, 10, capture=False)).json["id"]
    captured = await town.send(merchant, "POST", f"/v1/payments/{held}/capture", key="shape-step")
    step = captured.json["id"]
    key = "shape-barred"
    bar = {"idempotency_key": key}
    await town.send(wallet, "POST", "/v1/payments/bar", content=bar, key=key)
    opening = {"currency": "CNY", "kind": "wallet"}
    capture = f"/v1/payments/{held}/capture"
    answers = [
        ("get", "/v1/payments/{id}", await town.send(merchant, "GET", f"/v1/payments/{step}")),
        ("get", "/v1/payments/{id}", await town.send(wallet, "GET", f"/v1/payments/{held}")),
        (
            "get",
            "/v1/payments",
            await town.send(merchant, "GET", "/v1/payments?idempotency_key=shape-step"),
        ),
        ("get", "/v1/payments", await town.send(wallet, "GET", f"/v1/payments?account={payer}")),
        (
            "post",
            "/v1/accounts",
            await town.send(wallet, "POST", "/v1/accounts", content=opening, key=key),
        ),
        (
            "post",
            "/v1/accounts/{id}/freeze",
            await town.send(wallet, "POST", f"/v1/accounts/{payer}/freeze", key=key),
        ),
        ("post", "/v1/payments/{id}/capture", await town.send(wallet, "POST", capture, key=key)),
    ]
    for method, path, reply in answers:
        assert reply.status == 200, reply
        described = document["paths"][path][method]["responses"]["200"]["content"]
        shapes = shapes_of(document, described["application/json"]["schema"])
        for item in reply.json.get("data", [reply.json]):
            assert any(some <= item.keys() <= every for some, every in shapes), (path, item)


def shapes_of(document: dict[str, Any], schema: dict[str, Any]) -> list[tuple[set[str], set[str]]]:
    """The members that everything has that a schema allows, and those that it may have."""
    if "anyOf" in schema:
        return [shape for one in schema["anyOf"] for shape in shapes_of(document, one)]
    if "$ref" not in schema:
        return shapes_of(document, schema["properties"]["data"]["items"])
    shape = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return [(set(shape.get("required", ())), set(shape["properties"]))]


async def test_a_problem_that_is_answered_is_described(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """The status and name of real refusals stand in the document for their endpoint."""
    document = await openapi(town)
    refusals = [
        ("post", "/v1/payments", await town.raw("POST", "/v1/payments")),
        (
            "post",
            "/v1/payments",
            await town.send(wallet, "POST", "/v1/payments", body=b"x", key="k"),
        ),
        ("get", "/v1/payments/{id}", await town.send(wallet, "GET", "/v1/payments/x")),
        ("get", "/v1/accounts", await town.send(wallet, "GET", "/v1/accounts?x=1")),
    ]
    for method, path, reply in refusals:
        answers = document["paths"][path][method]["responses"]
        examples = answers[str(reply.status)]["content"]["application/problem+json"]["examples"]
        assert reply.problem in examples


async def test_the_page_needs_nothing_from_elsewhere(town: Town) -> None:
    """Page, style and script are served from here, under a policy that allows nothing else."""
    page = await town.raw("GET", "/docs")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    text = page.body.decode()
    linked = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert linked
    assert all(link.startswith("/") and not link.startswith("//") for link in linked)
    for link in linked:
        assert (await town.raw("GET", link)).status == 200
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for target in ("/docs/page.js", "/docs/page.css"):
        content = (await town.raw("GET", target)).body.decode()
        assert "http://" not in content
        assert "https://" not in content
        assert "innerHTML" not in content


@pytest.mark.parametrize("target", ["/livez", "/readyz", "/.well-known/jwks.json", "/openapi.json"])
async def test_anyone_may_ask_under_any_name(town: Town, target: str) -> None:
    """Health checks come by address, not by name."""
    reply = await town.raw("GET", target, headers={"Host": "10.0.0.1"})
    assert (reply.status, reply.is_signed) == (200, False)
    head = await town.raw("HEAD", target, headers={"Host": "10.0.0.1"})
    assert (head.status, head.body) == (200, b"")
    assert (await town.raw("POST", target)).status == 405
