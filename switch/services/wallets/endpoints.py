"""What wallets answer: register, upgrade, show, forget; and whom a phone number names.

Each POST is decided once a key, as an operation on an account is: registering answers the account
that was opened, forgetting what it came to. Nothing that is logged or raised here quotes a person.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from switch import examples, log
from switch.account_ledger import changed_account, opened_account
from switch.admission import Caller
from switch.budget import RateBudget
from switch.clock import rfc3339
from switch.errors import LedgerUnavailable, Problem
from switch.ledger import Disposition, new_id
from switch.limits import PAGE_SIZE_DEFAULT
from switch.message import (
    Account,
    AccountOperation,
    EmptyRequest,
    Payment,
    decode_empty,
    malformed,
)
from switch.reply import Answer, document, page, repeated
from switch.requests import (
    AFTER_ID,
    KEY_REUSED,
    LIMIT,
    NOT_FOUND,
    accepted_key,
    asked_id,
    formal_key,
    operation_digest,
    path_id,
    read_id,
    read_limit,
    read_query,
)
from switch.service import Core, Endpoint
from switch.services.wallets import key_folder, limits, message, rules
from switch.services.wallets.indexes import QUERIES, our_indexes
from switch.services.wallets.seal import Place, SealedElsewhere, SecretBox

TABLE: Final = "wallets.wallet"
# Dispositions of `register` and `upgrade`; the others are the ledger's.
ALIAS_TAKEN, NO_WAY_UP, NOT_KNOWN, TOLD_BEFORE, FORGOTTEN, NO_PAYEE = 7, 8, 9, 10, 11, 16

_log = log.logger("wallets")

_TIERS = {rules.tier_of(number): number for number in rules.CLASSES}
_NOT_OFFERED = "This class is not offered in this currency; the operator makes its tier."
_TAKEN = "This number already names a wallet in this currency."


class Wallets:
    """The wallets of providers, in one worker."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._resolving = RateBudget(core.clock, per_s=limits.RESOLVES_PER_S)

    @cached_property
    def _box(self) -> SecretBox:
        return key_folder.load(self._core.key_dir)

    async def register(self, caller: Caller) -> Answer | Problem:
        """Open a wallet for somebody."""
        key = await accepted_key(self._core.reads, caller)
        if isinstance(key, Problem):
            return key
        request = message.decode_wallet(caller.body)
        if isinstance(request, Problem):
            return request
        if caller.participant.kind != "wallet":
            return malformed("Only a participant of kind `wallet` registers wallets.")
        refusal = None if request.phone is None else self._resolving.enter(caller.participant.id)
        if refusal is not None:  # it tells whether the number is taken
            return refusal
        row = await self._decide("register", *self._registering(caller, key, request))
        if row["disposition"] == ALIAS_TAKEN:
            return malformed(_TAKEN, "phone")
        if row["account"] is None:
            return await self._refused(caller, key, row["disposition"])
        asked = msgspec.structs.asdict(request) | {"kind": "wallet"}
        return self._answer(row, opened_account(caller.participant.id, row, asked))

    async def upgrade(self, caller: Caller) -> Answer | Problem:
        """Put a wallet into a better class, with what its holder has told."""
        key = await accepted_key(self._core.reads, caller)
        if isinstance(key, Problem):
            return key
        request = message.decode_upgrade(caller.body)
        if isinstance(request, Problem):
            return request
        account = path_id(caller.request.path)
        if account is None:
            return NOT_FOUND
        refusal = None if request.phone is None else self._resolving.enter(caller.participant.id)
        if refusal is not None:  # it tells whether the number is taken
            return refusal
        row = await self._decide(
            "upgrade", caller.participant.number, key,
            self._box.keyed(operation_digest(caller)), account,
            rules.tier_of(request.wallet_class),
            [rules.tier_of(number) for number in rules.below(request.wallet_class)],
            sorted(rules.NEEDS[request.wallet_class]), *self._told(account, request),
        )  # fmt: skip
        if row["account"] is None:
            refusal = _no_upgrade(row["disposition"], row["about"])
            return refusal or await self._refused(caller, key, row["disposition"])
        return self._answer(row, changed_account(row))

    def _registering(
        self, caller: Caller, key: str, request: message.WalletRequest
    ) -> tuple[Any, ...]:
        """The arguments of the statement, with what is personal sealed, its digest keyed."""
        account = new_id(self._core.clock.now_us())
        return (
            caller.participant.number, key, self._box.keyed(operation_digest(caller)), account,
            request.currency, request.reference, rules.tier_of(request.wallet_class),
            *self._told(account, request),
        )  # fmt: skip

    def _told(
        self, account: UUID, request: message.WalletRequest | message.UpgradeRequest
    ) -> tuple[Any, ...]:
        """What is told of the holder: the index of the number, and the rest sealed."""
        box = self._box
        sealed = (
            None if value is None else box.seal(value, Place(table=TABLE, row=account, column=name))
            for name, value in (
                ("sealed_phone", request.phone),
                ("sealed_name", request.name),
                ("sealed_document", request.document),
            )
        )
        index = None if request.phone is None else box.blind_index("phone", request.phone)
        return box.index_fingerprint, index, *sealed, request.checked_in_person

    async def forget(self, caller: Caller) -> Answer | Problem:
        """Delete what is known of a wallet's holder."""
        key = await accepted_key(self._core.reads, caller)
        if isinstance(key, Problem):
            return key
        request = decode_empty(caller.body)
        if isinstance(request, Problem):
            return request
        account = path_id(caller.request.path)
        if account is None:
            return NOT_FOUND
        row = await self._decide(
            "forget", caller.participant.number, key, operation_digest(caller), account,
            rules.tier_of(rules.ANONYMOUS),
        )  # fmt: skip
        if row["account"] is None:
            return await self._refused(caller, key, row["disposition"])
        return self._answer(row, changed_account(row))

    async def close(self, caller: Caller) -> Answer | Problem:
        """Pay what is in a wallet out, and close it."""
        key = await accepted_key(self._core.reads, caller)
        if isinstance(key, Problem):
            return key
        request = message.decode_close(caller.body)
        if isinstance(request, Problem):
            return request
        account = path_id(caller.request.path)
        if account is None:
            return NOT_FOUND
        row = await self._decide(
            "close", caller.participant.number, key, operation_digest(caller), account,
            request.pay_out_to, new_id(self._core.clock.now_us()),
        )  # fmt: skip
        if row["disposition"] == NO_PAYEE:
            return malformed("No other wallet or position of this currency.", "pay_out_to")
        if row["account"] is None:
            return await self._refused(caller, key, row["disposition"])
        return self._answer(row, changed_account(row))

    async def show(self, caller: Caller) -> Answer | Problem:
        """One wallet of the caller's."""
        account = asked_id(caller.request)
        if isinstance(account, Problem):
            return account
        rows = await self._ask("read_wallets", caller.participant.number, account, None, 1)
        return document(_wallet(rows[0])) if rows else NOT_FOUND

    async def list(self, caller: Caller) -> Answer | Problem:
        """The caller's wallets."""
        asked = read_query(caller.request.query, {"after": read_id, "limit": read_limit})
        if isinstance(asked, Problem):
            return asked
        count = asked.get("limit", PAGE_SIZE_DEFAULT)
        rows = await self._ask(
            "read_wallets", caller.participant.number, None, asked.get("after"), count + 1
        )
        return page([_wallet(row) for row in rows], count, lambda wallet: wallet.account)

    async def resolve(self, caller: Caller) -> Answer | Problem:
        """Whom a phone number names. It changes nothing and spends no key."""
        key = formal_key(caller)
        if isinstance(key, Problem):
            return key
        request = message.decode_resolve(caller.body)
        if isinstance(request, Problem):
            return request
        refusal = self._resolving.enter(caller.participant.id)
        if refusal is not None:
            return refusal
        index = self._box.blind_index("phone", request.phone)
        rows = await self._ask(
            "resolve_aliases", "phone", [index], request.currency, self._box.index_fingerprint
        )
        return document(self._resolved(rows[0])) if rows else NOT_FOUND

    def _resolved(self, row: asyncpg.Record) -> message.Resolved:
        name = None
        if row["sealed_name"] is not None:
            place = Place(table=TABLE, row=row["account"], column="sealed_name")
            name = rules.masked_name(self._opened(row["sealed_name"], place))
        return message.Resolved(account=str(row["account"]), name=name)

    def _opened(self, sealed: bytes, place: Place) -> str:
        """What is sealed. Raises LedgerUnavailable when the operator has to put a key back."""
        try:
            return self._box.open(sealed, place)
        except SealedElsewhere as error:
            _log.error("personal data does not open", account=str(place.row),
                       column=place.column, error=str(error))  # fmt: skip
            raise LedgerUnavailable("personal data does not open") from error

    async def _decide(self, name: str, *arguments: Any) -> asyncpg.Record:
        with our_indexes():
            (row,) = await self._core.reads.decide(QUERIES[name], *arguments)
        return row

    async def _ask(self, name: str, *arguments: Any) -> Sequence[asyncpg.Record]:
        with our_indexes():
            return await self._core.reads.ask(QUERIES[name], *arguments)

    async def _refused(self, caller: Caller, key: str, disposition: int) -> Answer | Problem:
        match Disposition(disposition):
            case Disposition.KEY_REUSED:
                return KEY_REUSED
            case Disposition.NOT_FOUND:
                return NOT_FOUND
            case Disposition.TIER_NOT_OFFERED:
                return malformed(_NOT_OFFERED, "class")
        self._core.metrics.replays.add(("account",))
        return repeated(await self._core.reads.barred(caller.participant.number, key))

    def _answer(self, row: asyncpg.Record, answer: Account | AccountOperation) -> Answer:
        if row["disposition"] == Disposition.DECIDED:
            return document(answer, status=201)
        self._core.metrics.replays.add(("account",))
        return repeated(answer)


