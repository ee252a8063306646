"""The embedded database, as its users see it: hold it open, and know its URL.

    async with open_database(data_dir) as database:
        connection = await asyncpg.connect(database.url())

Any number of processes may do this at the same time, in any order; the first one starts Postgres,
the last one waits until it has stopped. How that works, and survives every kind of kill, is said in
`keeper`. Nothing here talks to Postgres.
"""

import asyncio
import fcntl
import os
import pwd
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from switch import cluster, limits
from switch.errors import SwitchError, using
from switch.keeper import Home, Phase, State, open_lock, try_lock

# What a folder may contain that is not a data directory yet: what stands in an empty volume, and
# what a switch on another database leaves there, also when it is killed.
FOREIGN_NAMES = {"lost+found", "keys", "metrics", "admin.url"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """A running embedded database, held open by this process."""

    data_dir: Path
    binaries: Path  # the bin directory of its Postgres: psql, pgbench

    def url(self, role: str = cluster.SUPERUSER) -> str:
        """How a driver reaches the database `switch` as this role, over the socket."""
        host = quote(os.path.realpath(Home(data_dir=self.data_dir).run), safe="")
        query = f"host={host}&port={cluster.PORT}"
        return f"postgresql://{quote(role, safe='')}@/{cluster.DATABASE}?{query}"

    def server_pid(self) -> int:
        """The process id of the Postgres server that runs now."""
        pid = cluster.recorded_pid(Home(data_dir=self.data_dir).cluster)
        if pid is None:
            raise SwitchError(f"Postgres is not running in {self.data_dir}: try again in a moment")
        return pid


@asynccontextmanager
async def open_database(data_dir: Path) -> AsyncIterator[Embedded]:
    """Use the database of this data directory; made on first use, started unless it runs.

    Raises SwitchError when it cannot be had. While it is open, a keeper that is killed is replaced.
    """
    home = prepare_home(data_dir)
    users = open_lock(home.users_lock)
    try:
        state = await _join(home, users)
        assert state.binaries is not None, "a ready keeper knows its binaries"
        watch = asyncio.create_task(_watch(home))
        try:
            yield Embedded(data_dir=home.data_dir, binaries=Path(state.binaries))
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
    finally:
        os.close(users)
        await _wait_until_left(home)


def prepare_home(data_dir: Path) -> Home:
    """The data directory, made if it is not there; refused if it is somebody else's."""
    home = Home(data_dir=Path(os.path.realpath(os.path.expanduser(data_dir))))
    with using(home.data_dir):
        home.data_dir.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            home.data_dir.mkdir(mode=0o700)
        names = set(os.listdir(home.data_dir)) - FOREIGN_NAMES
        owner = home.data_dir.stat().st_uid
        if owner != os.geteuid():
            raise SwitchError(
                f"{home.data_dir} belongs to user {_user_name(owner)}: "
                "run the switch as that user or choose another --data-dir"
            )
        if names and home.users_lock.name not in names:
            raise SwitchError(
                f"{home.data_dir} is not empty and holds no data of the switch: "
                "choose another --data-dir"
            )
        os.close(open_lock(home.users_lock))
    return home


def _user_name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


async def _acquire(descriptor: int, kind: int, deadline: float, otherwise: str) -> None:
    """Take a lock, looking again and again until the deadline."""
    while not try_lock(descriptor, kind):
        if time.monotonic() >= deadline:
            raise SwitchError(f"{otherwise}: look at its log, or end the process that holds it")
        await asyncio.sleep(limits.EMBEDDED_POLL_S)


@asynccontextmanager
async def _door(home: Home) -> AsyncIterator[int | None]:
    """Look for the keeper undisturbed: its lock, taken because none lives, or None."""
    deadline = time.monotonic() + 2 * limits.EMBEDDED_SPAWN_S
    door, keeper = open_lock(home.door_lock), open_lock(home.keeper_lock)
    try:
        await _acquire(door, fcntl.LOCK_EX, deadline, f"{home.door_lock} stays locked")
        yield keeper if try_lock(keeper, fcntl.LOCK_EX) else None
    finally:
        os.close(keeper)
        os.close(door)


async def _join(home: Home, users: int) -> State:
    """Become a user, after waiting for a keeper that is stopping, and see the database ready."""
    deadline = time.monotonic() + limits.EMBEDDED_START_WAIT_S
    await _acquire(users, fcntl.LOCK_SH, deadline, f"{home.data_dir} is still stopping")
    with using(home.data_dir):
        return await _wait_until_ready(home, deadline)


async def _wait_until_ready(home: Home, deadline: float) -> State:
    """The state of a keeper that is ready; one is started if there is none."""
    starts = 0
    while time.monotonic() < deadline and starts <= limits.EMBEDDED_STARTS_MAX:
        async with _door(home) as lock:
            state = home.read_state()
            failed = state.phase is Phase.FAILED and starts > 0  # not one of an earlier day
            if failed or (lock is None and state.phase is Phase.FAILING):
                raise SwitchError(state.message)
            if lock is None and state.phase is Phase.READY:
                return state
            if lock is not None:
                await _start_keeper(home, lock)
                starts += 1
        await asyncio.sleep(limits.EMBEDDED_POLL_S)
    raise SwitchError(f"the database does not become ready: look at {home.log} and at the disk")


async def _start_keeper(home: Home, lock: int) -> None:
    """Start a keeper and hand it the lock; what it becomes stands in its state."""
    home.write_state(State(phase=Phase.STARTING))
    command = [sys.executable, "-P", "-m", "switch.keeper", str(home.data_dir), str(lock)]
    with home.open_log() as log:
        written = log.tell()
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(lock,),
            start_new_session=True,
        )
        try:
            code = await asyncio.wait_for(process.wait(), limits.EMBEDDED_SPAWN_S)
        except TimeoutError:
            process.kill()
            code = await process.wait()
    if code != 0:
        said = [f"exit code {code}", *cluster.reasons(home.log, written)][-1]
        raise SwitchError(f"the keeper of the database does not start: {said} (see {home.log})")


async def _watch(home: Home) -> None:
    """Replace a keeper that was killed; one that ended by itself had its reason."""
    while True:
        await asyncio.sleep(limits.EMBEDDED_WATCH_S)
        # A disk that is gone, or a keeper that cannot start, shows in every connection.
        with suppress(OSError, SwitchError):
            async with _door(home) as lock:
                if lock is not None and home.read_state().phase in ALIVE:
                    await _start_keeper(home, lock)


ALIVE = {Phase.STARTING, Phase.READY, Phase.FAILING}


async def _wait_until_left(home: Home) -> None:
    """Return when others still use the database, or when the keeper has stopped it."""
    deadline = time.monotonic() + limits.EMBEDDED_STOP_WAIT_S
    # The data directory may be gone by now, and who leaves has no use for a complaint.
    with suppress(OSError, SwitchError):
        while time.monotonic() < deadline:
            async with _door(home) as lock:
                if lock is not None or _has_users(home):
                    return
            await asyncio.sleep(limits.EMBEDDED_POLL_S)


def _has_users(home: Home) -> bool:
    """Whether anybody but the keeper holds the users' lock."""
    users = open_lock(home.users_lock)
    try:
        if try_lock(users, fcntl.LOCK_EX):
            return False
        # Somebody does; the keeper holds it exclusively, users share it.
        return try_lock(users, fcntl.LOCK_SH)
    finally:
        os.close(users)
