"""The folders an operator names: what a command says of one it cannot use, what a kill leaves."""

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import typer

from switch import cli
from switch.config import admin_url_path
from tests.conftest import missing
from tests.databases import ADMIN, Database
from tests.integration import running
from tests.integration.running import serving, switch
from tests.integration.town import free_port

TOO_LONG = "x" * 300  # no file system takes such a name, whoever asks
ID = str(uuid4())
PUBLIC_KEY = """\
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=
-----END PUBLIC KEY-----
"""
FREE_PORTS = ("--port", "0", "--admin-port", "0")
NO_DATABASE = ("--database-url", "postgresql://nobody@127.0.0.1:1/nothing")

# Every command that takes a data directory, with what else it must be told.
COMMANDS: dict[str, tuple[str, ...]] = {
    "serve": FREE_PORTS,
    "demo": ("--seconds", "1"),
    "migrate": (),
    "status": (),
    "check-books": (),
    "issue": (ID, "1", "--reason", "test"),
    "redeem": (ID, "1", "--reason", "test"),
    "reverse": (ID, "--reason", "test"),
    "trace": (ID,),
    "event dead": (),
    "event replay": ("bank-a",),
    "bank calls": ("bank-a",),
    "bank give-up": ("bank-a", ID, "--reason", "test"),
    "participant add": ("bank-a", "--kind", "bank"),
    "participant set": ("bank-a", "--bank-url", ""),
    "participant list": (),
    "participant suspend": ("bank-a",),
    "participant resume": ("bank-a",),
    "key add": ("bank-a/one", "--public-key", "bank-a.pub"),
    "key revoke": ("bank-a/one",),
    "key confirm": ("bank-a/one",),
    "key list": (),
    "key rotate": (),
    "tier set": ("gold", "--currency", "CNY"),
    "tier default": ("wallet", "gold", "--currency", "CNY"),
    "tier list": (),
    "tariff set": ("retail", "--currency", "CNY", "--share", f"{ID}:3800"),
    "tariff use": (ID, "retail"),
    "tariff list": (),
    "shop set": (ID, "--category", "5411"),
    "account open": ("--participant", "bank-a", "--kind", "position", "--currency", "CNY"),
    "account set": (ID, "--floor", "0"),
    "account freeze": (ID,),
    "account unfreeze": (ID,),
    "account close": (ID,),
    "account show": (ID,),
}


@pytest.fixture
def as_user() -> tuple[str, ...]:
    """What runs a program so that the mode of a folder binds it, as it does not bind root."""
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        missing("setpriv")
    return (str(setpriv), "--bounding-set=-dac_override,-dac_read_search")


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A folder that nobody but root may write."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    yield folder
    folder.chmod(0o700)


@pytest.fixture
def hidden(closed: Path) -> Path:
    """A folder that nobody but root may read either."""
    closed.chmod(0)
    return closed


async def refused(*arguments: object, before: tuple[str, ...] = (), **variables: str) -> str:
    """The one line with which a command is refused."""
    said = await switch(*arguments, before=before, **variables)
    assert (said.code, said.out) == (1, ""), said
    return said.complaint


def with_a_data_dir(group: typer.core.TyperGroup, *names: str) -> Iterator[str]:
    """The commands below a group that have the option."""
    for name, command in group.commands.items():
        if isinstance(command, typer.core.TyperGroup):
            yield from with_a_data_dir(command, *names, name)
        elif any("--data-dir" in parameter.opts for parameter in command.params):
            yield " ".join((*names, name))


