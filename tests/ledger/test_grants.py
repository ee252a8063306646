"""What the switch's own roles cannot do, tried for real (P7): write tables, rewrite, make money."""

from uuid import uuid4

import asyncpg
import pytest

from switch.ledger import Statements
from tests.databases import JOBS, WORKER, Database
from tests.ledger.city import City

LOGINS = (WORKER, JOBS)
AS_A_MESSAGE = """
    SELECT ledger.authorize_batch(0::smallint, ARRAY[$1::integer], ARRAY['k'], ARRAY[sha256('')],
        ARRAY[gen_random_uuid()], ARRAY[$2::smallint], ARRAY[gen_random_uuid()],
        ARRAY[gen_random_uuid()], ARRAY[1::bigint], ARRAY['CNY'], NULL, NULL, NULL, NULL, NULL,
        NULL)
"""
OPENS = """
    SELECT ledger.open_account($1::integer, gen_random_uuid()::text, sha256(''),
        gen_random_uuid(), $2::text, 'USD', NULL, NULL)
"""
REFUSED = asyncpg.InsufficientPrivilegeError

TABLES = (
    "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace = 'ledger'::regnamespace"
)
ALL_TABLES = f"{TABLES} AND c.relkind IN ('r', 'p')"
SEQUENCES = f"{TABLES} AND c.relkind = 'S'"
WRITABLE = f"""
    SELECT t.name FROM ({TABLES.replace("text", "text AS name")}) t
     WHERE has_table_privilege($1, t.name, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
        OR has_any_column_privilege($1, t.name, 'INSERT, UPDATE, REFERENCES')
"""
COLUMN = """
    SELECT attname FROM pg_attribute
     WHERE attrelid = $1::text::regclass AND attnum > 0 AND attgenerated = '' LIMIT 1
"""
FUNCTIONS = """
    SELECT p.oid::regprocedure::text AS name, p.prosecdef AS definer, p.proname,
           coalesce(p.proconfig, '{}') AS settings, p.proowner::regrole::text AS owner
      FROM pg_proc p WHERE p.pronamespace = 'ledger'::regnamespace
"""
EXECUTABLE = f"""
    SELECT f.proname FROM ({FUNCTIONS}) f
     WHERE has_function_privilege($1, f.name, 'EXECUTE') ORDER BY f.proname
"""

# The operator's actions: no process that answers participants may execute any of these.
OPERATORS_OWN = {
    "issue_money", "redeem_money", "money_account", "reverse_payment", "set_account", "set_tier",
    "set_default_tier", "add_key", "revoke_key", "confirm_key", "set_key_validity_max",
    "add_participant", "set_participant", "set_participant_status", "register_switch_key",
    "end_switch_key", "operator_open_account",
    "operator_change_account", "post_payment", "apply_to_account", "fold_accounts",
    "start_deliveries", "line_up_deliveries", "list_dead_events", "replay_events",
    "give_up_calls", "list_bank_calls", "claim_payment", "begin_reversal",
}  # fmt: skip
# What participants' messages do: the jobs have no part in it.
WORKERS_OWN = {"authorize_batch", "introduce_key", "revoke_own_key"}
# What only the background jobs do.
JOBS_OWN = {"fold_credits", "record_books_check", "pass_deliveries", "settle_deliveries"}


async def test_no_table_can_be_written_directly(
    database: Database, admin: asyncpg.Connection
) -> None:
    """Worker and jobs can neither insert, update, delete nor truncate in any table."""
    tables = [row[0] for row in await admin.fetch(ALL_TABLES)]
    assert "ledger.payment" in tables
    for login in LOGINS:
        connection = await database.connect(login)
        for table in tables:
            column = await admin.fetchval(COLUMN, table)
            for statement in (
                f"INSERT INTO {table} DEFAULT VALUES",
                f"UPDATE {table} SET {column} = {column}",
                f"DELETE FROM {table}",
                f"TRUNCATE {table}",
            ):
                with pytest.raises(REFUSED):
                    await connection.execute(statement)
        assert not await admin.fetch(WRITABLE, login), "views count too"
        await connection.close()


async def test_no_number_can_be_drawn_directly(
    database: Database, admin: asyncpg.Connection
) -> None:
    """Nor can they move a sequence."""
    for login in LOGINS:
        connection = await database.connect(login)
        for [sequence] in await admin.fetch(SEQUENCES):
            with pytest.raises(REFUSED):
                await connection.execute("SELECT setval($1::text::regclass, 1)", sequence)
        await connection.close()


@pytest.mark.parametrize("login", LOGINS)
async def test_the_operators_actions_are_refused(login: str, database: Database) -> None:
    """Neither role can issue money, set floors or tiers, or add keys or participants."""
    connection = await database.connect(login)
    executable = {row[0] for row in await connection.fetch(EXECUTABLE, login)}
    assert not executable & OPERATORS_OWN
    for call in (
        "ledger.issue_money(gen_random_uuid(), gen_random_uuid(), 1, 'mine')",
        "ledger.redeem_money(gen_random_uuid(), gen_random_uuid(), 1, 'mine')",
        "ledger.set_account(gen_random_uuid(), -1000, NULL)",
        "ledger.add_key('x', 'y', '\\x00'::bytea, now(), now())",
    ):
        with pytest.raises(REFUSED):
            await connection.execute(f"SELECT {call}")
    await connection.close()


