"""A participant under locust: signs every request, believes only answers that the switch signed.

Messages are written down before they are sent and when they are answered or refused, so that the
audit knows what must be in the ledger, what must not, and what is in doubt. Refusals and lost
answers are failures unless the scenario expects them; then they are counted under a name of their
own.
"""

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
from locust import FastHttpUser
from multidict import CIMultiDict

from loadtests.city import Holder
from loadtests.ground import Ground
from loadtests.scenarios import BANK_AWAY, REFUSED, UNKNOWN
from switch.batch_message import BatchAnswer
from switch.demo_city import CURRENCY
from switch.demo_traffic import ORDINARY
from switch.signing import SignedRequest, check_reply, sign_request

ANSWER_WAIT_S = 15.0
PAUSE_S = (0.02, 0.1)  # before a batch that was not taken on is sent again
DECIDED = (200, 201)
PENDING = 202
NOT_DECIDED = (429, 503)
PAYMENTS = "/v1/payments"
BATCHES = f"{PAYMENTS}/batch"

Judge = Callable[[Any], str | None]  # what is wrong with a trusted answer, if anything


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A payment or a step."""

    key: str
    path: str
    body: bytes


class Participant(FastHttpUser):
    """What all kinds of users have in common."""

    abstract = True
    network_timeout = connection_timeout = ANSWER_WAIT_S
    ground: ClassVar[Ground]
    holder: Holder
    put_off: list[Message]  # a batch that was not taken on

    def on_start(self) -> None:
        """Nothing was sent yet."""
        self.put_off = []

    def wait_time(self) -> float:
        """How long somebody thinks before the next thing."""
        return random.uniform(0, 2 * self.ground.plan.think_s)

    def payment(self, kind: str, payer: str, payee: str, amount: int, **more: Any) -> Message:
        """A new payment, written down as sent."""
        fields = {"type": kind, "payer": payer, "payee": payee, "amount": amount, **more}
        return self._new(PAYMENTS, {**fields, "currency": CURRENCY})

    def step(self, kind: str, payment: str, **fields: Any) -> Message:
        """A new capture or refund, written down as sent."""
        return self._new(f"{PAYMENTS}/{payment}/{kind}", fields)

    def _new(self, path: str, fields: dict[str, Any]) -> Message:
        message = Message(key=self.ground.next_key(), path=path, body=json.dumps(fields).encode())
        self.ground.note(sent=message.key, by=self.holder.id, path=path, body=message.body.decode())
        return message

    def decide(
        self, message: Message, name: str, ordinary: frozenset[str] = ORDINARY
    ) -> bytes | None:
        """Send a message; the body of its decision if there is one."""
        decision: bytes | None = None

        def judge(answer: Any) -> str | None:
            nonlocal decision
            if answer.status_code == PENDING and "IssuingBank" in self.ground.scenario.kinds:
                answer.request_meta["name"] = f"{name} {BANK_AWAY}"
                return None  # in doubt, as the record has it
            if answer.status_code not in DECIDED:  # 200: sent again on a new connection
                return f"a message was answered {answer.status_code}: {answer.text}"
            decision = answer.content
            self.ground.note(answered=message.key, body=answer.text)
            outcome = json.loads(answer.content)["reason"] or "approved"
            if outcome.startswith("issuer_"):
                answer.request_meta["name"] = f"{name} {BANK_AWAY}"
            return None if outcome in ordinary else f"a message was answered {outcome}"

        self.post(message.path, message.body, message.key, name, judge, [message])
        return decision

    def decide_many(self, make: Callable[[], list[Message]], name: str) -> None:
        """Send new payments as one batch; one that was not taken on goes again before a new one."""
        again, self.put_off = self.put_off, []
        for message in again:
            self.ground.note(again=message.key)
        messages = again or make()
        if not self._decide_all(messages, name):
            self.put_off = messages
            time.sleep(random.uniform(*PAUSE_S))

    def _decide_all(self, messages: Sequence[Message], name: str) -> bool:
        """Send payments as one batch; whether it was taken on."""
        was_taken = False

        def judge(answer: Any) -> str | None:
            nonlocal was_taken
            if answer.status_code != 200:
                return f"a batch was answered {answer.status_code}: {answer.text}"
            was_taken = True
            told = msgspec.json.decode(answer.content, type=BatchAnswer)
            if [item.idempotency_key for item in told.answers] != [one.key for one in messages]:
                return "the answers of a batch are not in the order of its payments"
            faults = [self._hear_item(item.idempotency_key, item.status, bytes(item.body))
                      for item in told.answers]  # fmt: skip
            return next(filter(None, faults), None)

        items = b",".join(
            b'{"idempotency_key":"%b","payment":%b}' % (one.key.encode(), one.body)
            for one in messages
        )
        body = b'{"payments":[%b]}' % items
        self.post(BATCHES, body, self.ground.next_key(), name, judge, messages)
        return was_taken

    def _hear_item(self, key: str, status: int, body: bytes) -> str | None:
        if status in DECIDED:
            self.ground.note(answered=key, body=body.decode())
            outcome = json.loads(body)["reason"] or "approved"
            return None if outcome in ORDINARY else f"a payment of a batch was answered {outcome}"
        if status in NOT_DECIDED:
            self.ground.note(refused=key)
            if self.ground.scenario.refuses_payments:
                return None
        elif self.ground.scenario.breaks_links:
            return None  # in doubt
        return f"a payment of a batch was answered {status}: {body.decode()}"

    def post(
        self,
        path: str,
        body: bytes,
        key: str,
        name: str,
        judge: Judge,
        messages: Sequence[Message],
    ) -> None:
        """Send these messages; a refusal of all of them is written down for each."""
        scenario = self.ground.scenario

        def judge_first(answer: Any) -> str | None:
            if answer.status_code in NOT_DECIDED:
                for message in messages:
                    self.ground.note(refused=message.key)
                if scenario.refuses_payments or path == BATCHES:  # which have a budget of their own
                    answer.request_meta["name"] = f"{name} {REFUSED}"
                    return None
            if answer.status_code == 504 and scenario.breaks_links:
                answer.request_meta["name"] = f"{name} {UNKNOWN}"
                return None
            return judge(answer)

        self._exchange("POST", path, judge_first, name=name, body=body, key=key)

    def look_up(self, path: str, name: str, query: str | None = None) -> Any:
        """What a look-up shows; None when there is nothing to go on with.

        Look-ups have a budget, and go after payments: that one is refused is an answer.
        """
        found: Any = None

        def judge(answer: Any) -> str | None:
            nonlocal found
            if answer.status_code in NOT_DECIDED:
                answer.request_meta["name"] = f"{name} {REFUSED}"
                return None
            if answer.status_code != 200:
                return f"a look-up was answered {answer.status_code}: {answer.text}"
            found = json.loads(answer.content)
            return None

        self._exchange("GET", path, judge, name=name, query=query)
        return found

    def _exchange(
        self,
        method: str,
        path: str,
        judge: Judge,
        *,
        name: str,
        query: str | None = None,
        body: bytes | None = None,
        key: str | None = None,
    ) -> None:
        """Send one signed request; an answer is judged only if the switch signed it."""
        signed = sign_request(
            self.ground.keys[self.holder.id],
            method=method,
            authority=self.ground.authority,
            path=path,
            query=query,
            body=body,
            idempotency_key=key,
            created=int(time.time()),
        )
        headers = {"Accept-Encoding": "identity", **signed.headers}
        if body is not None:
            headers["Content-Type"] = "application/json"
        with self.client.request(
            method,
            path if query is None else f"{path}?{query}",
            data=body,  # type: ignore[arg-type]  # bytes are sent as they are
            headers=headers,
            name=name,
            catch_response=True,
        ) as answer:
            fault = self._distrust(answer, signed)
            explained = None if fault is None else self._explained(method, path, answer.status_code)
            if explained is not None:
                answer.request_meta["name"] = f"{name} {explained}"
                fault = None
            elif fault is None:
                fault = judge(answer)
            if fault is None:
                answer.success()
            else:
                answer.failure(fault)

    def _explained(self, method: str, path: str, status: int) -> str | None:
        """What an answer that proves nothing, or none at all, is counted as if it is expected.

        Who is over a budget is refused before his signature is looked at, and so without one. The
        record leaves a message in doubt then.
        """
        scenario = self.ground.scenario
        has_budget = method == "GET" or path == BATCHES
        if status in NOT_DECIDED and (has_budget or scenario.refuses_payments):
            return REFUSED
        return UNKNOWN if not status and scenario.breaks_links else None

    def _distrust(self, answer: Any, signed: SignedRequest) -> str | None:
        """Why an answer is not to be trusted, if so."""
        if not answer.status_code:
            return f"no answer: {answer.error}"
        fault = check_reply(
            status=answer.status_code,
            headers=CIMultiDict(answer.headers.items()),
            body=answer.content or b"",
            bound=signed.bound,
            keys=self.ground.switch_keys,
            now_us=time.time_ns() // 1000,
        )
        return None if fault is None else f"{answer.status_code}: {fault.detail}"
