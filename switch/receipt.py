"""Receipts: a decision that anyone can prove to anyone, offline, with the switch's published keys.

A receipt is a compact JWS whose payload is a JSON Web Token's (RFC 7519): who says it, when it was
said, and the decision. It says what was decided and never what became of it since, so all receipts
of one payment differ in the time of issue and the key alone, and the payee's tells the fee besides.
Pure: time is an argument.

The time of issue is there because keys end. A receipt of an old decision is signed with the key of
today; whether that key was valid can be asked for the time of issue only.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from switch import jws
from switch.keyfile import PublicKey
from switch.message import Payment, Step
from switch.signature import SigningKey
from switch.structured import Fault

TYPE = "payment-receipt+jwt"  # RFC 8725 §3.11: no other signed text can be taken for a receipt
MEDIA_TYPE = "application/jose"  # RFC 7515 §9.2.1


class Receipt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a receipt says: beside `iss` and `iat`, members of the payment under the same names."""

    iss: str  # the first name of the switch that issued it
    iat: int  # Unix seconds
    id: str
    idempotency_key: str
    request_digest: str
    participant: str
    type: str | None
    parent: str | None = None  # in the receipt of a step alone: the payment that it belongs to
    payer: str | None
    payee: str | None
    amount: int | None
    currency: str | None
    fee: int | None = None  # in the payee's receipt alone: what was kept of the amount
    status: str
    reason: str | None
    created_at: str


class Genuine(Struct, frozen=True, kw_only=True):
    """A receipt whose signature and key are right."""

    key_id: str
    receipt: Receipt


def issue(
    decision: Payment | Step,
    *,
    issuer: str,
    key: SigningKey,
    issued_at_s: int,
    fee: int | None = None,
) -> str:
    """The receipt of a decision as it was made, signed; `fee` is for its payee."""
    receipt = Receipt(
        iss=issuer,
        iat=issued_at_s,
        id=decision.id,
        idempotency_key=decision.idempotency_key,
        request_digest=decision.request_digest,
        participant=decision.participant,
        type=decision.type,
        parent=decision.parent if isinstance(decision, Step) else None,
        payer=decision.payer,
        payee=decision.payee,
        amount=decision.amount,
        currency=decision.currency,
        fee=fee,
        status=decision.status,
        reason=decision.reason,
        created_at=decision.created_at,
    )
    header = {"alg": jws.ALGORITHM, "kid": key.key_id, "typ": TYPE}
    return jws.sign(header, msgspec.json.encode(receipt), key)


def verify(token: str, keys: Mapping[str, PublicKey]) -> Genuine | Fault:
    """What a receipt says, when one of these keys signed it while that key was valid.

    Members that this version does not know are passed over: a later switch may say more.
    """
    signed = jws.read(token)
    if isinstance(signed, Fault):
        return signed
    if signed.header.get("typ") != TYPE:
        return Fault(f"is no receipt: its typ is not {TYPE}")
    key_id = signed.header.get("kid", "")
    key = keys.get(key_id)
    if key is None:
        return Fault(f"is signed with a key that was not given: {key_id[:80]!a}")
    if not jws.is_by(signed, key.public_key):
        return Fault(f"is not what {key_id} signed")
    members = jws.read_object(signed.payload)
    if isinstance(members, Fault):
        return Fault(f"has a payload that {members.detail}")
    try:
        receipt = msgspec.convert(members, Receipt)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:  # a half of a surrogate pair
        return Fault(f"is no receipt: {error}")
    if not key.was_valid_in(receipt.iat):
        return Fault(f"was issued when {key_id} was not valid")
    return Genuine(key_id=key_id, receipt=receipt)