def _no_upgrade(disposition: int, about: str | None) -> Problem | None:
    """Why a wallet is not put into the class, where it is for a reason of the wallet's own."""
    if disposition == ALIAS_TAKEN:
        return malformed(_TAKEN, "phone")
    if disposition == NO_WAY_UP:
        return malformed("The wallet is in this class, a better one or none of these.", "class")
    if disposition == NOT_KNOWN:
        return malformed(f"This class needs `{about}`, which is not known.", about)
    if disposition == TOLD_BEFORE:
        return malformed("It is known already: leave it out.", about)
    if disposition == FORGOTTEN:
        return malformed("Its holder was forgotten: register another wallet.", "class")
    return None


def _wallet(row: asyncpg.Record) -> message.Wallet:
    known = {
        "checked_in_person": row["checked_in_person"],
        "document": row["has_document"],
        "name": row["has_name"],
        "phone": row["has_phone"],
    }
    forgotten_at = row["forgotten_at"]
    return message.Wallet(
        account=str(row["account"]),
        wallet_class=_TIERS.get(row["tier"]),
        status=row["status"],
        knows=[name for name, is_known in known.items() if is_known],
        forgotten_at=None if forgotten_at is None else rfc3339(forgotten_at),
        created_at=rfc3339(row["created_at"]),
    )


