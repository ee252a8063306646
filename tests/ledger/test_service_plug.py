"""What the jobs and commands of a service reach in the database, and what they do not."""

import asyncio
from pathlib import Path

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from switch.admin import Operator
from switch.config import Config
from switch.errors import SwitchError
from switch.jobs import Jobs
from switch.loops import Job
from switch.metrics import JobMetrics
from switch.service import Service
from switch.services import SOURCES
from tests.databases import JOBS, WORKER, Database

PATIENCE_S = 30.0  # of a slow machine; the job turns at once
SCHEMAS = [source.schema for source in SOURCES]
WRITABLE = """
    SELECT c.oid::regclass::text FROM pg_class c
     WHERE c.relnamespace = $2::text::regnamespace AND c.relkind IN ('r', 'p', 'v')
       AND has_table_privilege($1, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
"""
LOOSE = """
    SELECT p.oid::regprocedure::text FROM pg_proc p
     WHERE p.pronamespace = $2::text::regnamespace AND has_function_privilege($1, p.oid, 'EXECUTE')
       AND (NOT p.prosecdef OR p.proowner <> 'switch_owner'::regrole
            OR NOT coalesce(p.proconfig, '{}')::text LIKE '%search_path=%')
"""


@pytest.mark.parametrize("login", [WORKER, JOBS])
@pytest.mark.parametrize("schema", SCHEMAS)
async def test_a_service_grants_functions_of_the_owner_and_no_table(
    schema: str, login: str, admin: asyncpg.Connection
) -> None:
    """Neither role writes a table of a service, or calls what does not run as the owner."""
    assert not await admin.fetch(WRITABLE, login, schema)
    if schema != "ledger":
        assert not await admin.fetch(LOOSE, login, schema)


async def test_a_services_job_has_the_rights_of_the_jobs(
    database: Database, tmp_path: Path
) -> None:
    """It turns on a connection of its own, under its lock, and can decide no payment by itself."""
    seen: asyncio.Queue[tuple[str, int, bool]] = asyncio.Queue()

    async def march(connection: asyncpg.Connection) -> float:
        locked = "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
        decides = """
            SELECT bool_or(has_function_privilege(p.oid, 'EXECUTE')) FROM pg_proc p
             WHERE p.proname = 'authorize_batch'
        """
        seen.put_nowait(
            (
                await connection.fetchval("SELECT session_user::text"),
                await connection.fetchval(locked),
                await connection.fetchval(decides),
            )
        )
        return 60.0

    job = Job(name="parades_march", turn_s_max=10.0, turn=march)
    service = Service(name="parades", endpoints=lambda _: (), jobs=lambda _: (job,))
    config = Config(authorities=("a",), database_url=database.url(JOBS), key_dir=tmp_path)
    jobs = Jobs(config, JobMetrics(CollectorRegistry()), services=(service,))
    running = asyncio.create_task(jobs.run())
    try:
        found = await asyncio.wait_for(seen.get(), PATIENCE_S)
        assert found == (JOBS, job.lock_number, False)
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_a_services_command_asks_as_the_operator(admin: asyncpg.Connection) -> None:
    """Any statement, with what the database refuses said in one line."""
    operator = Operator(admin)
    assert await operator.ask("SELECT $1::integer AS floats", 3) == [{"floats": 3}]
    with pytest.raises(SwitchError, match="SQLSTATE 42P01"):
        await operator.ask("TABLE parades")