def test_every_command_with_a_data_directory_is_looked_at() -> None:
    """None is missing in the table of this file."""
    group = typer.main.get_command(cli.app)
    assert isinstance(group, typer.core.TyperGroup)
    assert sorted(with_a_data_dir(group)) == sorted(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_data_directory_that_cannot_be_is_named_by_every_command(
    tmp_path: Path, command: str
) -> None:
    """One line that says what to do, exit code 1, and nothing was made."""
    (tmp_path / "bank-a.pub").write_text(PUBLIC_KEY)
    more = [str(tmp_path / one) if one == "bank-a.pub" else one for one in COMMANDS[command]]
    complaint = await refused(*command.split(), *more, "--data-dir", tmp_path / TOO_LONG)
    assert "cannot be used (File name too long)" in complaint
    assert "choose a --data-dir" in complaint
    assert os.listdir(tmp_path) == ["bank-a.pub"]


@pytest.mark.parametrize("database", [(), NO_DATABASE], ids=["embedded", "external"])
@pytest.mark.parametrize("place", [".", "below", "below/that"])
async def test_a_data_directory_that_may_not_be_written_is_refused(
    closed: Path, as_user: tuple[str, ...], database: tuple[str, ...], place: str
) -> None:
    """Beside an external database as with the embedded one, before either is asked for anything."""
    options = (*FREE_PORTS, *database, "--data-dir", closed / place)
    complaint = await refused("serve", *options, before=as_user)
    assert "cannot be used (Permission denied): choose a --data-dir" in complaint
    assert os.listdir(closed) == []


@pytest.mark.parametrize("command", ["status", "migrate"])
async def test_a_data_directory_that_may_not_be_read_is_refused(
    hidden: Path, as_user: tuple[str, ...], command: str
) -> None:
    """The same for who may not even look."""
    complaint = await refused(command, "--data-dir", hidden, before=as_user)
    assert "cannot be used (Permission denied): choose a --data-dir" in complaint


@pytest.mark.parametrize("place", ["file", "file/below"])
async def test_a_file_in_the_place_of_the_data_directory(tmp_path: Path, place: str) -> None:
    """What stands there stays, and the line says that it is no folder."""
    (tmp_path / "file").write_text("precious")
    for database in ((), NO_DATABASE):
        options = (*FREE_PORTS, *database, "--data-dir", tmp_path / place)
        assert "something in its path is no folder" in await refused("serve", *options)
    assert (tmp_path / "file").read_text() == "precious"


async def test_something_else_in_the_data_directory(database: Database, tmp_path: Path) -> None:
    """A file for the metrics' folder, or a folder for the address' file, is no traceback."""
    options = (*FREE_PORTS, *running.external(database, tmp_path))
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    (data_dir / "metrics").touch()
    assert f"{data_dir} cannot be used" in await refused("serve", *options)
    (data_dir / "metrics").unlink()
    admin_url_path(data_dir).mkdir()
    assert f"{data_dir} cannot be used" in await refused("serve", *options)
    admin_url_path(data_dir).rmdir()
    port = str(free_port())
    (data_dir / "metrics" / port).touch()
    assert f"{data_dir} cannot be used" in await refused("serve", *options, "--port", port)


@pytest.mark.parametrize("name", ["processes.log", "participants"])
async def test_something_else_in_the_folder_of_a_city(tmp_path: Path, name: str) -> None:
    """The demo says in one line what it cannot write, and ends what it has started."""
    data_dir = tmp_path / "city"
    (data_dir / name).mkdir(parents=True)
    (data_dir / "users.lock").touch()
    complaint = await refused("demo", "--seconds", "1", "--data-dir", data_dir)
    assert f"{data_dir} cannot be used" in complaint


@pytest.mark.parametrize("name", ["file/keys", TOO_LONG])
async def test_a_key_directory_that_cannot_be_used(
    database: Database, tmp_path: Path, name: str
) -> None:
    """No key of the switch is made, or taken for there, where none can lie."""
    (tmp_path / "file").touch()
    key_dir = ("--key-dir", tmp_path / name)
    where = ("--admin-database-url", database.url(ADMIN))
    complaint = await refused("key", "rotate", *where, *key_dir)
    assert "cannot be used" in complaint
    assert "choose a --key-dir" in complaint
    options = running.external(database, tmp_path)
    async with serving(tmp_path, *options, "--workers", 1) as server:  # the switch has a key now
        await server.end()
    assert "key" in await refused("serve", *FREE_PORTS, *options[:-2], *key_dir)


async def test_what_a_killed_switch_leaves_beside_its_database(
    database: Database, tmp_path: Path
) -> None:
    """The folder of a switch on an external database can become that of an embedded one."""
    options = running.external(database, tmp_path)
    data_dir = tmp_path / "data"
    async with serving(tmp_path, *options, "--workers", 1) as server:
        await server.end(signal.SIGKILL)
    assert sorted(os.listdir(data_dir)) == ["admin.url", "metrics"]
    said = await switch("migrate", "--data-dir", data_dir)
    assert said.code == 0, said


async def test_a_home_folder_is_meant_wherever_the_path_comes_from(tmp_path: Path) -> None:
    """No shell expands `~` in the environment of a service, so the switch does."""
    where = {"HOME": str(tmp_path), "SWITCH_DATA_DIR": "~/city"}
    complaint = await refused("participant", "list", **where)
    assert f"no database in {tmp_path / 'city'}" in complaint


def test_a_user_without_a_home_folder_is_asked_for_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a container that runs under any number: one line, and not a traceback."""
    for name in ("HOME", "XDG_STATE_HOME", "SWITCH_DATA_DIR", "SWITCH_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 9)
    monkeypatch.setattr(sys, "argv", ["switch", "status"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == "switch: this user has no home folder: give a --data-dir\n"
