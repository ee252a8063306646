"""The OpenAPI 3.1 document, made from the table of endpoints and the messages' own types.

What dispatch serves is what is described: both read the same `Endpoint`s. Schemas come from
msgspec, so a length or a range stands once, in `limits`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from switch import limits
from switch.errors import PROBLEMS
from switch.key_message import KEY_NAME_PATTERN
from switch.outcome import Outcome
from switch.service import Endpoint, Parameter

_REF = "#/components/schemas/{name}"

# What any signed endpoint may answer, and what any POST may answer besides.
SIGNED_PROBLEMS = (
    "malformed-message",
    "digest-missing",
    "digest-mismatch",
    "signature-missing",
    "signature-invalid",
    "signature-incomplete",
    "signature-ambiguous",
    "signature-expired",
    "key-unknown",
    "key-not-valid",
    "method-not-allowed",
    "body-too-large",
    "wrong-authority",
    "too-many-requests",
    "internal-error",
    "overloaded",
    "ledger-unavailable",
)
POST_PROBLEMS = ("idempotency-key-missing", "idempotency-key-reused", "media-type-unsupported")

_INTRODUCTION = f"""\
Participants send signed, idempotent messages; the switch decides each payment in its ledger and
signs what it answers.

* **Signatures**: HTTP message signatures (RFC 9421) with Ed25519 over `"@method" "@authority"
  "@path"`, `"@query"` where there is one, `"content-digest"` where there is a body,
  `"idempotency-key"` on every POST; parameters `created` and `keyid`. The switch's own keys are at
  `/.well-known/jwks.json`. An answer without a good signature promises nothing.
  `POST /v1/keys` is signed by two keys, a valid one and the new one.
* **Idempotency**: every POST has an `Idempotency-Key`. The same key with the same bytes gets the
  same decision for ever; with anything else, `idempotency-key-reused`.
* **Money** is an integer in minor units with a code of ISO 4217.
* **Outcomes** of a payment are answers, not errors: a declined payment is a `201` with a `reason`.
* **Pending**: where a bank decides over its own money and takes its time, the answer is a `202`
  with `status` `pending`. The decision comes as an event, and to whoever sends the request again.
* **Unsigned answers** promise nothing: whatever is refused before the signature is verified. That
  is every `401` (save for the second signature of `POST /v1/keys`) and `421`, `413`, whose body is
  not read, and often `400`, `429`, `500` and `503`. A `404` or `405` of a path or method that is
  not here is signed when the request is, and well.

