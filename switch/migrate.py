"""The ledger's tables, functions and grants: brought up to date, and compared at every start.

A fresh database gets sql/schema and the newest version; an older one gets, in order, the numbered
files of sql/migrations above its version, which move tables only. Functions and grants are laid
anew each time: they have no versions of their own. All of it is one transaction under a lock, so a
migration is done or not done, and two at once do it once.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources.abc import Traversable

import asyncpg

from switch import db, limits
from switch.errors import SwitchError
from switch.queries import SQL

LOCK = 7_305_812_001  # of migrations; any number that nobody else takes
ROLES = ("switch_owner", "switch_worker", "switch_jobs")
EMBEDDED_LOGINS = {
    "switch_worker_login": "switch_worker",
    "switch_jobs_login": "switch_jobs",
}
TIME_ZONE_DEFAULT = "Asia/Shanghai"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """What a migration came to."""

    version: int
    applied: tuple[str, ...]  # the steps taken, by name; empty when nothing was to do


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The SQL files that a migration reads."""

    root: Traversable = SQL

    def files(self, folder: str) -> list[Traversable]:
        """The SQL files of a folder, by name."""
        listed = (entry for entry in (self.root / folder).iterdir() if entry.name.endswith(".sql"))
        return sorted(listed, key=lambda entry: entry.name)

    def steps(self) -> dict[int, Traversable]:
        """The migrations by the version they lead to: `0002_what.sql` leads to 2."""
        return {int(entry.name.split("_")[0]): entry for entry in self.files("migrations")}

    @property
    def version(self) -> int:
        """The version of sql/schema: that of the newest migration, 1 when there is none."""
        return max(self.steps(), default=1)

    @property
    def grants(self) -> Traversable:
        """Who may execute what."""
        return self.root / "grants.sql"

    @property
    def functions_digest(self) -> str:
        """Changes with every function or grant."""
        script = _script([*self.files("functions"), self.grants])
        return hashlib.sha256(script.encode()).hexdigest()


def _script(entries: Iterable[Traversable]) -> str:
    return "\n".join(entry.read_text(encoding="utf-8") for entry in entries)


PACKAGED = Source()


async def migrate(
    admin_url: str,
    *,
    time_zone: str | None = None,
    key_validity_d_max: int | None = None,
    source: Source = PACKAGED,
) -> Migration:
    """Bring the ledger to this version; a setting of None leaves the one that is there.

    Raises SwitchError when the schema is newer than this program, the role may not migrate, or the
    time zone is unknown.
    """
    connection = await db.connect(
        admin_url,
        application_name="switch migrate",
        statement_timeout_s=limits.MIGRATE_S_MAX,
    )
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            done = await _migrate(connection, source)
            if time_zone is not None:
                await connection.execute("SELECT ledger.set_time_zone($1)", time_zone)
            if key_validity_d_max is not None:
                await connection.execute(
                    "SELECT ledger.set_key_validity_max($1)", key_validity_d_max
                )
            return done
    except asyncpg.InsufficientPrivilegeError as error:
        raise SwitchError(
            f"this role may not migrate ({error}): use one that may create roles and schemas"
        ) from error
    except asyncpg.PostgresError as error:
        hint = getattr(error, "hint", None)
        raise SwitchError(
            f"migrating failed: {error.args[0]}" + (f" — {hint}" if hint else "")
        ) from error
    finally:
        await connection.close(timeout=limits.CONNECT_TIMEOUT_S)


async def _migrate(connection: asyncpg.Connection, source: Source) -> Migration:
    await _make_roles(connection)
    present = await _read_version(connection)
    applied: list[str] = []
    if present is None:
        await connection.execute("CREATE SCHEMA ledger AUTHORIZATION switch_owner")
    elif present["version"] > source.version:
        raise _too_new(present["version"], source.version)
    await connection.execute("SET LOCAL ROLE switch_owner")
    if present is None:
        await connection.execute(_script(source.files("schema")))
        applied.append("schema")
    else:
        for version, step in sorted(source.steps().items()):
            if version > present["version"]:
                await connection.execute(step.read_text(encoding="utf-8"))
                applied.append(step.name)
    digest = source.functions_digest
    if present is None or applied or present["functions_digest"] != digest:
        await _lay_functions(connection, source)
        await _write_version(connection, source.version, digest)
        applied.append("functions")
    return Migration(version=source.version, applied=tuple(applied))


_FUNCTIONS = """
SELECT p.proname::text AS name, p.oid::regprocedure::text AS signature, p.xmin::text AS written_by
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname = 'ledger' AND p.prorettype <> 'trigger'::regtype
"""


