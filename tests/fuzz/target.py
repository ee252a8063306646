"""The switch that is fuzzed: a real worker process, participants, and what must stay true of it.

`Target` looks from outside only: HTTP on its port, its standard error in a file, its memory in
/proc, its database by the operator's connection.
"""

import asyncio
import itertools
import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

from switch import keyfile, limits
from switch.admin import Operator, connected
from switch.clock import SYSTEM_CLOCK
from switch.keyfile import PublicKey
from switch.serving import ServeOptions, Serving, serving
from switch.signature import signing_key
from switch.signing import check_reply
from tests.databases import ADMIN, JOBS, WORKER, Database
from tests.fuzz.wire import (
    HOST,
    Received,
    Sent,
    WireAnswer,
    assemble,
    connect,
    converse,
    reset,
    signed,
)
from tests.integration.town import CURRENCY, Member, payment

FUNDS = 10**14  # minor units; no seeded run spends it
WORKER_BYTES_MAX = 120 * 1024 * 1024  # as promised; all of this folder takes it to about half
WORKER_CONNECTIONS_MAX = 12  # lanes, look-ups, participants of one worker, and room
DOCUMENTED = {"overloaded", "ledger-unavailable", "outcome-unknown"}  # of 503 and 504
ASK_MAX = 60
ASK_PAUSE_S = 0.5
TROUBLE = re.compile(r'Traceback|never retrieved|never awaited|"exception"|"level": "(error|crit)')


