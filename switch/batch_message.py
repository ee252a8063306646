"""A participant's batch on the wire: many payments under one signature. No I/O, no clock.

The payments stay the bytes they came as. Their digest is what a repeat is told by, so a payment is
the same message alone, in this batch and in another one, and what is wrong inside one is found out
when its turn comes. What is wrong around them is wrong with the batch.
"""

import re
from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from switch import limits
from switch.errors import Problem
from switch.message import UNREADABLE, malformed, unreadable

_KEY = re.compile("[!-~]+")
_KEY_SCHEMA = {
    "type": "string",
    "minLength": 1,
    "maxLength": limits.IDEMPOTENCY_KEY_CHARS_MAX,
    "pattern": "^[!-~]+$",
}
_SCHEMA = "#/components/schemas/"


class BatchItem(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One payment of a batch: its key, and the body that it would have alone."""

    idempotency_key: Annotated[Raw, Meta(extra_json_schema=_KEY_SCHEMA)]
    payment: Annotated[Raw, Meta(extra_json_schema={"$ref": f"{_SCHEMA}PaymentRequest"})]


class BatchRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/payments/batch`."""

    payments: Annotated[list[BatchItem], Meta(min_length=1, max_length=limits.BATCH_PAYMENTS_MAX)]


class BatchItemAnswer(Struct, frozen=True, kw_only=True):
    """What the payment would have been answered alone: its HTTP status, whether it was decided
    before, and the very bytes of the body."""

    idempotency_key: str
    status: int
    replayed: bool
    body: Annotated[
        Raw,
        Meta(
            extra_json_schema={"anyOf": [{"$ref": f"{_SCHEMA}{n}"} for n in ("Payment", "Problem")]}
        ),
    ]


class BatchAnswer(Struct, frozen=True, kw_only=True):
    """The answers to a batch, in the order of its payments."""

    answers: list[BatchItemAnswer]


class KeyedPayment(Struct, frozen=True, kw_only=True):
    """A payment as it stands in a batch, not decoded yet."""

    key: str
    body: Raw


_batch_decoder = msgspec.json.Decoder(BatchRequest)
_key_decoder = msgspec.json.Decoder(str)


def decode_batch(body: bytes) -> list[KeyedPayment] | Problem:
    """The payments in these bytes, in order, or which rule the batch around them breaks."""
    try:
        items = _batch_decoder.decode(body).payments
    except UNREADABLE as error:
        return unreadable(error)
    if not _has_two_colons_an_item(items, body):
        return malformed("A member of the batch, around its payments, is given twice.", "payments")
    payments = []
    for position, item in enumerate(items):
        key = _key(item.idempotency_key)
        if key is None:
            return malformed(
                f"Expected 1 to {limits.IDEMPOTENCY_KEY_CHARS_MAX} visible ASCII characters.",
                f"payments[{position}].idempotency_key",
            )
        payments.append(KeyedPayment(key=key, body=item.payment))
    return payments


def _key(text: Raw) -> str | None:
    try:
        key = _key_decoder.decode(text)
    except UNREADABLE:
        return None
    is_key = len(key) <= limits.IDEMPOTENCY_KEY_CHARS_MAX and _KEY.fullmatch(key)
    return key if is_key else None


def _has_two_colons_an_item(items: Sequence[BatchItem], body: bytes) -> bool:
    """Whether no member around the payments is given twice.

    No name of a member holds a colon, so each member has one of its own: the batch one, an item
    two. The others stand within keys and payments. A member more is a colon more.
    """
    within = sum(
        bytes(item.idempotency_key).count(b":") + bytes(item.payment).count(b":") for item in items
    )
    return body.count(b":") == 1 + 2 * len(items) + within
