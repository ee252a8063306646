"""How the command line speaks: results on standard output, everything else on standard error.

Here live the shape of an option (each has an environment variable of its own), the printing of
results as text or as one JSON document, progress on standard error, and the one place that turns an
error into a line and an exit code: 0 done, 1 refused or failed, 2 wrong usage.
"""

import asyncio
import shlex
import shutil
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from switch import limits
from switch.clock import SYSTEM_CLOCK, rfc3339
from switch.errors import SwitchError

Result = TypeVar("Result")

EXIT_FAILED = 1


def option(*names: str, help: str, **more: Any) -> Any:  # noqa: A002  typer's own word
    """A typer option that can also come from `SWITCH_<NAME>`; its help is text, no markup."""
    variable = "SWITCH_" + names[0].removeprefix("--").replace("-", "_").upper()
    return typer.Option(*names, help=escape(help), envvar=variable, show_envvar=False, **more)


AsJson = Annotated[bool, option("--json", help="One JSON document on standard output.")]


def show(document: Mapping[str, Any] | Sequence[Any], *, as_json: bool, text: str | Table) -> None:
    """Print a command's result: the document for programs, the text or table for people."""
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(_plain(document)) + b"\n")
        sys.stdout.buffer.flush()
    elif isinstance(text, Table):
        console = Console()
        if not console.is_terminal:
            console = Console(width=limits.PIPE_COLUMNS)  # a file or a program wants it uncut
        console.print(text)
    else:
        print(text, flush=True)  # noqa: T201  the command's result


def table(rows: Sequence[Mapping[str, Any]], *, columns: Sequence[str]) -> Table | str:
    """Rows for people, in the given columns; a sentence when there are none."""
    if not rows:
        return "none"
    shown = Table(*(column.replace("_", " ") for column in columns), box=None, pad_edge=False)
    for row in rows:
        shown.add_row(*(_cell(row[column]) for column in columns))
    return shown


def run(
    work: Coroutine[Any, Any, Result],
    *,
    runner: Callable[[Coroutine[Any, Any, Result]], Result] = asyncio.run,
) -> Result:
    """Run a command's work to its end; an operator's error becomes one line and exit code 1."""
    try:
        return runner(work)
    except SwitchError as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("interrupted")


def fail(message: str, *, code: int = EXIT_FAILED) -> NoReturn:
    """One line on standard error, and the end."""
    say(message)
    raise typer.Exit(code)


def say(message: str) -> None:
    """One line for a person, on standard error."""
    sys.stderr.write(f"switch: {' '.join(message.split())}\n")
    sys.stderr.flush()


@contextmanager
def progress() -> Iterator[Progress]:
    """Bars on standard error for work that takes a while; silent when nobody watches."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bars:
        yield bars


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """A sign of life on standard error for work whose length nobody knows."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield


def program() -> str:
    """How this program was called, so that a command can be pasted."""
    if shutil.which("switch") is not None:
        return "switch"
    called = Path(sys.argv[0])
    if called.name == "switch":
        return shlex.quote(str(called.resolve()))
    return f"{shlex.quote(sys.executable)} -m switch"


def moment(text: str | None, *, name: str) -> datetime | None:
    """A time given by a person: RFC 3339, a day (its first moment, UTC), or `now`."""
    if text is None:
        return None
    if text == "now":
        return SYSTEM_CLOCK.now()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{name}: {text!r} is not a time like 2026-11-01T08:00:00Z"
        ) from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _plain(value: Any) -> Any:
    """A document with its times written as everywhere else on the wire."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return rfc3339(value) if isinstance(value, datetime) else value


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    return str(value)
