"""What the participants know: every message they sent, and every word they got about it.

A participant that survives has only this to go by. What contradicts itself is a fault at once,
whatever was killed meanwhile; what contradicts the ledger is found by the audit.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec

from switch.signature import SigningKey
from tests.faults.wire import Reply, Word


@dataclass(slots=True, kw_only=True, eq=False)
class Message:
    """One payment as it was sent, perhaps many times, with its key."""

    sender: str
    signer: SigningKey
    key: str
    body: bytes
    words: set[Word] = field(default_factory=set)
    under_way: int = 0  # attempts without a word so far
    decision: bytes | None = None
    firsts: int = 0  # how often it was told that it was decided just now

    @property
    def is_open(self) -> bool:
        """Whether the sender has to ask again to know: never decided so far, and doubtful."""
        return self.decision is None and Word.UNKNOWN in self.words

    @property
    def is_surely_undecided(self) -> bool:
        """Whether every single attempt was told to have decided nothing."""
        return not self.under_way and self.words == {Word.NOT_DECIDED}

    @property
    def decided(self) -> Any:
        """The decision, decoded."""
        assert self.decision is not None
        return msgspec.json.decode(self.decision)


@dataclass(slots=True, kw_only=True)
class Journal:
    """All messages of a run by sender and key, and the faults."""

    messages: dict[tuple[str, str], Message] = field(default_factory=dict)
    answered: list[Message] = field(default_factory=list)  # in the order of their first decision
    faults: list[str] = field(default_factory=list)
    details: Counter[str] = field(default_factory=Counter)

    def add(self, message: Message) -> Message:
        """A message that is about to be sent for the first time."""
        name = (message.sender, message.key)
        assert name not in self.messages, "a sender makes its keys unique"
        self.messages[name] = message
        return message

    def hear(self, message: Message, reply: Reply) -> None:
        """Write down what an attempt has taught, and what it contradicts."""
        self.details[reply.detail] += 1
        message.words.add(reply.word)
        if reply.fault is not None:
            self.fault(message, reply.fault)
        if reply.word is Word.KEY_REUSED:
            self.fault(message, "its own key is said to be used for another request")
        if reply.word is not Word.DECIDED:
            return
        if (reply.status == 201) is reply.is_replayed:
            self.fault(message, f"{reply.status} with Idempotent-Replayed {reply.is_replayed}")
        message.firsts += reply.status == 201
        if message.firsts > 1:
            self.fault(message, "decided twice")
        if message.decision is None:
            message.decision = reply.body
            self.answered.append(message)
            self._compare(message)
        elif message.decision != reply.body:
            self.fault(message, f"was {message.decision!r}, is now {reply.body!r}")

    def hear_of_reuse(self, message: Message, reply: Reply) -> None:
        """The word about another payment under a key that was decided already."""
        self.details[f"other payment: {reply.detail}"] += 1
        if reply.fault is not None:
            self.fault(message, reply.fault)
        if reply.word is Word.DECIDED:
            self.fault(message, f"another payment got its key: {reply.body!r}")

    def fault(self, message: Message, what: str) -> None:
        """Something that may never happen."""
        self.faults.append(f"{message.sender} {message.key}: {what}")

    def _compare(self, message: Message) -> None:
        """The decision must be about this message."""
        asked, told = msgspec.json.decode(message.body), message.decided
        wrong = {name: told.get(name) for name in asked if told.get(name) != asked[name]}
        if wrong or (told["participant"], told["idempotency_key"]) != (message.sender, message.key):
            self.fault(message, f"answered about something else: {told}")

    @property
    def refusals(self) -> int:
        """How many attempts were told, signed or not, that there is no ledger."""
        return sum(count for told, count in self.details.items() if "ledger-unavailable" in told)

    def open_messages(self) -> list[Message]:
        """Those whose outcome is unknown."""
        return [message for message in self.messages.values() if message.is_open]

    def any_answered(self, chance: random.Random) -> Message | None:
        """Some message that was decided, rather a late one than an early one."""
        if not self.answered:
            return None
        late = self.answered[-200:] if chance.random() < 0.8 else self.answered
        return chance.choice(late)
