"""The OpenAPI 3.1 document of what participants serve: a bank's endpoints, and the callback.

The switch is the client here. So the document describes what it sends and which answers it counts;
a participant can generate a server from it. Schemas come from the types that the switch itself
encodes and decodes.
"""

from typing import Any

import msgspec
from msgspec import Struct

from switch import examples, limits
from switch.bank_message import DECISIONS, Authorization, BankAnswer, BankPath, Credit, Reversal
from switch.event_message import Event
from switch.openapi import HEADERS, IDEMPOTENCY_KEY, SENT_TRACEPARENT, SIGNATURE_SCHEME

_REF = "#/components/schemas/{name}"

_INTRODUCTION = f"""\
What a participant's own server answers when the switch calls it. A bank whose accounts are of kind
`external` serves the three endpoints below its bank URL; any participant may serve a callback URL.

* **Requests** are signed by the switch as participants sign theirs: HTTP message signatures
  (RFC 9421) with Ed25519 over `"@method" "@authority" "@path" "content-digest" "idempotency-key"`,
  and `"@query"` where the URL has one, by a key of the switch's `/.well-known/jwks.json`. Refuse
  whatever does not verify.
* **Answers of a bank** are signed by a key that the bank has registered at the switch, and bound to
  the request: over `"@status" "content-digest" "@method";req "@path";req "content-digest";req
  "idempotency-key";req`. An answer that is not is no answer.
* **Idempotency**: the key stays the same over all attempts. The same key with the same bytes gets
  the same decision for ever; with other bytes, `422`.
* **No answer** is everything but a verified `200` or `201` that names the same payment, amount and
  currency, and a decision of that endpoint. After `429`, `5xx` or a broken connection the switch
  asks again.
* Members may be added to what the switch sends, and values to its types, statuses and reasons:
  ignore members that you do not know, and refuse nothing for a value that you do not know. Bodies
  have at most {limits.BODY_BYTES_MAX} bytes, those of answers at most
  {limits.CALLBACK_ANSWER_BYTES_MAX}, and all that is sent for an answer, heads, interim answers
  (`1xx`) and the framing of chunks included, at most {limits.CALLBACK_WIRE_BYTES_MAX}.
"""

_REQUESTS: dict[BankPath, tuple[type[Struct], str, str]] = {
    "authorizations": (
        Authorization,
        "May this account pay?",
        "Without `capture` hold the money until `hold_expires_at`; events say what is captured of "
        "it. After `deadline` nobody waits for the answer any more: a reversal follows.",
    ),
    "credits": (
        Credit,
        "Money for an account; of a refund, `parent` says of which payment",
        "Asked again until it is accepted or refused.",
    ),
    "reversals": (
        Reversal,
        "The authorization of this payment counts for nothing",
        "Acknowledge one of a payment that you never saw, too, and decline its authorization if it "
        "arrives afterwards. Asked again until it is acknowledged.",
    ),
}
_REQUEST_EXAMPLES: dict[BankPath, dict[str, Any]] = {
    "authorizations": examples.AUTHORIZATION,
    "credits": examples.CREDIT,
    "reversals": examples.REVERSAL,
}


def participant_openapi_document(*, version: str) -> dict[str, Any]:
    """The whole document, as a value."""
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "A participant's server",
            "version": version,
            "summary": "What the switch calls",
            "description": _INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [
            {
                "url": "https://{host}{path}",
                "description": "The participant's bank URL or callback URL, as the operator set it",
                "variables": {
                    "host": {"default": "bank.example"},
                    "path": {"default": "", "description": "With a slash in front, or empty"},
                },
            }
        ],
        "security": [{"message_signature": []}],
        "paths": {f"/{path}": {"post": _bank_operation(path)} for path in DECISIONS}
        | {"/events": {"post": _CALLBACK}},
        "components": {
            "schemas": _schemas(),
            "parameters": {"IdempotencyKey": IDEMPOTENCY_KEY, "Traceparent": SENT_TRACEPARENT},
            "headers": {name: HEADERS[name] for name in _SIGNATURE_HEADERS.values()},
            "securitySchemes": {"message_signature": SIGNATURE_SCHEME},
        },
    }


