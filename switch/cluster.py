"""One Postgres cluster in its directory: made, started, stopped, and cleared of leftovers.

Who may use the cluster, and for how long it runs, is `keeper`'s and `embedded`'s. A cluster is made
in a directory of its own and renamed when it is complete, so one that was interrupted is never
taken for a good one.
"""

import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from switch import limits
from switch.binaries import BINARIES_VARIABLE, Account, Binaries, give_to
from switch.errors import SwitchError

DATABASE = "switch"
SUPERUSER = "postgres"
PORT = 5432  # names the socket file; nothing listens on the network
UNFINISHED_PREFIX = "postgres.new-"
REASON = re.compile(r"\b(FATAL|PANIC|error): .*")  # as Postgres and initdb say it
LOG_TAIL_BYTES = 64 * 1024  # where the reason of an end is looked for

# Given on the command line, where nothing in the cluster can override them.
SETTINGS: Mapping[str, str] = {
    # Durable: an answer leaves only after its commit is on disk.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # Reached through one directory only.
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    # Moderate: it shares the machine with the workers.
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    # Short statements in a known order of locks: a wait this long is a deadlock.
    "deadlock_timeout": "200ms",
    "jit": "off",
    # Every question goes by a key: it needs sizes, not distributions. ANALYZE comes round often.
    "default_statistics_target": "10",
    # A plan that was made while a table was empty reads all of it until ANALYZE has come by.
    "autovacuum_naptime": "10s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_line_prefix": "%m [%p] ",
    "logging_collector": "off",
    "log_destination": "stderr",
}


# How a server is asked to end, and for how long each way; none loses a commit.
STOP_STEPS: tuple[tuple[signal.Signals, float], ...] = (
    (signal.SIGINT, limits.EMBEDDED_FAST_STOP_S),
    (signal.SIGQUIT, limits.EMBEDDED_IMMEDIATE_STOP_S),
    (signal.SIGKILL, limits.EMBEDDED_IMMEDIATE_STOP_S),
)


def make(cluster: Path, binaries: Binaries, account: Account, log: IO[bytes]) -> None:
    """Make the cluster with its database `switch`, or leave nothing that looks like one."""
    remove_unfinished(cluster)
    unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED_PREFIX, dir=cluster.parent))
    give_to(account, unfinished)
    _run_to_end(
        account,
        [
            *(binaries.path("initdb"), "-D", str(unfinished), "-U", SUPERUSER, "-A", "trust"),
            *("--locale=C", "--locale-provider=libc", "--encoding=UTF8"),
            *("--data-checksums", "--no-instructions"),
        ],
        statement="",
        log=log,
    )
    _run_to_end(
        account,
        [
            *(binaries.path("postgres"), "--single", "-D", str(unfinished)),
            *("-c", "exit_on_error=on", "-c", "log_checkpoints=off", "template1"),
        ],
        statement=f"CREATE DATABASE {DATABASE}",
        log=log,
    )
    unfinished.rename(cluster)
    _sync_directory(cluster.parent)


def remove_unfinished(cluster: Path) -> None:
    """Remove what interrupted attempts left behind."""
    for directory in cluster.parent.glob(UNFINISHED_PREFIX + "*"):
        shutil.rmtree(directory, ignore_errors=True)


