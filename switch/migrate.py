"""Tables, functions and grants: brought up to date, and compared at every start.

The ledger has a schema of its own in the database, and so has each service that keeps something;
the ledger's comes first. A schema that is not there yet gets its folder `schema` and the newest
version; an older one gets, in order, the numbered files of `migrations` above its version, which
move tables only. Functions and grants are laid anew each time: they have no versions of their own.
All of it is one transaction under a lock, so a migration is done or not done, and two at once do it
once. The schema of a service that is not here any more stays as it is.
"""

import hashlib
from collections.abc import Iterable, Sequence
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

    version: int  # of the ledger
    applied: tuple[str, ...]  # the steps taken, by name; empty when nothing was to do


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The SQL files of one schema."""

    schema: str  # its name in the database
    root: Traversable

    def files(self, folder: str) -> list[Traversable]:
        """The SQL files of a folder, by name; none where there is no such folder."""
        place = self.root / folder
        listed = place.iterdir() if place.is_dir() else ()
        return sorted(
            (entry for entry in listed if entry.name.endswith(".sql")),
            key=lambda entry: entry.name,
        )

    def step_name(self, name: str) -> str:
        """What a step of this schema is called in a report."""
        return name if self.schema == LEDGER.schema else f"{self.schema}/{name}"

    def steps(self) -> dict[int, Traversable]:
        """The migrations by the version they lead to: `0002_what.sql` leads to 2."""
        return {int(entry.name.split("_")[0]): entry for entry in self.files("migrations")}

    @property
    def version(self) -> int:
        """The version of the schema: that of the newest migration, 1 when there is none."""
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


LEDGER = Source(schema="ledger", root=SQL)


async def migrate(
    admin_url: str,
    sources: Sequence[Source],
    *,
    time_zone: str | None = None,
    key_validity_d_max: int | None = None,
) -> Migration:
    """Bring the schemas to their versions, in this order; a setting of None leaves what is there.

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
            done = await _migrate(connection, sources)
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


async def _migrate(connection: asyncpg.Connection, sources: Sequence[Source]) -> Migration:
    assert sources[0].schema == LEDGER.schema, "the others stand on the ledger"
    await _make_roles(connection)
    present = await _read_versions(connection)
    for source in sources:
        if source.schema not in present:
            await connection.execute(f"CREATE SCHEMA {source.schema} AUTHORIZATION switch_owner")
        elif present[source.schema]["version"] > source.version:
            raise _too_new(source, present[source.schema]["version"])
    await connection.execute("SET LOCAL ROLE switch_owner")
    applied = [
        step
        for source in sources
        for step in await _migrate_schema(connection, source, present.get(source.schema))
    ]
    return Migration(version=sources[0].version, applied=tuple(applied))


async def _migrate_schema(
    connection: asyncpg.Connection, source: Source, present: asyncpg.Record | None
) -> list[str]:
    applied: list[str] = []
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
        await _write_version(connection, source, digest)
        applied.append("functions")
    return [source.step_name(name) for name in applied]


_FUNCTIONS = """
SELECT p.proname::text AS name, p.oid::regprocedure::text AS signature, p.xmin::text AS written_by
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname = $1 AND p.prorettype <> 'trigger'::regtype
"""


async def _lay_functions(connection: asyncpg.Connection, source: Source) -> None:
    """Replace in place what can be, make the rest anew, drop what is not there any more."""
    before = set(await connection.fetch(_FUNCTIONS, source.schema))
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
    await _drop(connection, before & set(await connection.fetch(_FUNCTIONS, source.schema)))
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


async def _read_versions(connection: asyncpg.Connection) -> dict[str, asyncpg.Record]:
    """What is there, by the names of the schemas; nothing in a database without a ledger."""
    if await connection.fetchval("SELECT to_regclass('ledger.schema_version')") is None:
        return {}
    rows = await connection.fetch(
        "SELECT schema_name, version, functions_digest FROM ledger.schema_version"
    )
    return {row["schema_name"]: row for row in rows}


async def _write_version(connection: asyncpg.Connection, source: Source, digest: str) -> None:
    await connection.execute(
        """
        INSERT INTO ledger.schema_version (schema_name, version, functions_digest, migrated_at)
        VALUES ($1, $2, $3, clock_timestamp())
            ON CONFLICT (schema_name) DO UPDATE
           SET version = excluded.version, functions_digest = excluded.functions_digest,
               migrated_at = excluded.migrated_at
        """,
        source.schema,
        source.version,
        digest,
    )


def _too_new(source: Source, found: int) -> SwitchError:
    return SwitchError(
        f"the schema `{source.schema}` is version {found}, this program knows up to"
        f" {source.version}: upgrade this program, the schema cannot go back"
    )


async def check_version(connection: asyncpg.Connection, sources: Sequence[Source]) -> None:
    """Raise SwitchError unless each schema is exactly of this program's version."""
    versions = await _read_versions(connection)
    if LEDGER.schema not in versions:
        raise SwitchError("there is no ledger in this database: run `switch migrate`")
    for source in sources:
        present = versions.get(source.schema)
        if present is not None and present["version"] > source.version:
            raise _too_new(source, present["version"])
        if present is None or (present["version"], present["functions_digest"]) != (
            source.version,
            source.functions_digest,
        ):
            raise SwitchError(
                f"the schema `{source.schema}` is older than this program: run `switch migrate`"
            )


_PRIVILEGED = """
SELECT CASE
           WHEN r.rolsuper THEN 'is a superuser'
           WHEN pg_has_role(r.oid, 'switch_owner', 'MEMBER') THEN 'is a member of switch_owner'
           WHEN EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                         WHERE n.nspowner = 'switch_owner'::regrole AND c.relkind IN ('r', 'p')
                           AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'))
               THEN 'may write tables of the switch'
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
