"""HTTP message signatures (RFC 9421) with Ed25519: requests are checked, answers are signed.

Pure functions: no I/O and no clock; time is an argument. A request is checked in stages, cheap
ones first, so that a stranger costs next to nothing and the curve is asked once at most:

    found  = find_candidate(...)                              headers alone, before the body
    check_age(found, ...)                                     `created`, `expires` and the clock
    digest.check_digest(found.bound.content_digest, body)     the body is the one that was signed
    verify(found, public_key)                                 the only curve arithmetic
    key    = parse_idempotency_key(found.bound.idempotency_key)

Two ways read the headers: a fast one for the form nearly every client sends (one regular
expression), and the general one for everything RFC 9421 allows (`components`). What the fast way
does not recognise is left to the general one, and a test holds that both read the same.
What a participant's client needs, signing requests and checking answers, is in `signing`.
"""

import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter

import msgspec
from ed25519_zebra import ed_verify
from nacl import bindings

from switch import limits
from switch.components import (
    BoundRequest,
    ReplyParts,
    RequestParts,
    plain_names,
    signature_base,
)
from switch.digest import DIGEST_MISSING, digest_field
from switch.errors import Problem
from switch.keyfile import is_usable
from switch.structured import (
    CONTENT_DIGEST,
    IDEMPOTENCY_KEY,
    SIGNATURE,
    SIGNATURE_INPUT,
    Dictionary,
    Fault,
    FieldLines,
    InnerList,
    Parameters,
    field_value,
    is_inner_list,
    parse_dictionary,
)

SIGNATURE_BYTES = 64
PUBLIC_KEY_BYTES = 32
US_PER_S = 1_000_000
ALGORITHM = "ed25519"

# The common form: any label, any order of plain components, created and keyid, perhaps alg.
_COMMON_INPUT = re.compile(
    r'([a-z*][a-z0-9_.*-]{0,63})=(\("([a-z@-]+(?:" "[a-z@-]+)*)"\)'
    r';created=([1-9][0-9]{0,14});keyid="([A-Za-z0-9._/-]{1,128})"(?:;alg="ed25519")?)'
)
# What the common form may cover, in the order of `read_common`'s values.
_COMMON_NAMES = ("@method", "@authority", "@path", "@query", "content-digest", "idempotency-key")
_COMMON_SIGNATURE = re.compile(r"([a-z*][a-z0-9_.*-]{0,63})=:([A-Za-z0-9+/]{86}==):")
_PLAIN_KEY_ID = re.compile(r"[A-Za-z0-9._/-]{1,128}")
_QUOTED_KEY = re.compile(r'"((?:[!#-\[\]-~]++|\\["\\])+)"')
_BARE_KEY = re.compile(r"[!#-~][!-~]*")

# What a signature must cover, by (has a query, has a body, is a POST with its key).
_ALWAYS = frozenset({"@method", "@authority", "@path"})
_REQUIRED = {
    (query, body, key): _ALWAYS
    | ({"@query"} if query else frozenset())
    | ({"content-digest"} if body else frozenset())
    | ({"idempotency-key"} if key else frozenset())
    for query in (False, True)
    for body in (False, True)
    for key in (False, True)
}

# The parameters of RFC 9421 §2.3 with the type each must have; anything else is refused.
_PARAMETER_TYPES = {
    "created": int,
    "expires": int,
    "keyid": str,
    "alg": str,
    "nonce": str,
    "tag": str,
}


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """The one signature of a request that names a key known here, before curve arithmetic."""

    key_id: str
    label: str
    base: bytes
    signature: bytes
    created: int  # Unix seconds
    expires: int | None  # Unix seconds
    bound: BoundRequest
    second: "Candidate | None" = None  # of the other key, where a request is signed by two


class SigningKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key to sign with; `signing_key` makes it from a seed."""

    key_id: str
    secret: bytes  # 64 bytes: the seed and the public key, as libsodium wants them


def signing_key(key_id: str, seed: bytes) -> SigningKey:
    """A key to sign with, from its id and its 32-byte seed."""
    assert _PLAIN_KEY_ID.fullmatch(key_id), "a key id needs no escapes in a header field"
    _, secret = bindings.crypto_sign_seed_keypair(seed)
    return SigningKey(key_id=key_id, secret=bytes(secret))


def find_candidate(
    *,
    method: str,
    authority: str,
    path: str,
    query: str | None,
    headers: FieldLines,
    has_body: bool,
    is_known_key: Callable[[str], bool],
    scheme: str = "https",
) -> Candidate | Problem:
    """Read the signature that is to be verified from the headers alone.

    `authority` is normal already (lower case, no default port) and one of the switch's own names;
    `path` and `query` are raw, as on the wire, the query without its `?` and None when there is
    no `?`. Problems: signature-missing, signature-invalid, signature-incomplete,
    signature-ambiguous, key-unknown, digest-missing, malformed-message. A POST without an
    Idempotency-Key is let through here: `parse_idempotency_key` refuses it, in a signed answer.
    """
    parts = RequestParts(
        method=method, scheme=scheme, authority=authority, path=path, query=query, headers=headers
    )
    bound = bind_request(parts)
    if isinstance(bound, Problem):
        return bound
    reading = read_common(parts, bound, is_known_key)
    if reading is None:
        refusal = missing(headers, bound, has_body=has_body)
        general = refusal or read_general(parts, bound, is_known_key)
        if isinstance(general, Problem):
            return general
        reading = general[0], plain_names(general[1])
    elif has_body and bound.content_digest is None:
        return DIGEST_MISSING
    candidate, covered = reading
    return incomplete(bound, covered, has_body=has_body) or candidate


def missing(headers: FieldLines, bound: BoundRequest, *, has_body: bool) -> Problem | None:
    """The problem of a request without all the fields that its signature needs."""
    if not (headers.getall("Signature-Input", []) and headers.getall("Signature", [])):
        return Problem(
            name="signature-missing", detail="send Signature-Input and Signature (RFC 9421)"
        )
    return DIGEST_MISSING if has_body and bound.content_digest is None else None


def incomplete(bound: BoundRequest, covered: frozenset[str], *, has_body: bool) -> Problem | None:
    """The problem of a signature that covers less than a request like this needs."""
    has_key = bound.method == "POST" and bound.idempotency_key is not None
    required = _REQUIRED[bound.query is not None, has_body, has_key]
    if required <= covered:
        return None
    lacking = " ".join(f'"{name}"' for name in sorted(required - covered))
    return Problem(name="signature-incomplete", detail=f"not covered: {lacking}")


def check_age(
    candidate: Candidate, *, now_us: int, age_s_max: float, ahead_s_max: float
) -> Problem | None:
    """Refuse a signature that is too old, from the future, or past its own `expires`."""
    age_us = now_us - candidate.created * US_PER_S
    if age_us > age_s_max * US_PER_S:
        return _expired(f"created is more than {age_s_max:g} s ago")
    if -age_us > ahead_s_max * US_PER_S:
        return _expired(f"created is more than {ahead_s_max:g} s ahead: check the clock")
    if candidate.expires is not None and now_us > candidate.expires * US_PER_S:
        return _expired("expires has passed")
    return None


def verify(candidate: Candidate, public_key: bytes) -> bool:
    """Whether the signature is by this key: the one place with curve arithmetic."""
    return verify_bytes(candidate.base, candidate.signature, public_key)


def verify_bytes(message: bytes, signature: bytes, public_key: bytes) -> bool:
    """Whether an Ed25519 signature (RFC 8032, 5.1.7) is by this key."""
    assert len(public_key) == PUBLIC_KEY_BYTES, "a public key has 32 bytes"
    assert len(signature) == SIGNATURE_BYTES, "a signature has 64 bytes"
    return is_usable(public_key) and bool(ed_verify(signature, message, public_key))


def sign_bytes(message: bytes, key: SigningKey) -> str:
    """The signature of a message as the member of a Signature field: base64 between colons."""
    return f":{b2a_base64(raw_signature(message, key), newline=False).decode()}:"


def raw_signature(message: bytes, key: SigningKey) -> bytes:
    """The 64 bytes of an Ed25519 signature (RFC 8032)."""
    return bytes(bindings.crypto_sign(message, key.secret)[:SIGNATURE_BYTES])


def parse_idempotency_key(idempotency_key: str | None) -> str | Problem:
    """The key in the field a POST carries, quoted or bare: both name the same key.

    A field sent twice combines to a value with a comma and a space, which is no key.
    Problems: idempotency-key-missing, malformed-message.
    """
    if not idempotency_key:
        return Problem(name="idempotency-key-missing", detail="a POST needs one Idempotency-Key")
    quoted = _QUOTED_KEY.fullmatch(idempotency_key)
    key = quoted[1] if quoted else idempotency_key
    if quoted and "\\" in key:
        key = re.sub(r"\\(.)", r"\1", key)
    if (quoted or _BARE_KEY.fullmatch(key)) and len(key) <= limits.IDEMPOTENCY_KEY_CHARS_MAX:
        return key
    return Problem(
        name="malformed-message",
        field="Idempotency-Key",
        detail=f"once, 1 to {limits.IDEMPOTENCY_KEY_CHARS_MAX} visible ASCII characters,"
        " quoted or bare",
    )


def reply_components(bound: BoundRequest) -> str:
    """The inner list of what an answer's signature covers, after what its request had."""
    return _REPLY_COMPONENTS[
        bound.query is not None,
        bound.content_digest is not None,
        bound.idempotency_key is not None,
    ]


