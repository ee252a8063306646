"""A process that uses the embedded database, for tests that leave or kill it; and their side of it.

Run as `python -m tests.integration.embedded_user DATA_DIR`: opens the database, writes one line of
JSON, and leaves when its standard input ends. It needs nothing but the launcher.
"""

import asyncio
import json
import os
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from switch.embedded import open_database
from switch.errors import SwitchError

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0  # far more than anything here takes; only a failure waits for it


class UserProcess:
    """One user, seen from the test that started it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.words: dict[str, str | int] = {}

    @classmethod
    async def start(
        cls,
        data_dir: Path,
        *,
        environment: Mapping[str, str] | None = None,
        command: tuple[str, ...] = (sys.executable,),
        root: Path = ROOT,
    ) -> "UserProcess":
        """Start it; `opened` waits for its word."""
        process = await asyncio.create_subprocess_exec(
            *command, "-m", "tests.integration.embedded_user", str(data_dir),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            cwd=root,
        )  # fmt: skip
        return cls(process)

    async def opened(self) -> "UserProcess":
        """Wait until it has the database open, or fail with what it says instead."""
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE_S)
        self.words = json.loads(line or b'{"error": "no word"}')
        assert "error" not in self.words, self.words
        return self

    async def error(self) -> str:
        """What it says of a database that cannot be had."""
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE_S)
        await self.leave()
        return str(json.loads(line)["error"])

    async def leave(self) -> None:
        """Let it close the database and end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        await asyncio.wait_for(self.process.wait(), PATIENCE_S)

    async def kill(self) -> None:
        """End it without a chance to close anything."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


def command_lines() -> Iterator[tuple[int, list[str]]]:
    """Every process of the machine that this user may see, by its arguments."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                arguments = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if arguments:
                yield int(entry.name), os.fsdecode(arguments).split("\0")


def keepers(data_dir: Path) -> list[int]:
    """The keepers of a data directory."""
    return [
        pid
        for pid, arguments in command_lines()
        if "switch.keeper" in arguments and str(data_dir) in arguments
    ]


def servers(data_dir: Path) -> list[int]:
    """The Postgres servers of a data directory, without what they have just forked."""
    cluster = str(data_dir / "postgres")
    found = [pid for pid, arguments in command_lines() if arguments[1:3] == ["-D", cluster]]
    return [pid for pid in found if _parent(pid) not in {None, *found}]


def _parent(pid: int) -> int | None:
    """The parent of a process, None when it has ended."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(status.rpartition(")")[2].split()[1])


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that is bound to happen."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.02)


def mode(path: Path) -> int:
    """The permission bits of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def exists(path: Path) -> bool:
    """Whether there is such a file."""
    return path.exists()


def short_folder() -> Path:
    """A new folder that everybody may pass, with a path short enough for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="sw-")).resolve()
    folder.chmod(0o755)
    return folder


async def main() -> None:
    """Be the user process."""
    try:
        async with open_database(Path(sys.argv[1])) as database:
            words = {
                "url": database.url(),
                "server_pid": database.server_pid(),
                "binaries": str(database.binaries),
            }
            print(json.dumps(words), flush=True)
            await asyncio.to_thread(sys.stdin.read)
    except SwitchError as error:
        print(json.dumps({"error": str(error)}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
