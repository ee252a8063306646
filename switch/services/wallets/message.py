"""What is sent to wallets and what they answer, and the examples that the documents show."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta, Struct, field

from switch.errors import Problem
from switch.message import AccountStatus, Currency, Id, Reference, Time, decode, malformed
from switch.services.wallets import limits, rules

WalletClass = Annotated[int, Meta(ge=min(rules.CLASSES), le=max(rules.CLASSES))]
Phone = Annotated[str, Meta(min_length=1, max_length=limits.PHONE_CHARS_MAX)]
Name = Annotated[str, Meta(min_length=1, max_length=limits.NAME_CHARS_MAX)]
DocumentNumber = Annotated[str, Meta(min_length=1, max_length=limits.DOCUMENT_NUMBER_CHARS_MAX)]


class WalletRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/wallets`."""

    currency: Currency
    wallet_class: WalletClass = field(name="class")
    phone: Phone | None = None
    name: Name | None = None
    document: DocumentNumber | None = None
    checked_in_person: bool = False
    reference: Reference | None = None

    def __repr__(self) -> str:
        """Without the person, wherever it is shown."""
        return f"WalletRequest(currency={self.currency!r}, wallet_class={self.wallet_class})"


class UpgradeRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/wallets/{id}/upgrade`: the better class, and what is told now."""

    wallet_class: WalletClass = field(name="class")
    phone: Phone | None = None
    name: Name | None = None
    document: DocumentNumber | None = None
    checked_in_person: bool = False

    def __repr__(self) -> str:
        """Without the person, wherever it is shown."""
        return f"UpgradeRequest(wallet_class={self.wallet_class})"


class Wallet(Struct, frozen=True, kw_only=True):
    """A provider's own wallet; `knows` says what is known of its holder, never what it is."""

    account: Id
    wallet_class: WalletClass | None = field(name="class")  # null in a tier of the operator's
    status: AccountStatus
    knows: list[str]
    forgotten_at: Time | None
    created_at: Time


class CloseRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/wallets/{id}/close`: where the balance goes, if there is one."""

    pay_out_to: UUID | None = None


class ResolveRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/aliases/resolve`."""

    phone: Phone
    currency: Currency

    def __repr__(self) -> str:
        """Without the number, wherever it is shown."""
        return f"ResolveRequest(currency={self.currency!r})"


class Resolved(Struct, frozen=True, kw_only=True):
    """Whom an alias names: the account to pay, and enough of a name to notice a mistake."""

    account: Id
    name: str | None


_wallet_decoder = msgspec.json.Decoder(WalletRequest)
_upgrade_decoder = msgspec.json.Decoder(UpgradeRequest)
_close_decoder = msgspec.json.Decoder(CloseRequest)
_resolve_decoder = msgspec.json.Decoder(ResolveRequest)


def decode_wallet(body: bytes) -> WalletRequest | Problem:
    """The wallet to register, its phone in the one form; or the rule that is broken."""
    request = decode(_wallet_decoder, body)
    if isinstance(request, Problem):
        return request
    told = {name for name in ("phone", "name", "document") if getattr(request, name) is not None}
    if request.checked_in_person:
        told.add("checked_in_person")
    missing = rules.missing_for(request.wallet_class, frozenset(told))
    if missing:
        needs = " and ".join(f"`{name}`" for name in missing)
        return malformed(f"A wallet of class {request.wallet_class} needs {needs}.", missing[0])
    if request.phone is None:
        return request
    phone = rules.phone_number(request.phone)
    if isinstance(phone, Problem):
        return phone
    return msgspec.structs.replace(request, phone=phone)


def decode_upgrade(body: bytes) -> UpgradeRequest | Problem:
    """The class and what is told, its phone in the one form; or the rule that is broken."""
    request = decode(_upgrade_decoder, body)
    if isinstance(request, Problem) or request.phone is None:
        return request
    phone = rules.phone_number(request.phone)
    if isinstance(phone, Problem):
        return phone
    return msgspec.structs.replace(request, phone=phone)


def decode_close(body: bytes) -> CloseRequest | Problem:
    """Where to pay out to; no body is an empty object."""
    return decode(_close_decoder, body or b"{}")


def decode_resolve(body: bytes) -> ResolveRequest | Problem:
    """The alias to resolve, in the one form; or the rule that is broken."""
    request = decode(_resolve_decoder, body)
    if isinstance(request, Problem):
        return request
    phone = rules.phone_number(request.phone)
    if isinstance(phone, Problem):
        return phone
    return msgspec.structs.replace(request, phone=phone)


WALLET_REQUEST: dict[str, Any] = {
    "currency": "CNY",
    "class": 2,
    "phone": "+86 139 1234 5678",
    "name": "Li Ming",
    "document": "E12345678",
    "reference": "customer 4711",
}
WALLET: dict[str, Any] = {
    "account": "019a3d2e-7c41-7b6e-9d55-2f0c8a1b3e77",
    "class": 2,
    "status": "open",
    "knows": ["document", "name", "phone"],
    "forgotten_at": None,
    "created_at": "2026-11-01T08:00:00.000000Z",
}
UPGRADE_REQUEST: dict[str, Any] = {"class": 1, "checked_in_person": True}
CLOSE_REQUEST: dict[str, Any] = {"pay_out_to": "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02"}
RESOLVE_REQUEST: dict[str, Any] = {"phone": "+86 139 1234 5678", "currency": "CNY"}
RESOLVED: dict[str, Any] = {"account": WALLET["account"], "name": "L**"}
