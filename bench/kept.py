"""Whole answers that a generator kept, verified when the clock has stopped.

A generator reads a status and a length; that these are answers of the switch, to that very request,
is checked here for a sample: by signature and, for payments, by what the decision says. Whatever is
not as it should be ends the run: a fast wrong answer is no answer.
"""

from collections.abc import Mapping, Sequence

import msgspec
from multidict import CIMultiDict

from bench.open_loop import Sent
from bench.stage import BenchError
from switch.clock import SYSTEM_CLOCK
from switch.components import BoundRequest
from switch.keyfile import PublicKey
from switch.signing import check_reply

UNSIGNED = {
    429: {"urn:switch:problem:too-many-requests"},
    503: {"urn:switch:problem:overloaded", "urn:switch:problem:ledger-unavailable"},
}


def verify(
    sent: Sent, messages: Sequence[bytes], keys: Mapping[str, PublicKey], *, is_paid: bool = False
) -> int:
    """Verify what was kept of the answers to these messages; how many answers that were.

    `is_paid`: decisions must be approvals.
    """
    for number, answer in sent.kept:
        message = messages[number % len(messages)]
        fault = fault_of(answer, message, keys, is_paid=is_paid)
        if fault is not None:
            raise BenchError(f"an answer is not to be believed: {fault}: {answer[:2000]!r}")
    return len(sent.kept)


def fault_of(
    answer: bytes, message: bytes, keys: Mapping[str, PublicKey], *, is_paid: bool = False
) -> str | None:
    """What is wrong with an answer to this message, if anything."""
    line, fields, body = _parts(answer)
    status = int(line.split(" ", 2)[1])
    bound, asked = read_message(message)
    if status in (429, 503) and "Signature" not in fields:  # before anybody was verified
        told = msgspec.json.decode(body)["type"], "Retry-After" in fields
        is_known = told[0] in UNSIGNED[status] and told[1]
        return None if is_known else "a refusal that does not say why or until when"
    doubt = check_reply(
        status=status,
        headers=fields,
        body=body,
        bound=bound,
        keys=keys,
        now_us=SYSTEM_CLOCK.now_us(),
    )
    if doubt is not None:
        return doubt.detail
    return _fault_of_decision(body, asked, bound, is_paid) if status == 201 else None


def _fault_of_decision(body: bytes, asked: bytes, bound: BoundRequest, is_paid: bool) -> str | None:
    told, wanted = msgspec.json.decode(body), msgspec.json.decode(asked)
    if is_paid and told["status"] != "completed":
        return f"the payment was {told['status']}: {told['reason']}"
    if f'"{told["idempotency_key"]}"' != bound.idempotency_key:
        return "the decision is of another key"
    is_same = all(told[name] == value for name, value in wanted.items())
    return None if is_same else "the decision is about another payment"


def read_message(message: bytes) -> tuple[BoundRequest, bytes]:
    """What the answer to one of our own messages is bound to, and the body that was sent."""
    line, fields, body = _parts(message)
    method, target, _ = line.split(" ")
    path, mark, query = target.partition("?")
    bound = BoundRequest(
        method=method,
        path=path,
        query=query if mark else None,
        content_digest=fields.get("Content-Digest"),
        idempotency_key=fields.get("Idempotency-Key"),
    )
    return bound, body


def _parts(message: bytes) -> tuple[str, "CIMultiDict[str]", bytes]:
    """First line, header fields and body."""
    head, _, body = message.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    named = (field.partition(":") for field in lines)
    return line, CIMultiDict((name, value.strip()) for name, _, value in named), body
