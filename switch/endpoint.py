"""Which endpoint answers a request: one look into a table.

Whatever stands in a request, the answer is below 500; an exception here is a fault of the switch,
logged, counted, answered 500. That there is no such endpoint is signed too, for who signed.
"""

from collections.abc import Awaitable, Mapping, Sequence

from switch import log
from switch.admission import Admission, Request, body_too_large
from switch.errors import Problem
from switch.metrics import WorkerMetrics
from switch.reply import Answer, refused
from switch.requests import path_id, path_name
from switch.service import Endpoint
from switch.traceparent import FIELD, read_trace

_log = log.logger("endpoint")

_NO_LINES: list[str] = []
NO_ENDPOINT = Problem(name="not-found", detail="there is no such endpoint")
FAULT = Problem(
    name="internal-error",
    detail="a fault of the switch, logged; send the same request again to learn the outcome",
)


class Dispatch:
    """Finds the endpoint of a request and lets it answer."""

    def __init__(
        self, endpoints: Sequence[Endpoint], *, admission: Admission, metrics: WorkerMetrics
    ) -> None:
        self._table: dict[str, dict[str, Endpoint]] = {}
        for endpoint in endpoints:
            has_variable = "{" in endpoint.path
            template = _template(endpoint.path) if has_variable else endpoint.path
            methods = self._table.setdefault(template, {})
            assert endpoint.method not in methods, "one endpoint a method and path"
            methods[endpoint.method] = endpoint
            metrics.show_endpoint(endpoint.name)
        self._admission = admission
        self._metrics = metrics

    def serve(self, request: Request) -> Awaitable[Answer]:
        """Answer one request."""
        lines = request.headers.getall(FIELD, _NO_LINES)
        return self._traced(request, lines) if lines else self._serve(request)

    async def _traced(self, request: Request, lines: Sequence[str]) -> Answer:
        """Answer a request that may be part of a trace; logs and the answer say of which."""
        trace = request.trace = read_trace(lines)
        if trace is None:
            return await self._serve(request)
        with log.told(trace_id=trace.trace_id, span_id=trace.span_id):
            answer = await self._serve(request)
        return answer.with_fields({FIELD: trace.passed_on})

    async def _serve(self, request: Request) -> Answer:
        name = "none"
        try:
            found = self._find(request.method, request.path)
            if isinstance(found, Endpoint):
                name = found.name
                if (request.body_bytes or 0) > found.body_bytes_max:
                    answer = refused(body_too_large(found.body_bytes_max))
                else:
                    answer = await found.handler(request)
            else:
                answer = await self._admission.seal_if_verified(request, found)
        except Exception:
            _log.exception("unhandled", endpoint=name)
            self._metrics.faults.add((name,))
            answer = refused(FAULT)
        self._metrics.requests.add((name, str(answer.status)))
        return answer

    def _find(self, method: str, path: str) -> Endpoint | Answer:
        template = path if path in self._table else _template(path)
        methods = self._table.get(template)
        if methods is None:
            return refused(NO_ENDPOINT)
        endpoint = methods.get("GET" if method == "HEAD" else method)
        if endpoint is not None and (method != "HEAD" or not endpoint.is_signed):
            return endpoint  # a signature covers its method, so HEAD is for what needs none
        if template != path and not _names_something(path, methods):
            return refused(NO_ENDPOINT)  # names nothing, so no method would help
        allowed = ", ".join(sorted(methods))
        problem = Problem(name="method-not-allowed", detail=f"send {allowed}")
        return refused(problem).with_fields({"Allow": allowed})


def _names_something(path: str, methods: Mapping[str, Endpoint]) -> bool:
    """Whether the fourth segment is what these endpoints expect there: an id, or a key's name."""
    takes_name = any("{name}" in endpoint.path for endpoint in methods.values())
    return (path_name(path) if takes_name else path_id(path)) is not None


def _template(path: str) -> str:
    """The path with its fourth segment as `{id}`: `/v1/accounts/{id}/entries`."""
    segments = path.split("/", 4)
    if len(segments) < 4:
        return path
    segments[3] = "{id}"
    return "/".join(segments)
