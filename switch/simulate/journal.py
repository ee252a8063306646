"""What a simulated server has done, on disk before it is answered: one JSON object a line.

The file is only appended to, and read again at the next start. Lines that come while others are
being written share the next `fsync`, as payments share a commit in the switch. A line that was cut
off by a crash was never answered, so it is cut off here too. One process at a time may hold the
file.
"""

import asyncio
import fcntl
import os
from pathlib import Path
from typing import Self

import msgspec
from msgspec import Struct

from switch.errors import SwitchError
from switch.message import Id, Time


class Line(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was done, once; `key` is the idempotency key that it was done under."""

    at: Time
    what: str  # authorization, credit, reversal, or the type of an event
    key: str
    request_digest: str
    payment: Id | None
    account: Id | None = None
    amount: int | None = None
    currency: str | None = None
    decision: str | None = None
    reason: str | None = None
    parent: Id | None = None  # of a credit: the payment that is paid back
    capture: bool | None = None  # of an authorization
    final: bool | None = None  # of a capture


class Journal:
    """The lines of one server, in a file or, without one, in memory only."""

    def __init__(self, file: int | None, lines: tuple[Line, ...]) -> None:
        self._file = file
        self.lines = lines  # that were there when it was opened
        self._unwritten = bytearray()
        self._appended = 0
        self._settled = 0
        self._writing: asyncio.Future[None] | None = None
        self._error: OSError | None = None

    @classmethod
    def open(cls, path: Path | None) -> Self:
        """Read what is there and hold the file, for this process alone."""
        if path is None:
            return cls(None, ())
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SwitchError(f"--log: cannot open {path} ({error.strerror})") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            raise SwitchError(f"--log: another server writes {path}: give each its own") from None
        whole, _, rest = path.read_bytes().rpartition(b"\n")
        if rest:
            os.ftruncate(file, len(whole) + 1 if whole else 0)
        _settle_folder(path.parent)
        return cls(file, read_lines(path))

    def append(self, line: Line) -> None:
        """Take a line on; it is on disk when `settled` returns."""
        self._unwritten += msgspec.json.encode(line) + b"\n"
        self._appended += 1

    async def settled(self) -> None:
        """Wait until all that was appended so far is on disk; OSError when it will never be."""
        goal = self._appended
        while self._settled < goal:
            if self._error is not None:
                raise self._error
            if self._writing is None:
                self._writing = asyncio.ensure_future(self._write())
            await asyncio.shield(self._writing)

    def close(self) -> None:
        """Let the next one hold the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    async def _write(self) -> None:
        content, goal = bytes(self._unwritten), self._appended
        self._unwritten.clear()
        try:
            if self._file is not None:
                await asyncio.to_thread(_write_through, self._file, content)
            self._settled = goal
        except OSError as error:
            self._error = error
        finally:
            self._writing = None


def read_lines(path: Path) -> tuple[Line, ...]:
    """All whole lines of a log; SwitchError names the first that is none."""
    try:
        whole, _, _ = path.read_bytes().rpartition(b"\n")
    except OSError as error:
        raise SwitchError(f"--log: cannot read {path} ({error.strerror})") from error
    lines = []
    for number, text in enumerate(whole.split(b"\n") if whole else [], 1):
        try:
            lines.append(msgspec.json.decode(text, type=Line))
        except msgspec.DecodeError as error:
            raise SwitchError(f"--log: line {number} of {path} is none ({error})") from None
    return tuple(lines)


def _settle_folder(folder: Path) -> None:
    """A new file is on disk when its folder is."""
    file = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _write_through(file: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(file, left) :]
    os.fsync(file)
