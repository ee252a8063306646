"""A bank that holds the money itself: it answers for its accounts, and its log is its book.

An account is there as soon as somebody asks for it, with a balance if the bank was told one and
with as much money as needed if not. Whatever was decided under a key is answered again in the same
bytes, after a restart too. A payment that was reversed is never approved afterwards, whichever of
the two came first.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime

import msgspec

from switch.bank_message import Authorization, BankAnswer, Credit, Decision, Reversal
from switch.clock import Clock, rfc3339
from switch.digest import digest_field
from switch.errors import Problem
from switch.message import decode
from switch.reply import Answer, document, repeated
from switch.simulate.door import Asked
from switch.simulate.inbox import TAKEN, event_line
from switch.simulate.journal import Journal, Line
from switch.simulate.knobs import BankKnobs, Dice, changed
from switch.simulate.positions import Position, after

_AUTHORIZATION = msgspec.json.Decoder(Authorization)
_CREDIT = msgspec.json.Decoder(Credit)
_REVERSAL = msgspec.json.Decoder(Reversal)

REUSED = Problem(name="idempotency-key-reused", detail="this key was decided with another body")


class Bank:
    """The room of a bank."""

    paths: tuple[str, ...] = ("/authorizations", "/credits", "/reversals", "/events")

    def __init__(
        self,
        journal: Journal,
        *,
        knobs: BankKnobs,
        dice: Dice,
        balance: int | None,
        clock: Clock,
    ) -> None:
        self._knobs = knobs
        self._journal = journal
        self._dice = dice
        self._balance = balance  # of every account at first; None: there is always enough
        self._clock = clock
        self._lines: dict[tuple[str, str], Line] = {}  # by path and key
        self._positions: dict[str, Position] = {}
        self._available: defaultdict[str, int] = defaultdict(lambda: balance or 0)
        self._decisions: Counter[str] = Counter()
        for line in journal.lines:
            self._keep(line)

    @property
    def knobs(self) -> BankKnobs:
        """As they are now."""
        return self._knobs

    def turn(self, document: bytes) -> None:
        """Change those that a JSON object names."""
        self._knobs = changed(self._knobs, document)

    async def settled(self) -> None:
        """Wait until all that was decided is on disk."""
        await self._journal.settled()

    def act(self, asked: Asked) -> Answer | Problem:
        """Decide, or find the decision."""
        kept = self._lines.get((asked.path, asked.key))
        if kept is not None:
            return self._again(kept, asked)
        line = self._decide(asked)
        if isinstance(line, Problem):
            return line
        self._journal.append(line)
        self._keep(line)
        return _answer(line, is_first=True)

    def figures(self) -> Mapping[str, object]:
        """How much was decided how."""
        return {"payments": len(self._positions), "decisions": dict(self._decisions)}

    def _again(self, kept: Line, asked: Asked) -> Answer | Problem:
        """The answer to a repeat. An event is known by its key alone: it may gain members."""
        is_event = asked.path == "/events"
        if not is_event and kept.request_digest != digest_field(asked.body):
            return REUSED
        return _answer(kept, is_first=False)

    def _decide(self, asked: Asked) -> Line | Problem:
        match asked.path:
            case "/authorizations":
                return self._authorization(asked)
            case "/credits":
                return self._credit(asked)
            case "/reversals":
                return self._reversal(asked)
        return event_line(asked, self._clock)

    def _authorization(self, asked: Asked) -> Line | Problem:
        request = decode(_AUTHORIZATION, asked.body)
        if isinstance(request, Problem):
            return request
        why_not = self._why_not(request)
        return self._line(
            asked,
            what="authorization",
            request=request,
            decision="declined" if why_not else "approved",
            reason=why_not,
            capture=request.capture,
        )

    def _why_not(self, request: Authorization) -> str | None:
        """Why an authorization is declined; None when it is approved."""
        position = self._positions.get(request.payment)
        if position is not None and position.is_reversed:
            return "reversed before"
        if position is not None and position.payer is not None:
            return "decided under another key"
        if datetime.fromisoformat(request.deadline) < self._clock.now():
            return "too late"
        if self._balance is not None and self._available[request.account] < request.amount:
            return "not enough money"
        return "by chance" if self._dice.falls(self._knobs.decline) else None

    def _credit(self, asked: Asked) -> Line | Problem:
        request = decode(_CREDIT, asked.body)
        if isinstance(request, Problem):
            return request
        is_refused = self._dice.falls(self._knobs.refuse_credits)
        return self._line(
            asked,
            what="credit",
            request=request,
            decision="refused" if is_refused else "accepted",
            reason="by chance" if is_refused else None,
            parent=request.parent,
        )

    def _reversal(self, asked: Asked) -> Line | Problem:
        request = decode(_REVERSAL, asked.body)
        if isinstance(request, Problem):
            return request
        return self._line(asked, what="reversal", request=request, decision="acknowledged")

    def _line(
        self,
        asked: Asked,
        *,
        what: str,
        request: Authorization | Credit | Reversal,
        decision: Decision,
        reason: str | None = None,
        parent: str | None = None,
        capture: bool | None = None,
    ) -> Line:
        return Line(
            at=rfc3339(self._clock.now()),
            what=what,
            key=asked.key,
            request_digest=digest_field(asked.body),
            payment=request.payment,
            account=request.account,
            amount=request.amount,
            currency=request.currency,
            decision=decision,
            reason=reason,
            parent=parent,
            capture=capture,
        )

    def _keep(self, line: Line) -> None:
        """Take a line of the log into the books."""
        self._lines[_path_of(line.what), line.key] = line
        self._decisions[line.decision or line.what] += 1
        if line.payment is None:
            return
        before = self._positions.get(line.payment)
        now = after(before, line)
        if now is not None:
            self._positions[line.payment] = now
            for sign, position in ((-1, before), (1, now)):
                for account, amount in (position.available if position else {}).items():
                    self._available[account] += sign * amount


def _answer(line: Line, *, is_first: bool) -> Answer:
    """The same bytes whenever they are made."""
    if line.payment is None or line.decision is None or line.currency is None:
        return TAKEN
    said = msgspec.convert(
        {
            "payment": line.payment,
            "decision": line.decision,
            "amount": line.amount,
            "currency": line.currency,
            "reason": line.reason,
        },
        BankAnswer,
    )
    return document(said, status=201) if is_first else repeated(said)


_PATHS = {"authorization": "/authorizations", "credit": "/credits", "reversal": "/reversals"}


def _path_of(what: str) -> str:
    return _PATHS.get(what, "/events")
