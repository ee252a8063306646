"""The life of the embedded database: shared by many, and whole again after every kind of kill."""

import asyncio
import contextlib
import fcntl
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from switch import cluster, limits
from switch.binaries import choose_account, find_binaries
from switch.embedded import Embedded, open_database
from switch.keeper import Home, Keeper, Phase, State, open_lock, try_lock
from tests.integration.embedded_user import (
    PATIENCE_S,
    UserProcess,
    exists,
    keepers,
    mode,
    servers,
    short_folder,
    until,
)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where these tests keep their data directories."""
    folder = short_folder()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def data_dir(folder: Path) -> Iterator[Path]:
    """The data directory of most tests, at rest before and after."""
    yield folder / "city"
    assert not keepers(folder / "city") + servers(folder / "city")


@pytest.fixture
def new_dir(folder: Path) -> Iterator[Path]:
    """A data directory that does not exist yet."""
    place = folder / "new"
    yield place
    left = keepers(place) + servers(place)
    shutil.rmtree(place)
    assert not left, f"still running: {left}"


async def connect(url: str) -> asyncpg.Connection:
    """A connection, also while Postgres is coming back."""
    for _ in range(round(PATIENCE_S / 0.05)):
        with contextlib.suppress(OSError, asyncpg.CannotConnectNowError):
            return await asyncpg.connect(url, timeout=PATIENCE_S)
        await asyncio.sleep(0.05)
    raise AssertionError("Postgres did not come back")


async def ask(url: str, query: str) -> object:
    """One value from the database."""
    connection = await connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def execute(url: str, statement: str) -> None:
    """One statement that commits by itself."""
    connection = await connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def killed(database: Embedded, pid: int) -> None:
    """Kill one of the processes and see that another server takes over."""
    before = database.server_pid()
    os.kill(pid, signal.SIGKILL)
    await until(lambda: servers(database.data_dir) not in ([before], []))


async def test_first_start_makes_a_private_home(new_dir: Path) -> None:
    """A new data directory, its cluster, socket and log are for their owner alone."""
    async with open_database(new_dir) as database:
        home = Home(data_dir=new_dir)
        assert database.data_dir == new_dir
        assert [mode(path) for path in (new_dir, home.cluster, home.run)] == [0o700] * 3
        assert [mode(path) for path in (home.log, home.users_lock)] == [0o600] * 2
        assert exists(database.binaries / "psql")
        assert await ask(database.url(), "SELECT count(*) FROM pg_stat_ssl WHERE ssl") == 0
        assert await ask(database.url(), "SHOW listen_addresses") == ""


async def test_settings_are_durable_whatever_the_cluster_says(data_dir: Path) -> None:
    """No setting inside the cluster turns off what an acknowledged payment relies on."""
    durable = ("fsync", "synchronous_commit", "full_page_writes", "data_checksums")
    async with open_database(data_dir) as database:
        for name in durable[:3]:
            await execute(database.url(), f"ALTER SYSTEM SET {name} = off")
    async with open_database(data_dir) as database:
        for name in durable:
            assert await ask(database.url(), f"SHOW {name}") == "on", name


async def test_the_database_is_the_same_on_every_machine(data_dir: Path) -> None:
    """Text is UTF-8 and sorted by code point, time is UTC, whatever the environment says."""
    user = await UserProcess.start(
        data_dir,
        environment={"LC_ALL": "de_DE.ISO-8859-1", "TZ": "Asia/Shanghai", "PGTZ": "Asia/Shanghai"}
        | {"PGPORT": "1", "PGDATA": "/nowhere", "PGHOST": "nowhere"},
    )
    url = str((await user.opened()).words["url"])
    for query, answer in {
        "SELECT current_database()": "switch",
        "SHOW server_encoding": "UTF8",
        "SELECT datcollate FROM pg_database WHERE datname = current_database()": "C",
        "SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'": "UTC",
    }.items():
        assert await ask(url, query) == answer, query
    assert "LC_ALL=C" in environment_of(int(user.words["server_pid"]))
    await user.leave()


def environment_of(pid: int) -> list[str]:
    """The environment that a process was started with."""
    return os.fsdecode(Path(f"/proc/{pid}/environ").read_bytes()).split("\0")


async def test_nothing_runs_after_the_last_user_left(data_dir: Path) -> None:
    """Leaving waits until Postgres has stopped cleanly, and the data are there the next time."""
    async with open_database(data_dir) as database:
        await execute(database.url(), "CREATE TABLE rested AS SELECT 1 AS one")
        assert servers(data_dir) == [database.server_pid()]
    assert not servers(data_dir)
    assert not keepers(data_dir)
    assert Home(data_dir=data_dir).read_state().phase is Phase.STOPPED
    assert "database system is shut down" in Home(data_dir=data_dir).log.read_text()
    async with open_database(data_dir) as database:
        assert await ask(database.url(), "SELECT one FROM rested") == 1


async def test_two_data_directories_run_side_by_side(data_dir: Path, new_dir: Path) -> None:
    """Two switches on one machine have two databases and do not meet."""
    async with open_database(data_dir) as one, open_database(new_dir) as two:
        await execute(one.url(), "CREATE TABLE mine ()")
        assert one.server_pid() != two.server_pid()
        assert await ask(two.url(), "SELECT to_regclass('mine')") is None


async def test_users_share_one_server_and_the_last_one_stops_it(data_dir: Path) -> None:
    """Who comes later joins the running server; who leaves earlier leaves it to the others."""
    first = await (await UserProcess.start(data_dir)).opened()
    async with open_database(data_dir) as database:
        assert first.words["server_pid"] == database.server_pid()
        await first.leave()
        assert await ask(database.url(), "SELECT 1") == 1
        assert first.words["server_pid"] == database.server_pid()


async def test_users_that_come_and_go_always_find_the_database(
    data_dir: Path, seed: int, long_run: bool
) -> None:
    """However joining, leaving and dying meet, whoever has the database open can use it."""
    chance = random.Random(seed)
    moments = [chance.random() for _ in range(64 if long_run else 12)]

    async def one_user(moment: float) -> None:
        await asyncio.sleep(moment * len(moments) / 4)
        user = await (await UserProcess.start(data_dir)).opened()
        assert await ask(str(user.words["url"]), "SELECT 1") == 1
        await (user.kill() if moment < 0.25 else user.leave())

    await asyncio.gather(*map(one_user, moments))
    await until(lambda: not servers(data_dir) and not keepers(data_dir))


async def test_a_killed_postgres_comes_back_with_everything_committed(data_dir: Path) -> None:
    """After kill -9 of Postgres, again and again, the next one has all that was acknowledged."""
    async with open_database(data_dir) as database:
        await execute(database.url(), "CREATE TABLE kept (number int)")
        for number in range(3):
            await execute(database.url(), "INSERT INTO kept SELECT count(*) FROM kept")
            await killed(database, database.server_pid())
            assert await ask(database.url(), "SELECT max(number) FROM kept") == number


async def test_a_killed_keeper_is_replaced_while_the_database_is_in_use(data_dir: Path) -> None:
    """After kill -9 of the keeper there is a new one, and a Postgres that it looks after."""
    async with open_database(data_dir) as database:
        (keeper,) = keepers(data_dir)
        await killed(database, keeper)
        assert await ask(database.url(), "SELECT 1") == 1
        assert keeper not in keepers(data_dir)
        await killed(database, database.server_pid())
        assert await ask(database.url(), "SELECT 1") == 1


async def test_a_killed_user_leaves_nothing_running(data_dir: Path) -> None:
    """When the only user is killed, the keeper stops Postgres by itself."""
    user = await (await UserProcess.start(data_dir)).opened()
    assert servers(data_dir)
    await user.kill()
    await until(lambda: not servers(data_dir) and not keepers(data_dir))
    assert Home(data_dir=data_dir).read_state().phase is Phase.STOPPED


async def test_killing_keeper_and_user_together_leaves_nothing_running(data_dir: Path) -> None:
    """Postgres ends with its keeper, so that nobody has to come back to stop it."""
    user = await (await UserProcess.start(data_dir)).opened()
    (keeper,) = keepers(data_dir)
    await user.kill()
    with contextlib.suppress(ProcessLookupError):
        os.kill(keeper, signal.SIGKILL)
    await until(lambda: not servers(data_dir) and not keepers(data_dir))
    async with open_database(data_dir) as database:
        assert await ask(database.url(), "SELECT 1") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_keeper_told_to_end_waits_for_its_users(data_dir: Path, number: int) -> None:
    """A machine that shuts down tells everybody: what users accepted can still be stored."""
    async with open_database(data_dir) as database:
        connection = await connect(database.url())
        (keeper,) = keepers(data_dir)
        os.kill(keeper, number)
        await asyncio.sleep(4 * limits.EMBEDDED_POLL_S)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
        assert keepers(data_dir) == [keeper]
    assert "database system is shut down" in Home(data_dir=data_dir).log.read_text()


def test_a_keeper_told_to_end_does_not_wait_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user that does not leave cannot hold up a machine that shuts down."""
    monkeypatch.setattr(limits, "EMBEDDED_DRAIN_S", 0.0)
    home = Home(data_dir=tmp_path)
    with home.open_log() as log:
        keeper, user = Keeper(home, log), Keeper(home, log)
        assert user._is_over()
        assert not keeper._is_over()
        keeper.ask_to_end()
        assert keeper._is_over()
        os.close(keeper.users)
        os.close(user.users)


