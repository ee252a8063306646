"""`switch serve` refuses what cannot work: one line that says what to do, exit code 1."""

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.databases import ADMIN, JOBS, WORKER, Database, DatabaseServer
from tests.integration import running
from tests.integration.running import serving, switch


async def _refusal(*options: object, **variables: str) -> str:
    said = await switch("serve", "--admin-port", 0, *options, **variables)
    assert said.code == 1, said
    assert said.out == ""
    assert said.complaint.startswith("switch: ")
    return said.complaint


async def test_a_port_in_use(tmp_path: Path) -> None:
    """A port that somebody listens on is refused, although workers could share it."""
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:
        port = taken.getsockname()[1]
        complaint = await _refusal("--port", port, "--data-dir", tmp_path / "data")
    assert f"127.0.0.1:{port}" in complaint
    assert "--port" in complaint
    assert not (tmp_path / "data").exists(), "nothing was started before the port was tried"


async def test_the_port_of_a_running_switch(database: Database, tmp_path: Path) -> None:
    """A second switch on the same port is refused, however many workers share it."""
    options = running.external(database, tmp_path)
    async with serving(tmp_path, *options, "--workers", 1) as first:
        port = first.url.rsplit(":", 1)[1]
        complaint = await _refusal("--port", port, *options)
        assert f"127.0.0.1:{port}" in complaint
        assert await first.end() == 0


async def test_the_data_directory_of_a_running_switch(database: Database, tmp_path: Path) -> None:
    """A second switch is refused on other ports too, until the first has ended or was killed."""
    options = running.external(database, tmp_path)
    data_dir = tmp_path / "data"
    async with serving(tmp_path, *options, "--workers", 1) as first:
        complaint = await _refusal("--port", 0, *options)
        assert f"{data_dir} is in use" in complaint
        assert "stop that one, or give --data-dir another folder" in complaint
        assert (data_dir / "admin.url").read_text().strip() == first.admin_url
        assert not [name for pid in running.children(first.pid) for name in _locks(pid)]
        await first.end(signal.SIGKILL)
    async with serving(tmp_path, *options, "--workers", 1) as second:
        assert await second.end() == 0


def _locks(pid: int) -> list[str]:
    """The lock files that a process has open."""
    names = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    return [name for name in names if name.endswith(".lock")]


async def test_an_admin_port_in_use(database: Database, tmp_path: Path) -> None:
    """The same for the operator's port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = await switch(
            *("serve", "--port", 0, "--admin-port", port, *running.external(database, tmp_path))
        )
    assert said.code == 1
    assert "--admin-port" in said.complaint


async def test_a_database_that_does_not_answer(tmp_path: Path) -> None:
    """An unreachable database is named as the reason, its password is not."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"postgresql://city:secret-word@127.0.0.1:{port}/switch"
    complaint = await _refusal("--port", 0, "--database-url", url, "--data-dir", tmp_path)
    assert "the database cannot be reached" in complaint
    assert "secret-word" not in complaint


async def test_a_database_without_a_ledger(database_server: DatabaseServer, tmp_path: Path) -> None:
    """Without the operator's URL nothing is migrated; it says how to."""
    empty = await database_server.create()
    complaint = await _refusal(
        *("--port", 0, "--database-url", empty.url(WORKER), "--data-dir", tmp_path)
    )
    assert "switch migrate" in complaint
    await database_server.drop(empty)


async def test_a_ledger_of_a_later_version(database_server: DatabaseServer, tmp_path: Path) -> None:
    """A program that is older than the ledger touches nothing."""
    later = await database_server.migrated()
    connection = await later.connect()
    await connection.execute("UPDATE ledger.schema_version SET version = version + 1")
    await connection.close()
    complaint = await _refusal("--port", 0, *running.external(later, tmp_path))
    assert "upgrade this program" in complaint
    await database_server.drop(later)


@pytest.mark.parametrize("option", ["--database-url", "--jobs-database-url"])
async def test_a_privileged_role(database: Database, tmp_path: Path, option: str) -> None:
    """Neither workers nor jobs may log in as somebody who could do more than their work."""
    urls = {"--database-url": database.url(WORKER), "--jobs-database-url": database.url(JOBS)}
    urls[option] = database.url(ADMIN)
    arguments = [part for pair in urls.items() for part in pair]
    complaint = await _refusal("--port", 0, *arguments, "--data-dir", tmp_path)
    assert "superuser" in complaint


@pytest.mark.parametrize(
    ("urls", "role"), [((JOBS, JOBS), "switch_worker"), ((WORKER, WORKER), "switch_jobs")]
)
async def test_a_role_that_may_too_little(
    database: Database, tmp_path: Path, urls: tuple[str, str], role: str
) -> None:
    """A login that cannot do its process's work is refused at start, not at the first payment."""
    options = list(running.external(database, tmp_path))
    options[1], options[3] = (database.url(login) for login in urls)
    assert f"GRANT {role}" in await _refusal("--port", 0, *options)


async def test_no_signing_key(database_server: DatabaseServer, tmp_path: Path) -> None:
    """Without a key of its own, or with its file lost, it says how to make one."""
    database = await database_server.migrated()
    options = ("--port", 0, "--database-url", database.url(WORKER), "--data-dir", tmp_path)
    options += ("--jobs-database-url", database.url(JOBS))
    assert "switch key rotate" in await _refusal(*options)
    rotated = await switch(
        *("key", "rotate", "--admin-database-url", database.url(ADMIN), "--data-dir", tmp_path)
    )
    assert rotated.code == 0
    next((tmp_path / "keys").glob("*.pem")).unlink()
    assert "switch key rotate" in await _refusal(*options)
    await database_server.drop(database)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--host", "0.0.0.0"), "--authority"),  # noqa: S104  nothing listens: it is refused
        (("--authority", "a/b", "--host", "127.0.0.1"), "--authority"),
        (("--tls-cert", "missing.pem"), "--tls-key"),
        (("--tls-cert", "missing.pem", "--tls-key", "missing.pem"), "missing.pem"),
        (("--admin-database-url", "postgresql://x@/y"), "--database-url"),
        (("--time-zone", "Asia/Nowhere"), "Asia/Nowhere"),
    ],
)
async def test_options_that_make_no_sense(
    tmp_path: Path, options: tuple[str, ...], named: str
) -> None:
    """The line names the option that is to be changed."""
    complaint = await _refusal("--port", 0, "--data-dir", tmp_path / "data", *options)
    assert named in complaint


async def test_a_certificate_without_its_key(tmp_path: Path) -> None:
    """A file that is no certificate is told from one that cannot be read."""
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("not a certificate\n")
    complaint = await _refusal("--port", 0, "--tls-cert", nonsense, "--tls-key", nonsense)
    assert "nonsense.pem" in complaint


@pytest.mark.parametrize("flags", [("-O",), ("-OO",)])
async def test_python_that_drops_assertions(flags: tuple[str, ...]) -> None:
    """What the code relies on is asserted, so `python -O` is refused for every command."""
    said = await switch("version", flags=flags)
    assert said.code == 1
    assert "-O" in said.complaint
    said = await switch("version", PYTHONOPTIMIZE="1")
    assert "PYTHONOPTIMIZE" in said.complaint
