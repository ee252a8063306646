"""Citizens, in whose names wallet providers sign: they pay, transfer, withdraw, and look."""

import json
import random
from typing import Any

from loadtests.user import DECIDED, PAYMENTS, Message, Participant

BATCH_PAYMENTS = 100


class Wallet(Participant):
    """One citizen: holds one wallet, knows the shops, the banks and the other wallets."""

    abstract = True

    def on_start(self) -> None:
        """Choose a wallet."""
        super().on_start()
        self.holder = random.choice(self.ground.city.providers)
        self.account = random.choice(self.holder.accounts)
        self.latest: tuple[Message, bytes] | None = None  # and its answer

    def buy(self) -> None:
        """A purchase in a shop."""
        self._pay("purchase", self.ground.shop(), random.randint(1_00, 20_00))

    def hold(self) -> None:
        """A purchase whose amount the shop will capture, or not."""
        payee, amount = self.ground.shop(), random.randint(1_00, 20_00)
        message = self.payment("purchase", self.account, payee, amount, capture=False)
        self.decide(message, "hold")

    def give(self) -> None:
        """A transfer to somebody else's wallet."""
        payee = self.account
        while payee == self.account:
            payee = self.ground.wallet()
        self._pay("transfer", payee, random.randint(1_00, 10_00))

    def withdraw(self) -> None:
        """Money back to a bank."""
        bank = random.choice(self.ground.city.banks)
        self._pay("withdrawal", bank.accounts[0], random.randint(1_00, 10_00))

    def repeat(self) -> None:
        """The latest payment again: the same bytes, whatever has happened since."""
        if self.latest is None:
            return
        message, first = self.latest

        def judge(answer: Any) -> str | None:
            same = answer.status_code in DECIDED and answer.content == first
            return None if same else f"a repeat was answered {answer.status_code}: {answer.text}"

        self.post(message.path, message.body, message.key, "repeat", judge, ())

    def look(self) -> None:
        """The balance."""
        self.look_up(f"/v1/accounts/{self.account}", "account")

    def _pay(self, kind: str, payee: str, amount: int) -> None:
        message = self.payment(kind, self.account, payee, amount)
        answer = self.decide(message, kind)
        if answer is not None:
            self.latest = message, answer


class Watcher(Wallet):
    """Somebody who asks all the time, at the provider whose wallets come last."""

    abstract = True

    def on_start(self) -> None:
        """All of them have one key, and so one budget."""
        super().on_start()
        self.holder = self.ground.city.providers[-1]
        self.account = random.choice(self.holder.accounts)
        answer = self.decide(self.payment("purchase", self.account, self.ground.shop(), 1), "watch")
        self.watched = None if answer is None else str(json.loads(answer)["id"])

    def look_at_payment(self) -> None:
        """What became of a payment."""
        if self.watched is not None:
            self.look_up(f"{PAYMENTS}/{self.watched}", "payment")


class Flood(Wallet):
    """A provider that sends batches without a pause, and those that were refused again."""

    abstract = True

    def buy_many(self) -> None:
        """One purchase each for many citizens."""
        self.decide_many(self._purchases, "batch")

    def _purchases(self) -> list[Message]:
        payers = random.choices(self.holder.accounts, k=BATCH_PAYMENTS)
        return [self.payment("purchase", payer, self.ground.shop(), 1) for payer in payers]
