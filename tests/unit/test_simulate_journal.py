"""The book of a simulated server: what is settled is on disk, and what cannot be never is."""

import asyncio
import threading
from pathlib import Path

import pytest

from switch.errors import SwitchError
from switch.simulate import journal as module
from switch.simulate.journal import Journal, Line, read_lines


def line(number: int) -> Line:
    """One thing that was done."""
    return Line(
        at="2026-11-01T08:00:00.000000Z",
        what="payment.completed",
        key=str(number),
        request_digest="",
        payment=None,
    )


async def test_lines_share_a_write_and_all_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is appended while others are being written goes with the next write."""
    begun, may_write = threading.Event(), threading.Event()
    write, writes = module._write_through, []

    def slow(file: int, content: bytes) -> None:
        writes.append(content.count(b"\n"))
        begun.set()
        may_write.wait(10)
        write(file, content)

    monkeypatch.setattr(module, "_write_through", slow)
    journal = Journal.open(tmp_path / "log")
    journal.append(line(0))
    first = asyncio.create_task(journal.settled())
    assert await asyncio.to_thread(begun.wait, 10)
    for number in range(1, 9):
        journal.append(line(number))
    rest = [asyncio.create_task(journal.settled()) for _ in range(8)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in (first, *rest)), "nothing is on disk yet"
    may_write.set()
    await asyncio.gather(first, *rest)
    assert writes == [1, 8]
    assert [one.key for one in read_lines(tmp_path / "log")] == [str(n) for n in range(9)]
    journal.close()


async def test_what_cannot_be_written_is_never_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk nobody gets an answer, then and later."""

    def full(file: int, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    journal = Journal.open(tmp_path / "log")
    monkeypatch.setattr(module, "_write_through", full)
    for number in range(2):
        journal.append(line(number))
        with pytest.raises(OSError, match="No space left"):
            await journal.settled()
    journal.close()


def test_a_log_that_is_none_is_refused(tmp_path: Path) -> None:
    """The line is named, and nothing is lost by guessing."""
    (tmp_path / "log").write_text("{}\n")
    with pytest.raises(SwitchError, match="line 1 of "):
        Journal.open(tmp_path / "log")
    with pytest.raises(SwitchError, match="cannot open"):
        Journal.open(tmp_path / "no" / "log")
