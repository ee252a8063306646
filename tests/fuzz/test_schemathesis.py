"""The described interface against the served one: schemathesis with a participant's signature.

Requests are made from the OpenAPI document that the switch serves itself, right and wrong ones;
each is signed as it is about to leave. What comes back must be as described, never a fault of the
switch, and signed wherever the request was verified.
"""

import asyncio
import itertools
import json
import re
from collections import Counter
from urllib.parse import urlsplit

import requests
import schemathesis
from multidict import CIMultiDict
from requests.auth import AuthBase
from schemathesis.engine import events, from_schema

from switch.clock import SYSTEM_CLOCK
from switch.components import BoundRequest
from switch.digest import digest_field
from switch.limits import EVENT_WAIT_S_MAX
from switch.signature import sign_bytes
from switch.signing import check_reply
from tests.fuzz.target import DOCUMENTED, Target

EXAMPLES = 12  # of each operation and phase
LONG_S = 300  # the long version goes round until then
UNSIGNED = {401, 413, 421, 429, 503}  # refused before the signature was verified
SHOWN_MAX = 10
KEY_OF_EXAMPLES = '"order-4711-1"'

_PLAIN = re.compile(r"[!-~](?:[ -~]*[!-~])?")


@schemathesis.serializer("text/csv", "application/x-ndjson")
def _text(context: schemathesis.SerializationContext, value: object) -> bytes:
    """A body that is no JSON, as it stands."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


class ParticipantAuth(AuthBase):
    """Signs what is about to be sent, and checks what comes back."""

    def __init__(self, target: Target) -> None:
        self.faults: list[str] = []
        self.statuses: Counter[int] = Counter()
        self._target = target
        self._numbers = itertools.count()

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign a request with what it has; a key that cannot be signed goes out unsigned.

        The key that signs is not revoked, which would end the exploration: another name is.
        """
        own = self._target.members["explorer"].key.key_id.partition("/")[2]
        assert prepared.url is not None
        prepared.url = prepared.url.replace(f"/keys/{own}/revoke", f"/keys/not-{own}/revoke")
        bound = self._bound(prepared)
        if bound is not None:
            self._sign(prepared, bound)
        prepared.register_hook("response", self._check)
        return prepared

    def _bound(self, prepared: requests.PreparedRequest) -> BoundRequest | None:
        assert prepared.url is not None
        assert prepared.method is not None
        body = prepared.body
        if isinstance(body, str):
            body = prepared.body = body.encode()
        key = prepared.headers.get("Idempotency-Key")
        if isinstance(key, bytes):
            key = key.decode("latin-1")
        if key == KEY_OF_EXAMPLES:  # used once, it would hide what its other requests come to
            key = _barred(prepared) or f"explored-{next(self._numbers)}"
            prepared.headers["Idempotency-Key"] = key
        if key is not None and not _PLAIN.fullmatch(key):
            return None
        if body:
            prepared.headers["Content-Digest"] = digest_field(body)
        url = urlsplit(prepared.url)
        return BoundRequest(
            method=prepared.method,
            path=url.path,
            query=url.query if "?" in prepared.url else None,
            content_digest=prepared.headers.get("Content-Digest"),
            idempotency_key=key,
        )

    def _sign(self, prepared: requests.PreparedRequest, bound: BoundRequest) -> None:
        values = {
            "@method": bound.method,
            "@authority": self._target.authority,
            "@path": bound.path,
            "@query": None if bound.query is None else f"?{bound.query}",
            "content-digest": bound.content_digest,
            "idempotency-key": bound.idempotency_key,
        }
        covered = {name: value for name, value in values.items() if value is not None}
        key = self._target.members["explorer"].key
        names = " ".join(f'"{name}"' for name in covered)
        created = SYSTEM_CLOCK.now_us() // 1_000_000
        parameters = f'({names});created={created};keyid="{key.key_id}"'
        lines = [f'"{name}": {value}' for name, value in covered.items()]
        base = "\n".join([*lines, f'"@signature-params": {parameters}'])
        prepared.headers["Signature-Input"] = f"sig={parameters}"
        prepared.headers["Signature"] = f"sig={sign_bytes(base.encode(), key)}"

    def _check(self, answer: requests.Response, **_: object) -> None:
        self.statuses[answer.status_code] += 1
        prepared = answer.request
        fault = self._fault(answer, prepared)
        if fault is not None:
            what = f"{prepared.method} {prepared.url}: {answer.status_code}"
            self.faults.append(f"{what} {fault} {answer.text[:200]}")

    def _fault(
        self, answer: requests.Response, prepared: requests.PreparedRequest
    ) -> object | None:
        path = urlsplit(str(prepared.url)).path
        is_busy = answer.status_code in {503, 504} and path.startswith("/v1/")
        if is_busy and answer.json()["type"].rpartition(":")[2] not in DOCUMENTED:
            return "not a problem that is described"
        if "Signature" not in answer.headers:
            was_signed = "Signature" in prepared.headers and path.startswith("/v1/")
            return "not signed" if was_signed and answer.status_code not in UNSIGNED else None
        bound = self._bound(prepared)
        assert bound is not None
        return check_reply(
            status=answer.status_code,
            headers=CIMultiDict(answer.headers),
            body=answer.content,
            bound=bound,
            keys=self._target.keys,
            now_us=SYSTEM_CLOCK.now_us(),
        )


