"""What a bank's answer to one call counts for. No I/O.

Only an answer that a key of the bank signed to this very request, and that names the same payment,
amount and currency and a decision that fits, is a decision. Everything else is one of three:

    again     the bank may not have seen it, or could not do it: 429, 5xx, a broken connection
    unsent    the bank surely has not seen this attempt
    unknown   the bank has seen it, and what it says is not to be trusted
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from switch import limits
from switch.bank_message import DECISIONS, Authorization, BankPath, Credit, Reversal, decode_answer
from switch.callback import NoReply, Reply, told
from switch.keyfile import PublicKey
from switch.signing import check_reply

Fate = Literal["decided", "again", "unsent", "unknown"]

DECIDED_STATUS = (200, 201)
TOO_MANY_REQUESTS = 429
FOR_LATER = ("timeout", "broken")


class Judged(Struct, frozen=True, kw_only=True):
    """An attempt, judged: a decision or why there is none."""

    fate: Fate
    label: str  # for the metrics: a decision, or a word for what was wrong
    detail: str  # for a person


def judge(
    reply: Reply | NoReply,
    *,
    path: BankPath,
    message: Authorization | Credit | Reversal,
    keys: Mapping[str, PublicKey],
    now_us: int,
) -> Judged:
    """What the answer to a message counts for; `keys` are those of the bank, valid now."""
    if isinstance(reply, NoReply) or reply.status not in DECIDED_STATUS:
        return _nothing(reply)
    fault = check_reply(
        status=reply.status,
        headers=reply.headers,
        body=reply.body,
        bound=reply.bound,
        keys=keys,
        now_us=now_us,
    )
    if fault is not None:
        detail = f"not verified: {fault.detail}"[: limits.DETAIL_CHARS_MAX]
        return Judged(fate="unknown", label="unverified", detail=detail)
    answer = decode_answer(reply.body)
    if answer is None:
        return _other("the answer is not of its form")
    asked = (message.payment, message.amount, message.currency)
    if (answer.payment, answer.amount, answer.currency) != asked:
        return _other("the answer names another payment, amount or currency")
    if answer.decision not in DECISIONS[path]:
        return _other(f"{answer.decision} is no answer to {path}")
    detail = answer.decision + (f": {answer.reason}" if answer.reason else "")
    return Judged(fate="decided", label=answer.decision, detail=detail)


def _nothing(reply: Reply | NoReply) -> Judged:
    """There was no answer, or one whose status says that it is no decision."""
    label, detail = told(reply) or ("status_2xx", "answered with an odd status")
    if isinstance(reply, NoReply):
        unsent = not reply.was_sent
        fate: Fate = "again" if reply.why in FOR_LATER else "unknown"
        return Judged(fate="unsent" if unsent else fate, label=label, detail=detail)
    is_for_later = reply.status == TOO_MANY_REQUESTS or reply.status >= 500
    return Judged(fate="again" if is_for_later else "unknown", label=label, detail=detail)


def _other(detail: str) -> Judged:
    return Judged(fate="unknown", label="contradictory", detail=detail)