@pytest.mark.parametrize(("participant_no", "payment_type"), [(0, 1), (0, 101), (1, 101), (1, 103)])
async def test_a_worker_decides_nothing_in_the_operators_name(
    participant_no: int, payment_type: int, database: Database
) -> None:
    """What the operator alone may do is no message, whoever has the worker's login."""
    connection = await database.connect(WORKER)
    with pytest.raises(REFUSED):
        await connection.execute(AS_A_MESSAGE, participant_no, payment_type)
    await connection.close()


@pytest.mark.parametrize("kind", ["position", "issuance", "fee", "government", "merchant"])
async def test_a_worker_opens_only_what_a_participant_may(
    kind: str, city: City, database: Database
) -> None:
    """An account that makes or holds the city's money is the operator's to open."""
    connection = await database.connect(WORKER)
    for participant_no in (0, (await city.participant("wallet")).no):
        with pytest.raises(REFUSED):
            await connection.execute(OPENS, participant_no, kind)
    await connection.close()


async def test_each_role_executes_its_own_functions_only(admin: asyncpg.Connection) -> None:
    """The worker decides and does not fold for the jobs; the jobs fold and do not decide."""
    worker = {row[0] for row in await admin.fetch(EXECUTABLE, WORKER)}
    jobs = {row[0] for row in await admin.fetch(EXECUTABLE, JOBS)}
    assert worker >= WORKERS_OWN
    assert jobs >= JOBS_OWN
    assert not worker & JOBS_OWN
    assert not jobs & WORKERS_OWN
    all_functions = {row["proname"] for row in await admin.fetch(FUNCTIONS)}
    assert all_functions >= OPERATORS_OWN, "the operator's functions are called otherwise"


async def test_decided_payments_are_not_rewritten_by_anybody(
    admin: asyncpg.Connection, city: City, lane: Statements
) -> None:
    """Even the owner cannot update or delete a decision: history is append-only."""
    provider = await city.participant("wallet")
    payer = await city.account(provider, "wallet", balance=10)
    payee = await city.account(provider, "wallet")
    await city.decide(lane, [city.order(provider, payer, payee, 5)])
    for statement in (
        "UPDATE ledger.payment SET amount = amount + 1",
        "DELETE FROM ledger.payment",
        "TRUNCATE ledger.payment CASCADE",
        "DELETE FROM ledger.key_claim",
        "UPDATE ledger.key_claim SET digest = digest",
    ):
        with pytest.raises(asyncpg.PostgresError, match="append-only"):
            await admin.execute(statement)


async def test_definer_functions_fix_their_search_path(admin: asyncpg.Connection) -> None:
    """A function that runs as its owner looks for names where it says, temporary tables last."""
    definers = [row for row in await admin.fetch(FUNCTIONS) if row["definer"]]
    assert definers
    for row in definers:
        paths = [s for s in row["settings"] if s.startswith("search_path=")]
        assert paths, f"{row['name']} fixes no search path"
        assert paths[0].endswith("pg_temp"), f"{row['name']} finds temporary tables early"
        assert "public" not in paths[0], f"{row['name']} looks where anybody may create"


async def test_the_public_may_execute_nothing(admin: asyncpg.Connection) -> None:
    """A login role without membership finds no function of the ledger that it may call."""
    role = f"nobody_{uuid4().hex}"
    await admin.execute(f"CREATE ROLE {role} LOGIN")
    try:
        assert not await admin.fetch(EXECUTABLE, role)
        assert not await admin.fetchval("SELECT has_schema_privilege($1, 'ledger', 'USAGE')", role)
    finally:
        await admin.execute(f"DROP ROLE {role}")


async def test_the_logins_own_nothing_and_are_nobody_special(admin: asyncpg.Connection) -> None:
    """Worker and jobs own no object, create none, and have no attribute beyond logging in."""
    for login in LOGINS:
        row = await admin.fetchrow(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
            "  FROM pg_roles WHERE rolname = $1",
            login,
        )
        assert row is not None
        assert not any(row), login
        owned = await admin.fetchval(
            "SELECT count(*) FROM pg_class WHERE relowner = $1::text::regrole", login
        )
        assert owned == 0
        creates = await admin.fetchval(
            "SELECT has_schema_privilege($1, 'ledger', 'CREATE')"
            "    OR has_schema_privilege($1, 'public', 'CREATE')"
            "    OR has_database_privilege($1, current_database(), 'CREATE')",
            login,
        )
        assert not creates, login


@pytest.mark.parametrize("login", LOGINS)
async def test_a_login_cannot_become_somebody_else(login: str, database: Database) -> None:
    """Neither login can take the role of the superuser or of the other process."""
    connection = await database.connect(login)
    for other in ("postgres", *LOGINS):
        if other != login:
            with pytest.raises(REFUSED):
                await connection.execute(f"SET ROLE {other}")
    await connection.close()
