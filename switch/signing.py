"""The participant's side of HTTP message signatures: sign a request, check the answer to it.

Pure functions like those of `signature`, for the client library, the tests and the examples of
docs/INTEGRATING.md. A participant that has another library for RFC 9421 needs none of this.
"""

import re
from binascii import a2b_base64
from collections.abc import Mapping

import msgspec

from switch.components import BoundRequest, ReplyParts, bound_names, plain_names
from switch.digest import check_digest, digest_field
from switch.errors import Problem
from switch.keyfile import PublicKey
from switch.limits import SIGNATURE_AGE_S_MAX
from switch.signature import (
    ALGORITHM,
    Candidate,
    SigningKey,
    check_age,
    read_general,
    reply_base,
    reply_components,
    sign_bytes,
    verify,
)
from switch.structured import Fault, FieldLines, field_value, serialise_string

# An answer as this switch signs it; what it covers is compared with what its request had.
_COMMON_REPLY = re.compile(
    r"([a-z*][a-z0-9_.*-]{0,63})=((\([^()]*\));created=([1-9][0-9]{0,14})"
    r';keyid="([A-Za-z0-9._/-]{1,128})";alg="ed25519")'
)
_COMMON_SIGNATURE = re.compile(r"([a-z*][a-z0-9_.*-]{0,63})=:([A-Za-z0-9+/]{86}==):")


class SignedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The headers to send with a request, and what its answer must be bound to."""

    headers: dict[str, str]
    bound: BoundRequest


class ReplyFault(msgspec.Struct, frozen=True, kw_only=True):
    """Why an answer cannot be trusted; `unknown_key` when only its key is not known yet."""

    detail: str
    unknown_key: bool = False


def sign_request(
    key: SigningKey,
    *,
    method: str,
    authority: str,
    path: str,
    query: str | None = None,
    body: bytes | None = None,
    idempotency_key: str | None = None,
    created: int,
    new_key: SigningKey | None = None,
) -> SignedRequest:
    """Sign a request over everything the switch requires; `created` is in Unix seconds.

    A `new_key` signs as well, under a label of its own: so it is introduced (`POST /v1/keys`).

    `authority` is HOST or HOST:PORT in lower case without a default port; `path` and `query` are
    percent-encoded, exactly as they will be on the wire.
    """
    headers = {}
    names = '"@method" "@authority" "@path"'
    lines = f'"@method": {method}\n"@authority": {authority}\n"@path": {path}\n'
    if query is not None:
        names += ' "@query"'
        lines += f'"@query": ?{query}\n'
    if body is not None:
        headers["Content-Digest"] = digest_field(body)
        names += ' "content-digest"'
        lines += f'"content-digest": {headers["Content-Digest"]}\n'
    if idempotency_key is not None:
        headers["Idempotency-Key"] = serialise_string(idempotency_key)
        names += ' "idempotency-key"'
        lines += f'"idempotency-key": {headers["Idempotency-Key"]}\n'
    inputs, signatures = [], []
    for label, signer in (("sig", key), ("new", new_key)):
        if signer is not None:
            parameters = f'({names});created={created};keyid="{signer.key_id}";alg="{ALGORITHM}"'
            base = f'{lines}"@signature-params": {parameters}'.encode("ascii")
            inputs.append(f"{label}={parameters}")
            signatures.append(f"{label}={sign_bytes(base, signer)}")
    headers["Signature-Input"] = ", ".join(inputs)
    headers["Signature"] = ", ".join(signatures)
    bound = BoundRequest(
        method=method,
        path=path,
        query=query,
        content_digest=headers.get("Content-Digest"),
        idempotency_key=headers.get("Idempotency-Key"),
    )
    return SignedRequest(headers=headers, bound=bound)


def check_reply(
    *,
    status: int,
    headers: FieldLines,
    body: bytes,
    bound: BoundRequest,
    keys: Mapping[str, PublicKey],
    now_us: int,
    age_s_max: float = SIGNATURE_AGE_S_MAX,
) -> ReplyFault | None:
    """None when the answer is the switch's own, unchanged, and to this very request.

    It must be signed by one of `keys` while that key was valid, not long ago (an old answer to a
    look-up could be played back), and cover status, body and what the request had.
    """
    read = _read_reply(status, headers, bound, keys)
    if isinstance(read, ReplyFault):
        return read
    key = keys[read.key_id]
    problem = check_age(read, now_us=now_us, age_s_max=age_s_max, ahead_s_max=age_s_max)
    if problem is not None:
        return ReplyFault(detail=problem.detail)
    if not key.was_valid_in(read.created):
        return ReplyFault(detail=f"the answer's key {key.key_id} was not valid at that time")
    digest = field_value(headers, "Content-Digest")
    if not isinstance(digest, str) or isinstance(check_digest(digest, body), Problem):
        return ReplyFault(detail="the answer's body is not the one that was signed")
    if not verify(read, key.public_key):
        return ReplyFault(detail="the answer's signature does not verify")
    return None


def _read_reply(
    status: int, headers: FieldLines, bound: BoundRequest, keys: Mapping[str, PublicKey]
) -> Candidate | ReplyFault:
    """The signature of an answer, when it covers all it must."""
    if not (headers.getall("Signature-Input", []) and headers.getall("Signature", [])):
        return ReplyFault(detail="the answer is not signed")
    common = _read_common_reply(status, headers, bound, keys)
    if common is not None:
        return common
    parts = ReplyParts(status=status, headers=headers, request=bound)
    general = read_general(parts, bound, keys.__contains__)
    if isinstance(general, Problem):
        return ReplyFault(detail=general.detail, unknown_key=general.name == "key-unknown")
    candidate, covered = general
    of_request = {"@method", "@path"}
    of_request |= {"@query"} if bound.query is not None else set()
    of_request |= {"content-digest"} if bound.content_digest is not None else set()
    of_request |= {"idempotency-key"} if bound.idempotency_key is not None else set()
    if {"@status", "content-digest"} <= plain_names(covered) and of_request <= bound_names(covered):
        return candidate
    return ReplyFault(detail="the answer's signature covers too little")


def _read_common_reply(
    status: int, headers: FieldLines, bound: BoundRequest, keys: Mapping[str, PublicKey]
) -> Candidate | None:
    """The fast way, for answers as this switch signs them; None for every other form."""
    inputs = headers.getall("Signature-Input", [])
    signatures = headers.getall("Signature", [])
    digest = field_value(headers, "Content-Digest")
    if len(inputs) != 1 or len(signatures) != 1 or digest is None or isinstance(digest, Fault):
        return None
    named = _COMMON_REPLY.fullmatch(inputs[0])
    signed = _COMMON_SIGNATURE.fullmatch(signatures[0])
    if named is None or signed is None or named[1] != signed[1]:
        return None
    if named[3] != reply_components(bound) or named[5] not in keys:
        return None
    return Candidate(
        key_id=named[5],
        label=named[1],
        base=reply_base(status, digest, bound, named[2]),
        signature=a2b_base64(signed[2]),
        created=int(named[4]),
        expires=None,
        bound=bound,
    )