async def test_a_postgres_left_behind_is_stopped_at_the_next_start(data_dir: Path) -> None:
    """A server of an earlier run is shut down, and its data are the new one's."""
    async with open_database(data_dir) as database:
        url = database.url()
    leftover, log = start_without_keeper(data_dir)
    try:
        await execute(url, "CREATE TABLE left_behind ()")
        async with open_database(data_dir) as database:
            assert leftover.wait(PATIENCE_S) == 0
            assert servers(data_dir) == [database.server_pid()]
            assert await ask(database.url(), "SELECT count(*) FROM left_behind") == 0
    finally:
        leftover.kill()
        leftover.wait()
        os.close(log)


def start_without_keeper(data_dir: Path) -> tuple[subprocess.Popen[bytes], int]:
    """A Postgres of this data directory that belongs to nobody who looks after it."""
    home = Home(data_dir=data_dir)
    binaries = find_binaries(os.environ)
    with home.open_log() as log:
        descriptor = os.dup(log.fileno())
        account = choose_account(binaries)
        return cluster.start_server(home.cluster, home.run, binaries, account, log), descriptor


async def test_children_of_a_killed_postgres_are_ended_before_the_next_one(data_dir: Path) -> None:
    """A backend that is still at work cannot write beside the new server, nor keep it waiting."""
    async with open_database(data_dir) as database:
        connection = await connect(database.url())
        backend = await connection.fetchval("SELECT pg_backend_pid()")
        # Busy without ever looking whether its parent is alive.
        busy = asyncio.create_task(
            connection.execute("DO $$ BEGIN LOOP PERFORM 1; END LOOP; END $$")
        )
        await asyncio.sleep(0.2)
        await killed(database, database.server_pid())
        try:
            assert not cluster.belongs(backend, Home(data_dir=data_dir).cluster)
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
                await busy
            assert await ask(database.url(), "SELECT 1") == 1
        finally:
            if cluster.belongs(backend, Home(data_dir=data_dir).cluster):
                os.kill(backend, signal.SIGKILL)


