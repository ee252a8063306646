"""The plug: what an endpoint is, and what a service of the city offers.

Dispatch, the OpenAPI document and the metrics' labels are all made from the same tuple of
endpoints, so none of them can know one that the others do not.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct

from switch import limits
from switch.admission import Handler


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


class Service(Protocol):
    """A service of the city: a folder under `switch/services/`, named in its tuple."""

    @property
    def name(self) -> str:
        """The folder's name."""
        ...

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """What it answers over HTTP."""
        ...