def reply_base(status: int, content_digest: str, bound: BoundRequest, parameters: str) -> bytes:
    """The signature base of an answer that covers `reply_components`."""
    query = "" if bound.query is None else f'"@query";req: ?{bound.query}\n'
    digest = bound.content_digest
    digest = "" if digest is None else f'"content-digest";req: {digest}\n'
    key = bound.idempotency_key
    key = "" if key is None else f'"idempotency-key";req: {key}\n'
    return (
        f'"@status": {status}\n"content-digest": {content_digest}\n'
        f'"@method";req: {bound.method}\n"@path";req: {bound.path}\n'
        f'{query}{digest}{key}"@signature-params": {parameters}'
    ).encode("ascii")


def sign_reply(
    key: SigningKey, *, status: int, body: bytes, bound: BoundRequest, created: int
) -> dict[str, str]:
    """The headers Content-Digest, Signature-Input and Signature of an answer.

    `bound` is that of the verified request (`candidate.bound`), `created` is in Unix seconds.
    """
    digest = digest_field(body)
    parameters = f'{reply_components(bound)};created={created};keyid="{key.key_id}";alg="ed25519"'
    base = reply_base(status, digest, bound, parameters)
    return {
        "Content-Digest": digest,
        "Signature-Input": f"sig={parameters}",
        "Signature": f"sig={sign_bytes(base, key)}",
    }


_REPLY_COMPONENTS = {
    (query, digest, key): '("@status" "content-digest" "@method";req "@path";req'
    + (' "@query";req' if query else "")
    + (' "content-digest";req' if digest else "")
    + (' "idempotency-key";req' if key else "")
    + ")"
    for query in (False, True)
    for digest in (False, True)
    for key in (False, True)
}


