"""Databases for tests: one embedded Postgres for the whole run, a copy of a migrated one for each.

A copy is made by the server from a template, so it costs a tenth of a second and no migration.
"""

import itertools
import re
from dataclasses import dataclass, field

import asyncpg

from switch.embedded import Embedded

TEMPLATE = "migrated"
WORKER = "switch_worker_login"
JOBS = "switch_jobs_login"
ADMIN = "postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """One database of the embedded server, by name."""

    embedded: Embedded
    name: str

    def url(self, role: str = ADMIN) -> str:
        """How to reach it as this login role."""
        url, changed = re.subn(r"/switch(?=\?|$)", f"/{self.name}", self.embedded.url(role))
        assert changed == 1, "the launcher's own database is called switch"
        return url

    async def connect(self, role: str = ADMIN) -> asyncpg.Connection:
        """A plain connection, for looking from outside what the switch did."""
        return await asyncpg.connect(self.url(role))


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseServer:
    """Makes and drops databases on the one server of this run."""

    embedded: Embedded
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def create(self, name: str | None = None, *, template: str | None = None) -> Database:
        """A new database: empty, or the copy of another."""
        name = name or f"test_{next(self._numbers)}"
        source = f" TEMPLATE {template}" if template else ""
        await self._execute(f"CREATE DATABASE {name}{source}")
        return Database(embedded=self.embedded, name=name)

    async def migrated(self) -> Database:
        """A new database with the ledger in it and nothing else."""
        return await self.create(template=TEMPLATE)

    async def drop(self, database: Database) -> None:
        """Drop it, whoever is still connected."""
        await self._execute(f"DROP DATABASE IF EXISTS {database.name} WITH (FORCE)")

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.embedded.url(ADMIN))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()
