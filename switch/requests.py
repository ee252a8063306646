"""What the endpoints have in common: ids in paths, strict query parameters, a caller's standing."""

import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from switch import limits
from switch.admission import Caller, Request, media_type_refusal
from switch.errors import Problem
from switch.key_message import KEY_NAME_PATTERN
from switch.message import Payment, Step, as_id, is_text, malformed
from switch.metrics import WorkerMetrics
from switch.participants import Participant
from switch.reads import Reads
from switch.service import Parameter
from switch.signature import parse_idempotency_key

NOT_FOUND = Problem(name="not-found", detail="nothing with this id that you may see")
KEY_REUSED = Problem(
    name="idempotency-key-reused",
    detail="this Idempotency-Key was used for another request; nothing was changed",
)
SUSPENDED = Problem(
    name="participant-suspended",
    detail="a suspended participant may read, repeat and bar, not begin",
)

PENDING_ANSWER = (
    "Accepted, and a bank has not decided so far: the present state, `pending`. Wait for the "
    "event, look it up or send the same request again"
)

_KEY_NAME = re.compile(KEY_NAME_PATTERN)
_POSITION = re.compile(r"([1-9][0-9]{0,17})\.(0|[1-9][0-9]{0,8})")
_KEY = re.compile("[!-~]+")

# A reader of one query parameter: its value, or the rule that it breaks.
Reader = Callable[[str], Any]


def integer_schema(minimum: int, maximum: int, default: int) -> dict[str, Any]:
    """The JSON Schema of a query parameter that counts something."""
    return {"type": "integer", "minimum": minimum, "maximum": maximum, "default": default}


AFTER_ID = Parameter(
    name="after",
    what="`next_after` of the piece before",
    schema={"type": "string", "format": "uuid"},
)
LIMIT = Parameter(
    name="limit",
    what="How many at most",
    schema=integer_schema(1, limits.PAGE_SIZE_MAX, limits.PAGE_SIZE_DEFAULT),
)


class Rule(Struct, frozen=True):
    """The rule that a query parameter breaks."""

    text: str


def path_id(path: str) -> UUID | None:
    """The id in the fourth segment of `/v1/things/{id}`, None when that is no UUID."""
    return as_id(path.split("/", 4)[3])


def asked_id(request: Request) -> UUID | Problem:
    """The id in the path of a request that asks for one thing, and takes no query."""
    parameters = read_query(request.query, {})
    if isinstance(parameters, Problem):
        return parameters
    return path_id(request.path) or NOT_FOUND


def path_name(path: str) -> str | None:
    """The name of a key in the fourth segment of `/v1/keys/{name}`, None when that is no name."""
    text = path.split("/", 4)[3]
    return text if _KEY_NAME.fullmatch(text) else None


def operation_digest(caller: Caller) -> bytes:
    """SHA-256 of everything that makes an operation: method, path and body."""
    request = caller.request
    return hashlib.sha256(f"{request.method} {request.path}\n".encode() + caller.body).digest()


def read_query(query: str | None, readers: Mapping[str, Reader]) -> dict[str, Any] | Problem:
    """The query parameters by name; a problem names the parameter that breaks a rule."""
    if not query:
        return {}
    try:
        pairs = parse_qsl(
            query,
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=limits.QUERY_PARAMETERS_MAX,
        )
    except ValueError:  # UnicodeDecodeError is one
        return malformed("The query is not a list of `name=value`, percent-encoded UTF-8.")
    values: dict[str, Any] = {}
    for name, text in pairs:
        reader = readers.get(name)
        if reader is None:
            return malformed("There is no such query parameter here.", name)
        if name in values:
            return malformed("The query parameter is given twice.", name)
        value = reader(text)
        if isinstance(value, Rule):
            return malformed(value.text, name)
        values[name] = value
    return values


def query_refusal(caller: Caller) -> Problem | None:
    """Why the query is not ignored where no parameter means anything: on every POST."""
    if not caller.request.query:
        return None
    parameters = read_query(caller.request.query, {})
    assert isinstance(parameters, Problem), "there is no parameter that could be read"
    return parameters