def read_common(
    parts: RequestParts, bound: BoundRequest, is_known_key: Callable[[str], bool]
) -> tuple[Candidate, frozenset[str]] | None:
    """The fast way: the candidate and what it covers, None for every form but the common one."""
    inputs = parts.headers.getall(SIGNATURE_INPUT, [])
    signatures = parts.headers.getall(SIGNATURE, [])
    if len(inputs) != 1 or len(signatures) != 1:
        return None
    named = _common_input(inputs[0])
    signed = _COMMON_SIGNATURE.fullmatch(signatures[0])
    if not (named and signed and signed[1] == named.label and is_known_key(named.key_id)):
        return None
    query, digest, key = f"?{parts.query or ''}", bound.content_digest, bound.idempotency_key
    given = (parts.method, parts.authority, bound.path, query, digest, key, named.parameters)
    values = named.pick(given)
    if None in values:  # covered and not there
        return None
    candidate = Candidate(
        key_id=named.key_id,
        label=named.label,
        base=(named.skeleton % values).encode("ascii"),
        signature=a2b_base64(signed[2]),
        created=named.created,
        expires=None,
        bound=bound,
    )
    return candidate, named.covered


# Of values in the order of `_COMMON_NAMES`, and the parameters, those that are covered.
_Pick = Callable[[Sequence[str | None]], tuple[str | None, ...]]


class _CommonInput(msgspec.Struct, frozen=True):
    """What a line of Signature-Input in the common form says."""

    label: str
    parameters: str
    created: int
    key_id: str
    skeleton: str  # of the signature base
    pick: _Pick  # what fills it
    covered: frozenset[str]


@lru_cache(maxsize=limits.COMMON_INPUTS_MAX)
def _common_input(line: str) -> _CommonInput | None:
    """Read one line of Signature-Input; None if it is not of the common form.

    A busy client sends the same line for a whole second, so it is remembered.
    """
    named = _COMMON_INPUT.fullmatch(line)
    form = None if named is None else _common_form(named[3])
    if named is None or form is None:
        return None
    return _CommonInput(named[1], named[2], int(named[4]), named[5], *form)


@lru_cache(maxsize=limits.COMMON_FORMS_MAX)
def _common_form(components: str) -> tuple[str, _Pick, frozenset[str]] | None:
    """The skeleton of a signature base, what fills it, and what it covers.

    Clients sign in a form of their own, always the same, so there are few.
    """
    names = components.split('" "')
    covered = frozenset(names)
    if len(covered) < len(names) or not covered <= frozenset(_COMMON_NAMES):
        return None
    lines = "".join(f'"{name}": %s\n' for name in names)
    pick = itemgetter(*map(_COMMON_NAMES.index, names), len(_COMMON_NAMES))
    return f'{lines}"@signature-params": %s', pick, covered


def read_general(
    parts: RequestParts | ReplyParts, bound: BoundRequest, is_known_key: Callable[[str], bool]
) -> tuple[Candidate, InnerList] | Problem:
    """The general way: everything of RFC 9421 that is supported, for requests and answers."""
    fields = signature_fields(parts.headers)
    if isinstance(fields, Problem):
        return fields
    label = _choose(named_keys(fields[0]), is_known_key)
    if isinstance(label, Problem):
        return label
    return read_labelled(parts, bound, fields, label)


def signature_fields(headers: FieldLines) -> tuple[Dictionary, Dictionary] | Problem:
    """Signature-Input and Signature, parsed and bounded."""
    inputs = _dictionary(headers, "Signature-Input")
    if isinstance(inputs, Problem):
        return inputs
    signatures = _dictionary(headers, "Signature")
    return signatures if isinstance(signatures, Problem) else (inputs, signatures)


def read_labelled(
    parts: RequestParts | ReplyParts,
    bound: BoundRequest,
    fields: tuple[Dictionary, Dictionary],
    label: str,
) -> tuple[Candidate, InnerList] | Problem:
    """The signature under one label, whose member of Signature-Input is a list with a keyid."""
    inputs, signatures = fields
    covered: InnerList = inputs[label]
    parameters = covered[1]
    rule = _broken_rule(parameters)
    if rule is not None:
        return _invalid(rule)
    signature = signatures.get(label, (None, {}))[0]
    if type(signature) is not bytes or len(signature) != SIGNATURE_BYTES:
        return _invalid(f"Signature has no Ed25519 signature of 64 bytes labelled {label[:40]}")
    base = signature_base(parts, covered)
    if isinstance(base, Fault):
        return _invalid(base.detail)
    candidate = Candidate(
        key_id=parameters["keyid"],
        label=label,
        base=base.encode("ascii"),
        signature=signature,
        created=parameters["created"],
        expires=parameters.get("expires"),
        bound=bound,
    )
    return candidate, covered


