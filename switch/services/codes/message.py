"""What is asked for with codes and what is answered. No I/O, no clock.

A request becomes a value or a `Problem` that names the field; a `Fault` of the format becomes one
that names the tag as well.
"""

import unicodedata
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from switch.errors import Problem
from switch.message import Amount, Id, decode, malformed
from switch.services.codes import consumer_payload, limits
from switch.services.codes.consumer_payload import ConsumerPayload, is_consumer_payload
from switch.services.codes.emv import Initiation, Language, MerchantCode, Tip, build, parse
from switch.services.codes.payee import payee_account, payee_of
from switch.services.codes.tags import ADDITIONAL
from switch.services.codes.tlv import Fault

_PRINTABLE = "^[ -~]+$"
Name = Annotated[str, Meta(min_length=1, max_length=limits.NAME_CHARS_MAX, pattern=_PRINTABLE)]
City = Annotated[str, Meta(min_length=1, max_length=limits.CITY_CHARS_MAX, pattern=_PRINTABLE)]
PostalCode = Annotated[
    str, Meta(min_length=1, max_length=limits.POSTAL_CODE_CHARS_MAX, pattern=_PRINTABLE)
]
Label = Annotated[str, Meta(min_length=1, max_length=limits.LABEL_CHARS_MAX, pattern=_PRINTABLE)]
Country = Annotated[str, Meta(min_length=2, max_length=2, pattern="^[A-Z]{2}$")]
Category = Annotated[str, Meta(min_length=4, max_length=4, pattern="^[0-9]{4}$")]
LanguageCode = Annotated[str, Meta(min_length=2, max_length=2, pattern="^[A-Za-z]{2}$")]
Payload = Annotated[str, Meta(min_length=1, max_length=limits.PAYLOAD_CHARS_MAX)]
Picture = Literal["png", "svg"]


class OtherLanguage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The merchant's name and city in another language, in any characters of Unicode."""

    language: LanguageCode
    merchant_name: Annotated[str, Meta(min_length=1, max_length=limits.NAME_CHARS_MAX)]
    merchant_city: Annotated[str, Meta(min_length=1, max_length=limits.CITY_CHARS_MAX)] | None = (
        None
    )


class CodeRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/codes`.

    Without `initiation` a code with an amount is dynamic, one without is static. `category` is a
    merchant category code (ISO 18245), `country` one of ISO 3166-1 alpha-2.
    """

    account: UUID
    merchant_name: Name
    merchant_city: City
    country: Country
    category: Category
    initiation: Initiation | None = None
    amount: Amount | None = None
    tip: Tip | None = None
    postal_code: PostalCode | None = None
    bill_number: Label | None = None
    store_label: Label | None = None
    reference_label: Label | None = None
    terminal_label: Label | None = None
    language: OtherLanguage | None = None
    image: Picture | None = None


class DecodeRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/codes/decode`: the text of a code as a camera reads it."""

    payload: Payload


class Code(Struct, frozen=True, kw_only=True):
    """A code: its text, and the picture that was asked for; PNG in base64, SVG as text."""

    payload: str
    png: str | None = None
    svg: str | None = None


class DecodedCode(MerchantCode, frozen=True, kw_only=True):
    """Everything that a code says; `account` is where to pay, null where it is not of this switch.

    Whether that account exists, and takes this currency, is decided when it is paid.
    """

    account: Id | None


_code_decoder = msgspec.json.Decoder(CodeRequest)
_decode_decoder = msgspec.json.Decoder(DecodeRequest)

# Which field of a request fills a tag.
_FIELDS = {
    "54": "amount",
    "56": "tip",
    "57": "tip",
    "59": "merchant_name",
    "60": "merchant_city",
    "61": "postal_code",
    "64": "language",
    **{f"62.{tag}": name for tag, name in ADDITIONAL.items()},
}


def decode_code_request(body: bytes) -> CodeRequest | Problem:
    """The code that is asked for in these bytes, or which rule they break."""
    request = decode(_code_decoder, body)
    if isinstance(request, Problem) or request.tip is None:
        return request
    return _tip_problem(request.tip) or request


def decode_payload(body: bytes) -> DecodedCode | ConsumerPayload | Problem:
    """What the code in these bytes says, or which rule of JSON or of the format is broken."""
    request = decode(_decode_decoder, body)
    if isinstance(request, Problem):
        return request
    if is_consumer_payload(request.payload):
        presented = consumer_payload.parse(request.payload)
        return malformed(presented.text, "payload") if isinstance(presented, Fault) else presented
    code = parse(request.payload)
    if isinstance(code, Fault):
        return malformed(code.text, "payload")
    account_id = payee_of(code)
    if isinstance(account_id, Fault):
        return malformed(account_id.text, "payload")
    account = None if account_id is None else str(account_id)
    return DecodedCode(account=account, **msgspec.structs.asdict(code))


def payload_of(request: CodeRequest, currency: str) -> str | Problem:
    """The text of the code that is asked for, of an account in this currency."""
    payload = build(_merchant_code(request, currency))
    if isinstance(payload, Fault):
        return malformed(payload.text, _FIELDS.get(payload.tag))
    return payload


def _merchant_code(request: CodeRequest, currency: str) -> MerchantCode:
    return MerchantCode(
        initiation=request.initiation or ("static" if request.amount is None else "dynamic"),
        currency=currency,
        amount=request.amount,
        tip=request.tip,
        country=request.country,
        merchant_name=request.merchant_name,
        merchant_city=request.merchant_city,
        postal_code=request.postal_code,
        category=request.category,
        bill_number=request.bill_number,
        store_label=request.store_label,
        reference_label=request.reference_label,
        terminal_label=request.terminal_label,
        language=_language(request.language),
        merchant_accounts=(payee_account(request.account),),
    )


def _language(given: OtherLanguage | None) -> Language | None:
    """The other language, letters and their marks composed: a code counts characters."""
    if given is None:
        return None
    city = given.merchant_city
    return Language(
        language=given.language,
        merchant_name=unicodedata.normalize("NFC", given.merchant_name),
        merchant_city=None if city is None else unicodedata.normalize("NFC", city),
    )


def _tip_problem(tip: Tip) -> Problem | None:
    """Why a tip does not say how much, or says it twice."""
    if (tip.kind == "fixed") != (tip.amount is not None):
        return malformed("A `fixed` tip has an `amount`, no other has.", "tip.amount")
    if (tip.kind == "percentage") != (tip.basis_points is not None):
        return malformed("A tip in `percentage` has `basis_points`.", "tip.basis_points")
    return None