def read_id(text: str) -> UUID | Rule:
    """A UUID."""
    return as_id(text) or Rule("Expected a UUID.")


def read_limit(text: str) -> int | Rule:
    """How many rows at most."""
    if text.isascii() and text.isdigit() and len(text) <= 4:
        count = int(text)
        if 1 <= count <= limits.PAGE_SIZE_MAX:
            return count
    return Rule(f"Expected an integer from 1 to {limits.PAGE_SIZE_MAX}.")


def read_reference(text: str) -> str | Rule:
    """A reference, exactly as it was given."""
    if 1 <= len(text) <= limits.REFERENCE_CHARS_MAX and is_text(text):
        return text
    return Rule(f"Expected 1 to {limits.REFERENCE_CHARS_MAX} characters of text.")


def read_key(text: str) -> str | Rule:
    """An idempotency key, without quotes around it."""
    if len(text) <= limits.IDEMPOTENCY_KEY_CHARS_MAX and _KEY.fullmatch(text):
        return text
    return Rule(f"Expected 1 to {limits.IDEMPOTENCY_KEY_CHARS_MAX} visible ASCII characters.")


def read_key_name(text: str) -> str | Rule:
    """The name of a participant's key."""
    return text if _KEY_NAME.fullmatch(text) else Rule("Expected the name of a key.")


def read_time(text: str) -> datetime | Rule:
    """A time of RFC 3339."""
    try:
        at: datetime = msgspec.convert(text, Annotated[datetime, Meta(tz=True)])
    except msgspec.ValidationError:
        return Rule("Expected a time of RFC 3339, like 2026-11-01T08:00:00Z.")
    if not limits.YEAR_MIN <= at.year <= limits.YEAR_MAX:
        return Rule(f"Expected a year from {limits.YEAR_MIN} to {limits.YEAR_MAX}.")
    return at


def read_position(text: str) -> tuple[int, int] | Rule:
    """A place in a statement: posting and item."""
    found = _POSITION.fullmatch(text)
    if found is None:
        return Rule("Expected `next_after` of an earlier answer.")
    return int(found[1]), int(found[2])


def count_decision(
    metrics: WorkerMetrics, sender: Participant, payment: Payment | Step, *, is_repeat: bool
) -> None:
    """Count an answer about a payment or step; one that says it is still pending is no replay."""
    if not is_repeat:
        name = "pending" if payment.status == "pending" else payment.reason or "approved"
        metrics.decisions.add((sender.label, name))
    elif payment.status != "pending":
        metrics.replays.add(("payment",))


def formal_key(caller: Caller, *, is_json: bool = True) -> str | Problem:
    """The key of a POST whose form is right, as far as it can be told without reading the body."""
    key = parse_idempotency_key(caller.bound.idempotency_key)
    refusal = query_refusal(caller)
    if refusal is None and caller.body and is_json:
        refusal = media_type_refusal(caller.request.headers)
    return key if isinstance(key, Problem) or refusal is None else refusal


async def accepted_key(reads: Reads, caller: Caller, *, is_json: bool = True) -> str | Problem:
    """The same, once its sender may begin something with it."""
    key = formal_key(caller, is_json=is_json)
    if isinstance(key, Problem):
        return key
    return await standing(reads, caller.participant, key) or key


async def claimed(reads: Reads, participant: Participant, keys: Collection[str]) -> Collection[str]:
    """Those of the keys under which the participant may send something.

    A suspended participant may repeat what it sent before, and nothing else.
    """
    return await reads.claimed_keys(participant.number, keys) if participant.is_suspended else keys


async def standing(reads: Reads, participant: Participant, key: str) -> Problem | None:
    """Why the participant may not begin something under this key, if so.

    A suspended participant may repeat what it sent before, and nothing else.
    """
    if not participant.is_suspended or await reads.key_is_claimed(participant.number, key):
        return None
    return SUSPENDED
