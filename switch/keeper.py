"""The process that owns the embedded Postgres: starts it, starts it again, stops it when unused.

Everybody who uses the database (`switch serve`, any command line) holds a *shared* lock on
`users.lock`; a lock dies with its process, however that ends. The keeper alone wants it
*exclusively*, gets it only when no user is left, and then stops Postgres and ends. Meanwhile it
holds `keeper.lock`, so there is one keeper; it inherits that lock from the user who started it, so
there is no moment without an owner. Whoever looks at `keeper.lock`, or starts a keeper, does so
under `door.lock`; "locked" then always means "a keeper lives". What the keeper is doing stands in
`keeper.json`.

    starting ──► ready ──► stopping ──► stopped    nobody is left, or it was told to end
    ready ──► starting                              Postgres ended unasked: it is started again
    starting ──► failed                             it never became ready: the users hear why
    starting ──► failing ──► ready                  it was ready once: tried until it is again

Runs as `python -m switch.keeper DATA_DIR LOCK_DESCRIPTOR`, in a session of its own.
"""

import fcntl
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO

from switch import cluster, limits
from switch.binaries import (
    Account,
    Binaries,
    choose_account,
    find_binaries,
    give_to,
    open_to,
)
from switch.errors import SwitchError


class Phase(StrEnum):
    """What the keeper is doing."""

    STARTING = "starting"
    READY = "ready"
    FAILING = "failing"
    FAILED = "failed"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the users know of the keeper; `message` says in one line why it failed."""

    phase: Phase
    message: str | None = None
    binaries: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The files of a data directory."""

    data_dir: Path

    @property
    def cluster(self) -> Path:
        """Postgres's own directory."""
        return self.data_dir / "postgres"

    @property
    def run(self) -> Path:
        """The directory of the socket, or a link to it where this path would be too long."""
        return self.data_dir / "run"

    @property
    def log(self) -> Path:
        """What Postgres and the keeper say."""
        return self.data_dir / "postgres.log"

    @property
    def users_lock(self) -> Path:
        """Shared by all users; also the mark of a data directory of the switch."""
        return self.data_dir / "users.lock"

    @property
    def keeper_lock(self) -> Path:
        """Held by the living keeper."""
        return self.data_dir / "keeper.lock"

    @property
    def door_lock(self) -> Path:
        """Held for a moment by whoever looks for a keeper."""
        return self.data_dir / "door.lock"

    def open_log(self) -> IO[bytes]:
        """The log, to append to."""
        return open(self.log, "ab", opener=lambda path, flags: os.open(path, flags, 0o600))

    def read_state(self) -> State:
        """The last word of a keeper; one that was cut off by a crash says nothing."""
        try:
            words = json.loads((self.data_dir / "keeper.json").read_bytes())
            return State(
                phase=Phase(words["phase"]), message=words["message"], binaries=words["binaries"]
            )
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return State(phase=Phase.STOPPED)

    def write_state(self, state: State) -> None:
        """Replace it at once; only the holder of `keeper.lock` writes."""
        unfinished = self.data_dir / "keeper.json.new"
        unfinished.write_text(json.dumps(asdict(state)))
        unfinished.replace(self.data_dir / "keeper.json")


