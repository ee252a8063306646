"""Answers: signed by the switch, bound to their request, and worth nothing after any change."""

from datetime import UTC, datetime

import pytest
from multidict import CIMultiDict

from switch import keyfile
from switch.components import BoundRequest
from switch.errors import Problem
from switch.keyfile import PublicKey
from switch.signature import Candidate, find_candidate, sign_reply, signing_key, verify
from switch.signing import ReplyFault, SignedRequest, check_reply, sign_request

SWITCH_SEED = bytes(range(32, 64))
SWITCH_KEY = signing_key("switch/2026-11", SWITCH_SEED)
KEYS = {
    "switch/2026-11": PublicKey(key_id="switch/2026-11", public_key=keyfile.public_key(SWITCH_SEED))
}
BANK_SEED = bytes(range(32))
BANK_KEY = signing_key("bank-of-qingdao/2026-11", BANK_SEED)
AT = 1_793_520_000
BODY = b'{"amount":1500}'
ANSWER = b'{"status":"completed"}'

SHAPES: dict[str, dict[str, object]] = {
    "a payment": {"method": "POST", "path": "/v1/payments", "body": BODY, "idempotency_key": "k"},
    "an operation": {"method": "POST", "path": "/v1/x/freeze", "idempotency_key": 'a"b\\c'},
    "a look-up": {"method": "GET", "path": "/v1/accounts/1"},
    "a list": {"method": "GET", "path": "/v1/accounts", "query": "limit=2&reference=%2F"},
}


def signed_request(shape: str = "a payment", **changes: object) -> SignedRequest:
    """A request of a participant."""
    fields = {"authority": "127.0.0.1:8080", "created": AT, **SHAPES[shape], **changes}
    return sign_request(BANK_KEY, **fields)  # type: ignore[arg-type]


def candidate_of(request: SignedRequest) -> Candidate | Problem:
    """What the switch makes of a request."""
    return find_candidate(
        method=request.bound.method,
        authority="127.0.0.1:8080",
        path=request.bound.path,
        query=request.bound.query,
        headers=CIMultiDict(request.headers),
        has_body=request.bound.content_digest is not None,
        is_known_key=lambda key_id: key_id == BANK_KEY.key_id,
    )


def reply_headers(bound: BoundRequest, status: int = 201, body: bytes = ANSWER) -> CIMultiDict[str]:
    """The headers the switch puts on an answer."""
    return CIMultiDict(sign_reply(SWITCH_KEY, status=status, body=body, bound=bound, created=AT))


def fault_of(
    bound: BoundRequest,
    headers: CIMultiDict[str],
    *,
    status: int = 201,
    body: bytes = ANSWER,
    at: float = AT,
    keys: dict[str, PublicKey] = KEYS,
) -> ReplyFault | None:
    """What the participant makes of an answer."""
    return check_reply(
        status=status,
        headers=headers,
        body=body,
        bound=bound,
        keys=keys,
        now_us=int(at * 1_000_000),
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_request_and_answer_fit_each_other(shape: str) -> None:
    """What the client signs the switch accepts, and what the switch signs the client accepts."""
    request = signed_request(shape)
    candidate = candidate_of(request)
    assert isinstance(candidate, Candidate), candidate
    assert verify(candidate, keyfile.public_key(BANK_SEED))
    assert candidate.bound == request.bound
    assert fault_of(request.bound, reply_headers(candidate.bound)) is None


@pytest.mark.parametrize("shape", SHAPES)
def test_answer_in_another_form_is_read_the_general_way(shape: str) -> None:
    """Another label, a further parameter, a signature beside it: the answer is the same."""
    bound = signed_request(shape).bound
    headers = reply_headers(bound)
    headers["Signature-Input"] = f'proxy=();keyid="p", {headers["Signature-Input"]}'
    assert fault_of(bound, headers) is None


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"path": "/v1/payments/x"},
        {"query": "a=1"},
        {"content_digest": None},
        {"content_digest": "sha-256=:AAAA:"},
        {"idempotency_key": '"other"'},
        {"idempotency_key": None},
    ],
)
def test_answer_to_another_request_is_refused(change: dict[str, str | None]) -> None:
    """An answer cannot be passed off as the answer to another request."""
    bound = signed_request().bound
    fields = {name: getattr(bound, name) for name in bound.__struct_fields__} | change
    assert fault_of(BoundRequest(**fields), reply_headers(bound)) is not None


