"""The operator's port: what Prometheus scrapes and a load balancer asks, served by the supervisor.

`/livez`    the supervisor answers: 200.
`/readyz`   200 when at least one worker serves (its lanes reach the ledger), else 503; the body
            says what each process waits for. Wrong books or a fold backlog are alarms in
            `/metrics`, never a reason to take a city off the air.
`/metrics`  the samples of all processes, added up from the files they share, and the state of the
            processes themselves.

Nothing here is signed or meant for participants: it listens on loopback unless told otherwise.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import msgspec
from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from switch.errors import SwitchError
from switch.supervisor import Child

Answer = Callable[[], Awaitable[web.Response]]


def _unnamed(response: web.StreamResponse) -> web.StreamResponse:
    """The answer without the names and versions of the libraries that serve it."""
    response.headers["Server"] = "switch"
    return response


class _Connection(RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what is not HTTP, and to faults."""
        return _unnamed(super().handle_error(request, status, exc, message))


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        """The protocol of a new connection."""
        return _Connection(self, loop=self._loop, **self._kwargs)


class ProcessCollector(Collector):
    """What the supervisor knows about its children, as samples."""

    def __init__(self, children: Sequence[Child]) -> None:
        self._children = children

    def collect(self) -> Iterator[Metric]:
        """One sample a child for each: does it serve, and how often was it started again."""
        serving = GaugeMetricFamily(
            "switch_process_serving", "1 while the process serves", labels=["process"]
        )
        restarts = CounterMetricFamily(
            "switch_process_restarts",
            "Times the process had to be started again",
            labels=["process"],
        )
        for child in self._children:
            serving.add_metric([child.name], float(child.waiting_for is None))
            restarts.add_metric([child.name], child.restart_count)
        yield serving
        yield restarts


class AdminPort:
    """A small server in the supervisor's own loop."""

    def __init__(self, *, children: Sequence[Child], metrics_dir: Path) -> None:
        self._children = children
        self._answers: dict[str, Answer] = {
            "/livez": self._live,
            "/readyz": self._ready,
            "/metrics": self._metrics,
        }
        self._registry = CollectorRegistry()
        self._registry.register(ProcessCollector(children))
        samples: Callable[..., object] = MultiProcessCollector
        samples(self._registry, path=str(metrics_dir))
        self._runner = web.ServerRunner(_Server(self._handle, access_log=None))

    async def start(self, *, host: str, port: int) -> int:
        """Listen, and return the port (which was chosen by the system when it was given as 0)."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise SwitchError(
                f"the admin port {host}:{port} cannot be used ({error.strerror}):"
                " choose another with --admin-port"
            ) from None
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Close the port and every connection to it."""
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        return _unnamed(await self._answer(request))

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        answer = self._answers.get(request.path)
        if answer is None:
            return web.Response(status=404, text="Here are /livez, /readyz and /metrics.\n")
        if request.method not in {"GET", "HEAD"}:
            return web.Response(status=405, headers={"Allow": "GET, HEAD"})
        return await answer()

    async def _live(self) -> web.Response:
        return web.Response(text="alive\n")

    async def _ready(self) -> web.Response:
        waiting = {child.name: child.waiting_for for child in self._children}
        ready = any(reason is None for name, reason in waiting.items() if name.startswith("worker"))
        document = {
            "ready": ready,
            "processes": {
                name: f"waits for {reason}" if reason else "serves"
                for name, reason in waiting.items()
            },
        }
        return web.Response(
            status=200 if ready else 503,
            body=msgspec.json.encode(document),
            content_type="application/json",
        )

    async def _metrics(self) -> web.Response:
        # Reading the files takes milliseconds: beside the loop, which also keeps the children.
        body = await asyncio.to_thread(generate_latest, self._registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