def _schemas() -> dict[str, Any]:
    """What the switch sends, open to new values; what a bank answers has a closed list."""
    sent = [*(kind for kind, _, _ in _REQUESTS.values()), Event]
    _, schemas = msgspec.json.schema_components(sent, ref_template=_REF)
    _, answers = msgspec.json.schema_components([BankAnswer], ref_template=_REF)
    return {name: _open(schema) for name, schema in schemas.items()} | answers


def _open(schema: Any) -> Any:
    """The same with the values that are known today as examples.

    A server that is generated from an `enum` would refuse a value that a later version adds.
    """
    if isinstance(schema, list):
        return [_open(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    opened = {name: _open(value) for name, value in schema.items() if name != "enum"}
    if "enum" in schema:
        known = ", ".join(f"`{value}`" for value in schema["enum"])
        opened["description"] = f"Today one of {known}; a later version may add to them"
        opened["examples"] = schema["enum"]
    return opened


def _bank_operation(path: BankPath) -> dict[str, Any]:
    kind, summary, description = _REQUESTS[path]
    decisions = DECISIONS[path]
    asked = _REQUEST_EXAMPLES[path]
    shown = {
        decision: {
            "value": examples.BANK_ANSWER
            | {name: asked[name] for name in ("payment", "amount", "currency")}
            | {"decision": decision}
        }
        for decision in decisions
    }
    schema = {
        "allOf": [
            {"$ref": _REF.format(name="BankAnswer")},
            {"properties": {"decision": {"enum": list(decisions)}}},
        ]
    }
    answer = {
        "headers": {
            name: {"$ref": f"#/components/headers/{component}"}
            for name, component in _SIGNATURE_HEADERS.items()
        },
        "content": {"application/json": {"schema": schema, "examples": shown}},
    }
    return {
        "operationId": path,
        "summary": summary,
        "description": description,
        "tags": ["bank"],
        "parameters": _PARAMETERS,
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": _REF.format(name=kind.__name__)},
                    "example": asked,
                }
            },
        },
        "responses": {
            "200": {"description": "Decided before: the same body, signed anew"} | answer,
            "201": {"description": "Decided now; `200` will do as well"} | answer,
        }
        | _REFUSALS
        | {"422": {"description": "This key was decided with other bytes"}}
        | {"default": {"description": "No answer: the switch asks again, or gives up"}},
    }


_PARAMETERS = [
    {"$ref": "#/components/parameters/IdempotencyKey"},
    {"$ref": "#/components/parameters/Traceparent"},
]
_SIGNATURE_HEADERS = {
    "Content-Digest": "ContentDigest",
    "Signature-Input": "SignatureInput",
    "Signature": "Signature",
}
_REFUSALS = {
    "401": {"description": "The request is not signed by the switch, or not well"},
    "413": {"description": "The switch sends no body so large"},
    "421": {"description": "The request was signed for another name than this server's"},
    "429": {"description": "Not now; asked again after a pause"},
    "503": {"description": "Not now; asked again after a pause"},
}
_CALLBACK = {
    "operationId": "event",
    "summary": "An event; sent to the callback URL itself, whatever its path",
    "description": "The key is the event's `id`, the same over all attempts and in the feed. Take "
    "each once. Events of one payment come in order; those of different payments in any, whatever "
    "their `number`. New types and members may be added: take what you do not know, and ignore it.",
    "tags": ["callback"],
    "parameters": _PARAMETERS,
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": _REF.format(name="Event")},
                "example": examples.EVENT_PAGE["data"][0],
            }
        },
    },
    "responses": {
        "2XX": {"description": "Taken; the body is not looked at and need not be signed"},
    }
    | _REFUSALS
    | {"default": {"description": "Not taken: it is sent again later"}},
}