def open_lock(path: Path) -> int:
    """A descriptor to lock; children do not inherit it."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def try_lock(descriptor: int, kind: int) -> bool:
    """Take `fcntl.LOCK_SH` or `LOCK_EX` now or not at all."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Keeper:
    """One keeper's life; everything it waits for is looked at every `EMBEDDED_POLL_S`."""

    def __init__(self, home: Home, log: IO[bytes]) -> None:
        self.home = home
        self.log = log
        self.users = open_lock(home.users_lock)
        self.unused = False
        self.end_by: float | None = None
        self.binaries: Binaries | None = None
        self.unwritten: State | None = None

    def run(self) -> None:
        """Keep Postgres running until nobody uses it; the last state says how it went."""
        try:
            self._keep()
        except SwitchError as error:
            self._enter(Phase.FAILED, str(error))
        except OSError as error:
            self._enter(Phase.FAILED, f"{error}: look at {self.home.log} and start again")
        except Exception as error:
            traceback.print_exc()
            self._enter(Phase.FAILED, f"the keeper broke ({error!r}): see {self.home.log}")
        else:
            remove_socket_dir(self.home)
            self._enter(Phase.STOPPED)

    def _prepare(self) -> tuple[Binaries, Account]:
        """Have a cluster that the Postgres of this machine can run, made on the first start."""
        self.binaries = binaries = find_binaries(os.environ)
        account = choose_account(binaries)
        open_to(account, self.home.data_dir)
        if not self.home.cluster.exists():
            cluster.make(self.home.cluster, binaries, account, self.log)
        cluster.remove_unfinished(self.home.cluster)
        cluster.check_version(self.home.cluster, binaries)
        return binaries, account

    def _keep(self) -> None:
        """Start Postgres, and again when it ends unasked, with growing pauses."""
        binaries, account = self._prepare()
        was_ready, failures, pause_s = False, 0, limits.EMBEDDED_PAUSE_S_MIN
        while not self._is_over():
            born_at = time.monotonic()
            try:
                reason, became_ready = self._live_once(binaries, account)
            except OSError as error:  # a full disk, no more processes: it may pass
                reason, became_ready = f"Postgres could not be started: {error}", False
            if reason is None:
                return
            was_ready |= became_ready
            failures = 0 if became_ready else failures + 1
            if failures >= limits.EMBEDDED_STARTS_MAX and not was_ready:
                raise SwitchError(reason)
            failing = failures >= limits.EMBEDDED_STARTS_MAX
            self._enter(Phase.FAILING if failing else Phase.STARTING, reason)
            if time.monotonic() - born_at >= limits.EMBEDDED_LONG_LIFE_S:
                pause_s = limits.EMBEDDED_PAUSE_S_MIN
            self._pause(pause_s)
            pause_s = min(2 * pause_s, limits.EMBEDDED_PAUSE_S_MAX)

    def _live_once(self, binaries: Binaries, account: Account) -> tuple[str | None, bool]:
        """One life of Postgres: why it ended (None: it was wanted), and whether it was ready."""
        cluster.stop_leftovers(self.home.cluster)
        give_to(account, self.home.cluster)
        socket_dir = make_socket_dir(self.home, account)
        cluster.trim_log(self.log)
        written = os.fstat(self.log.fileno()).st_size
        server = cluster.start_server(self.home.cluster, socket_dir, binaries, account, self.log)
        ready = False
        try:
            while server.poll() is None:
                self._write()
                if self._is_over():
                    self._enter(Phase.STOPPING)
                    return None, ready
                if not ready and cluster.is_ready(self.home.cluster, server.pid):
                    ready = True
                    self._enter(Phase.READY)
                cluster.trim_log(self.log)
                time.sleep(limits.EMBEDDED_POLL_S)
        finally:
            cluster.stop_server(server)
        if self.end_by is not None and server.returncode == 0:
            return None, ready
        return self._why(server.returncode, written), ready

    def _why(self, code: int, written: int) -> str:
        where = f"see {self.home.log}"
        if code < 0:
            return f"Postgres was ended by {signal.Signals(-code).name}: {where}"
        said = [f"exit code {code}", *cluster.reasons(self.home.log, written)][-1]
        return f"Postgres did not stay up: {said} ({where})"

    def _is_over(self) -> bool:
        """Whether nobody uses the database, or the time after a request to end has passed."""
        self.unused = self.unused or try_lock(self.users, fcntl.LOCK_EX)
        overdue = self.end_by is not None and time.monotonic() >= self.end_by
        return self.unused or overdue

    def _pause(self, pause_s: float) -> None:
        until = time.monotonic() + pause_s
        while time.monotonic() < until and not self._is_over():
            self._write()
            time.sleep(limits.EMBEDDED_POLL_S)

    def _enter(self, phase: Phase, message: str | None = None) -> None:
        directory = None if self.binaries is None else str(self.binaries.directory)
        self.unwritten = State(phase=phase, message=message, binaries=directory)
        self._write()

    def _write(self) -> None:
        """Tell the users; on a full disk they hear of it when there is room again."""
        if self.unwritten is not None:
            with suppress(OSError):
                self.home.write_state(self.unwritten)
                self.unwritten = None

    def ask_to_end(self, *_: object) -> None:
        """A signal: end when the users are gone, and at the latest after `EMBEDDED_DRAIN_S`.

        A machine that shuts down tells everybody at once, and the workers still have to store what
        they accepted.
        """
        if self.end_by is None:
            self.end_by = time.monotonic() + limits.EMBEDDED_DRAIN_S


def make_socket_dir(home: Home, account: Account) -> Path:
    """A private directory for the socket, empty: a lock in it may name a pid of a stranger now."""
    directory = Path(os.path.realpath(home.run))
    linked = home.run.is_symlink()  # out of the data directory, where others may have been
    if directory.is_dir() and (
        not linked or directory.stat().st_uid in (os.geteuid(), account.user)
    ):
        for name in os.listdir(directory):
            (directory / name).unlink()
    else:
        home.run.unlink(missing_ok=True)
        if fits_a_socket(home.run):
            directory = home.run
            directory.mkdir(mode=0o700)
        else:
            directory = Path(tempfile.mkdtemp(prefix="switch-"))
            home.run.symlink_to(directory)
    directory.chmod(0o700)
    give_to(account, directory)
    return directory


def remove_socket_dir(home: Home) -> None:
    """Leave nothing outside the data directory."""
    if home.run.is_symlink():
        shutil.rmtree(os.path.realpath(home.run), ignore_errors=True)
        home.run.unlink()


def fits_a_socket(directory: Path) -> bool:
    """Whether a socket's path may start with it, and every driver can be told so in a URL."""
    path = os.fsencode(directory)
    return len(path) <= limits.EMBEDDED_SOCKET_DIR_BYTES_MAX and not set(path) & set(b',"\\')


def main() -> None:
    """Become a process that nobody waits for, then keep."""
    home = Home(data_dir=Path(sys.argv[1]))
    lock = int(sys.argv[2])
    if os.fork() != 0:
        os._exit(0)
    os.umask(0o077)
    os.chdir("/")
    os.set_inheritable(lock, False)
    with home.open_log() as log:
        keeper = Keeper(home, log)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, keeper.ask_to_end)
        keeper.run()


if __name__ == "__main__":
    main()
