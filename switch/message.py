"""Messages: what may stand in a body, in and out. No I/O, no clock.

A body becomes a frozen struct or a `Problem` that names the field and the rule. msgspec checks
types, lengths and ranges while it parses and takes neither floats, booleans nor strings for
integers. What it cannot see is checked here: a member named twice (parsers disagree about which one
counts, so both are refused) and characters that are not text.
"""

import re
from datetime import UTC, datetime
from enum import IntEnum
from itertools import repeat
from operator import is_not
from typing import Annotated, Any, Literal, TypeVar, get_args
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from switch import limits
from switch.currencies import CURRENCIES
from switch.errors import Problem
from switch.json_text import name_given_twice
from switch.outcome import Outcome
from switch.payment_code import PaymentCode, mandate_of
from switch.state import TRANSITIONS


class PaymentType(IntEnum):
    """The number of a type in the ledger; 11 to 13 are steps of another payment.

    Above 100: the operator's, never taken from the wire.
    """

    PURCHASE = 1
    TRANSFER = 2
    TOP_UP = 3
    WITHDRAWAL = 4
    CAPTURE = 11
    VOID = 12
    REFUND = 13
    ISSUE = 101
    REDEEM = 102
    REVERSAL = 103
    EXPIRY = 104

    @property
    def wire(self) -> str:
        """The name on the wire."""
        return self.name.lower()


AccountKind = Literal["wallet", "merchant", "government", "position", "external", "issuance", "fee"]
Amount = Annotated[int, Meta(ge=limits.AMOUNT_MIN, le=limits.AMOUNT_MAX)]
Currency = Annotated[
    str, Meta(min_length=3, max_length=3, extra_json_schema={"pattern": "^[A-Z]{3}$"})
]
Reference = Annotated[str, Meta(min_length=1, max_length=limits.REFERENCE_CHARS_MAX)]
PayeeReference = Annotated[str, Meta(min_length=1, max_length=limits.PAYEE_REFERENCE_CHARS_MAX)]
Description = Annotated[str, Meta(min_length=1, max_length=limits.DESCRIPTION_CHARS_MAX)]
MetadataKey = Annotated[str, Meta(min_length=1, max_length=limits.METADATA_KEY_CHARS_MAX)]
MetadataValue = Annotated[str, Meta(max_length=limits.METADATA_VALUE_CHARS_MAX)]
Metadata = Annotated[dict[MetadataKey, MetadataValue], Meta(max_length=limits.METADATA_PAIRS_MAX)]
HoldSeconds = Annotated[int, Meta(ge=limits.HOLD_SECONDS_MIN, le=limits.HOLD_SECONDS_MAX)]
IdempotencyKey = Annotated[
    str,
    Meta(min_length=1, max_length=limits.IDEMPOTENCY_KEY_CHARS_MAX, pattern="^[!-~]+$"),
]
TierName = Annotated[str, Meta(min_length=1, max_length=limits.TIER_NAME_CHARS_MAX)]


# --- what participants send ----------------------------------------------------------


class PaymentRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/payments`."""

    type: Literal["purchase", "transfer", "top_up", "withdrawal"]
    payer: UUID | None = None
    mandate: UUID | None = None  # in the payer's place
    code: PaymentCode | None = None  # likewise; the mandate's, once it is decoded
    payee: UUID
    request: UUID | None = None  # the payment request that it pays
    coupon: UUID | None = None  # the payer's, that pays a part of it
    amount: Amount
    currency: Currency
    capture: bool = True
    hold_seconds: HoldSeconds | None = None
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None
    reference: Reference | None = None
    payee_reference: PayeeReference | None = None
    description: Description | None = None
    metadata: Metadata | None = None


class AccountRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/accounts`."""

    currency: Currency
    kind: AccountKind
    reference: Reference | None = None
    tier: TierName | None = None


class CaptureRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/payments/{id}/capture`: without an amount, all that is held."""

    amount: Amount | None = None
    final: bool = False


class RefundRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/payments/{id}/refund`: without an amount, all that is left of it."""

    amount: Amount | None = None


class BarRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/payments/bar`."""

    idempotency_key: IdempotencyKey


class EmptyRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a POST that has nothing to say: none at all, or `{}`."""