def test_answer_after_any_change_is_refused() -> None:
    """Status, body and every signed header are the switch's, or the answer is none."""
    bound = signed_request().bound
    assert fault_of(bound, reply_headers(bound)) is None
    assert fault_of(bound, reply_headers(bound), status=200) is not None
    assert fault_of(bound, reply_headers(bound), body=b"{}") is not None
    for name in ("Content-Digest", "Signature", "Signature-Input"):
        without = reply_headers(bound)
        del without[name]
        assert fault_of(bound, without) is not None
        for position in range(0, len(reply_headers(bound)[name]), 7):
            changed = reply_headers(bound)
            text = changed[name]
            changed[name] = (
                f"{text[:position]}{'A' if text[position] != 'A' else 'B'}{text[position + 1 :]}"
            )
            assert fault_of(bound, changed) is not None, (name, position)


def test_answer_that_covers_too_little_is_refused() -> None:
    """A signature that leaves out the status, the body or the request is no answer."""
    bound = signed_request().bound
    for left_out in ('"@status" ', '"content-digest" ', ' "@path";req', ' "idempotency-key";req'):
        headers = reply_headers(bound)
        headers["Signature-Input"] = headers["Signature-Input"].replace(left_out, "", 1)
        fault = fault_of(bound, headers)
        assert fault is not None
        assert "covers too little" in fault.detail


@pytest.mark.parametrize("odd", ['"@method";req;sf', '"@authority";req', '"@path"', '"x";req'])
def test_answer_that_covers_what_is_not_understood_is_refused(odd: str) -> None:
    """A component of the request that cannot be rebuilt is never passed over."""
    bound = signed_request().bound
    headers = reply_headers(bound)
    headers["Signature-Input"] = headers["Signature-Input"].replace(")", f" {odd})")
    fault = fault_of(bound, headers)
    assert fault is not None
    assert "covers" in fault.detail


def test_answer_out_of_its_time_is_refused() -> None:
    """An old answer to a look-up cannot be played back."""
    bound = signed_request().bound
    assert fault_of(bound, reply_headers(bound), at=AT + 300) is None
    assert fault_of(bound, reply_headers(bound), at=AT + 301) is not None
    assert fault_of(bound, reply_headers(bound), at=AT - 301) is not None


def test_answer_by_an_unknown_or_an_ended_key_is_refused() -> None:
    """An unknown key is told apart, because the published keys may have been rotated."""
    bound = signed_request().bound
    fault = fault_of(bound, reply_headers(bound), keys={})
    assert fault is not None
    assert fault.unknown_key
    public = keyfile.public_key(SWITCH_SEED)
    bounds = {
        "not_before": datetime.fromtimestamp(AT + 1, UTC),
        "not_after": datetime.fromtimestamp(AT - 1, UTC),
    }
    for name, at in bounds.items():
        key = PublicKey(key_id=SWITCH_KEY.key_id, public_key=public, **{name: at})
        fault = fault_of(bound, reply_headers(bound), keys={SWITCH_KEY.key_id: key})
        assert fault is not None
        assert "not valid" in fault.detail
    other = PublicKey(key_id=SWITCH_KEY.key_id, public_key=keyfile.public_key(BANK_SEED))
    fault = fault_of(bound, reply_headers(bound), keys={SWITCH_KEY.key_id: other})
    assert fault is not None
    assert "does not verify" in fault.detail