def _run_to_end(account: Account, command: list[str], *, statement: str, log: IO[bytes]) -> None:
    written = log.seek(0, os.SEEK_END)
    with tempfile.TemporaryFile() as stdin:
        stdin.write(statement.encode() + b"\n")
        stdin.seek(0)
        process = account.start(
            command, end_signal=signal.SIGKILL, stdin=stdin, output=log.fileno()
        )
        try:
            code = process.wait(limits.EMBEDDED_MAKE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise SwitchError(
                f"making the database took longer than {limits.EMBEDDED_MAKE_S:.0f} s: "
                "look at the disk of the data directory"
            ) from None
    if code != 0:
        said = [*reasons(Path(log.name), written), f"exit code {code}"][0]
        raise SwitchError(f"the database could not be made: {said} (all of it in {log.name})")


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_version(cluster: Path, binaries: Binaries) -> None:
    """Refuse a cluster that another major version made: Postgres cannot read it."""
    try:
        made_by = (cluster / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise SwitchError(
            f"{cluster} is not a Postgres cluster any more (PG_VERSION is missing): "
            "restore it from a backup or choose another --data-dir"
        ) from None
    if made_by != str(binaries.major):
        raise SwitchError(
            f"{cluster} was made by Postgres {made_by}, but {binaries.directory} holds Postgres "
            f"{binaries.major}: name the bin directory of Postgres {made_by} in {BINARIES_VARIABLE}"
        )


def start_server(
    cluster: Path, socket_dir: Path, binaries: Binaries, account: Account, log: IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start Postgres in the foreground as a child that shuts down when this process dies."""
    settings = {**SETTINGS, "unix_socket_directories": f'"{socket_dir}"'}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    command = [binaries.path("postgres"), "-D", str(cluster), *options]
    return account.start(command, end_signal=signal.SIGINT, output=log.fileno())


def stop_server(server: subprocess.Popen[bytes]) -> None:
    """Stop it: fast with a checkpoint, then without one, then by force; each step is durable."""
    for how, wait_s in STOP_STEPS:
        server.send_signal(how)
        try:
            server.wait(wait_s)
        except subprocess.TimeoutExpired:
            continue
        return
    server.wait()


def is_ready(cluster: Path, server_pid: int) -> bool:
    """Whether this server accepts connections, as it says itself in its pid file (line 8)."""
    lines = _pid_file_lines(cluster)
    return len(lines) >= 8 and lines[0] == str(server_pid) and lines[7].strip() == "ready"


def recorded_pid(cluster: Path) -> int | None:
    """The process id in the cluster's pid file, which may be long gone."""
    lines = _pid_file_lines(cluster)
    return int(lines[0]) if lines and lines[0].isdecimal() else None


def _pid_file_lines(cluster: Path) -> list[str]:
    try:
        return (cluster / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def reasons(log: Path, offset: int) -> list[str]:
    """What was said of giving up in the log after `offset`; if nothing, its last line."""
    with log.open("rb") as file:
        file.seek(max(offset, file.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    said = [" ".join(line.split()) for line in lines if line.strip()]
    return [match.group() for line in said if (match := REASON.search(line))] or said[-1:]


def stop_leftovers(cluster: Path) -> None:
    """Stop every Postgres process of this cluster, and forget a pid that is now a stranger's.

    The caller knows that none of them is wanted. A process counts only if /proc shows a Postgres
    of this very directory, and is signalled through a descriptor that cannot come to mean another.
    """
    first = recorded_pid(cluster)
    if first is not None:
        _stop_process(first, cluster, STOP_STEPS)
    for pid in _all_pids():
        _stop_process(pid, cluster, STOP_STEPS[1:])
    if first is not None and Path(f"/proc/{first}").exists():
        (cluster / "postmaster.pid").unlink(missing_ok=True)


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _stop_process(pid: int, cluster: Path, steps: tuple[tuple[signal.Signals, float], ...]) -> None:
    if not belongs(pid, cluster):
        return
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        for how, wait_s in steps:
            if not belongs(pid, cluster):
                return
            signal.pidfd_send_signal(descriptor, how)
            if _ended(descriptor, wait_s):
                return
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)
    raise SwitchError(
        f"process {pid}, a Postgres of {cluster} from an earlier run, cannot be stopped: "
        "stop it and start again"
    )


def _ended(descriptor: int, wait_s: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(int(wait_s * 1000)))


def belongs(pid: int, cluster: Path) -> bool:
    """Whether this process is a Postgres that serves this cluster.

    A server names the cluster on its command line, which everybody may read; its children have
    other titles, but all of them live in the cluster's directory.
    """
    process = Path(f"/proc/{pid}")
    try:
        arguments = (process / "cmdline").read_bytes().split(b"\0")
        if os.path.basename(arguments[0]) == b"postgres" and os.fsencode(cluster) in arguments:
            return True
        if (process / "comm").read_text().strip() != "postgres":
            return False
        return os.path.samestat((process / "cwd").stat(), cluster.stat())
    except OSError:
        return False


def trim_log(log: IO[bytes]) -> None:
    """Keep the log within its bound: the older part stays beside it under `.1`."""
    if os.fstat(log.fileno()).st_size <= limits.EMBEDDED_LOG_BYTES_MAX:
        return
    with suppress(OSError):  # a full disk is no reason to let it grow
        shutil.copyfile(log.name, log.name + ".1")
    os.ftruncate(log.fileno(), 0)