Bodies have at most {limits.BODY_BYTES_MAX} bytes, those of a batch at most
{limits.BATCH_BODY_BYTES_MAX}. Where a list of values is given for an answer, a
later version may add to it.
"""


def openapi_document(endpoints: Sequence[Endpoint], *, version: str) -> dict[str, Any]:
    """The whole document, as a value."""
    schemas = _schemas(endpoints)
    schemas["Problem"] = _PROBLEM
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Payment switch",
            "version": version,
            "summary": "Decides signed, idempotent payments",
            "description": _INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"message_signature": []}],
        "paths": paths,
        "webhooks": {"event": {"post": _PUSH}},
        "components": {
            "schemas": schemas,
            "parameters": {"IdempotencyKey": IDEMPOTENCY_KEY, "Traceparent": _TRACEPARENT},
            "headers": HEADERS,
            "securitySchemes": {"message_signature": SIGNATURE_SCHEME},
        },
        "x-problems": {
            name: {"status": status, "title": title} for name, (status, title) in PROBLEMS.items()
        },
        "x-outcomes": [outcome.wire for outcome in Outcome],
    }


def _schemas(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    kinds: dict[type[Struct], None] = {}
    examples: dict[str, Any] = {}
    for endpoint in endpoints:
        for kind, example in (
            (endpoint.request, endpoint.request_example),
            (endpoint.response, endpoint.response_example),
            *((other, None) for other in endpoint.response_also),
        ):
            if kind is not None:
                kinds[kind] = None
                if example is not None:
                    examples[kind.__name__] = example
    _, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    for name in components:
        if not name.isidentifier():  # the name of a module before it: two shapes have the same one
            raise ValueError(f"another shape has the name of {name}: rename one, clients read it")
    schemas: dict[str, Any] = {}
    for name, schema in components.items():
        schemas[name] = _without_nulls(schema) if name in _request_names(endpoints) else schema
        if name in examples:
            schemas[name]["examples"] = [examples[name]]
    return schemas


def _request_names(endpoints: Sequence[Endpoint]) -> set[str]:
    return {endpoint.request.__name__ for endpoint in endpoints if endpoint.request is not None}


def _without_nulls(schema: Any) -> Any:
    """The same schema without `default: null`, which reads as if one should send null."""
    if isinstance(schema, dict):
        return {
            key: _without_nulls(value)
            for key, value in schema.items()
            if not (key == "default" and value is None)
        }
    return schema


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "tags": [_tag(endpoint)],
        "responses": _responses(endpoint),
    }
    parameters: list[dict[str, Any]] = [_query_parameter(one) for one in endpoint.parameters]
    if "{id}" in endpoint.path:
        parameters.append(_PATH_ID)
    if "{name}" in endpoint.path:
        parameters.append(_PATH_NAME)
    if endpoint.method == "POST":
        parameters.append({"$ref": "#/components/parameters/IdempotencyKey"})
    if endpoint.is_signed:
        parameters.append({"$ref": "#/components/parameters/Traceparent"})
    if parameters:
        operation["parameters"] = parameters
    if endpoint.request is not None:
        media: dict[str, Any] = {"schema": _ref(endpoint.request)}
        if endpoint.request_example is not None:
            media["example"] = endpoint.request_example
        operation["requestBody"] = {
            "required": any(field.required for field in msgspec.structs.fields(endpoint.request)),
            "content": {"application/json": media},
        }
    if endpoint.request_texts:
        operation["requestBody"] = {
            "required": True,
            "content": {
                media_type: {"schema": {"type": "string"}, "example": text}
                for media_type, text in endpoint.request_texts.items()
            },
        }
    if not endpoint.is_signed:
        operation["security"] = []
    return operation


def _tag(endpoint: Endpoint) -> str:
    segments = endpoint.path.split("/")
    return segments[2] if segments[1] == "v1" else "public"


def _responses(endpoint: Endpoint) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, when in endpoint.answers.items():
        content = _content(endpoint)
        if status == 202:
            content[endpoint.media_type]["example"] = endpoint.pending_example
        responses[str(status)] = {"description": when, "content": content}
        if endpoint.is_signed:
            responses[str(status)]["headers"] = _SIGNED_HEADERS
        if status == 200 and 201 in endpoint.answers:
            responses[str(status)]["headers"] = _SIGNED_HEADERS | _REPLAYED_HEADER
    for status, names in sorted(_problems(endpoint).items()):
        responses[str(status)] = {
            "description": "Problems: " + ", ".join(f"`{name}`" for name in names),
            "content": {
                "application/problem+json": {
                    "schema": {"$ref": _REF.format(name="Problem")},
                    "examples": {name: {"value": _problem_example(name)} for name in names},
                }
            },
        }
        if any(name in _RETRIED for name in names):
            responses[str(status)]["headers"] = {
                "Retry-After": {"$ref": "#/components/headers/RetryAfter"}
            }
    return responses


def _problems(endpoint: Endpoint) -> dict[int, list[str]]:
    """Problem names by status, in the order of `PROBLEMS`."""
    possible = set(endpoint.problems)
    if endpoint.is_signed:
        possible.update(SIGNED_PROBLEMS)
        if endpoint.method == "POST":
            possible.update(POST_PROBLEMS)
    by_status: dict[int, list[str]] = {}
    for name, (status, _) in PROBLEMS.items():
        if name in possible:
            by_status.setdefault(status, []).append(name)
    return by_status


def _content(endpoint: Endpoint) -> dict[str, Any]:
    if endpoint.response is None and endpoint.response_example is None:
        return {endpoint.media_type: {}}
    if endpoint.response is None:
        text = {"schema": {"type": "string"}, "example": endpoint.response_example}
        return {endpoint.media_type: text}
    media: dict[str, Any] = {"schema": _answers(endpoint)}
    if endpoint.response_example is not None:
        media["example"] = endpoint.response_example
    if endpoint.is_list:
        page = {"data": [endpoint.response_example], "has_more": False, "next_after": None}
        media = {"schema": _page_schema(_answers(endpoint)), "example": page}
    if any(parameter.name == "idempotency_key" for parameter in endpoint.parameters):
        media["schema"] = {"anyOf": [media["schema"], _answers(endpoint)]}
    return {endpoint.media_type: media}


def _answers(endpoint: Endpoint) -> dict[str, Any]:
    """The shape of an answer, or its shapes."""
    assert endpoint.response is not None, "an answer has a shape"
    shapes = [_ref(shape) for shape in (endpoint.response, *endpoint.response_also)]
    return dict(shapes[0]) if len(shapes) == 1 else {"anyOf": shapes}


def _page_schema(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["data", "has_more", "next_after"],
        "properties": {
            "data": {"type": "array", "items": item, "maxItems": limits.PAGE_SIZE_MAX},
            "has_more": {"type": "boolean"},
            "next_after": {"type": ["string", "null"]},
        },
    }


def _query_parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": "query",
        "required": False,
        "description": parameter.what,
        "schema": dict(parameter.schema),
    }


def _problem_example(name: str) -> Mapping[str, Any]:
    status, title = PROBLEMS[name]
    example: dict[str, Any] = {
        "type": f"urn:switch:problem:{name}",
        "title": title,
        "status": status,
        "detail": "What exactly was wrong with this request.",
    }
    if name == "malformed-message":
        example |= {"detail": "Expected `int`, got `str`.", "field": "amount"}
    return example


def _ref(kind: type[Struct]) -> dict[str, str]:
    return {"$ref": _REF.format(name=kind.__name__)}


_RETRIED = ("too-many-requests", "overloaded", "ledger-unavailable", "in-progress")

_PATH_ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "format": "uuid"},
}
_PATH_NAME = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": "The half of a key id behind the slash",
    "schema": {"type": "string", "pattern": KEY_NAME_PATTERN},
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Visible ASCII, as a structured-field string in quotes or bare",
    "schema": {"type": "string", "minLength": 1, "maxLength": limits.IDEMPOTENCY_KEY_CHARS_MAX + 2},
    "example": '"order-4711-1"',
}
_TRACEPARENT = {
    "name": "traceparent",
    "in": "header",
    "required": False,
    "description": "W3C Trace Context. Stored with what the request decides and carried on; one"
    " that is not of this form is ignored",
    "schema": {"type": "string"},
    "example": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}
SENT_TRACEPARENT = _TRACEPARENT | {
    "description": "W3C Trace Context, where the message that this follows from came with one: the"
    " same trace, a span of the switch. The signature does not cover it",
}
_PUSH = {
    "operationId": "push_event",
    "summary": "An event, sent to the participant's callback URL until it is taken",
    "description": "Signed by the switch as participants sign their requests. The key is the "
    "event's `id`, the same over all attempts. Events of one payment come in order.",
    "parameters": [{"$ref": "#/components/parameters/IdempotencyKey"}, SENT_TRACEPARENT],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": _REF.format(name="Event")}}},
    },
    "responses": {
        "2XX": {"description": "Taken; the body is not looked at and need not be signed"},
        "default": {"description": "Not taken: it is sent again later"},
    },
}
_SIGNED_HEADERS = {
    name: {"$ref": f"#/components/headers/{name.replace('-', '')}"}
    for name in ("Content-Digest", "Signature-Input", "Signature", "traceparent")
}
_REPLAYED_HEADER = {
    "Idempotent-Replayed": {"$ref": "#/components/headers/IdempotentReplayed"},
}
HEADERS = {
    "ContentDigest": {"description": "RFC 9530", "schema": {"type": "string"}},
    "SignatureInput": {"description": "RFC 9421", "schema": {"type": "string"}},
    "Signature": {"description": "RFC 9421, Ed25519", "schema": {"type": "string"}},
    "IdempotentReplayed": {
        "description": "Present when the decision was made before",
        "schema": {"type": "string", "const": "true"},
    },
    "traceparent": {
        "description": "Where the request had a good one: the same trace, a span of the switch",
        "schema": {"type": "string", "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$"},
    },
    "RetryAfter": {"description": "Seconds to wait", "schema": {"type": "integer", "minimum": 1}},
}
SIGNATURE_SCHEME = {
    "type": "apiKey",
    "in": "header",
    "name": "Signature",
    "description": "An HTTP message signature (RFC 9421) with its `Signature-Input`, and "
    "`Content-Digest` (RFC 9530) where there is a body.",
}
_PROBLEM = {
    "title": "Problem",
    "description": "RFC 9457. Nothing was decided and no key is spent, unless the name says so.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "enum": [f"urn:switch:problem:{name}" for name in PROBLEMS]},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "field": {"type": "string"},
    },
}
