"""The signature base of RFC 9421 §2.5: covered components and the values they stand for.

This is the general way: any component, in any order, with the parameters `sf`, `key`, `bs`,
`name` and `req`. The form nearly every client sends has a faster way in `signature`; a test
holds the two equal. A component that is not understood, not there or named twice is a Fault.
"""

from collections.abc import Callable
from urllib.parse import parse_qsl, quote, unquote_plus

import msgspec
from http_sf.retrofit import retrofit

from switch.limits import COVERED_COMPONENTS_MAX, SIGNATURE_FIELD_BYTES_MAX
from switch.structured import (
    Fault,
    FieldLines,
    InnerList,
    Item,
    Parameters,
    field_lines,
    field_value,
    parse,
    serialise,
    serialise_member,
)


class BoundRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What of a request its answer is bound to: values as they stand in a signature base."""

    method: str
    path: str
    query: str | None
    content_digest: str | None
    idempotency_key: str | None


class RequestParts(msgspec.Struct, frozen=True, kw_only=True):
    """What components of a request are read from; path and query raw, as on the wire."""

    method: str
    scheme: str
    authority: str
    path: str
    query: str | None
    headers: FieldLines


class ReplyParts(msgspec.Struct, frozen=True, kw_only=True):
    """What components of an answer are read from."""

    status: int
    headers: FieldLines
    request: BoundRequest


DERIVED_OF_REQUEST: dict[str, Callable[[RequestParts], str]] = {
    "@method": lambda parts: parts.method,
    "@authority": lambda parts: parts.authority,
    "@scheme": lambda parts: parts.scheme,
    "@path": lambda parts: parts.path or "/",
    "@query": lambda parts: f"?{parts.query or ''}",
    "@request-target": lambda parts: (parts.path or "/") + _suffix(parts.query),
    "@target-uri": lambda parts: (
        f"{parts.scheme}://{parts.authority}{parts.path or '/'}{_suffix(parts.query)}"
    ),
}

BOUND: dict[str, Callable[[BoundRequest], str | None]] = {
    "@method": lambda bound: bound.method,
    "@path": lambda bound: bound.path,
    "@query": lambda bound: f"?{bound.query or ''}",
    "content-digest": lambda bound: bound.content_digest,
    "idempotency-key": lambda bound: bound.idempotency_key,
}

# The top-level types of fields that `;sf` may name, beside those of http-sf's own table.
FIELD_KINDS = retrofit | {
    "content-digest": "dictionary",
    "repr-digest": "dictionary",
    "signature": "dictionary",
    "signature-input": "dictionary",
    "idempotency-key": "item",
}

# Which sets of parameters a header field may have, and so which reader it gets.
PLAIN, STRUCTURED, MEMBER, BINARY = range(4)
FIELD_FORMS = {
    frozenset[str](): PLAIN,
    frozenset({"sf"}): STRUCTURED,
    frozenset({"key"}): MEMBER,
    frozenset({"key", "sf"}): MEMBER,
    frozenset({"bs"}): BINARY,
}


def signature_base(parts: RequestParts | ReplyParts, covered: InnerList) -> str | Fault:
    """The bytes to sign, as text: one line a component, the parameters last."""
    components, _ = covered
    if len(components) > COVERED_COMPONENTS_MAX:
        return Fault(f"covers more than {COVERED_COMPONENTS_MAX} components")
    reader = _Reader(parts)
    lines = []
    seen = set()
    for component in components:
        identity = _identity(component)
        if identity is None or identity in seen:
            return Fault(f"covers {_shown(component)} in a form that is not allowed, or twice")
        seen.add(identity)
        value = reader.value(component)
        if isinstance(value, Fault):
            return Fault(f"covers {_shown(component)}, which {value.detail}")
        lines.append(f"{serialise(component)}: {value}")
    parameters = serialise_member(covered)
    if isinstance(parameters, Fault):
        return parameters
    lines.append(f'"@signature-params": {parameters}')
    return "\n".join(lines)


def plain_names(covered: InnerList) -> frozenset[str]:
    """The components that are covered as they are, without a parameter that takes a part."""
    return frozenset(name for name, parameters in covered[0] if not parameters)


def bound_names(covered: InnerList) -> frozenset[str]:
    """The components of the request that an answer covers whole."""
    return frozenset(name for name, parameters in covered[0] if parameters == {"req": True})


class _Reader:
    """Reads the components of one message; what was parsed once is kept, and parsing is bounded."""

    __slots__ = ("_parsed", "_parsed_bytes", "_parts")

    def __init__(self, parts: RequestParts | ReplyParts) -> None:
        self._parts = parts
        self._parsed: dict[tuple[str, str], object] = {}
        self._parsed_bytes = 0

    def value(self, component: Item) -> str | Fault:
        """The value of one component."""
        name, parameters = component
        if "req" in parameters:
            return self._of_request(name, parameters)
        if name.startswith("@"):
            return self._derived(name, parameters)
        return self._field(name, parameters)

    def _of_request(self, name: str, parameters: Parameters) -> str | Fault:
        parts = self._parts
        if isinstance(parts, RequestParts):
            return Fault("only an answer can cover with ;req")
        if parameters != {"req": True} or name not in BOUND:
            return Fault("is not supported")
        value = BOUND[name](parts.request)
        return Fault("the request does not have") if value is None else value

    def _derived(self, name: str, parameters: Parameters) -> str | Fault:
        parts = self._parts
        if isinstance(parts, ReplyParts):
            known = name == "@status" and not parameters
            return str(parts.status) if known else Fault("an answer does not have")
        if name == "@query-param":
            return _query_parameter(parts.query, parameters)
        if name not in DERIVED_OF_REQUEST or parameters:
            return Fault("is not supported")
        return DERIVED_OF_REQUEST[name](parts)

    def _field(self, name: str, parameters: Parameters) -> str | Fault:
        form = FIELD_FORMS.get(frozenset(parameters))
        flags = all(parameters[flag] is True for flag in parameters if flag != "key")
        if form is None or not flags:
            return Fault("has parameters that are not supported")
        if form == BINARY:
            return self._binary(name)
        value = field_value(self._parts.headers, name)
        if value is None:
            return Fault("the message does not have")
        if isinstance(value, Fault) or form == PLAIN:
            return value
        if form == MEMBER:
            return self._member(name, value, parameters["key"])
        return self._structured(name, value)

    def _binary(self, name: str) -> str | Fault:
        lines = field_lines(self._parts.headers, name)
        if not lines:
            return Fault("the message does not have")
        return serialise([line.encode("utf-8", "surrogateescape") for line in lines])

    def _structured(self, name: str, value: str) -> str | Fault:
        if name not in FIELD_KINDS:
            return Fault("is not known to be a structured field")
        parsed = self._parse(name, value, FIELD_KINDS[name])
        return parsed if isinstance(parsed, Fault) else serialise(parsed)

    def _member(self, name: str, value: str, key: object) -> str | Fault:
        parsed = self._parse(name, value, "dictionary")
        if isinstance(parsed, Fault):
            return parsed
        if not isinstance(parsed, dict) or not isinstance(key, str) or key not in parsed:
            return Fault("the message does not have")
        return serialise_member(parsed[key])

    def _parse(self, name: str, value: str, kind: str) -> object:
        if (name, kind) not in self._parsed:
            self._parsed_bytes += len(value)
            if self._parsed_bytes > SIGNATURE_FIELD_BYTES_MAX:
                return Fault("is too long to be read as a structured field")
            self._parsed[name, kind] = parse(value, kind)
        return self._parsed[name, kind]


def _identity(component: Item) -> tuple[str, frozenset[tuple[str, str]]] | None:
    """What makes two components the same: name and parameters in any order (RFC 9421 §2)."""
    name, parameters = component
    if type(name) is not str or not name or name != name.lower() or name == "@signature-params":
        return None
    return name, frozenset((key, repr(value)) for key, value in parameters.items())


def _shown(component: Item) -> str:
    """A component as a problem's detail names it."""
    shown = serialise(component)
    return "a component" if isinstance(shown, Fault) else shown[:80]


def _suffix(query: str | None) -> str:
    return "" if query is None else f"?{query}"


def _query_parameter(query: str | None, parameters: Parameters) -> str | Fault:
    """One parameter of the query, encoded anew (RFC 9421 §2.2.8); it must be there once."""
    name = parameters.get("name")
    if set(parameters) != {"name"} or type(name) is not str:
        return Fault("needs the parameter name and no other")
    try:
        pairs = parse_qsl(query or "", keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return Fault("stands in a query of more than 100 parameters")
    values = [value for key, value in pairs if key == unquote_plus(name)]
    if len(values) != 1:
        return Fault("the query has not exactly once")
    return quote(values[0], safe="*").replace("~", "%7E")
