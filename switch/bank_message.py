"""What the switch asks a bank that holds the money itself, and what the bank answers. No I/O.

The switch posts these to the bank's URL, signed, under an Idempotency-Key that stays the same over
all attempts; the bank answers each with a signed `BankAnswer`. docs/INTEGRATING.md says what a bank
must promise with it. Members may be added to what the switch sends, so a bank ignores those that it
does not know.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from switch import limits
from switch.message import AnyType, Id, Time

BankPath = Literal["authorizations", "credits", "reversals"]


class Authorization(Struct, frozen=True, kw_only=True):
    """`POST {bank_url}/authorizations`: may this account of the bank pay?

    Without `capture` the bank holds the money until `hold_expires_at`, and takes it as it is
    captured. An answer after `deadline` is worth nothing: a reversal is on its way.
    """

    payment: Id
    type: AnyType
    account: Id
    account_reference: str | None
    payee: Id
    amount: int
    currency: str
    capture: bool
    hold_expires_at: Time | None
    reference: str | None
    payee_reference: str | None
    description: str | None
    created_at: Time
    deadline: Time


class Credit(Struct, frozen=True, kw_only=True):
    """`POST {bank_url}/credits`: money for an account of the bank.

    Of a refund, and of the operator's reversal, `parent` says of what. It is sent again until it is
    accepted or refused.
    """

    payment: Id
    parent: Id | None
    type: AnyType
    account: Id
    account_reference: str | None
    payer: Id
    amount: int
    currency: str
    reference: str | None
    payee_reference: str | None
    description: str | None
    created_at: Time


class Reversal(Struct, frozen=True, kw_only=True):
    """`POST {bank_url}/reversals`: the authorization of this payment counts for nothing.

    Also where the bank never saw it, which it then must never approve. `reason` is the outcome that
    the payment has. It is sent again until it is acknowledged.
    """

    payment: Id
    account: Id
    account_reference: str | None
    amount: int
    currency: str
    reason: str
    created_at: Time


Decision = Literal["approved", "declined", "accepted", "refused", "acknowledged"]

# What a bank may decide about each of them; anything else is no answer.
DECISIONS: dict[BankPath, tuple[Decision, ...]] = {
    "authorizations": ("approved", "declined"),
    "credits": ("accepted", "refused"),
    "reversals": ("acknowledged",),
}


class BankAnswer(Struct, frozen=True, kw_only=True):
    """The bank's signed answer, `200` or `201`; payment, amount and currency are those it got."""

    payment: Id
    decision: Decision
    amount: int
    currency: str
    reason: Annotated[str, Meta(max_length=limits.BANK_REASON_CHARS_MAX)] | None = None


def idempotency_key(path: BankPath, payment: str) -> str:
    """The key under which a bank is asked, the same however often."""
    return f"{path}-{payment}"


def decode_answer(body: bytes) -> BankAnswer | None:
    """The answer, None where it is not one."""
    try:
        return msgspec.json.decode(body, type=BankAnswer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