@pytest.mark.parametrize("name", ["sleep", "postgres"])
async def test_a_stranger_with_a_recycled_pid_is_left_alone(data_dir: Path, name: str) -> None:
    """A pid file that names some other process neither ends it nor keeps Postgres from starting."""
    async with open_database(data_dir):
        pass
    program = data_dir.parent / name
    shutil.copy(shutil.which("sleep") or "sleep", program)
    stranger = await asyncio.create_subprocess_exec(program, "1000", cwd=data_dir.parent)
    try:
        pretend_it_serves(Home(data_dir=data_dir), stranger.pid)
        async with open_database(data_dir) as database:
            assert await ask(database.url(), "SELECT 1") == 1
        assert stranger.returncode is None
    finally:
        stranger.kill()
        await stranger.wait()


def pretend_it_serves(home: Home, pid: int) -> None:
    """The files that a Postgres with this pid leaves when the machine is switched off."""
    old = f"{pid}\n{home.cluster}\n1\n5432\n{home.run}\n\n     1 1\nready\n"
    (home.cluster / "postmaster.pid").write_text(old)
    (home.run / ".s.PGSQL.5432").touch()
    (home.run / ".s.PGSQL.5432.lock").write_text(old)


def unfinished(data_dir: Path) -> list[Path]:
    """What is in the making, or was."""
    return list(data_dir.glob(cluster.UNFINISHED_PREFIX + "*"))


