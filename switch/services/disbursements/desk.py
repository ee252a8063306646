"""`/v1/disbursements`: drafted, filled in parts, submitted, approved by a second person."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Final
from uuid import UUID

import asyncpg

from switch.admission import Caller
from switch.budget import InFlight
from switch.errors import Problem
from switch.ledger import Disposition, new_id
from switch.limits import PAGE_SIZE_DEFAULT
from switch.line_file import UNREADABLE, form_of
from switch.message import EmptyRequest, Payment, decode_empty, malformed
from switch.once import REPEAT
from switch.queries import queries_of
from switch.reply import Answer, document, page, repeated
from switch.requests import (
    AFTER_ID,
    KEY_REUSED,
    LIMIT,
    NOT_FOUND,
    accepted_key,
    asked_id,
    operation_digest,
    path_id,
    read_id,
    read_limit,
    read_position,
    read_query,
)
from switch.service import Core, Endpoint, Parameter, PhoneBook
from switch.services.disbursements import examples, limits, message
from switch.services.disbursements.message import (
    Act,
    Disbursement,
    DisbursementRequest,
    Payout,
    Result,
)

QUERIES: Final = queries_of(files("switch.services") / "disbursements" / "sql")
# Dispositions that spend no key; the others are the ledger's.
WRONG_STATUS, SAME_PERSON, DIFFERS = 6, 7, 8
MAY_NAME_PHONES = ("government", "bank")  # who may look up thousands of numbers at once
ACTS = {
    "submit": "Check that the parts are what the draft says, and close it",
    "approve": "Let it be paid, by another key than it was made with",
    "pause": "Pay no further for now",
    "resume": "Go on paying",
    "cancel": "Pay nothing more, for good",
}


class Desk:
    """Takes disbursements in, and shows them."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._parts = InFlight(
            total_max=limits.PARTS_IN_FLIGHT_MAX, each_max=limits.OFFICE_PARTS_IN_FLIGHT_MAX
        )

    async def create(self, caller: Caller) -> Answer | Problem:
        """Begin a disbursement from an account of the caller."""
        key = await accepted_key(self._core.reads, caller)
        if isinstance(key, Problem):
            return key
        asked = message.decode_request(caller.body)
        if isinstance(asked, Problem):
            return asked
        (row,) = await self._core.reads.decide(
            QUERIES["create_draft"], *self._sender(caller, key, operation_digest(caller)),
            new_id(self._core.clock.now_us()), asked.payer, asked.currency, asked.count,
            asked.total, asked.purpose,
        )  # fmt: skip
        return await self._answer(caller, key, row)

    async def add(self, caller: Caller) -> Answer | Problem:
        """Add payouts: all lines of the part or none."""
        form = form_of(caller.request.headers)
        if form is None:
            return UNREADABLE
        key = await accepted_key(self._core.reads, caller, is_json=False)
        if isinstance(key, Problem):
            return key
        of = path_id(caller.request.path)
        if of is None:
            return NOT_FOUND
        payouts = message.decode_part(form, caller.body)
        if isinstance(payouts, Problem):
            return payouts
        digest, accounts = operation_digest(caller), [one.account for one in payouts]
        if None in accounts:
            book = self._phone_book(caller)
            if isinstance(book, Problem):
                return book
            found = await self._found(caller, of, None, 1)
            if not found:
                return NOT_FOUND
            accounts = await _looked_up(book, payouts, found[0].currency)
            digest = book.keyed(digest)
        (row,) = await self._core.reads.decide(
            QUERIES["add_part"], *self._sender(caller, key, digest), of,
            message.content_digest(payouts, accounts), [one.line for one in payouts],
            accounts, [one.amount for one in payouts], [one.reference for one in payouts],
        )  # fmt: skip
        if row["disposition"] == DIFFERS:
            return malformed(f"Nothing was added. {'; '.join(row['wrong'])}.")
        return await self._answer(caller, key, row)

    def _phone_book(self, caller: Caller) -> PhoneBook | Problem:
        """Where numbers are looked up, for an office that may: a part can try thousands."""
        if self._core.phone_book is None:
            return malformed("No phone numbers are known here: name accounts.", "phone")
        if caller.participant.kind not in MAY_NAME_PHONES:
            kinds = " or ".join(f"`{kind}`" for kind in MAY_NAME_PHONES)
            return malformed(f"Only a {kinds} names phone numbers: name accounts.", "phone")
        return self._core.phone_book

    def act(self, name: str) -> Any:
        """The handler of one act that needs no body."""

        async def handle(caller: Caller) -> Answer | Problem:
            key = await accepted_key(self._core.reads, caller)
            if isinstance(key, Problem):
                return key
            request = decode_empty(caller.body)
            if isinstance(request, Problem):
                return request
            of = path_id(caller.request.path)
            if of is None:
                return NOT_FOUND
            (row,) = await self._core.reads.decide(
                QUERIES["take_act"], *self._sender(caller, key, operation_digest(caller)), of, name
            )
            return _refusal(row, name) or await self._answer(caller, key, row)

        return handle

    def _sender(self, caller: Caller, key: str, digest: bytes) -> tuple[int, str, bytes, str]:
        return caller.participant.number, key, digest, caller.key_id

    async def _answer(self, caller: Caller, key: str, row: asyncpg.Record) -> Answer | Problem:
        match row["disposition"]:
            case Disposition.KEY_REUSED:
                return KEY_REUSED
            case Disposition.NOT_FOUND:
                return NOT_FOUND
            case Disposition.DECIDED:
                return document(message.as_act(row), status=201)
            case Disposition.REPEATED:
                self._core.metrics.replays.add(("disbursement",))
                return repeated(message.as_act(row))
            case 6:
                return malformed("The disbursement is no draft any more: parts are closed.")
        return repeated(await self._core.reads.barred(caller.participant.number, key))

    async def show(self, caller: Caller) -> Answer | Problem:
        """One disbursement of the caller, as it stands."""
        of = asked_id(caller.request)
        if isinstance(of, Problem):
            return of
        found = await self._found(caller, of, None, 1)
        return document(found[0]) if found else NOT_FOUND

    async def of_sender(self, caller: Caller) -> Answer | Problem:
        """All of the caller's, in the order they were made."""
        parameters = read_query(caller.request.query, {"after": read_id, "limit": read_limit})
        if isinstance(parameters, Problem):
            return parameters
        count = parameters.get("limit", PAGE_SIZE_DEFAULT)
        found = await self._found(caller, None, parameters.get("after"), count + 1)
        return page(found, count, lambda one: one.id)

    async def _found(self, caller: Caller, *asked: Any) -> list[Disbursement]:
        number = caller.participant.number
        rows = await self._core.reads.ask(QUERIES["read_disbursements"], number, *asked)
        return [message.as_it_stands(row) for row in rows]

    async def results(self, caller: Caller) -> Answer | Problem:
        """What became of each line that was tried."""
        of = path_id(caller.request.path)
        parameters = read_query(caller.request.query, {"after": read_position, "limit": read_limit})
        if isinstance(parameters, Problem):
            return parameters
        if of is None or not await self._found(caller, of, None, 1):
            return NOT_FOUND
        count = parameters.get("limit", PAGE_SIZE_DEFAULT)
        rows = await self._core.reads.ask(
            QUERIES["read_results"], caller.participant.number, of,
            *parameters.get("after", (0, 0)), count + 1,
        )  # fmt: skip
        return page([message.as_result(row) for row in rows], count, lambda one: one.position)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What the service answers."""
        return (*self._taking_in(), *(self._acting(name) for name in ACTS), *self._showing())

    def _taking_in(self) -> tuple[Endpoint, ...]:
        signed = self._core.admission.signed
        return (
            Endpoint(
                method="POST",
                path="/v1/disbursements",
                name="create_disbursement",
                summary="Begin a disbursement: who pays, how many payouts, how much in all",
                handler=signed(self.create),
                answers={201: "What was done", 200: REPEAT},
                problems=("not-found", "participant-suspended", "outcome-unknown"),
                request=DisbursementRequest,
                request_example=examples.REQUEST,
                response=Act,
                response_example=examples.CREATED,
                response_also=(Payment,),  # of a key that is barred
            ),
            Endpoint(
                method="POST",
                path="/v1/disbursements/{id}/parts",
                name="add_payouts",
                summary="Add payouts, as text/csv or application/x-ndjson: all lines or none",
                handler=self._core.admission.signed_large(
                    self.add, body_bytes_max=limits.PART_BYTES_MAX, in_flight=self._parts
                ),
                answers={201: "What was done", 200: REPEAT},
                problems=("not-found", "participant-suspended", "outcome-unknown"),
                request_texts=examples.PART,
                response=Act,
                response_example=examples.ADDED,
                response_also=(Payment,),
                body_bytes_max=limits.PART_BYTES_MAX,
            ),
        )

    def _acting(self, name: str) -> Endpoint:
        return Endpoint(
            method="POST",
            path=f"/v1/disbursements/{{id}}/{name}",
            name=f"{name}_disbursement",
            summary=ACTS[name],
            handler=self._core.admission.signed(self.act(name)),
            answers={201: "What was done", 200: REPEAT},
            problems=("not-found", "participant-suspended", "outcome-unknown"),
            request=EmptyRequest,
            request_example={},
            response=Act,
            response_example=examples.ACTED | {"act": name},
            response_also=(Payment,),
        )

    def _showing(self) -> tuple[Endpoint, ...]:
        signed = self._core.admission.signed
        return (
            Endpoint(
                method="GET",
                path="/v1/disbursements",
                name="list_disbursements",
                summary="List one's own disbursements",
                handler=signed(self.of_sender),
                answers={200: "They, in the order they were made"},
                response=Disbursement,
                response_example=examples.DISBURSEMENT,
                is_list=True,
                parameters=(AFTER_ID, LIMIT),
            ),
            Endpoint(
                method="GET",
                path="/v1/disbursements/{id}",
                name="show_disbursement",
                summary="Show a disbursement and how far it is",
                handler=signed(self.show),
                answers={200: "The disbursement as it stands"},
                problems=("not-found",),
                response=Disbursement,
                response_example=examples.DISBURSEMENT,
            ),
            Endpoint(
                method="GET",
                path="/v1/disbursements/{id}/results",
                name="list_results",
                summary="List what became of each line",
                handler=signed(self.results),
                answers={200: "A result for each line that was tried, in the order of trying"},
                problems=("not-found",),
                response=Result,
                response_example=examples.RESULT,
                is_list=True,
                parameters=(_AFTER, LIMIT),
            ),
        )


async def _looked_up(
    book: PhoneBook, payouts: Sequence[Payout], currency: str
) -> list[UUID | None]:
    """The account of each payout, None where its number names none."""
    phones = [one.phone for one in payouts if one.phone is not None]
    found = iter(await book.accounts(phones, currency))
    return [one.account or next(found) for one in payouts]


def _refusal(row: asyncpg.Record, name: str) -> Problem | None:
    match row["disposition"]:
        case 6:
            return malformed(f"A disbursement that is {row['was']} cannot be {_DONE[name]}.")
        case 7:
            return malformed("Another person approves: sign with another key than made it.")
        case 8 if row["wrong"]:
            return malformed(f"{'; '.join(row['wrong'])}: cancel it, and begin another without.")
        case 8:
            return malformed(
                f"Its parts have {row['given']} payouts of {row['given_total']} in all, which is"
                " not what the draft says: add the missing parts, or cancel it."
            )
    return None


_DONE = {
    "submit": "submitted",
    "approve": "approved",
    "pause": "paused",
    "resume": "resumed",
    "cancel": "cancelled",
}
_AFTER = Parameter(
    name="after",
    what="Go on after this position: `next_after` of the page before",
    schema={"type": "string", "pattern": r"^\d+\.\d+$"},
)
