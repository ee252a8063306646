"""A wallet provider: it opens wallets, sends money among them, and pays whom it is told to pay.

Its wallets are empty at first. Somebody tops them up: a bank, or the operator with `switch issue`;
until then every payment is declined for want of money, which is an answer like any other.
"""

from collections.abc import Sequence

from msgspec import Struct

from switch.client import Client
from switch.simulate.active import Sender
from switch.simulate.knobs import Dice

AMOUNT_LEAST, AMOUNT_MOST = 1_00, 50_00  # minor units
TRANSFER_SHARE = 0.3  # of what is sent, where there is somebody to pay


class Habits(Struct, frozen=True, kw_only=True):
    """What a wallet provider does."""

    wallet_count: int
    currency: str
    payees: tuple[str, ...]  # accounts of others, paid by purchases
    hold_share: float  # of purchases: the money is only held
    per_second: float


class Wallet:
    """The side of a wallet provider that sends."""

    def __init__(self, client: Client, habits: Habits, dice: Dice) -> None:
        self._client = client
        self._habits = habits
        self._dice = dice
        self.sender = Sender()
        self.accounts: Sequence[str] = ()

    async def open_accounts(self) -> None:
        """Open its wallets, or find those that it opened when it ran before."""
        accounts = []
        for number in range(1, self._habits.wallet_count + 1):
            account = await self._client.open_account(
                kind="wallet",
                currency=self._habits.currency,
                reference=f"simulated-{number}",
                idempotency_key=f"simulated-wallet-{self._habits.currency}-{number}",
            )
            accounts.append(account.id)
        self.accounts = accounts

    async def run(self) -> None:
        """Send until cancelled."""
        await self.sender.run(self._habits.per_second, self._send)

    async def _send(self) -> None:
        payees = self._habits.payees
        is_transfer = not payees or self._dice.falls(TRANSFER_SHARE)
        payer = self._one_of(self.accounts)
        others = [account for account in self.accounts if account != payer]
        payee = self._one_of(others if is_transfer else payees)
        capture = is_transfer or not self._dice.falls(self._habits.hold_share)
        await self.sender.count(
            self._client.pay(
                type="transfer" if is_transfer else "purchase",
                payer=payer,
                payee=payee,
                amount=self._dice.between(AMOUNT_LEAST, AMOUNT_MOST),
                currency=self._habits.currency,
                capture=capture,
            )
        )

    def _one_of(self, accounts: Sequence[str]) -> str:
        return accounts[self._dice.between(0, len(accounts) - 1)]