# --- what the switch answers; fields in the order of the wire ------------------------

# Described, not checked: what the switch answers is its own.


def one_of(*names: str) -> Meta:
    """Names that stand in answers today; a reader must bear new ones."""
    return Meta(extra_json_schema={"enum": list(names)})


Id = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
AnyType = Annotated[str, one_of(*(kind.wire for kind in PaymentType))]
AnyKind = Annotated[str, one_of(*get_args(AccountKind), "purse", "campaign")]
PaymentStatus = Annotated[str, one_of(*TRANSITIONS)]
StepStatus = Annotated[str, one_of("pending", "completed", "declined")]
Reason = Annotated[str, one_of(*(one.wire for one in Outcome if one is not Outcome.APPROVED))]
AccountStatus = Annotated[str, one_of("open", "frozen", "closing", "closed")]
FrozenBy = Annotated[str, one_of("participant", "operator")]
Operation = Annotated[str, one_of("freeze", "unfreeze", "close", "forget", "upgrade")]
OperationReason = Annotated[str, one_of("already_closed", "not_empty", "frozen_by_operator")]
Direction = Annotated[str, one_of("debit", "credit")]


class Payment(Struct, frozen=True, kw_only=True):
    """A decision; in look-ups also what became of it since.

    Where a key was barred, everything that the request would have said is null.
    """

    id: Id
    idempotency_key: str
    request_digest: str
    participant: str
    type: AnyType | None
    payer: Id | None
    mandate: Id | None
    payee: Id | None
    request: Id | None
    coupon: Id | UnsetType = UNSET  # where one was named
    amount: int | None
    currency: str | None
    capture: bool | None
    hold_seconds: int | None
    expires_at: Time | None
    reference: str | None
    payee_reference: str | None
    description: str | None
    metadata: dict[str, str] | None
    status: PaymentStatus
    reason: Reason | None
    amount_held: int
    amount_captured: int
    amount_voided: int
    amount_refunded: int
    hold_expires_at: Time | None
    created_at: Time


class Step(Struct, frozen=True, kw_only=True):
    """A capture, a void, a refund, or the operator's reversal: what moved, and of which payment.

    `payer` and `payee` are those of the step, so a refund's payer is who was paid. They are null,
    and so is the currency, where the payment is not found; the amount is null where nothing was
    left.
    """

    id: Id
    parent: Id
    idempotency_key: str
    request_digest: str
    participant: str
    type: AnyType
    payer: Id | None
    payee: Id | None
    amount: int | None
    currency: str | None
    final: bool | None
    status: StepStatus
    reason: Reason | None
    created_at: Time


class Made(Struct, frozen=True, kw_only=True):
    """What a key was spent on, where a service keeps it: its endpoints say more."""

    id: Id
    idempotency_key: str


class AccountLimits(Struct, frozen=True, kw_only=True):
    """The limits of an account's tier, in minor units; null where there is none."""

    payment_limit: int | None
    daily_limit: int | None
    daily_left: int | None
    yearly_limit: int | None
    yearly_left: int | None
    balance_limit: int | None


class Account(Struct, frozen=True, kw_only=True):
    """An account as its holder sees it; `available` is balance minus held minus floor."""

    id: Id
    participant: str
    kind: AnyKind
    currency: str
    status: AccountStatus
    frozen_by: FrozenBy | None
    reference: str | None
    tier: str | None
    balance: int
    held: int
    available: int
    floor: int
    limits: AccountLimits
    created_at: Time


class AccountOperation(Struct, frozen=True, kw_only=True):
    """What freezing, unfreezing or closing an account came to."""

    account: Id
    operation: Operation
    status: AccountStatus
    frozen_by: FrozenBy | None
    reason: OperationReason | None
    idempotency_key: str
    decided_at: Time


