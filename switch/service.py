"""The plug: what an endpoint is, and what a service of the city is given and offers.

Dispatch, the OpenAPI document and the metrics' labels are all made from the same tuple of
endpoints, so none of them can know one that the others do not.
"""

from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from msgspec import Struct

from switch import limits
from switch.admission import Admission, Handler
from switch.clock import Clock
from switch.metrics import WorkerMetrics
from switch.migrate import Source
from switch.reads import Reads


class Parameter(Struct, frozen=True, kw_only=True):
    """One query parameter, for the OpenAPI document."""

    name: str
    what: str
    schema: Mapping[str, Any]


class Endpoint(Struct, frozen=True, kw_only=True):
    """One method of one path, with what is needed to serve it and to describe it."""

    method: str
    path: str  # may hold `{id}` or, for a key, `{name}`, for exactly one segment, the fourth
    name: str  # unique; operationId in OpenAPI and the label in metrics
    summary: str
    handler: Handler
    answers: Mapping[int, str]  # status → when
    problems: tuple[str, ...] = ()
    request: type[Struct] | None = None
    request_example: Any = None
    response: type[Struct] | None = None
    response_example: Any = None
    pending_example: Any = None  # of a 202
    response_also: tuple[type[Struct], ...] = ()  # what it may answer instead
    is_list: bool = False
    is_signed: bool = True
    parameters: tuple[Parameter, ...] = ()
    media_type: str = "application/json"
    body_bytes_max: int = limits.BODY_BYTES_MAX


class Core(Struct, frozen=True, kw_only=True):
    """What a service is given: of one worker, for as long as that lives."""

    admission: Admission
    reads: Reads  # what the ledger knows, and where a service's own statements are sent
    clock: Clock
    metrics: WorkerMetrics
    key_dir: Path  # the switch's secret keys
    url: str  # where people find the switch: a scheme and a name, no more


class Service(Struct, frozen=True, kw_only=True):
    """A service of the city: a folder under `switch/services/`, named in its tuple.

    Its SQL, if it has any, stands in its folder `sql`, laid out as that of the ledger, for a schema
    that bears its name; what it sends stands in `sql/queries.sql` there.
    """

    name: str  # of the folder
    endpoints: Callable[[Core], tuple[Endpoint, ...]]

    @property
    def source(self) -> Source | None:
        """Its SQL files, None when it keeps nothing."""
        root = files("switch.services") / self.name / "sql"
        return Source(schema=self.name, root=root) if root.is_dir() else None