def bind_request(parts: RequestParts) -> BoundRequest | Problem:
    """The values an answer will be bound to; they stand in signature bases, so all are plain."""
    line = f"{parts.method}{parts.authority}{parts.path}{parts.query}"
    if not (line.isascii() and line.isprintable()):
        return _malformed("the request line and Host hold bytes that are not printable ASCII")
    digest = field_value(parts.headers, CONTENT_DIGEST)
    if isinstance(digest, Fault):
        return _malformed(digest.detail, field="Content-Digest")
    key = field_value(parts.headers, IDEMPOTENCY_KEY)
    if isinstance(key, Fault):
        return _malformed(key.detail, field="Idempotency-Key")
    return BoundRequest(
        method=parts.method,
        path=parts.path or "/",
        query=parts.query,
        content_digest=digest,
        idempotency_key=key,
    )


def _dictionary(headers: FieldLines, name: str) -> Dictionary | Problem:
    text = field_value(headers, name)
    if isinstance(text, Fault):
        return _invalid(text.detail)
    parsed = parse_dictionary(text or "")
    if isinstance(parsed, Fault):
        return _invalid(f"{name} {parsed.detail}")
    if len(parsed) > limits.SIGNATURES_MAX:
        return _invalid(f"{name} holds more than {limits.SIGNATURES_MAX} signatures")
    return parsed


def named_keys(inputs: Dictionary) -> dict[str, str]:
    """The key ids that signatures name, by label."""
    lists = {label: member for label, member in inputs.items() if is_inner_list(member)}
    key_ids = {label: member[1].get("keyid") for label, member in lists.items()}
    return {label: key_id for label, key_id in key_ids.items() if type(key_id) is str}


def _choose(named: dict[str, str], is_known_key: Callable[[str], bool]) -> str | Problem:
    """The label of the one signature that names a key known here; proxies' may stand beside."""
    known = [label for label, key_id in named.items() if is_known_key(key_id)]
    if len(known) == 1:
        return known[0]
    if known:
        return Problem(
            name="signature-ambiguous",
            detail="more than one signature names a registered key: send one",
        )
    return no_known_key(named)


def no_known_key(named: dict[str, str]) -> Problem:
    """The problem of signatures of which none names a key known here."""
    if not named:
        return _invalid("Signature-Input has no signature with a keyid")
    key_ids = ", ".join(named.values())
    return Problem(name="key-unknown", detail=f"no registered key is named by: {key_ids[:120]}")


def _broken_rule(parameters: Parameters) -> str | None:
    """Which rule the parameters of a signature break, None when they keep all of them."""
    for name, value in parameters.items():
        if name not in _PARAMETER_TYPES:
            return f"the parameter {name[:40]} is not supported"
        if type(value) is not _PARAMETER_TYPES[name]:
            return f"the parameter {name} is not of its type ({_PARAMETER_TYPES[name].__name__})"
    if "created" not in parameters:
        return "the parameter created is required"
    if parameters.get("alg", ALGORITHM) != ALGORITHM:
        return f'the parameter alg, if present, is "{ALGORITHM}"'
    return None


def _invalid(detail: str) -> Problem:
    return Problem(name="signature-invalid", detail=detail)


def _expired(detail: str) -> Problem:
    return Problem(name="signature-expired", detail=detail)


def _malformed(detail: str, *, field: str | None = None) -> Problem:
    return Problem(name="malformed-message", detail=detail, field=field)
