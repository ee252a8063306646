"""`POST /v1/codes/consumer`: codes that a payer shows and a till sends, each good for one payment.

The same order as for a mandate: key, standing, JSON and schema, then the ledger, which gives the
code under the key, once. The digits are kept nowhere; a repeat makes them again (`secret`).
"""

from typing import Annotated, Any
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Meta, Struct

from switch import limits as core_limits
from switch import log
from switch.admission import Caller
from switch.clock import rfc3339
from switch.errors import LedgerUnavailable, Problem
from switch.ledger import Disposition
from switch.message import Amount, Id, Payment, Time, decode, malformed
from switch.payment_code import mandate_of
from switch.queries import QUERIES
from switch.reply import Answer, document, repeated
from switch.requests import KEY_REUSED, accepted_key, operation_digest
from switch.service import Core, Endpoint
from switch.services.codes import consumer_payload, examples, limits, secret
from switch.services.codes.merchant_presented import NOT_YOURS

Validity = Annotated[int, Meta(ge=limits.VALIDITY_S_MIN, le=limits.VALIDITY_S_MAX)]

NOT_PAYABLE = 3  # of give_code's dispositions; neither spends a key
TOO_MANY_OPEN = 7

_CLOSED = malformed(
    "Expected a wallet, a merchant's or a government's account that is neither frozen nor closed.",
    "account",
)
_TOO_MANY = Problem(
    name="too-many-requests",
    detail=f"{limits.OPEN_CODES_MAX} codes of this account are open: use one, or wait for its end",
    field="account",
    retry_after_s=core_limits.RETRY_AFTER_S,
)
_log = log.logger("codes")


class ConsumerCodeRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/codes/consumer`: whose money, how much at most, for how many seconds.

    The limit is minor units of the account's currency. A code is valid for a minute unless told.
    """

    account: UUID
    payment_limit: Amount
    valid_s: Validity | None = None


class ConsumerCode(Struct, frozen=True, kw_only=True):
    """A payment code: 18 digits for a bar code, and `emv`, the text of a QR code with them."""

    code: str
    mandate: Id
    account: Id
    payment_limit: int
    currency: str
    not_after: Time
    emv: str


_decoder = msgspec.json.Decoder(ConsumerCodeRequest)


def decode_consumer_request(body: bytes) -> ConsumerCodeRequest | Problem:
    """The code that is asked for in these bytes, or which rule they break."""
    return decode(_decoder, body)


class ConsumerCodes:
    """Makes payment codes for those who hold the payer's account."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def make(self, caller: Caller) -> Answer | Problem:
        """A code by which whoever presents it is paid from an account of the caller, once."""
        key = await accepted_key(self._core.reads, caller)
        if isinstance(key, Problem):
            return key
        request = decode_consumer_request(caller.body)
        if isinstance(request, Problem):
            return request
        codes = secret.candidates(secret.load(self._core.key_dir), caller.participant.id, key)
        (row,) = await self._core.reads.decide(
            QUERIES["give_code"], caller.participant.number, key, operation_digest(caller),
            [mandate_of(code) for code in codes], request.account, request.payment_limit,
            request.valid_s or limits.VALIDITY_S_DEFAULT, limits.OPEN_CODES_MAX,
        )  # fmt: skip
        refusal = _REFUSALS.get(row["disposition"])
        return refusal or await self._answer(caller, key, row, codes)

    async def _answer(
        self, caller: Caller, key: str, row: asyncpg.Record, codes: tuple[str, ...]
    ) -> Answer:
        if row["disposition"] == Disposition.DECIDED:
            return document(_given(row, codes), status=201)
        self._core.metrics.replays.add(("mandate",))
        if row["disposition"] == Disposition.REPEATED:
            return repeated(_given(row, codes))
        return repeated(await self._core.reads.barred(caller.participant.number, key))

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What this room answers."""
        return (
            Endpoint(
                method="POST",
                path="/v1/codes/consumer",
                name="make_consumer_code",
                summary="Make a one-time code that a payer shows and a payee takes a payment by",
                handler=self._core.admission.signed(self.make),
                answers={
                    201: "The code, given now",
                    200: "The same answer to a repeat; a payment where the key is barred",
                },
                problems=(
                    "not-found", "participant-suspended", "too-many-requests", "outcome-unknown",
                ),
                request=ConsumerCodeRequest,
                request_example=examples.CONSUMER_CODE_REQUEST,
                response=ConsumerCode,
                response_example=examples.CONSUMER_CODE,
                response_also=(Payment,),  # of a key that is barred
            ),
        )  # fmt: skip


_REFUSALS: dict[int, Problem] = {
    Disposition.KEY_REUSED: KEY_REUSED,
    NOT_PAYABLE: _CLOSED,
    Disposition.NOT_FOUND: NOT_YOURS,
    TOO_MANY_OPEN: _TOO_MANY,
}


def _given(row: asyncpg.Record, codes: tuple[str, ...]) -> ConsumerCode:
    """A code as it was given, whatever became of it since. `row` has the columns of a mandate.

    Raises LedgerUnavailable, and logs it, when it was made with a secret that is not here.
    """
    named: dict[Any, str] = {mandate_of(code): code for code in codes}
    code = named.get(UUID(str(row["id"])))
    if code is None:
        _log.error("a payment code was made with another secret", mandate=str(row["id"]))
        raise LedgerUnavailable("the secret that made this code is not here")
    return ConsumerCode(
        code=code,
        mandate=str(row["id"]),
        account=str(row["payer"]),
        payment_limit=row["payment_limit"],
        currency=row["currency"],
        not_after=rfc3339(row["not_after"]),
        emv=consumer_payload.build(code),
    )
