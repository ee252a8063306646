"""Merchants: they read their feed, capture what is held for them, and give money back."""

import random
from collections import deque

from loadtests.user import Participant
from switch.demo_traffic import ORDINARY

FEED_PAGE = 100
KEPT = 1_000  # payments of the feed to choose from, the latest

# Another till of the same merchant may have been faster.
STEPS = ORDINARY | {"wrong_state", "exceeds_captured", "exceeds_held"}


class Merchant(Participant):
    """A till of a shop."""

    abstract = True

    def on_start(self) -> None:
        """Choose a shop."""
        super().on_start()
        self.holder = random.choice(self.ground.city.merchants)
        self.after = 0
        self.held: deque[str] = deque(maxlen=KEPT)
        self.paid: deque[str] = deque(maxlen=KEPT)

    def read_feed(self) -> None:
        """What was paid and held since."""
        page = self.look_up("/v1/events", "feed", f"after={self.after}&limit={FEED_PAGE}")
        if page is None:
            return
        self.after = int(page["next_after"])
        for event in page["data"]:
            payment = event["payment"]
            if payment is None or payment["payer"] in self.ground.city.issuer.accounts:
                continue  # a refund to a bank would wait for it
            if event["type"] == "payment.held":
                self.held.append(payment["id"])
            elif event["type"] == "payment.completed":
                self.paid.append(payment["id"])

    def capture(self) -> None:
        """Take what is held, half of it at times, and release the rest."""
        if not self.held:
            return self.read_feed()
        payment = self.held.popleft()
        fields = {"amount": 50, "final": True} if random.random() < 0.5 else {}
        if self.decide(self.step("capture", payment, **fields), "capture", STEPS) is not None:
            self.paid.append(payment)
        return None

    def refund(self) -> None:
        """Give some of a payment back."""
        if not self.paid:
            return self.read_feed()
        self.decide(self.step("refund", self.paid.popleft(), amount=10), "refund", STEPS)
        return None
