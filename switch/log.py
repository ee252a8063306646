"""Logs: one JSON object a line on stderr. No secrets, no message bodies, no local variables.

An event has a name in plain words and a few fields with units; what a participant sent is never
logged beyond its key id. Other libraries' records (aiohttp, asyncio) come out in the same form.
"""

import logging
import sys
from contextlib import AbstractContextManager
from typing import Any

import structlog

_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def configure(*, level: str, process: str) -> None:
    """Set this process up to log; `process` (worker, jobs, supervisor) stands on every line."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.contextvars.bind_contextvars(process=process)
    structlog.configure(
        processors=[*_PROCESSORS, structlog.processors.JSONRenderer(sort_keys=False)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_PROCESSORS,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(sort_keys=False),
            ],
        )
    )
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)


def told(**fields: str) -> AbstractContextManager[None]:
    """Within it, every line that this task logs has these fields too."""
    return structlog.contextvars.bound_contextvars(**fields)


def logger(room: str) -> Any:
    """The logger of one module; its name stands on every line as `room`."""
    return structlog.get_logger(room=room)
