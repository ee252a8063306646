"""How fast is pgbench's TPC-B on this machine? The yardstick for everything else.

The built-in script of the pgbench that belongs to this very Postgres: prepared statements, 16
clients, 2 threads, a database of its own in the same cluster, so the same settings and the same
disk. One of its transactions moves an amount and records it, without any checks.
"""

import asyncio
import re
from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

from bench.harness import Measurement
from bench.stage import BenchError, Stage

DATABASE = "tpcb"
CLIENTS = 16
THREADS = 2
RATE = re.compile(r"^tps = ([0-9.]+) ", re.MULTILINE)
LATENCY = re.compile(r"^latency average = ([0-9.]+) ms", re.MULTILINE)
FAILED = re.compile(r"^number of failed transactions: ([0-9]+)", re.MULTILINE)


class Tpcb:
    """Transactions of TPC-B."""

    name = "tpcb"
    asks = "pgbench TPC-B"

    async def prepare(self, stage: Stage) -> None:
        """A database with its tables, at the scale asked for."""
        await stage.operator.connection.execute(f"CREATE DATABASE {DATABASE}")
        scale = str(stage.size.tpcb_scale)
        await pgbench(stage, DATABASE, "--initialize", "--scale", scale, "--quiet")

    async def measure(self, stage: Stage) -> Measurement:
        """One turn, after a short one that does not count."""
        return await transactions(stage, DATABASE)


async def transactions(stage: Stage, database: str, *script: str) -> Measurement:
    """How many transactions a second pgbench commits: of TPC-B, or of a script."""
    await _run(stage, database, stage.size.warm_up_s, script)
    output = await _run(stage, database, stage.size.seconds, script)
    rate, latency, failed = (pattern.search(output) for pattern in (RATE, LATENCY, FAILED))
    if rate is None or latency is None or failed is None or int(failed[1]):
        raise BenchError(f"pgbench did not end well: {output[-500:]}")
    return Measurement(per_second=float(rate[1]), seen={"mean_ms": float(latency[1])})


async def _run(stage: Stage, database: str, seconds: float, script: Sequence[str]) -> str:
    return await pgbench(
        stage,
        database,
        *("--protocol", "prepared", "--client", str(CLIENTS), "--jobs", str(THREADS)),
        *("--time", str(max(1, round(seconds))), *script),
    )


async def pgbench(stage: Stage, database: str, *arguments: str) -> str:
    """Run pgbench of the same Postgres; what it says."""
    url = urlsplit(stage.database.url())
    where = parse_qs(url.query)
    process = await asyncio.create_subprocess_exec(
        str(stage.database.binaries / "pgbench"),
        *("--host", where["host"][0], "--port", where["port"][0]),
        *("--username", url.username or "", *arguments, database),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise BenchError(f"pgbench failed: {output.decode()[-500:]}")
    return output.decode()
