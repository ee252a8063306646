"""A simulated bank at a real switch: whatever it does, its book and the ledger agree in the end."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from switch import keyfile
from switch.admin import Operator, connected
from switch.client import Client, Payment
from tests.databases import ADMIN, Database
from tests.integration.running import external, serving, switch, until
from tests.integration.simulated import Simulated, simulating

CURRENCY = "CNY"
LIQUIDITY = 10**9
ANSWER_S_MAX = 2  # so long the switch waits for the bank: a hang must not last for the whole test


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A participant: its client, and the options by which a simulation is it."""

    client: Client
    options: tuple[object, ...]


async def let_in(operator: Operator, folder: Path, url: str, name: str, kind: str) -> Member:
    """Add a participant with a key."""
    seed = keyfile.generate_seed()
    key_file = folder / f"{name}.pem"
    keyfile.write_private_key(key_file, seed)
    await operator.add_participant(name, kind=kind)
    await operator.add_key(f"{name}/one", keyfile.public_key(seed))
    client = Client(url, key_id=f"{name}/one", key=key_file)
    return Member(client=client, options=("--key", key_file, "--keyid", f"{name}/one"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """A bank's customer, a shop and a wallet."""

    bank: Member
    shop: Member
    wallet: Member
    customer: str
    till: str
    purse: str

    async def day(self, number: int) -> None:
        """Money out of the bank, at once and held, some of it back, and money into it."""
        bank, shop, wallet = self.bank.client, self.shop.client, self.wallet.client
        asked = {"payer": self.customer, "payee": self.till, "currency": CURRENCY}
        paid = await bank.pay(type="purchase", amount=100 + number, **asked)  # type: ignore[arg-type]
        held = await bank.pay(type="purchase", amount=1_000, capture=False, **asked)  # type: ignore[arg-type]
        paid, held = await decided(bank, paid), await decided(bank, held)
        if paid.status == "completed":
            await shop.refund(paid.id, amount=10)
        if held.status == "held":
            await shop.capture(held.id, amount=300, final=number % 2 == 0)
            await shop.void(held.id)
        await wallet.pay(
            type="withdrawal", payer=self.purse, payee=self.customer, amount=7, currency=CURRENCY
        )


async def decided(client: Client, payment: Payment) -> Payment:
    """What became of it once its bank had the time to answer."""
    found: list[Payment] = [payment]

    async def is_decided() -> bool:
        now = await client.payment(payment.id)
        assert isinstance(now, Payment)
        found.append(now)
        return now.status != "pending"

    await until(is_decided, "it is decided")
    return found[-1]


async def test_the_book_of_a_bad_bank_agrees_with_the_ledger(
    database: Database, tmp_path: Path
) -> None:
    """It hangs, hangs up, lies, declines and refuses: nothing is paid twice, nothing lost."""
    options = (*external(database, tmp_path), "--workers", 1, "--callback-allow", "127.0.0.0/8")
    async with (
        serving(tmp_path, *options, "--bank-deadline", ANSWER_S_MAX, "--bank-wait", 0.5) as city,
        connected(database.url(ADMIN)) as operator,
    ):
        members = [
            await let_in(operator, tmp_path, city.url, name, kind)
            for name, kind in (
                ("red-bank", "bank"), ("tea-house", "merchant"), ("harbour-pay", "wallet"),
            )
        ]  # fmt: skip
        red, shop, wallet = members
        jwks = ("--jwks", f"{city.url}/.well-known/jwks.json")
        async with (
            simulating("bank", tmp_path / "book", *red.options, *jwks, "--acts-first", 0.5) as bank,
            red.client,
            shop.client,
            wallet.client,
        ):
            await operator.set_participant(
                "red-bank", bank_url=bank.url, callback_url=f"{bank.url}/events"
            )
            position = await operator.open_account(
                participant="red-bank", kind="position", currency=CURRENCY
            )
            await operator.issue(position, LIQUIDITY, reason="test")
            customer = await red.client.open_account(kind="external", currency=CURRENCY)
            till = await shop.client.open_account(kind="merchant", currency=CURRENCY)
            purse = await wallet.client.open_account(kind="wallet", currency=CURRENCY)
            await operator.issue(UUID(till.id), LIQUIDITY, reason="test")
            await operator.issue(UUID(purse.id), LIQUIDITY, reason="test")
            street = Street(
                bank=red, shop=shop, wallet=wallet,
                customer=customer.id, till=till.id, purse=purse.id,
            )  # fmt: skip
            await live(street, bank)

            async def agrees() -> bool:
                said = await switch(
                    *("simulate", "reconcile", "--log", tmp_path / "book", "--url", city.url),
                    *(*red.options, "--json"),
                )
                found = said.document
                return said.code == 0 and found["waiting"] == 0 and found["compared"] > 0

            await until(agrees, "the book and the switch agree")
            whats = {(line.what, line.decision) for line in bank.lines}
            assert {
                ("authorization", "approved"),
                ("authorization", "declined"),
                ("credit", "accepted"),
                ("credit", "refused"),
                ("reversal", "acknowledged"),
            } <= whats
            assert await bank.end() == 0
        assert await operator.check_books() == []
        assert await city.end() == 0


async def live(street: Street, bank: Simulated) -> None:
    """A good day, then one with each fault."""
    fates: tuple[dict[str, object], ...] = (
        {},
        {"decline": 1},
        {"decline": 0, "refuse_credits": 1},
        {"refuse_credits": 0, "drop": 0.5},
        {"drop": 0, "refuse": 0.5},
        {"refuse": 0, "lie": "signature", "lie_rate": 0.5},
        {"lie": "amount"},
        {"lie": None, "twice": 1},
        {"hang": 0.5},
        {"hang": 0},
    )
    for number, knobs in enumerate(fates):
        await bank.turn(**knobs)
        days = [street.day(number * 10 + one) for one in range(3)]
        await asyncio.gather(*days)