_DECIDED = {
    201: "Done now",
    200: "The same answer to a repeat; a payment where the key is barred",
}


def endpoints(core: Core) -> tuple[Endpoint, ...]:
    """What this service answers."""
    wallets, signed = Wallets(core), core.admission.signed
    return (
        Endpoint(
            method="POST", path="/v1/wallets", name="register_wallet",
            summary="Open a wallet of a class, for somebody or nobody in particular",
            handler=signed(wallets.register), answers=_DECIDED,
            problems=("participant-suspended", "too-many-requests", "outcome-unknown"),
            request=message.WalletRequest, request_example=message.WALLET_REQUEST,
            response=Account, response_example=examples.ACCOUNT, response_also=(Payment,),
        ),
        Endpoint(
            method="GET", path="/v1/wallets", name="list_wallets",
            summary="One's own wallets: their classes, and what is known of their holders",
            handler=signed(wallets.list), answers={200: "The wallets, in the order registered"},
            response=message.Wallet, response_example=message.WALLET, is_list=True,
            parameters=(AFTER_ID, LIMIT),
        ),
        Endpoint(
            method="POST", path="/v1/wallets/{id}/upgrade", name="upgrade_wallet",
            summary="Put a wallet into a better class, with what its holder has told",
            handler=signed(wallets.upgrade), answers=_DECIDED,
            problems=("not-found", "participant-suspended", "too-many-requests", "outcome-unknown"),
            request=message.UpgradeRequest, request_example=message.UPGRADE_REQUEST,
            response=AccountOperation,
            response_example=examples.ACCOUNT_OPERATION | {"operation": "upgrade"},
            response_also=(Payment,),
        ),
        Endpoint(
            method="GET", path="/v1/wallets/{id}", name="get_wallet",
            summary="A wallet of one's own: its class, and what is known of its holder",
            handler=signed(wallets.show), answers={200: "The wallet"}, problems=("not-found",),
            response=message.Wallet, response_example=message.WALLET,
        ),
        Endpoint(
            method="POST", path="/v1/wallets/{id}/close", name="close_wallet",
            summary="Pay what is in a wallet out, and close it, in one piece",
            handler=signed(wallets.close), answers=_DECIDED,
            problems=("not-found", "participant-suspended", "outcome-unknown"),
            request=message.CloseRequest, request_example=message.CLOSE_REQUEST,
            response=AccountOperation,
            response_example=examples.ACCOUNT_OPERATION | {"operation": "close"},
            response_also=(Payment,),
        ),
        Endpoint(
            method="POST", path="/v1/wallets/{id}/forget", name="forget_wallet",
            summary="Delete what is known of a wallet's holder; the payments stay",
            handler=signed(wallets.forget), answers=_DECIDED,
            problems=("not-found", "participant-suspended", "outcome-unknown"),
            request=EmptyRequest, request_example={}, response=AccountOperation,
            response_example=examples.ACCOUNT_OPERATION | {"operation": "forget"},
            response_also=(Payment,),
        ),
        Endpoint(
            method="POST", path="/v1/aliases/resolve", name="resolve_alias",
            summary="Whom a phone number names: the account to pay, and a masked name",
            handler=signed(wallets.resolve), answers={200: "The wallet that it names"},
            problems=("not-found", "too-many-requests"),
            request=message.ResolveRequest, request_example=message.RESOLVE_REQUEST,
            response=message.Resolved, response_example=message.RESOLVED,
        ),
    )  # fmt: skip