async def _lay_functions(connection: asyncpg.Connection, source: Source) -> None:
    """Replace in place what can be, make the rest anew, drop what is not there any more."""
    before = set(await connection.fetch(_FUNCTIONS))
    await connection.execute("SET LOCAL check_function_bodies = off")  # they name each other
    for entry in source.files("functions"):
        statement = entry.read_text(encoding="utf-8")
        try:
            async with connection.transaction():
                await connection.execute(statement)
        except asyncpg.InvalidFunctionDefinitionError:  # a parameter was renamed, a result changed
            name = entry.name.removesuffix(".sql")
            await _drop(connection, [f for f in before if f["name"] == name])
            await connection.execute(statement)
    await _drop(connection, before & set(await connection.fetch(_FUNCTIONS)))
    await connection.execute(source.grants.read_text(encoding="utf-8"))


async def _drop(connection: asyncpg.Connection, functions: Iterable[asyncpg.Record]) -> None:
    for function in functions:
        await connection.execute(f"DROP FUNCTION {function['signature']}")


async def _make_roles(connection: asyncpg.Connection) -> None:
    for role in ROLES:
        if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
            await connection.execute(f"CREATE ROLE {role} NOLOGIN")
    member = "SELECT pg_has_role(current_user, 'switch_owner', 'MEMBER')"
    if not await connection.fetchval(member):
        await connection.execute("GRANT switch_owner TO CURRENT_USER")


async def _read_version(connection: asyncpg.Connection) -> asyncpg.Record | None:
    if await connection.fetchval("SELECT to_regclass('ledger.schema_version')") is None:
        return None
    return await connection.fetchrow("SELECT version, functions_digest FROM ledger.schema_version")


async def _write_version(connection: asyncpg.Connection, version: int, digest: str) -> None:
    await connection.execute(
        """
        INSERT INTO ledger.schema_version (version, functions_digest, migrated_at)
        VALUES ($1, $2, clock_timestamp())
            ON CONFLICT (only_row) DO UPDATE
           SET version = excluded.version, functions_digest = excluded.functions_digest,
               migrated_at = excluded.migrated_at
        """,
        version,
        digest,
    )


def _too_new(found: int, known: int) -> SwitchError:
    return SwitchError(
        f"the ledger's schema is version {found}, this program knows up to {known}:"
        " upgrade this program, the schema cannot go back"
    )


async def check_version(connection: asyncpg.Connection, *, source: Source = PACKAGED) -> None:
    """Raise SwitchError unless the ledger is exactly of this program's version."""
    present = await _read_version(connection)
    if present is None:
        raise SwitchError("there is no ledger in this database: run `switch migrate`")
    if present["version"] > source.version:
        raise _too_new(present["version"], source.version)
    if (present["version"], present["functions_digest"]) != (
        source.version,
        source.functions_digest,
    ):
        raise SwitchError("the ledger is older than this program: run `switch migrate`")


_PRIVILEGED = """
SELECT CASE
           WHEN r.rolsuper THEN 'is a superuser'
           WHEN pg_has_role(r.oid, 'switch_owner', 'MEMBER') THEN 'is a member of switch_owner'
           WHEN EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                         WHERE n.nspname = 'ledger' AND c.relkind IN ('r', 'p')
                           AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'))
               THEN 'may write tables of the ledger'
           WHEN EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
                         WHERE n.nspname = 'ledger'
                           AND p.proname IN ('issue_money', 'set_account', 'add_key')
                           AND has_function_privilege(p.oid, 'EXECUTE'))
               THEN 'may issue money, set floors or add keys'
       END
  FROM pg_roles r WHERE r.rolname = current_user
"""


async def check_worker_role(connection: asyncpg.Connection) -> None:
    """Raise SwitchError when the workers' login may do more than decide and read."""
    why = await connection.fetchval(_PRIVILEGED)
    if why is not None:
        raise SwitchError(
            f"the workers' database role {why}: give --database-url a login that is only in"
            " switch_worker and switch_jobs, and the operator's to --admin-database-url"
        )


async def create_embedded_roles(admin_url: str) -> None:
    """The login roles of an embedded database, which only its own socket lets in."""
    connection = await db.connect(admin_url, application_name="switch migrate")
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            for login, group in EMBEDDED_LOGINS.items():
                if not await connection.fetchval(
                    "SELECT 1 FROM pg_roles WHERE rolname = $1", login
                ):
                    await connection.execute(f"CREATE ROLE {login} LOGIN IN ROLE {group}")
    finally:
        await connection.close(timeout=limits.CONNECT_TIMEOUT_S)
