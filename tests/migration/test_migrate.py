"""`switch migrate`: a step that may be repeated, is taken once, and never goes backwards."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from importlib.resources import as_file
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from switch.errors import SwitchError
from switch.migrate import LEDGER, Source, check_version, check_worker_role, migrate
from switch.queries import SQL
from tests.databases import Database, DatabaseServer

ALONE = (LEDGER,)

# Everything that a migration makes: tables with their columns, constraints, indexes, functions,
# triggers and who may do what, each as one line of text.
CATALOGUE = """
    SELECT format('column %s.%s %s null=%s default=%s', c.oid::regclass, a.attname,
                  format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
                  pg_get_expr(d.adbin, d.adrelid))
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
      LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
     WHERE c.relnamespace = 'ledger'::regnamespace AND NOT a.attisdropped
    UNION ALL
    SELECT format('relation %s %s options=%s may=%s', c.oid::regclass, c.relkind, c.reloptions,
                  c.relacl)
      FROM pg_class c WHERE c.relnamespace = 'ledger'::regnamespace
    UNION ALL
    SELECT format('constraint %s on %s: %s', conname, conrelid::regclass,
                  pg_get_constraintdef(oid))
      FROM pg_constraint WHERE connamespace = 'ledger'::regnamespace
    UNION ALL
    SELECT format('index %s', indexdef) FROM pg_indexes WHERE schemaname = 'ledger'
    UNION ALL
    SELECT format('function %s may=%s: %s', oid::regprocedure, proacl, pg_get_functiondef(oid))
      FROM pg_proc WHERE pronamespace = 'ledger'::regnamespace
    UNION ALL
    SELECT format('trigger %s', pg_get_triggerdef(t.oid))
      FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
     WHERE c.relnamespace = 'ledger'::regnamespace AND NOT t.tgisinternal
     ORDER BY 1
"""


async def catalogue(connection: asyncpg.Connection) -> list[str]:
    return [row[0] for row in await connection.fetch(CATALOGUE)]


@pytest_asyncio.fixture(loop_scope="session")
async def empty(database_server: DatabaseServer) -> AsyncIterator[Database]:
    """A database with nothing in it."""
    database = await database_server.create()
    yield database
    await database_server.drop(database)


@pytest_asyncio.fixture(loop_scope="session")
async def connection(empty: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await empty.connect()
    yield connection
    await connection.close()


async def test_an_empty_database_is_refused_and_the_way_out_named(
    connection: asyncpg.Connection,
) -> None:
    """A process that meets a database without a ledger says which command makes one."""
    with pytest.raises(SwitchError, match="switch migrate"):
        await check_version(connection, ALONE)


async def test_migrating_again_changes_nothing(
    empty: Database, connection: asyncpg.Connection
) -> None:
    """The first time makes the ledger and records its version; the second finds it and is done."""
    first = await migrate(empty.url(), ALONE)
    assert first.applied
    before = await catalogue(connection)
    second = await migrate(empty.url(), ALONE)
    assert not second.applied
    assert second.version == first.version
    assert await catalogue(connection) == before
    recorded = await connection.fetchval("SELECT version FROM ledger.schema_version")
    assert recorded == first.version
    await check_version(connection, ALONE)


async def test_several_migrate_at_once(empty: Database, connection: asyncpg.Connection) -> None:
    """Of several that start together one does the work; the others wait and find it done."""
    done = await asyncio.gather(*(migrate(empty.url(), ALONE) for _ in range(4)))
    assert sum(bool(one.applied) for one in done) == 1
    assert len({one.version for one in done}) == 1
    await check_version(connection, ALONE)


async def test_a_ledger_from_the_future_is_refused(
    empty: Database, connection: asyncpg.Connection
) -> None:
    """An older program neither serves nor migrates what a newer one has made."""
    await migrate(empty.url(), ALONE)
    await connection.execute("UPDATE ledger.schema_version SET version = version + 1")
    before = await catalogue(connection)
    with pytest.raises(SwitchError, match="upgrade this program"):
        await check_version(connection, ALONE)
    with pytest.raises(SwitchError, match="upgrade this program"):
        await migrate(empty.url(), ALONE)
    assert await catalogue(connection) == before


async def test_a_function_that_was_changed_is_put_right(
    empty: Database, connection: asyncpg.Connection
) -> None:
    """Function bodies come from the program, not from migrations: migrating restores them."""
    await migrate(empty.url(), ALONE)
    before = await catalogue(connection)
    await connection.execute(
        "CREATE OR REPLACE FUNCTION ledger.local_day(p_at timestamptz) RETURNS date"
        " LANGUAGE sql STABLE AS 'SELECT current_date';"
        "UPDATE ledger.schema_version SET functions_digest = 'of another version'"
    )
    assert await catalogue(connection) != before
    assert (await migrate(empty.url(), ALONE)).applied
    assert await catalogue(connection) == before


async def test_an_interrupted_migration_leaves_nothing_behind(
    empty: Database, connection: asyncpg.Connection
) -> None:
    """What stands in the way stops the whole step; when it is gone, the step succeeds."""
    await connection.execute("CREATE SCHEMA ledger; CREATE TABLE ledger.payment (id integer)")
    with pytest.raises((SwitchError, asyncpg.PostgresError)):
        await migrate(empty.url(), ALONE)
    tables = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'ledger'::regnamespace"
    )
    assert [row[0] for row in tables] == ["payment"]
    await connection.execute("DROP SCHEMA ledger CASCADE")
    assert (await migrate(empty.url(), ALONE)).applied


async def test_the_time_zone_is_asked_for_once(
    empty: Database, connection: asyncpg.Connection
) -> None:
    """The zone that days are counted in is set when the ledger is made; nonsense is refused."""
    with pytest.raises(SwitchError, match="zone"):
        await migrate(empty.url(), ALONE, time_zone="Mars/Olympus")
    await migrate(empty.url(), ALONE, time_zone="America/Sao_Paulo")
    value = await connection.fetchval("SELECT value FROM ledger.setting WHERE name = 'time_zone'")
    assert value == "America/Sao_Paulo"
    await migrate(empty.url(), ALONE)
    value = await connection.fetchval("SELECT value FROM ledger.setting WHERE name = 'time_zone'")
    assert value == "America/Sao_Paulo", "migrating again does not move the days"


async def test_functions_that_changed_their_shape_or_are_gone_are_laid_anew(
    empty: Database, connection: asyncpg.Connection
) -> None:
    """Whatever functions an older program left, afterwards there are this program's alone."""
    await migrate(empty.url(), ALONE)
    fresh = await catalogue(connection)
    await connection.execute(
        """
        SET ROLE switch_owner;
        DROP FUNCTION ledger.time_of;
        CREATE FUNCTION ledger.time_of(p_other_name uuid) RETURNS timestamptz
            LANGUAGE sql AS 'SELECT NULL::timestamptz';
        CREATE FUNCTION ledger.time_of(p_id uuid, p_more integer) RETURNS timestamptz
            LANGUAGE sql AS 'SELECT NULL::timestamptz';
        CREATE FUNCTION ledger.gone() RETURNS void LANGUAGE sql AS '';
        UPDATE ledger.schema_version SET functions_digest = 'of an older program';
        RESET ROLE;
        """
    )
    await migrate(empty.url(), ALONE)
    assert await catalogue(connection) == fresh


