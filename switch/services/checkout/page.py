"""`/pay/checkouts/{id}`: the page that a shop shows to who is to pay, and what it asks for.

Anybody who was told the id may look, so an id is unguessable, looks are bounded before the ledger
is asked, and the page says nothing but what the payee wrote for its payer. It needs no resource
from elsewhere, and its policy allows none; its script asks for the status until that is final.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from html import escape
from importlib.resources import files
from io import BytesIO
from string import Template
from typing import Any, Final

import segno

from switch.admission import Handler, Request
from switch.budget import InFlight, RateBudget, ledger_unavailable
from switch.errors import LedgerUnavailable, Problem
from switch.public import PAGE_FIELDS
from switch.reply import Answer, document, refused
from switch.requests import asked_id
from switch.service import Core, Endpoint
from switch.services.checkout import examples, limits
from switch.services.checkout.desk import QUERIES
from switch.services.checkout.rules import PageStatus, amount_text, moment_text, page_status

STATIC: Final = files("switch.services") / "checkout" / "static"
HTML: Final = "text/html; charset=utf-8"
# What it says is of this moment, and of nobody else's business.
FRESH: Final = {"Cache-Control": "no-store"}
NO_CHECKOUT: Final = Problem(name="not-found", detail="there is no check-out with this id")

_ANYBODY = 0  # whose looks are in flight: no participant has this number
_FILES = {"/pay/page.css": "text/css; charset=utf-8", "/pay/page.js": "text/javascript"}

Show = Callable[[Mapping[str, Any]], Awaitable[Answer]]


class Page:
    """The page of every check-out, in one worker."""

    def __init__(self, core: Core) -> None:
        self._reads = core.reads
        self._clock = core.clock
        self._rate = RateBudget(core.clock, per_s=limits.LOOKS_PER_S)
        self._in_flight = InFlight(
            total_max=limits.LOOKS_IN_FLIGHT_MAX, each_max=limits.LOOKS_IN_FLIGHT_MAX
        )
        self._template = Template((STATIC / "page.html").read_text(encoding="utf-8"))

    async def page(self, request: Request) -> Answer:
        """A check-out as people see it."""
        return await self._look(request, self._drawn)

    async def status(self, request: Request) -> Answer:
        """What has become of it, for the page's script."""
        return await self._look(request, self._told)

    async def _look(self, request: Request, show: Show) -> Answer:
        """Let anybody look once, or say why not; a refusal costs no question to the ledger."""
        checkout_id = asked_id(request)
        if isinstance(checkout_id, Problem):
            return refused(checkout_id)
        refusal = self._rate.enter(request.peer) or self._in_flight.enter(_ANYBODY)
        if refusal is not None:
            return refused(refusal)
        try:
            rows = await self._reads.ask(QUERIES["read_page"], checkout_id)
            return await show(rows[0]) if rows else refused(NO_CHECKOUT)
        except LedgerUnavailable:
            return refused(ledger_unavailable())
        finally:
            self._in_flight.leave(_ANYBODY)

    async def _told(self, row: Mapping[str, Any]) -> Answer:
        return document(page_status(row, self._clock.now())).with_fields(FRESH)

    async def _drawn(self, row: Mapping[str, Any]) -> Answer:
        now = page_status(row, self._clock.now())
        is_open = now.status == "open"
        code = await asyncio.to_thread(code_svg, row["page_url"]) if is_open else ""
        body = self._template.substitute(
            {name: escape(text) for name, text in texts(row, now).items()}, code=code
        )
        return Answer(200, body.encode(), HTML, PAGE_FIELDS | FRESH)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What anybody is answered."""
        problems = ("malformed-message", "not-found", "too-many-requests", "ledger-unavailable")
        return (
            Endpoint(
                method="GET",
                path="/pay/checkouts/{id}",
                name="checkout_page",
                summary="The page of a check-out, for who is to pay; a code, and what became of it",
                handler=self.page,
                answers={200: "A page for people"},
                problems=problems,
                is_signed=False,
                media_type="text/html",
            ),
            Endpoint(
                method="GET",
                path="/pay/checkouts/{id}/status",
                name="checkout_status",
                summary="What became of a check-out, as its page asks",
                handler=self.status,
                answers={200: "Its status, in a word and in a sentence"},
                problems=problems,
                is_signed=False,
                response=PageStatus,
                response_example=examples.PAGE_STATUS,
            ),
            *(_file(path, media_type) for path, media_type in _FILES.items()),
        )


def texts(row: Mapping[str, Any], now: PageStatus) -> dict[str, str]:
    """What stands on the page, not escaped yet."""
    return {
        "name": row["payee_name"] or row["participant"],
        "amount": amount_text(row["amount"], row["currency"]),
        "reference": row["reference"] or "",
        "description": row["description"] or "",
        "until": moment_text(row["not_after"]),
        "status": now.status,
        "text": now.text,
        "return_url": now.return_url or "",
        "no_way_back": "" if now.return_url else "hidden",
    }


@lru_cache(maxsize=limits.PICTURES_KEPT_MAX)
def code_svg(url: str) -> str:
    """A QR symbol (ISO/IEC 18004) that leads to the page, as SVG; takes some 10 ms, once."""
    drawn = BytesIO()
    segno.make_qr(url, error="m", boost_error=False).save(
        drawn,
        kind="svg",
        border=limits.QUIET_MODULES,
        light="#fff",  # a transparent symbol cannot be read on a dark page
        omitsize=True,
        xmldecl=False,
        nl=False,
    )
    return drawn.getvalue().decode()


def _file(path: str, media_type: str) -> Endpoint:
    name = path.rpartition("/")[2]
    answer = Answer(200, (STATIC / name).read_bytes(), media_type, PAGE_FIELDS)

    async def show(request: Request) -> Answer:
        return answer

    handler: Handler = show
    return Endpoint(
        method="GET",
        path=path,
        name=f"checkout_{name.replace('.', '_')}",
        summary="A part of the page",
        handler=handler,
        answers={200: "The file"},
        is_signed=False,
        media_type=media_type.partition(";")[0],
    )