@dataclass(slots=True, kw_only=True)
class Target:
    """One running switch with a bank, a wallet provider and a merchant, and their accounts."""

    serving: Serving
    database: Database
    operator: Operator
    messages: Path  # what the processes of the switch say
    members: dict[str, Member]  # by kind; by name: whose signatures are spoilt, who explores
    payer: UUID  # of the wallet provider, rich
    payee: UUID  # of the merchant
    keys: dict[str, PublicKey] = field(default_factory=dict)
    _said_bytes: int = 0
    _sources: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.serving.config.port

    @property
    def authority(self) -> str:
        """The name that is signed."""
        return f"{HOST}:{self.port}"

    @property
    def wallet(self) -> Member:
        """The one who pays."""
        return self.members["wallet"]

    def payment(self, **more: object) -> dict[str, object]:
        """The content of a payment that is approved."""
        return payment(str(self.payer), str(self.payee), 1, **more)

    def worker_pid(self) -> int:
        """The one worker; it is never started anew, whatever it is sent."""
        worker = self.serving.supervisor.children[0]
        assert worker.restart_count == 0, "the worker died"
        assert worker.pid is not None, "the worker is gone"
        return worker.pid

    def worker_bytes_max(self) -> int:
        """The most memory that the worker ever had resident."""
        status = Path(f"/proc/{self.worker_pid()}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024

    def trouble(self) -> list[str]:
        """Lines of the log since the last look that no participant may be able to cause."""
        text = self.messages.read_bytes()[self._said_bytes :].decode(errors="replace")
        self._said_bytes += len(text.encode())
        return [line for line in text.splitlines() if TROUBLE.search(line)]

    def signed_payment(self, member: Member, content: object, *, key: str) -> Sent:
        """A payment, well signed whatever stands in it; bytes are taken as they are."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return signed(member.key, self.authority, "POST", "/v1/payments", body, idempotency_key=key)

    def signed_get(self, member: Member, place: str) -> Sent:
        """A look-up, well signed."""
        return signed(member.key, self.authority, "GET", place)

    async def send(
        self, pieces: Sequence[bytes], *, answers: int | None = None, is_head: bool = False
    ) -> Received:
        """Over a new connection from an address that was not used before."""
        return await converse(
            self.port, pieces, answers=answers, source=self._source(), is_head=is_head
        )

    async def ask(self, sent: Sent) -> WireAnswer:
        """The answer to a good request; not decided for now or unknown is asked again."""
        for _ in range(ASK_MAX):
            answer = (await self.send([sent.data], answers=1)).answers[0]
            if answer.problem not in DOCUMENTED:
                return answer
            await asyncio.sleep(ASK_PAUSE_S)
        raise AssertionError(f"asked {ASK_MAX} times: {answer}")

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to do with as one likes."""
        return await connect(self.port, self._source())

    async def break_off(self, pieces: Sequence[bytes]) -> None:
        """Send and reset the connection."""
        await reset(self.port, pieces, source=self._source())

    def check_signed(self, answer: WireAnswer, sent: Sent) -> None:
        """The answer is the switch's own, to this very request."""
        fault = check_reply(
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
            bound=sent.bound,
            keys=self.keys,
            now_us=SYSTEM_CLOCK.now_us(),
        )
        assert fault is None, f"{fault} {answer}"

    def _source(self) -> str:
        number = next(self._sources)
        return f"127.{1 + number // 62500}.{number // 250 % 250}.{1 + number % 250}"

    async def claims(self, member: Member) -> dict[str, str]:
        """The keys that this participant has spent, each with the digest it was spent on."""
        rows = await self.operator.connection.fetch(
            "SELECT key, digest FROM ledger.key_claim"
            " JOIN ledger.participant USING (participant_no) WHERE id = $1",
            member.id,
        )
        return {row["key"]: f"sha-256=:{b64encode(row['digest']).decode()}:" for row in rows}

    async def claimed(self, member: Member) -> set[str]:
        """The keys that this participant has spent."""
        return set(await self.claims(member))

    async def check_serving(self) -> None:
        """It pays, it was never in trouble, and it has not grown: asked after every corpus."""
        assert not self.trouble()
        sent = self.signed_payment(self.wallet, self.payment(), key=uuid4().hex)
        paid = await self.ask(sent)
        self.check_signed(paid, sent)
        assert paid.status in {200, 201}
        assert paid.json["status"] == "completed"
        assert self.worker_bytes_max() < WORKER_BYTES_MAX, self.worker_bytes_max()
        await self._check_connections()

    async def _check_connections(self) -> None:
        rows = await self.operator.connection.fetch(
            "SELECT state FROM pg_stat_activity WHERE datname = $1 AND usename = $2",
            self.database.name,
            WORKER,
        )
        assert 0 < len(rows) <= WORKER_CONNECTIONS_MAX
        idle = [row["state"] for row in rows if row["state"].startswith("idle in transaction")]
        assert not idle

    async def check_books(self) -> None:
        """Every balance follows from its postings, and money was neither made nor lost."""
        assert await self.operator.check_books() == []


async def _member(operator: Operator, kind: str) -> Member:
    name = f"{kind}-{uuid4().hex[:12]}"
    seed = keyfile.generate_seed()
    await operator.add_participant(name, kind=kind)
    await operator.add_key(f"{name}/one", keyfile.public_key(seed))
    return Member(id=name, key=signing_key(f"{name}/one", seed))


async def _account(operator: Operator, member: Member, kind: str) -> UUID:
    return await operator.open_account(
        participant=member.id, kind=kind, currency=CURRENCY, floor=0, tier=None, reference=None
    )


@asynccontextmanager
async def open_target(database: Database, folder: Path) -> AsyncIterator[Target]:
    """A switch of one worker and the jobs on a migrated database, and its end."""
    messages = folder / "messages"
    async with connected(database.url()) as operator:
        members = {kind: await _member(operator, kind) for kind in ("bank", "wallet", "merchant")}
        members |= {name: await _member(operator, "wallet") for name in ("stranger", "explorer")}
        payer = await _account(operator, members["wallet"], "wallet")
        payee = await _account(operator, members["merchant"], "merchant")
        explored = await _account(operator, members["explorer"], "wallet")
        for account in (payer, explored):
            await operator.issue(account, FUNDS, reason="to be spent")
        options = ServeOptions(
            host=HOST,
            port=0,
            admin_host=HOST,
            admin_port=0,
            worker_count=1,
            authorities=(),
            data_dir=folder,
            key_dir=folder / "keys",
            database_url=database.url(WORKER),
            jobs_database_url=database.url(JOBS),
            admin_database_url=database.url(ADMIN),
            tls_cert=None,
            tls_key=None,
            reads_per_s=limits.READS_PER_S_MAX,  # what is refused unread is not fuzzed
        )
        async with serving(options, messages=messages) as running:
            target = Target(
                serving=running,
                database=database,
                operator=operator,
                messages=messages,
                members=members,
                payer=payer,
                payee=payee,
            )
            published = assemble(
                b"GET /.well-known/jwks.json HTTP/1.1", [f"Host: {target.authority}".encode()]
            )
            jwks = await converse(target.port, [published], answers=1)
            target.keys = keyfile.parse_jwks(jwks.answers[0].body)
            yield target
