"""Two libraries of others, in Python and in Node, pay at a live switch without any help of ours.

Each signs with its own code, is accepted, and verifies the answer with the switch's published JWK;
each of its messages that was changed on the way, or signed too narrowly, is refused by name.
"""

import asyncio
import base64
import hashlib
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    algorithms,
)

from switch import keyfile
from tests.integration import node
from tests.integration.town import Member, Town, payment

COMPONENTS = ["@method", "@authority", "@path", "content-digest", "idempotency-key"]
REPLY_COMPONENTS = (
    '"@status"',
    '"content-digest"',
    '"@method";req',
    '"@path";req',
    '"content-digest";req',
    '"idempotency-key";req',
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """The parts of one request that a case may change."""

    body: str
    key: str
    method: str = "POST"
    target: str = "/v1/payments"
    digest: str | None = None  # None: the body's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to sign, what to send, with which key, and by which keys the answer may be signed."""

    url: str
    key_id: str
    seed: bytes
    created: int
    signed: Fields
    sent: Fields
    jwks: dict[str, Any]
    components: tuple[str, ...] = tuple(COMPONENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back, and whether the library found it to be the switch's own."""

    status: int
    body: dict[str, Any]
    verified: bool


Sender = Callable[[Job], Awaitable[Reply]]


def digest_of(body: str) -> str:
    """The value of Content-Digest."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()}:"


class Resolver(HTTPSignatureKeyResolver):
    """Keys as the Python package wants them: PEM."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def resolve_private_key(self, key_id: str) -> bytes:
        """The participant's key."""
        return keyfile.private_pem(self._job.seed).encode()

    def resolve_public_key(self, key_id: str) -> bytes | None:
        """The switch's published key."""
        for jwk in self._job.jwks["keys"]:
            if jwk["kid"] == key_id:
                x = base64.urlsafe_b64decode(jwk["x"] + "=")
                return keyfile.public_pem(x).encode()
        return None


class Message:
    """A request as the Python package wants it."""

    def __init__(self, job: Job, fields: Fields) -> None:
        self.method = fields.method
        self.url = f"{job.url}{fields.target}"
        self.headers: dict[str, str] = {
            "Content-Type": "application/json",
            "Content-Digest": fields.digest or digest_of(fields.body),
            "Idempotency-Key": fields.key,
        }


class Response:
    """An answer as the Python package wants it."""

    def __init__(self, status_code: int, headers: dict[str, str], request: Message) -> None:
        self.status_code = status_code
        self.headers = headers
        self.request = request


def send_with_python(job: Job) -> Reply:
    """Sign and verify with the Python package http-message-signatures, send with http.client."""
    resolver = Resolver(job)
    signed = Message(job, job.signed)
    digests_itself = job.signed.digest is None and "content-digest" in job.components
    if digests_itself:
        del signed.headers["Content-Digest"]
    HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=resolver).sign(
        signed,
        key_id=job.key_id,
        created=datetime.fromtimestamp(job.created, UTC),
        label="python",
        covered_component_ids=job.components,
        body=job.signed.body.encode() if digests_itself else None,
        use_existing_digest=not digests_itself,
    )
    sent = Message(job, job.sent)
    for name in ("Signature", "Signature-Input"):
        sent.headers[name] = signed.headers[name]
    connection = HTTPConnection(urlsplit(job.url).netloc, timeout=30)
    connection.request(sent.method, job.sent.target, job.sent.body.encode(), sent.headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    response = Response(answer.status, dict(answer.getheaders()), sent)
    verified = False
    if "Signature" in response.headers:
        verifier = HTTPMessageVerifier(
            signature_algorithm=algorithms.ED25519, key_resolver=resolver
        )
        results = verifier.verify(
            response,
            max_age=timedelta(seconds=60),
            require_components=REPLY_COMPONENTS,
            body=body,
        )  # raises when it does not verify
        verified = len(results) == 1
    return Reply(status=answer.status, body=json.loads(body), verified=verified)


def send_with_node(folder: Path, job: Job) -> Reply:
    """Sign, send and verify with the npm package http-message-signatures."""
    fields = {
        "url": job.url,
        "key_id": job.key_id,
        "private_pem": keyfile.private_pem(job.seed),
        "created": job.created,
        "components": job.components,
        "signed": {name: getattr(job.signed, name) for name in Fields.__slots__},
        "sent": {name: getattr(job.sent, name) for name in Fields.__slots__},
        "jwks": job.jwks,
    }
    answer = node.run(folder, "client.mjs", fields)
    return Reply(
        status=answer["status"], body=json.loads(answer["body"]), verified=answer["verified"]
    )


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["python", "node"])
async def sender(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Sender:
    """One of the two libraries, in a thread of its own: the switch runs in this process."""
    send: Callable[[Job], Reply] = send_with_python
    if request.param == "node":
        folder = tmp_path_factory.mktemp("npm")
        await asyncio.to_thread(node.install, folder)
        send = partial(send_with_node, folder)

    async def send_beside(job: Job) -> Reply:
        return await asyncio.to_thread(send, job)

    return send_beside


@pytest_asyncio.fixture(loop_scope="session")
async def job(town: Town, wallet: Member, payer: str, payee: str) -> Job:
    """A payment that the switch accepts, by a participant with a funded account."""
    fields = Fields(body=json.dumps(payment(payer, payee, 1)), key=f'"{uuid.uuid4()}"')
    published = await town.raw("GET", "/.well-known/jwks.json")
    return Job(
        url=f"http://{town.authority}",
        key_id=wallet.key.key_id,
        seed=wallet.key.secret[: keyfile.SEED_BYTES],
        created=int(time.time()),
        signed=fields,
        sent=fields,
        jwks=published.json,
    )


@pytest.mark.parametrize("bare", [False, True], ids=["quoted key", "bare key"])
async def test_payment_is_accepted_and_its_answer_verified(
    sender: Sender, job: Job, bare: bool
) -> None:
    """A payment signed by another library is decided; the library trusts the signed answer."""
    if bare:
        fields = replace(job.sent, key=job.sent.key.strip('"'))
        job = replace(job, signed=fields, sent=fields)
    first = await sender(job)
    assert first == Reply(status=201, body=first.body, verified=True)
    assert first.body["status"] == "completed"
    assert first.body["request_digest"] == digest_of(job.sent.body)
    again = await sender(job)
    assert again == Reply(status=200, body=first.body, verified=True)


async def test_problem_is_signed_too(sender: Sender, job: Job) -> None:
    """A refusal of a verified message can be verified like a decision."""
    fields = replace(job.sent, body="{}")
    reply = await sender(replace(job, signed=fields, sent=fields))
    assert (reply.status, reply.verified) == (400, True)
    assert reply.body["type"] == "urn:switch:problem:malformed-message"


def changed_on_the_way(job: Job) -> dict[str, tuple[Job, int, str]]:
    """Each way a message can be wrong, with the status and the problem it must meet."""
    sent = job.sent
    other_body = sent.body.replace('"amount": 1', '"amount": 2')
    assert other_body != sent.body
    wrong = replace(sent, digest=digest_of(other_body))
    stale, early = job.created - 400, job.created + 400
    return {
        "body": (
            replace(job, sent=replace(sent, body=other_body, digest=digest_of(sent.body))),
            400,
            "digest-mismatch",
        ),
        "body and digest": (
            replace(job, sent=replace(sent, body=other_body)),
            401,
            "signature-invalid",
        ),
        "digest": (replace(job, signed=wrong, sent=wrong), 400, "digest-mismatch"),
        "path": (replace(job, sent=replace(sent, target="/v1/accounts")), 401, "signature-invalid"),
        "query": (
            replace(job, sent=replace(sent, target="/v1/payments?a=1")),
            401,
            "signature-incomplete",
        ),
        "method": (replace(job, signed=replace(sent, method="PUT")), 401, "signature-invalid"),
        "idempotency key": (
            replace(job, sent=replace(sent, key='"another"')),
            401,
            "signature-invalid",
        ),
        "signing key": (replace(job, seed=bytes(32)), 401, "signature-invalid"),
        "key id": (replace(job, key_id="nobody/1"), 401, "key-unknown"),
        "time: too old": (replace(job, created=stale), 401, "signature-expired"),
        "time: too early": (replace(job, created=early), 401, "signature-expired"),
    }


CASES = (
    "body",
    "body and digest",
    "digest",
    "path",
    "query",
    "method",
    "idempotency key",
    "signing key",
    "key id",
    "time: too old",
    "time: too early",
)


@pytest.mark.parametrize("case", CASES)
async def test_message_that_was_changed_is_refused(sender: Sender, job: Job, case: str) -> None:
    """What arrives is exactly what was signed, by whom and when it says, or it is refused."""
    cases = changed_on_the_way(job)
    assert tuple(cases) == CASES
    changed, status, name = cases[case]
    reply = await sender(changed)
    assert (reply.status, reply.body["type"]) == (status, f"urn:switch:problem:{name}")


@pytest.mark.parametrize("left_out", COMPONENTS)
async def test_signature_that_covers_too_little_is_refused(
    sender: Sender, job: Job, left_out: str
) -> None:
    """The problem names what is not covered."""
    components = tuple(name for name in COMPONENTS if name != left_out)
    reply = await sender(replace(job, components=components))
    assert (reply.status, reply.body["type"]) == (401, "urn:switch:problem:signature-incomplete")
    assert left_out in reply.body["detail"]