async def test_a_first_start_that_was_killed_leaves_no_half_made_cluster(
    new_dir: Path, seed: int
) -> None:
    """However far a first start came when everything was killed, the next one makes it whole."""
    chance = random.Random(seed)
    for _ in range(3):
        user = await UserProcess.start(new_dir)
        await until(lambda: bool(unfinished(new_dir)))
        await asyncio.sleep(chance.uniform(0, 0.6))
        await user.kill()
        for keeper in keepers(new_dir):
            os.kill(keeper, signal.SIGKILL)
        await until(lambda: not keepers(new_dir) and not servers(new_dir))
        shutil.rmtree(new_dir / "postgres", ignore_errors=True)  # it may have been complete
    async with open_database(new_dir) as database:
        assert await ask(database.url(), "SELECT current_database()") == "switch"
    assert not unfinished(new_dir)


async def test_a_state_of_a_killed_keeper_is_not_believed(data_dir: Path) -> None:
    """What an earlier keeper wrote last, or half wrote, does not count: only a living one does."""
    home = Home(data_dir=data_dir)
    async with open_database(data_dir):
        pass
    for phase in (Phase.READY, Phase.FAILED, Phase.FAILING):
        home.write_state(State(phase=phase, message="long ago", binaries="/nowhere"))
        async with open_database(data_dir) as database:
            assert servers(data_dir) == [database.server_pid()]
    (data_dir / "keeper.json").write_bytes(b'{"phase": "rea')
    async with open_database(data_dir) as database:
        assert await ask(database.url(), "SELECT 1") == 1


async def test_somebody_looking_for_a_keeper_is_not_taken_for_one(data_dir: Path) -> None:
    """A user who tries the keeper's lock for a moment does not make an old state look alive."""
    home = Home(data_dir=data_dir)
    async with open_database(data_dir):
        pass
    home.write_state(State(phase=Phase.READY, binaries="/nowhere"))
    looking = [open_lock(home.door_lock), open_lock(home.keeper_lock)]
    assert all(try_lock(descriptor, fcntl.LOCK_EX) for descriptor in looking)
    async with contextlib.AsyncExitStack() as stack:
        opening = asyncio.create_task(stack.enter_async_context(open_database(data_dir)))
        await asyncio.sleep(6 * limits.EMBEDDED_POLL_S)
        assert not opening.done()
        for descriptor in looking:
            os.close(descriptor)
        database = await opening
        assert servers(data_dir) == [database.server_pid()]


@pytest.mark.parametrize(
    "name", ["x" * limits.EMBEDDED_SOCKET_DIR_BYTES_MAX, "a,b", "with space & ünïcode%20?"]
)
async def test_a_path_unfit_for_a_socket_gets_a_private_one_elsewhere(
    folder: Path, name: str
) -> None:
    """A long or awkward path works; what lies outside is private and gone after the stop."""
    place = folder / name
    async with open_database(place) as database:
        socket_dir = Home(data_dir=place).run.resolve()
        assert mode(socket_dir) == 0o700
        assert await ask(database.url(), "SELECT 1") == 1
    assert not exists(socket_dir / ".s.PGSQL.5432")
    assert socket_dir.is_relative_to(place) or not exists(socket_dir)


def test_the_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log over its bound starts anew, with the older part beside it, and goes on in place."""
    monkeypatch.setattr(limits, "EMBEDDED_LOG_BYTES_MAX", 10)
    path = tmp_path / "postgres.log"
    with path.open("ab", buffering=0) as log:
        for line in (b"0123456789", b"!", b"new"):
            log.write(line)
            cluster.trim_log(log)
    assert path.read_bytes() == b"new"
    assert path.with_suffix(".log.1").read_bytes() == b"0123456789!"
