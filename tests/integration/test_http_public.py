"""What anyone may ask: health, keys, the description of everything, and the page that draws it."""

import json
import re
from typing import Any

import msgspec
import openapi_spec_validator
import pytest

from switch.errors import PROBLEMS
from switch.message import AccountRequest, Payment, PaymentRequest
from tests.integration.town import Member, Town


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
        (method, path) for path, methods in town.app.dispatch._table.items() for method in methods
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
    for kind in (PaymentRequest, AccountRequest, Payment):
        (example,) = schemas[kind.__name__]["examples"]
        msgspec.json.decode(json.dumps(example), type=kind, strict=True)


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
    assert (await town.raw("POST", target)).status == 405