class Entry(Struct, frozen=True, kw_only=True):
    """One line of a statement. Credits folded together share a posting, told apart by `item`.

    `amount` is what moved on this account: of a payment received without its fee, of one made
    without what purses and a coupon paid.
    """

    account: Id
    posting: int
    item: int
    direction: Direction
    amount: int
    currency: str
    balance_after: int
    payment: Id
    type: AnyType
    counterparty: Id
    reference: str | None
    payee_reference: str | None
    posted_at: Time
    fee: int | UnsetType = UNSET  # of a payment received: what was kept of it
    drawn: int | UnsetType = UNSET  # of a payment made: what purses and a coupon paid beside it


# --- decoding ------------------------------------------------------------------------

Message = TypeVar("Message", bound=Struct)

_payment_decoder = msgspec.json.Decoder(PaymentRequest)
_account_decoder = msgspec.json.Decoder(AccountRequest)
_capture_decoder = msgspec.json.Decoder(CaptureRequest)
_refund_decoder = msgspec.json.Decoder(RefundRequest)
_bar_decoder = msgspec.json.Decoder(BarRequest)
_empty_decoder = msgspec.json.Decoder(EmptyRequest)

# Control characters (C0, DEL, C1) and halves of surrogate pairs.
_UUID = re.compile("[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NOT_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_WHERE = re.compile(r" - at (?:`key` in )?`\$\.?([^`]*)`$")
_NAMED_FIELD = re.compile(r"(?:required|unknown) field `([^`]*)`")


def decode_payment(body: bytes) -> PaymentRequest | Problem:
    """The payment in these bytes, or which rule they break."""
    request = decode(_payment_decoder, body)
    if isinstance(request, Problem):
        return request
    if request.currency not in CURRENCIES:
        return _unknown_currency(request.currency)
    if (request.payer, request.mandate, request.code).count(None) != 2:
        return malformed("Name one of `payer`, `mandate` and `code`.", "payer")
    if request.code is not None:
        request = msgspec.structs.replace(request, mandate=mandate_of(request.code), code=None)
    if request.request is not None and not request.capture:
        return malformed("A payment request is paid at once: leave `capture` out.", "capture")
    if request.coupon is not None and (request.type != "purchase" or not request.capture):
        return malformed("A coupon is for a purchase that is captured at once.", "coupon")
    if request.hold_seconds is not None and request.capture:
        return malformed("Only with `capture` false is there a hold.", "hold_seconds")
    return request if request.expires_at is None else in_utc(request, "expires_at")


def hold_seconds(request: PaymentRequest) -> int | None:
    """How long the money of a payment is held, None where it moves at once."""
    if request.capture:
        return None
    return request.hold_seconds or limits.HOLD_SECONDS_DEFAULT


def decode_account(body: bytes) -> AccountRequest | Problem:
    """The account to open in these bytes, or which rule they break."""
    request = decode(_account_decoder, body)
    if isinstance(request, AccountRequest) and request.currency not in CURRENCIES:
        return _unknown_currency(request.currency)
    return request


def decode_capture(body: bytes) -> CaptureRequest | Problem:
    """What to capture; no body is an empty object."""
    return decode(_capture_decoder, body or b"{}")


def decode_refund(body: bytes) -> RefundRequest | Problem:
    """What to refund; no body is an empty object."""
    return decode(_refund_decoder, body or b"{}")


def decode_bar(body: bytes) -> BarRequest | Problem:
    """Which key to bar."""
    return decode(_bar_decoder, body)


def decode_empty(body: bytes) -> EmptyRequest | Problem:
    """Nothing, or an empty object; anything else is refused."""
    return decode(_empty_decoder, body or b"{}")


def is_text(text: str) -> bool:
    """Whether it holds neither control characters nor halves of surrogate pairs."""
    return _NOT_TEXT.search(text) is None


def as_id(text: str) -> UUID | None:
    """A UUID in its usual form, None when the text is something else."""
    return UUID(text) if _UUID.fullmatch(text) else None


def malformed(detail: str, field: str | None = None) -> Problem:
    """The problem of a message that breaks a rule; what it quotes of the message is cut."""
    assert detail, "a refusal says why"
    cut = field[: limits.METADATA_KEY_CHARS_MAX] if field else None
    return Problem(
        name="malformed-message", detail=detail[: limits.DETAIL_CHARS_MAX], field=cut or None
    )


# What decoding ends with when the body is not what it should be.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def in_utc(message: Message, *fields: str) -> Message | Problem:
    """The same with these moments in UTC; the ledger's driver takes the first and the last moment
    of a datetime for infinity, so years have bounds.
    """
    moments: dict[str, datetime] = {}
    for field in fields:
        at = getattr(message, field)
        if at is None:
            continue
        if not limits.YEAR_MIN <= at.year <= limits.YEAR_MAX:
            years = f"{limits.YEAR_MIN} to {limits.YEAR_MAX}"
            return malformed(f"Expected a year from {years}.", field)
        moments[field] = at.astimezone(UTC)
    return msgspec.structs.replace(message, **moments)


def unreadable(error: Exception) -> Problem:
    """The problem of a body that cannot be decoded."""
    match error:
        case msgspec.ValidationError():
            return _broken_rule(str(error))
        case msgspec.DecodeError():
            return malformed(f"The body is not JSON: {_shown(str(error))}.")
        case UnicodeDecodeError():
            return malformed("The body is not UTF-8.")
        case _:
            return malformed("The body is nested too deeply.")


def _unknown_currency(currency: str) -> Problem:
    return malformed(f"`{_shown(currency)}` is not a currency of ISO 4217.", "currency")


def decode(decoder: "msgspec.json.Decoder[Message]", body: bytes) -> Message | Problem:
    """The message in these bytes, or the rule of its type, of JSON or of text that they break."""
    try:
        message = decoder.decode(body)
    except UNREADABLE as error:
        return unreadable(error)
    if b"\\" in body or b"\x7f" in body or not body.isascii():  # JSON has C0 only in escapes
        field = _field_with_no_text(message)
        if field is not None:
            return malformed("Text may not contain control characters or lone surrogates.", field)
    name = None if _has_one_colon_a_member(message, body) else name_given_twice(body)
    if name is not None:
        return malformed(f"The member `{_shown(name)}` is given twice.", name)
    return message


def _broken_rule(error: str) -> Problem:
    where = _WHERE.search(error)
    rule = error[: where.start()] if where else error
    path = where.group(1) if where else ""
    named = _NAMED_FIELD.search(rule)
    if named:
        path = f"{path}.{named.group(1)}" if path else named.group(1)
    field = path.replace("[...]", "")
    return malformed(f"{_shown(rule)}.", _shown(field) or None)


def _shown(text: str) -> str:
    """A quoted piece of the message, fit to stand in an answer."""
    return _NOT_TEXT.sub("\N{REPLACEMENT CHARACTER}", text)[: limits.DETAIL_CHARS_MAX - 60]


def _field_with_no_text(message: Struct) -> str | None:
    for field in message.__struct_fields__:
        value: Any = getattr(message, field)
        if isinstance(value, list):
            found = _item_with_no_text(value)
            if found is not None:
                return f"{field}{found}"
            continue
        texts = (*value.keys(), *value.values()) if isinstance(value, dict) else (value,)
        if any(isinstance(text, str) and _NOT_TEXT.search(text) for text in texts):
            return field
    return None


def _item_with_no_text(items: list[Any]) -> str | None:
    """Where in a list: the place, and the field of what stands there where that has fields."""
    for place, one in enumerate(items):
        if isinstance(one, str) and _NOT_TEXT.search(one):
            return f"[{place}]"
        name = _field_with_no_text(one) if isinstance(one, Struct) else None
        if name is not None:
            return f"[{place}].{name}"
    return None


def _has_one_colon_a_member(message: Struct, body: bytes) -> bool:
    """Whether no member can have been given twice, told without parsing again.

    Each member of the text has a colon of its own, and each member that differs from its default
    was given at least once. When the two counts meet, each was given exactly once.
    """
    values = msgspec.structs.astuple(message)
    given_at_least = sum(map(is_not, values, repeat(None)))
    if isinstance(message, PaymentRequest):
        given_at_least -= message.capture  # true unless given
        if message.metadata:
            given_at_least += len(message.metadata)
    elif isinstance(message, CaptureRequest):
        given_at_least -= not message.final  # false unless given
    return body.count(b":") == given_at_least
