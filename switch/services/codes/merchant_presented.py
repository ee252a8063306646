"""`POST /v1/codes` and `POST /v1/codes/decode`: codes that a merchant shows and a payer scans.

Both store nothing, the key neither: the same request gives the same code whenever it is sent, so a
repeat needs no memory, and a suspended participant may ask as it may read. A code moves nothing:
the payment that it leads to is decided like any other.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from msgspec.structs import replace

from switch.admission import Caller
from switch.budget import InFlight
from switch.errors import Problem
from switch.reply import Answer, document
from switch.requests import formal_key
from switch.service import Core, Endpoint
from switch.services.codes import examples, limits, picture
from switch.services.codes.consumer_payload import ConsumerPayload
from switch.services.codes.message import (
    Code,
    CodeRequest,
    DecodedCode,
    DecodeRequest,
    decode_code_request,
    decode_payload,
    payload_of,
)

NOT_YOURS = Problem(
    name="not-found", detail="no account with this id that you may see", field="account"
)
DRAWN_BY: dict[str, Callable[[str], str]] = {"png": picture.png, "svg": picture.svg}


class MerchantCodes:
    """Makes codes for those who hold the payee's account, and reads codes for everybody."""

    def __init__(self, core: Core) -> None:
        self._admission = core.admission
        self._reads = core.reads
        self._easel = Easel()

    async def make(self, caller: Caller) -> Answer | Problem:
        """A code that pays an account of the caller."""
        key = formal_key(caller)
        if isinstance(key, Problem):
            return key
        request = decode_code_request(caller.body)
        if isinstance(request, Problem):
            return request
        account = await self._reads.account(caller.participant.number, request.account)
        if account is None:
            return NOT_YOURS
        payload = payload_of(request, account.currency)
        if isinstance(payload, Problem):
            return payload
        code = Code(payload=payload)
        if request.image is None:
            return document(code)
        drawn = await self._easel.draw(request.image, payload, caller.participant.number)
        return drawn if isinstance(drawn, Problem) else document(replace(code, **drawn))

    async def decode(self, caller: Caller) -> Answer | Problem:
        """What a code says, whoever made it."""
        key = formal_key(caller)
        if isinstance(key, Problem):
            return key
        found = decode_payload(caller.body)
        return found if isinstance(found, Problem) else document(found)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What this room answers."""
        signed = self._admission.signed
        return (
            Endpoint(
                method="POST",
                path="/v1/codes",
                name="make_code",
                summary="Make an EMV QR code that pays one of one's own accounts",
                handler=signed(self.make),
                answers={200: "The code; the same request gives the same code at any time"},
                problems=("not-found",),
                request=CodeRequest,
                request_example=examples.CODE_REQUEST,
                response=Code,
                response_example=examples.CODE,
            ),
            Endpoint(
                method="POST",
                path="/v1/codes/decode",
                name="decode_code",
                summary="Read an EMV QR code, whoever presents it: whom to pay, or by which code",
                handler=signed(self.decode),
                answers={200: "Everything that the code says"},
                request=DecodeRequest,
                request_example={"payload": examples.PAYLOAD},
                response=DecodedCode,
                response_example=examples.DECODED_CODE,
                response_also=(ConsumerPayload,),  # of what a consumer presents
            ),
        )


class Easel:
    """Draws one picture at a time, in a thread: drawing takes longer than deciding a payment.

    What is begun is finished, also when its caller has gone: the thread takes the next one then.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pictures")
        self._in_flight = InFlight(
            total_max=limits.PICTURES_MAX, each_max=limits.PARTICIPANT_PICTURES_MAX
        )

    async def draw(self, kind: str, payload: str, participant_no: int) -> dict[str, str] | Problem:
        """The picture under the name of its kind, or why there is none now."""
        refusal = self._in_flight.enter(participant_no)
        if refusal is not None:
            return refusal
        try:
            loop = asyncio.get_running_loop()
            return {kind: await loop.run_in_executor(self._thread, DRAWN_BY[kind], payload)}
        finally:
            self._in_flight.leave(participant_no)