def _barred(prepared: requests.PreparedRequest) -> str | None:
    """The key that a request bars, which its header must name too; None when there is none."""
    try:
        key = json.loads(prepared.body or b"")["idempotency_key"]
    except (ValueError, LookupError, TypeError):
        return None
    return key if isinstance(key, str) and _PLAIN.fullmatch(key) else None


async def test_the_interface_is_as_it_is_described(
    target: Target, seed: int, long_run: bool
) -> None:
    """Every operation answers as its description says, to requests that are right and wrong."""
    auth = ParticipantAuth(target)
    failures = await asyncio.to_thread(_explore, target, auth, seed, long_run)
    assert not auth.faults, "\n".join(auth.faults[:SHOWN_MAX])
    assert not failures, f"{len(failures)} failures:\n" + "\n".join(failures[:SHOWN_MAX])
    assert {200, 201, 400, 404} <= set(auth.statuses), "right and wrong ones were verified"
    await target.check_serving()


def _explore(target: Target, auth: ParticipantAuth, seed: int, long_run: bool) -> list[str]:
    """All phases of schemathesis; what failed, in words."""
    config = schemathesis.Config.from_dict(
        {
            "seed": seed,
            "request-timeout": 2 * EVENT_WAIT_S_MAX,  # a look at a feed may be told to wait
            "checks": {
                # What the schema allows and a rule beyond it refuses is refused rightly.
                "positive_data_acceptance": {"enabled": False},
                # Beside the usual ones: a Host that is no name of the switch, a body too large.
                "negative_data_rejection": {
                    "expected-statuses": [
                        *("400", "401", "403", "404", "405", "406", "409", "413", "415", "421"),
                        *("422", "428", "429", "5xx"),
                    ]
                },
                # On a busy machine; that they say so as described is checked with the signature.
                "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "503", "504"]},
            },
            "operations": [
                {
                    # What is wrong inside a payment of a batch is the answer to that payment.
                    "include-name": "POST /v1/payments/batch",
                    "checks": {"negative_data_rejection": {"enabled": False}},
                }
            ],
            "generation": {
                "max-examples": EXAMPLES,
                "no-shrink": True,
                "with-security-parameters": False,  # the signature is made when all else is
            },
        }
        | ({"max-time": LONG_S} if long_run else {})
    )
    schema = schemathesis.openapi.from_url(f"{target.serving.url}/openapi.json", config=config)
    schema.auth.set_from_requests(auth)
    failures = []
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            failures += _failures(event)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            failures.append(str(event))
    return failures


def _failures(event: events.ScenarioFinished) -> list[str]:
    """What failed, and how to see it again."""
    return [
        f"{event.label} {check.name}: {check.failure_info.failure} {check.failure_info.code_sample}"
        for checks in event.recorder.checks.values()
        for check in checks
        if check.failure_info is not None
    ]
