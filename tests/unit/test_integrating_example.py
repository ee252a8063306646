"""The worked example of docs/INTEGRATING.md is right to the byte."""

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest
from multidict import CIMultiDict
from nacl import signing

from switch import keyfile
from switch.components import BoundRequest
from switch.errors import PROBLEMS
from switch.keyfile import PublicKey
from switch.message import Payment
from switch.reply import Answer, decided, signed
from switch.signature import Candidate, find_candidate, signing_key, verify
from switch.signing import check_reply, sign_request

DOCUMENT = (Path(__file__).parents[2] / "docs" / "INTEGRATING.md").read_text()

SEED = bytes(range(32))
SWITCH_SEED = bytes(range(32, 64))
CREATED = 1_793_520_000
AUTHORITY = "127.0.0.1:8080"
KEY = '"order-4711-1"'
PAYER = "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01"
PAYEE = "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02"
BODY = (
    f'{{"type":"purchase","payer":"{PAYER}","payee":"{PAYEE}",'
    '"amount":1250,"currency":"CNY","reference":"order-4711"}'
)
DIGEST = f"sha-256=:{base64.b64encode(hashlib.sha256(BODY.encode()).digest()).decode()}:"
PARAMETERS = (
    '("@method" "@authority" "@path" "content-digest" "idempotency-key")'
    f';created={CREATED};keyid="blue-wallet/2026-11";alg="ed25519"'
)
BASE = f"""\
"@method": POST
"@authority": {AUTHORITY}
"@path": /v1/payments
"content-digest": {DIGEST}
"idempotency-key": {KEY}
"@signature-params": {PARAMETERS}"""
BOUND = BoundRequest(
    method="POST", path="/v1/payments", query=None, content_digest=DIGEST, idempotency_key=KEY
)


def signature_of(seed: bytes, base: str) -> str:
    """Ed25519 over a base, as a member of the field Signature."""
    return f":{base64.b64encode(signing.SigningKey(seed).sign(base.encode()).signature).decode()}:"


def request_text() -> str:
    """The request as it goes over the wire, line feeds for line ends."""
    return f"""\
POST /v1/payments HTTP/1.1
Host: {AUTHORITY}
Content-Type: application/json
Content-Length: {len(BODY)}
Content-Digest: {DIGEST}
Idempotency-Key: {KEY}
Signature-Input: sig={PARAMETERS}
Signature: sig={signature_of(SEED, BASE)}

{BODY}"""


def answer() -> Answer:
    """The answer of a switch whose key is as well known as the participant's."""
    payment = Payment(
        id="0192f0c2-7b40-7d31-a1c4-0f3b2d9c8e03",
        idempotency_key="order-4711-1",
        request_digest=DIGEST,
        participant="blue-wallet",
        type="purchase",
        payer=PAYER,
        mandate=None,
        payee=PAYEE,
        request=None,
        amount=1250,
        currency="CNY",
        capture=True,
        hold_seconds=None,
        expires_at=None,
        reference="order-4711",
        payee_reference=None,
        description=None,
        metadata=None,
        status="completed",
        reason=None,
        amount_held=0,
        amount_captured=1250,
        amount_voided=0,
        amount_refunded=0,
        hold_expires_at=None,
        created_at="2026-11-01T08:00:00.004711Z",
    )
    key = signing_key("switch/2026-11", SWITCH_SEED)
    return signed(decided(payment, replayed=False), key=key, bound=BOUND, created=CREATED)


def reply_text() -> str:
    """The answer as it comes over the wire."""
    reply = answer()
    fields = "\n".join(f"{name}: {value}" for name, value in reply.fields.items())
    return f"""\
HTTP/1.1 {reply.status} Created
Content-Type: {reply.media_type}
Content-Length: {len(reply.body)}
{fields}

{reply.body.decode()}"""


def reply_base() -> str:
    """The base the participant builds: from the answer, and from what it sent."""
    reply = answer()
    parameters = reply.fields["Signature-Input"].removeprefix("sig=")
    return f"""\
"@status": 201
"content-digest": {reply.fields["Content-Digest"]}
"@method";req: POST
"@path";req: /v1/payments
"content-digest";req: {DIGEST}
"idempotency-key";req: {KEY}
"@signature-params": {parameters}"""


def switch_jwk() -> str:
    """The published key, without its validity."""
    key = PublicKey(key_id="switch/2026-11", public_key=keyfile.public_key(SWITCH_SEED))
    return json.dumps(keyfile.jwk(key), separators=(", ", ": "))


BLOCKS = {
    "private key": lambda: keyfile.private_pem(SEED).strip(),
    "body": lambda: BODY,
    "digest": lambda: DIGEST,
    "base": lambda: BASE,
    "request": request_text,
    "reply": reply_text,
    "reply base": lambda: reply_base().replace("\n", "\n   "),
    "switch key": switch_jwk,
}


@pytest.mark.parametrize("name", BLOCKS)
def test_block_of_the_example_is_right(name: str) -> None:
    """What the document shows is what comes out of its key, its body and its time."""
    assert f"```\n{BLOCKS[name]()}\n" in re.sub(r"```\w+\n *", "```\n", DOCUMENT).replace(
        "```\n   ", "```\n"
    )


def test_example_is_what_the_library_signs_and_the_switch_accepts() -> None:
    """The request of the document is the client's, and it verifies."""
    key = signing_key("blue-wallet/2026-11", SEED)
    made = sign_request(
        key,
        method="POST",
        authority=AUTHORITY,
        path="/v1/payments",
        body=BODY.encode(),
        idempotency_key="order-4711-1",
        created=CREATED,
    )
    assert made.bound == BOUND
    for name, value in made.headers.items():
        assert f"\n{name}: {value}\n" in DOCUMENT
    candidate = find_candidate(
        method="POST",
        authority=AUTHORITY,
        path="/v1/payments",
        query=None,
        headers=CIMultiDict(made.headers),
        has_body=True,
        is_known_key=lambda key_id: key_id == key.key_id,
    )
    assert isinstance(candidate, Candidate)
    assert candidate.base.decode() == BASE
    assert verify(candidate, keyfile.public_key(SEED))


def test_answer_of_the_example_is_trusted() -> None:
    """The answer of the document verifies by hand and with the library."""
    reply = answer()
    base = reply_base()
    assert reply.fields["Signature"] == f"sig={signature_of(SWITCH_SEED, base)}"
    key = PublicKey(key_id="switch/2026-11", public_key=keyfile.public_key(SWITCH_SEED))
    assert (
        check_reply(
            status=reply.status,
            headers=CIMultiDict(reply.fields),
            body=reply.body,
            bound=BOUND,
            keys={key.key_id: key},
            now_us=CREATED * 1_000_000,
        )
        is None
    )


def test_every_problem_is_explained() -> None:
    """The table of problems names all of them; `archived` has no endpoint in this version yet."""
    table = DOCUMENT.partition("## Problems")[2].partition("## Accounts")[0]
    named = set(re.findall(r"`([a-z-]+)`", table))
    assert set(PROBLEMS) - named == {"archived"}