async def test_an_older_ledger_takes_the_steps_it_has_not_taken(
    empty: Database, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    """Each step above a ledger's version is taken once, in order, and the version moves with it."""
    await migrate(empty.url(), ALONE)
    root = tmp_path / "sql"
    with as_file(SQL) as packaged:
        shutil.copytree(packaged, root)
    steps = {
        "0002_column.sql": "ALTER TABLE ledger.setting ADD COLUMN note text;",
        "0010_value.sql": "UPDATE ledger.setting SET note = 'new';",
    }
    for name, statement in steps.items():
        (root / "migrations" / name).write_text(statement, encoding="utf-8")
    newer = (Source(schema="ledger", root=root),)

    done = await migrate(empty.url(), newer)

    assert done.version == 10
    assert done.applied[:2] == tuple(steps)
    assert await connection.fetchval("SELECT note FROM ledger.setting") == "new"
    assert (await migrate(empty.url(), newer)).applied == ()
    with pytest.raises(SwitchError, match="upgrade this program"):
        await migrate(empty.url(), ALONE)


def of_a_service(root: Path, **files: str) -> Source:
    """The SQL of a service that keeps something: `schema__10_alms` is schema/10_alms.sql."""
    (root / "schema").mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        place = root / f"{name.replace('__', '/')}.sql"
        place.parent.mkdir(exist_ok=True)
        place.write_text(text, encoding="utf-8")
    return Source(schema="alms", root=root)


GIVE = """CREATE OR REPLACE FUNCTION alms.give() RETURNS integer
    LANGUAGE sql SECURITY DEFINER SET search_path = alms, pg_temp AS 'SELECT 1'"""


async def test_a_service_has_a_schema_beside_the_ledger(
    empty: Database, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    """It comes with the service, takes its own steps, and stays when the service goes."""
    young = of_a_service(
        tmp_path,
        schema__10_gift="CREATE TABLE alms.gift (amount bigint);",
        functions__give=GIVE,
        grants="GRANT USAGE ON SCHEMA alms TO switch_worker;",
    )
    await migrate(empty.url(), ALONE)
    before = await catalogue(connection)
    with pytest.raises(SwitchError, match="`alms` is older than this program"):
        await check_version(connection, (LEDGER, young))
    done = await migrate(empty.url(), (LEDGER, young))
    assert done.applied == ("alms/schema", "alms/functions")
    assert await catalogue(connection) == before
    assert await connection.fetchval("SELECT alms.give()") == 1
    await check_version(connection, (LEDGER, young))

    grown = of_a_service(tmp_path, migrations__0002_note="ALTER TABLE alms.gift ADD note text;")
    assert (await migrate(empty.url(), (LEDGER, grown))).applied == (
        "alms/0002_note.sql",
        "alms/functions",
    )
    await connection.execute("UPDATE ledger.schema_version SET version = 3 WHERE version = 2")
    with pytest.raises(SwitchError, match="`alms` is version 3, this program knows up to 2"):
        await migrate(empty.url(), (LEDGER, grown))
    await check_version(connection, ALONE)
    assert (await migrate(empty.url(), ALONE)).applied == ()


async def test_no_role_of_the_switch_may_write_a_services_table(
    empty: Database, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    """A service that gives its table away is refused at the start, as the ledger would be."""
    careless = of_a_service(
        tmp_path,
        schema__10_gift="CREATE TABLE alms.gift (amount bigint);",
        grants="GRANT INSERT ON alms.gift TO switch_worker;",
    )
    await migrate(empty.url(), (LEDGER, careless))
    await connection.execute("SET ROLE switch_worker")
    with pytest.raises(SwitchError, match="may write tables of the switch"):
        await check_worker_role(connection)
