"""What anyone may ask without a signature: health, the switch's keys, and its description.

Health is about this worker: `/livez` that it answers, `/readyz` that it can decide payments. Wrong
books or a backlog of folding must alarm, not take a city off the air, so they are not asked here.
"""

from collections.abc import Callable, Sequence
from importlib.resources import files

from switch import __version__, limits
from switch.admission import Handler, Request
from switch.keyfile import jwks_document
from switch.openapi import openapi_document
from switch.participant_openapi import participant_openapi_document
from switch.participants import Participants
from switch.reply import Answer, document
from switch.service import Endpoint

# Of every page for people: it runs and loads only what the switch itself serves.
PAGE_FIELDS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
# Path → (file of the package, media type).
_PAGES = {
    "/docs": ("docs.html", "text/html; charset=utf-8"),
    "/docs/page.css": ("docs.css", "text/css; charset=utf-8"),
    "/docs/page.js": ("docs.js", "text/javascript; charset=utf-8"),
}


class Public:
    """Answers that are the same for everybody."""

    def __init__(
        self, *, participants: Participants, waiting_for: Callable[[], str | None]
    ) -> None:
        self._participants = participants
        self._waiting_for = waiting_for
        self._openapi = Answer(503, b"")
        self._participant_openapi = document(participant_openapi_document(version=__version__))

    async def live(self, request: Request) -> Answer:
        """This process answers."""
        return document({"status": "live"})

    async def ready(self, request: Request) -> Answer:
        """This worker reaches the ledger on every lane and knows whose keys are valid."""
        waiting_for = self._waiting_for()
        if waiting_for is None:
            return document({"status": "ready"})
        return document({"status": "waiting", "waiting_for": waiting_for}, status=503)

    async def keys(self, request: Request) -> Answer:
        """The switch's public keys, old ones included."""
        body = jwks_document(self._participants.published_keys)
        fields = {"Cache-Control": f"max-age={limits.JWKS_AGE_S_MAX}"}
        return Answer(200, body, "application/jwk-set+json", fields)

    async def openapi(self, request: Request) -> Answer:
        """The OpenAPI document."""
        return self._openapi

    async def participant_openapi(self, request: Request) -> Answer:
        """The OpenAPI document of what participants serve."""
        return self._participant_openapi

    def describe(self, endpoints: Sequence[Endpoint]) -> None:
        """Make the OpenAPI document of all endpoints, once, before the first request."""
        self._openapi = document(openapi_document(endpoints, version=__version__))

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What this room answers."""
        return (
            _public("/livez", "live", "Does this process answer?", self.live),
            Endpoint(
                method="GET",
                path="/readyz",
                name="ready",
                summary="Can payments be decided here?",
                handler=self.ready,
                answers={200: "Yes", 503: "Not now; `waiting_for` says what is missing"},
                is_signed=False,
            ),
            _public(
                "/.well-known/jwks.json",
                "switch_keys",
                "The switch's own public keys (RFC 8037), old ones included",
                self.keys,
                "application/jwk-set+json",
            ),
            _public("/openapi.json", "openapi", "This document", self.openapi),
            _public(
                "/openapi-participant.json",
                "openapi_participant",
                "What a participant's own server answers when the switch calls it",
                self.participant_openapi,
            ),
            *(_page(path, *source) for path, source in _PAGES.items()),
        )


def _page(path: str, file: str, media_type: str) -> Endpoint:
    content = files("switch").joinpath("static", file).read_bytes()
    answer = Answer(200, content, media_type, PAGE_FIELDS)

    async def show(request: Request) -> Answer:
        return answer

    name = file.replace(".", "_")
    return _public(path, name, "The same as a page", show, media_type.partition(";")[0])


def _public(
    path: str,
    name: str,
    summary: str,
    handler: Handler,
    media_type: str = "application/json",
) -> Endpoint:
    return Endpoint(
        method="GET",
        path=path,
        name=name,
        summary=summary,
        handler=handler,
        answers={200: summary},
        is_signed=False,
        media_type=media_type,
    )
