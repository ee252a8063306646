"""Bodies of many lines, as CSV or as one JSON object a line: their form, and their lines. No I/O.

A line that cannot be read is a `Problem` in its place, so that the answer can name it.
"""

import csv
import io
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from switch.errors import Problem
from switch.message import decode, is_text, malformed, unreadable

CSV, NDJSON = "text/csv", "application/x-ndjson"
UNREADABLE = Problem(name="media-type-unsupported", detail=f"send {CSV} or {NDJSON} in UTF-8")
DIGITS_MAX = 16  # of a number in CSV: the largest amount has so many

Line = TypeVar("Line", bound=Struct)


def form_of(headers: Any) -> str | None:
    """Which of the two forms a body has, by its fields; None for another, or an encoded one."""
    kinds = headers.getall("content-type", [])
    if len(kinds) != 1 or headers.getall("content-encoding", []):
        return None
    kind = str(kinds[0]).partition(";")[0].strip().lower()
    return kind if kind in (CSV, NDJSON) else None


def read_lines(
    form: str,
    body: bytes,
    decoder: "msgspec.json.Decoder[Line]",
    *,
    lines_max: int,
    refuse: Callable[[Line], Problem | None] = lambda line: None,
) -> list[Line] | Problem:
    """All lines, or what is wrong with the first that is wrong, by its number in the file, from 1.

    CSV has a head with the names of members; a member without text is left out. Of a record of
    several lines the number is that of its last. A byte order mark is passed over.
    """
    found: list[Line] = []
    try:
        for number, line in _lines(form, body.removeprefix(BOM_UTF8), decoder):
            problem = line if isinstance(line, Problem) else refuse(line)
            if problem is not None:
                return malformed(f"Line {number}: {problem.detail}", problem.field)
            assert not isinstance(line, Problem), "it was refused"
            found.append(line)
            if len(found) > lines_max:
                return malformed(f"There are more than {lines_max} lines: send several files.")
    except UnicodeDecodeError as error:
        return unreadable(error)
    except csv.Error as error:
        return malformed(f"This is no CSV: {error}.")
    return found or malformed("There is no line.")


def _lines(
    form: str, body: bytes, decoder: "msgspec.json.Decoder[Line]"
) -> Iterable[tuple[int, Line | Problem]]:
    if form == NDJSON:
        lines = enumerate(body.split(b"\n"), start=1)
        return ((number, decode(decoder, line)) for number, line in lines if line.strip())
    return _rows(io.StringIO(body.decode("utf-8"), newline=""), decoder)


def _rows(
    text: io.StringIO, decoder: "msgspec.json.Decoder[Line]"
) -> Iterator[tuple[int, Line | Problem]]:
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(decoder.type)}
    rows = csv.DictReader(text, strict=True)
    head = rows.fieldnames or ()
    for place, name in enumerate(head):
        if name not in fields:
            yield 1, malformed(f"The head has names out of {', '.join(fields)}.", name)
            return
        if name in head[:place]:
            yield 1, malformed("The head names it twice.", name)
            return
    numbers = {name for name, kind in fields.items() if _is_number(kind)}
    for row in rows:
        yield rows.line_num, _line(row, numbers, decoder.type)


def _line(row: Mapping[str | None, Any], numbers: set[str], kind: type[Line]) -> Line | Problem:
    if None in row or None in row.values():
        return malformed("It has not as many members as the head.")
    given: dict[str, Any] = {str(name): text for name, text in row.items() if text}
    for name, text in given.items():
        if not is_text(text):
            return malformed("Text may not contain control characters.", name)
        if name in numbers:
            if not (text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX):
                return malformed("Expected digits.", name)
            given[name] = int(text)
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        return unreadable(error)


def _is_number(kind: Any) -> bool:
    """Whether a member is an integer, or one that may be left out."""
    found = msgspec.inspect.type_info(kind)
    kinds = found.types if isinstance(found, msgspec.inspect.UnionType) else (found,)
    return any(isinstance(one, msgspec.inspect.IntType) for one in kinds)
