"""Banks: they fill wallets, take withdrawals, read statements; one holds its customers' money."""

import random

from loadtests.user import Message, Participant
from switch.demo_traffic import BY_BANK

TOP_UPS = 20  # in a batch
SALARIES = 100
AWAY = BY_BANK | {"issuer_unavailable", "issuer_timeout"}


class Bank(Participant):
    """A branch; all branches of a bank pay from one position."""

    abstract = True

    def on_start(self) -> None:
        """Choose a bank."""
        super().on_start()
        self.holder = random.choice(self.ground.city.banks)
        self.after: str | None = None  # how far its statement was read
        wallets = [wallet for one in self.ground.city.providers for wallet in one.accounts]
        self.unpaid = random.sample(wallets, len(wallets))

    def top_up(self) -> None:
        """Money for one wallet."""
        amount = random.randint(10_00, 50_00)
        wallet = self.ground.wallet()
        self.decide(self.payment("top_up", self.holder.accounts[0], wallet, amount), "top-up")

    def top_up_many(self) -> None:
        """Money for many wallets, in one message."""
        self.decide_many(
            lambda: self._filling([self.ground.wallet() for _ in range(TOP_UPS)], 10_00), "top-ups"
        )

    def pay_salaries(self) -> None:
        """The next wallets get their salary; who has paid everybody begins anew."""
        self.decide_many(self._salaries, "salaries")

    def _salaries(self) -> list[Message]:
        wallets, self.unpaid = self.unpaid[:SALARIES], self.unpaid[SALARIES:]
        self.unpaid = self.unpaid or wallets
        return self._filling(wallets, 100_00)

    def read_statement(self) -> None:
        """The next page: withdrawals come in, top-ups go out, the running balance adds up."""
        path = f"/v1/accounts/{self.holder.accounts[0]}/entries"
        page = self.look_up(
            path, "statement", None if self.after is None else f"after={self.after}"
        )
        if page is not None:
            self.after = page["next_after"] or self.after

    def _filling(self, wallets: list[str], amount: int) -> list[Message]:
        position = self.holder.accounts[0]
        return [self.payment("top_up", position, wallet, amount) for wallet in wallets]


class IssuingBank(Participant):
    """A bank that holds its customers' money itself, and pays in their names."""

    abstract = True

    def on_start(self) -> None:
        """There is one in the city."""
        super().on_start()
        self.holder = self.ground.city.issuer

    def buy(self) -> None:
        """A purchase of a customer, which the bank decides too."""
        customer = random.choice(self.holder.accounts)
        message = self.payment("purchase", customer, self.ground.shop(), random.randint(1_00, 9_00))
        self.decide(message, "customer's purchase", AWAY)
