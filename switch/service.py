"""The plug: what an endpoint is, and what a service of the city is given and offers.

Dispatch, the OpenAPI document and the metrics' labels are all made from the same tuple of
endpoints, so none of them can know one that the others do not.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from msgspec import Struct
from prometheus_client import CollectorRegistry

from switch import limits
from switch.admission import Admission, Handler
from switch.clock import Clock
from switch.loops import Job
from switch.metrics import WorkerMetrics
from switch.migrate import Source
from switch.queries import queries_of
from switch.reads import Reads
from switch.signature import SigningKey

if TYPE_CHECKING:
    import typer


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
    request_texts: Mapping[str, str] = {}  # media type → example, of a body that is not JSON
    response: type[Struct] | None = None
    response_example: Any = None
    pending_example: Any = None  # of a 202
    response_also: tuple[type[Struct], ...] = ()  # what it may answer instead
    is_list: bool = False
    is_signed: bool = True
    parameters: tuple[Parameter, ...] = ()
    media_type: str = "application/json"
    body_bytes_max: int = limits.BODY_BYTES_MAX


class PhoneBook(Protocol):
    """Whom phone numbers name. At most one service keeps it; the numbers stand nowhere in clear."""

    async def accounts(self, phones: Sequence[str], currency: str) -> list[UUID | None]:
        """The open account that each names, in their order; None where it names none.

        Raises LedgerUnavailable, also when the operator has to put the key of the numbers back.
        """
        ...

    def keyed(self, digest: bytes) -> bytes:
        """A digest, 32 bytes, by which nobody without a key can try what numbers it is of."""
        ...


class Core(Struct, frozen=True, kw_only=True):
    """What a service is given: of one worker, for as long as that lives."""

    admission: Admission
    reads: Reads  # what the ledger knows, and where a service's own statements are sent
    clock: Clock
    metrics: WorkerMetrics
    key_dir: Path  # the switch's secret keys
    url: str  # where people find the switch: a scheme and a name, no more
    issuer: str  # of what it signs for strangers: its first name
    signing_key: Callable[[], SigningKey]  # of the moment; not before anybody is admitted
    phone_book: PhoneBook | None = None  # of the service that keeps one


class JobCore(Struct, frozen=True, kw_only=True):
    """What a service's jobs are given: of the jobs process, for as long as that lives."""

    clock: Clock
    registry: CollectorRegistry  # for what they measure; turns and failures are counted already


class Service(Struct, frozen=True, kw_only=True):
    """A service of the city: a folder under `switch/services/`, named in its tuple.

    Its SQL, if it has any, stands in its folder `sql`, laid out as that of the ledger, for a schema
    that bears its name; what it sends stands in `sql/queries.sql` there.

    Its jobs are loops of the jobs process, each on a connection of that process's role, which may
    execute what the service's grants name and nothing else; their names begin with the service's
    and an underscore. Its commands stand in its file `commands.py`, which `commands` imports when
    it is called, so that no worker loads them; they reach the database as the operator. What it has
    to be tried with stands there as well, reaches the switch over HTTP and is mounted beside the
    simulated participants.
    """

    name: str  # of the folder
    endpoints: Callable[[Core], tuple[Endpoint, ...]]
    phone_book: Callable[[Core], PhoneBook] | None = None  # of one service at most
    jobs: Callable[[JobCore], tuple[Job, ...]] | None = None
    commands: "Callable[[], typer.Typer] | None" = None  # mounted as `switch NAME ...`
    simulators: "Callable[[], typer.Typer] | None" = None  # mounted into `switch simulate`

    @property
    def check(self) -> str | None:
        """The statement `check_books` of its queries: a row a deviation, like the ledger's."""
        if self.source is None:
            return None
        return queries_of(self.source.root).get("check_books")

    @property
    def source(self) -> Source | None:
        """Its SQL files, None when it keeps nothing."""
        root = files("switch.services") / self.name / "sql"
        return Source(schema=self.name, root=root) if root.is_dir() else None
