"""An office that pays pensions: drafts, parts, two people's keys, and what came of it."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from switch import keyfile
from switch.clock import SYSTEM_CLOCK
from switch.keyfile import generate_seed
from switch.ledger import new_id
from switch.signature import signing_key
from tests.integration.town import Member, Place, Reply

MONEY = 1_000_000
PENSIONERS = 5
BATCH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """One participant with two keys, its account, and wallets of another's customers."""

    town: Place
    clerk: Member
    head: Member
    account: str
    wallet: Member
    pensioners: list[str]

    def lines(self, count: int, amount: int = 10, first: int = 1) -> list[tuple[Any, ...]]:
        """So many payouts, to each pensioner in turn."""
        return [
            (first + n, self.pensioners[n % len(self.pensioners)], amount, f"P-{first + n}")
            for n in range(count)
        ]

    async def create(self, count: int, total: int, **more: Any) -> Reply:
        content = {
            "payer": self.account, "currency": "CNY", "count": count, "total": total,
            "purpose": "Pensions",
        } | more  # fmt: skip
        return await self.post(self.clerk, "", content=content)

    async def drafted(self, lines: list[tuple[Any, ...]], **more: Any) -> str:
        """A draft with all its lines in one part."""
        reply = await self.create(len(lines), sum(line[2] for line in lines), **more)
        assert reply.status == 201, reply.body
        made = str(reply.json["disbursement"])
        reply = await self.add(made, lines)
        assert reply.status == 201, reply.body
        return made

    async def approved(self, lines: list[tuple[Any, ...]]) -> str:
        """One that is being paid as soon as somebody does it."""
        made = await self.drafted(lines)
        for sender, act in ((self.clerk, "submit"), (self.head, "approve")):
            reply = await self.act(made, act, sender)
            assert reply.status == 201, reply.body
        return made

    async def add(
        self, of: str, lines: list[tuple[Any, ...]], *, key: str | None = None,
        sender: Member | None = None, by: str = "account",
    ) -> Reply:  # fmt: skip
        """A part as CSV; `by` is what names the payees."""
        text = f"line,{by},amount,reference\n" + "".join(
            ",".join(map(str, line)) + "\n" for line in lines
        )
        return await self.town.send(
            sender or self.clerk, "POST", f"/v1/disbursements/{of}/parts", body=text.encode(),
            key=key or uuid4().hex, changed={"Content-Type": "text/csv"},
        )  # fmt: skip

    async def act(
        self, of: str, act: str, sender: Member | None = None, *, key: str | None = None
    ) -> Reply:
        return await self.post(sender or self.clerk, f"/{of}/{act}", key=key)

    async def post(
        self, sender: Member, path: str, *, content: Any = None, key: str | None = None
    ) -> Reply:
        return await self.town.send(
            sender, "POST", f"/v1/disbursements{path}", content=content, key=key or uuid4().hex
        )

    async def shown(self, of: str) -> Any:
        reply = await self.town.send(self.clerk, "GET", f"/v1/disbursements/{of}")
        assert reply.status == 200, reply.body
        return reply.json

    async def results(self, of: str, limit: int = 200) -> list[Any]:
        """All pages."""
        found: list[Any] = []
        after = ""
        while True:
            path = f"/v1/disbursements/{of}/results?limit={limit}{after}"
            reply = await self.town.send(self.clerk, "GET", path)
            assert reply.status == 200, reply.body
            found += reply.json["data"]
            if not reply.json["has_more"]:
                return found
            after = f"&after={reply.json['next_after']}"

    async def pay(self, batches: int = 1_000) -> int:
        """What the job does, until nothing is left or so often; how many lines were tried."""
        connection = await self.town.database.connect("switch_jobs_login")
        tried = 0
        try:
            for _ in range(batches):
                ids = [new_id(SYSTEM_CLOCK.now_us()) for _ in range(BATCH)]
                done = await connection.fetchval("SELECT disbursements.pay_next($1)", ids)
                tried += done
                if not done:
                    break
        finally:
            await connection.close()
        return tried

    async def lose_a_batch(self) -> None:
        """A batch is decided, and its connection ends before it is committed."""
        connection = await self.town.database.connect("switch_jobs_login")
        await connection.execute("BEGIN")
        ids = [new_id(SYSTEM_CLOCK.now_us()) for _ in range(BATCH)]
        await connection.fetchval("SELECT disbursements.pay_next($1)", ids)
        connection.terminate()

    async def balance(self) -> int:
        return (await self.town.balance(self.clerk, self.account))[0]


async def open_office(town: Place, wallet: Member, *, kind: str = "government") -> Office:
    """A new office beside a wallet provider."""
    clerk = await town.member(kind)
    seed = generate_seed()
    await town.operator.add_key(f"{clerk.id}/head", keyfile.public_key(seed))
    head = Member(id=clerk.id, key=signing_key(f"{clerk.id}/head", seed))
    await town.until_known(head)
    return Office(
        town=town, clerk=clerk, head=head,
        account=await town.account(clerk, kind, balance=MONEY), wallet=wallet,
        pensioners=[await town.account(wallet, "wallet") for _ in range(PENSIONERS)],
    )  # fmt: skip
