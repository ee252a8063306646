"""What a participant serves, as described: every example is what it is an example of."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import openapi_spec_validator
import pytest
from jsonschema import Draft202012Validator

from switch import traceparent
from switch.bank_message import DECISIONS, Authorization, BankPath, Credit, Reversal, decode_answer
from switch.event_message import EVENT_TYPES, Event
from switch.participant_openapi import participant_openapi_document
from switch.state import TRANSITIONS

DOCUMENT = participant_openapi_document(version="1")
REQUESTS: dict[str, Any] = {
    "/authorizations": Authorization,
    "/credits": Credit,
    "/reversals": Reversal,
    "/events": Event,
}
EVERY_DECISION = {decision for some in DECISIONS.values() for decision in some}


def members(schema: Any) -> Iterator[tuple[str, Any]]:
    """Everything that has a name in a schema, at every depth."""
    for name, value in schema.items() if isinstance(schema, dict) else ():
        yield name, value
        yield from members(value)
    for one in schema if isinstance(schema, list) else ():
        yield from members(one)


def broken_rules(schema: dict[str, Any], value: Any) -> list[str]:
    """What is wrong with a value, by a schema of the document."""
    whole = schema | {"components": DOCUMENT["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]


def test_the_document_is_valid_and_complete() -> None:
    """OpenAPI 3.1, and each path that the switch calls."""
    openapi_spec_validator.validate(DOCUMENT)
    assert set(DOCUMENT["paths"]) == set(REQUESTS)


@pytest.mark.parametrize("path", sorted(REQUESTS))
def test_what_a_request_carries_is_described(path: str) -> None:
    """The key always, a trace where there is one."""
    named = DOCUMENT["components"]["parameters"]
    refs = [one["$ref"] for one in DOCUMENT["paths"][path]["post"]["parameters"]]
    carried = [named[ref.rpartition("/")[2]] for ref in refs]
    assert [(one["name"], one["in"], one["required"]) for one in carried] == [
        ("Idempotency-Key", "header", True),
        (traceparent.FIELD, "header", False),
    ]


@pytest.mark.parametrize("path", sorted(REQUESTS))
def test_a_request_is_described_by_an_example_of_it(path: str) -> None:
    """It fits the schema, and the type that the switch encodes."""
    content = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    assert not broken_rules(content["schema"], content["example"])
    msgspec.json.decode(json.dumps(content["example"]), type=REQUESTS[path])
    without = {name: value for name, value in content["example"].items() if name != "id"}
    without.pop("payment")
    assert broken_rules(content["schema"], without)


@pytest.mark.parametrize("path", sorted(DECISIONS))
def test_an_answer_is_described_by_every_decision(path: BankPath) -> None:
    """Each decision of an endpoint has an example that the switch reads; no other fits."""
    operation = DOCUMENT["paths"][f"/{path}"]["post"]
    for status in ("200", "201"):
        content = operation["responses"][status]["content"]["application/json"]
        assert set(content["examples"]) == set(DECISIONS[path])
        for decision, example in content["examples"].items():
            assert not broken_rules(content["schema"], example["value"])
            answer = decode_answer(json.dumps(example["value"]).encode())
            assert answer is not None
            assert answer.decision == decision
            asked = operation["requestBody"]["content"]["application/json"]["example"]
            assert (answer.payment, answer.amount) == (asked["payment"], asked["amount"])
            for other in EVERY_DECISION - set(DECISIONS[path]):
                wrong = example["value"] | {"decision": other}
                assert broken_rules(content["schema"], wrong)


def test_what_the_switch_sends_is_open_to_new_values() -> None:
    """No list of values is closed: a server that is made from this takes what is added later."""
    schemas = DOCUMENT["components"]["schemas"]
    sent = {name: schema for name, schema in schemas.items() if name != "BankAnswer"}
    assert set(sent) == {"Authorization", "Credit", "Reversal", "Event", "Payment", "Step",
                         "KeyChange"}  # fmt: skip
    named = list(members(sent))
    assert not {name for name, _ in named} & {"enum", "const"}
    assert ("additionalProperties", False) not in named
    known = [value for name, value in named if name == "examples"]
    assert list(EVENT_TYPES) in known
    assert list(TRANSITIONS) in known


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("/events", {"type": "weather.changed"}),
        ("/events", {"payment": {"type": "gift", "status": "resting", "reason": "too_rainy"}}),
        ("/authorizations", {"type": "gift"}),
        ("/credits", {"type": "gift"}),
        ("/reversals", {"reason": "too_rainy"}),
    ],
)
def test_a_value_that_is_not_known_today_fits(path: str, changes: dict[str, Any]) -> None:
    """As INTEGRATING promises: types may be added."""
    content = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    changed = {
        name: content["example"][name] | value if isinstance(value, dict) else value
        for name, value in changes.items()
    }
    assert not broken_rules(content["schema"], content["example"] | changed)
