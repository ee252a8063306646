"""How fast is a disbursement paid, beside TPC-B, and does it survive its payer being killed?

tpcb    pgbench's yardstick, before each run
paid    a disbursement of so many payouts, from its approval to its last line, by the jobs of a
        switch; the resident set of the jobs process along the way
killed  the same while the jobs process is killed five times: every line is paid exactly once

"""

import asyncio
import hashlib
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from rich.console import Console

from bench import pairs
from bench.city import CURRENCY, let_in, open_accounts
from bench.harness import Results
from bench.pairs import Compared, Target
from bench.stage import BenchError, Stage
from bench.tpcb import Tpcb
from switch import keyfile, ledger
from switch.clock import SYSTEM_CLOCK
from switch.serving import Serving

NAME = "disbursement"
RATE_MIN = 3.0  # of TPC-B
PAYOUTS, PAYOUTS_SMALL = 100_000, 4_000
PART = 5_000  # lines
RUNS_MAX = 5
KILLS = 5
LOOK_S = 0.02
PATIENCE_S = 600.0
AMOUNT = 7

CREATE = """SELECT disposition FROM disbursements.create_draft(
    $1, $2, $3, 'clerk', $4, $5, $6, $7, $8, 'benchmark')"""
ADD = """SELECT disposition FROM disbursements.add_part(
    $1, $2, $3, 'clerk', $4, $5, $6, $7, $8, $9)"""
TAKE = "SELECT disposition FROM disbursements.take_act($1, $2, $3, $4, $5, $6)"
SEEN = """SELECT status, reason, paid, declined,
                 extract(epoch FROM last_paid_at - resumed_at)::float8 AS spent_s
            FROM disbursements.disbursement WHERE id = $1"""


@dataclass(slots=True, kw_only=True)
class Office:
    """Who pays, and whom."""

    stage: Stage
    number: int  # of the participant
    account: UUID
    sent: int = 0
    resident_kib: list[int] = field(default_factory=list)

    async def draft(self, count: int) -> UUID:
        """A disbursement that is submitted, to wallets in turn."""
        made = ledger.new_id(SYSTEM_CLOCK.now_us())
        await self._do(CREATE, made, self.account, CURRENCY, count, count * AMOUNT)
        wallets = [wallet for one in self.stage.city.providers for wallet in one.wallets]
        for first in range(1, count + 1, PART):
            lines = range(first, min(first + PART, count + 1))
            await self._do(
                ADD, made, hashlib.sha256(f"{made} {first}".encode()).digest(), list(lines),
                [wallets[line % len(wallets)] for line in lines], [AMOUNT] * len(lines),
                [f"B-{line}" for line in lines],
            )  # fmt: skip
        await self._do(TAKE, "clerk", made, "submit")
        return made

    async def paid(self, switch: Serving, made: UUID, kills: int) -> dict[str, Any]:
        """Approve it and wait; the jobs process is killed so often, as soon as more is paid."""
        self.resident_kib.clear()
        await self._do(TAKE, "head", made, "approve")
        killed, paid_before = 0, 0
        async with asyncio.timeout(PATIENCE_S):
            while True:
                row = await self.stage.operator.connection.fetchrow(SEEN, made)
                if row["status"] != "paying":
                    break
                pid = _jobs_pid(switch)
                if pid is not None:
                    self.resident_kib.append(_resident_kib(pid))
                    if row["paid"] > paid_before and killed < kills:
                        os.kill(pid, signal.SIGKILL)
                        killed, paid_before = killed + 1, row["paid"]
                await asyncio.sleep(LOOK_S)
        if row["status"] != "done" or row["declined"]:
            raise BenchError(f"a disbursement ended as {row['status']} ({row['reason']})")
        return {"paid": row["paid"], "spent_s": round(row["spent_s"], 3), "killed": killed}

    async def _do(self, statement: str, *arguments: Any) -> None:
        self.sent += 1
        key, digest = f"bench-{self.sent}", hashlib.sha256(str(self.sent).encode()).digest()
        disposition = await self.stage.operator.connection.fetchval(
            statement, self.number, key, digest, *arguments
        )
        if disposition != 0:
            raise BenchError(f"a disbursement was not taken in: {disposition}")


async def report(stage: Stage, results: Results, console: Console) -> None:
    """Pair after pair of TPC-B and a disbursement, then the kills; the books at the end."""
    count = PAYOUTS if stage.size.is_thorough else PAYOUTS_SMALL
    office = await _open_office(stage)
    yardstick = Tpcb()
    await yardstick.prepare(stage)
    ratios: list[float] = []

    def write(what: str, **seen: Any) -> None:
        results.write({"question": NAME, "phase": what, **seen})
        shown = "  ".join(f"{name} {value}" for name, value in seen.items())
        console.print(f"{NAME}  {what:<8}{shown}", highlight=False, soft_wrap=True)

    async with stage.switch() as switch:
        for pair_no in range(1, min(stage.size.pairs, RUNS_MAX) + 1):
            made = await office.draft(count)
            await stage.settle()
            tpcb = (await yardstick.measure(stage)).per_second
            seen = await office.paid(switch, made, 0)
            rate = seen["paid"] / seen["spent_s"]
            ratios.append(rate / tpcb)
            least, most = min(office.resident_kib), max(office.resident_kib)
            write("paid", pair=pair_no, tpcb_per_s=round(tpcb), per_second=round(rate), **seen,
                  least_mib=round(least / 1024, 1), most_mib=round(most / 1024, 1))  # fmt: skip
        made = await office.draft(count)
        write("killed", **await office.paid(switch, made, KILLS))
        await _check_once(stage, made, count)
    target = Target(name="payouts a second ÷ TPC-B", wanted=RATE_MIN, is_floor=True)
    pairs.conclude([Compared(target=target, ratios=tuple(ratios))], results, console)
    await stage.check_books()


async def _open_office(stage: Stage) -> Office:
    number = await let_in(stage.operator, "pensions", "government", keyfile.generate_seed())
    (account,) = await open_accounts(stage.operator, "pensions", "government", 1)
    await stage.operator.issue(account, 10**12, reason="money for a benchmark")
    return Office(stage=stage, number=number, account=account)


async def _check_once(stage: Stage, made: UUID, count: int) -> None:
    """As many approved payments as lines, under as many keys."""
    found = await stage.operator.connection.fetchrow(
        "SELECT count(*) AS payments, count(DISTINCT key) AS keys FROM ledger.payment"
        " WHERE key LIKE $1 AND outcome = 0",
        f"disbursement:{made}:%",
    )
    if (found["payments"], found["keys"]) != (count, count):
        raise BenchError(f"{count} lines were paid by {found['payments']} payments")


def _jobs_pid(switch: Serving) -> int | None:
    """The jobs process; none while it is being started again."""
    return next(child.pid for child in switch.supervisor.children if child.name == "jobs")


def _resident_kib(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in status.splitlines()
                 if line.startswith("VmRSS:")), 0)  # fmt: skip
