"""A batch of payments, sent until each of them has an answer: what `Client.pay_batch` stands on.

The switch answers each payment of a batch by itself. What it did not decide is sent again under the
same keys, with the same bytes, in a smaller batch. In doubt a payment is called unknown: when an
attempt may have been decided without our knowing, a later refusal does not say that it was not.
"""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from switch.batch_message import BatchAnswer, BatchItemAnswer
from switch.clock import Clock
from switch.errors import Problem
from switch.exchange import (
    NOT_DECIDED,
    OF_THE_BYTES,
    RETRIED,
    ClientError,
    Exchange,
    Order,
    OutcomeUnknown,
    backoff_s,
    parse_problem,
)
from switch.limits import (
    BATCH_BODY_BYTES_MAX,
    BATCH_PAYMENTS_MAX,
    CLIENT_ATTEMPTS_MAX,
    RETRY_AFTER_S,
)
from switch.message import Payment

BATCH_PATH = "/v1/payments/batch"

_BATCH = msgspec.json.Decoder(BatchAnswer)
_PAYMENT = msgspec.json.Decoder(Payment)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchedPayment:
    """What came of one payment of a batch: its decision, or why there is none.

    With the problem `outcome-unknown` it may have been decided: send the same with the same key.
    With any other problem nothing was decided.
    """

    payment: Payment | None
    problem: Problem | None


async def settle_batch(
    exchange: Exchange, bodies: Mapping[str, bytes], *, deadline_s: float | None, clock: Clock
) -> dict[str, BatchedPayment]:
    """Send until every payment is settled or the time is over; results in the order of `bodies`.

    A ClientError only when there is no answer about any of them and none can have been decided.
    """
    ends_s = clock.monotonic_s() + (exchange.deadline_s if deadline_s is None else deadline_s)
    results: dict[str, BatchedPayment] = {}
    doubtful: set[str] = set()
    left = dict(bodies)
    for attempt in range(CLIENT_ATTEMPTS_MAX):
        order = _order(left)
        try:
            answer = await exchange.settle(order, deadline_s=ends_s - clock.monotonic_s())
        except OutcomeUnknown as error:
            doubtful.update(left)
            for key in left:
                results[key] = _unknown(str(error))
            break
        except ClientError:
            if not results:
                raise
            break
        if answer.follows_doubt:
            doubtful.update(left)
        answers = _decoded(answer.body, left)
        results |= {one.idempotency_key: _result(one) for one in answers}
        doubtful.update(
            one.idempotency_key for one in answers if one.status in RETRIED - NOT_DECIDED
        )
        left = {one.idempotency_key: bodies[one.idempotency_key] for one in answers if _again(one)}
        pause_s = backoff_s(attempt, RETRY_AFTER_S)
        if not left or clock.monotonic_s() + pause_s >= ends_s:
            break
        await asyncio.sleep(pause_s)
    return {key: _honest(results[key], key in doubtful) for key in bodies}


def _order(bodies: Mapping[str, bytes]) -> Order:
    """One batch; its own key is not kept by the switch."""
    items = [{"idempotency_key": key, "payment": msgspec.Raw(body)} for key, body in bodies.items()]
    body = msgspec.json.encode({"payments": items})
    if not 0 < len(items) <= BATCH_PAYMENTS_MAX or len(body) > BATCH_BODY_BYTES_MAX:
        raise ValueError(
            f"a batch has 1 to {BATCH_PAYMENTS_MAX} payments and {BATCH_BODY_BYTES_MAX} bytes"
        )
    return Order(method="POST", path=BATCH_PATH, body=body, idempotency_key=str(uuid.uuid4()))


def _decoded(body: bytes, asked: Mapping[str, bytes]) -> list[BatchItemAnswer]:
    try:
        answers = _BATCH.decode(body).answers
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _not_understood(str(error)) from None
    if [one.idempotency_key for one in answers] != list(asked):
        raise _not_understood("it is about other payments")
    return answers


def _result(answer: BatchItemAnswer) -> BatchedPayment:
    body = bytes(answer.body)
    if answer.status >= 300:
        return BatchedPayment(payment=None, problem=parse_problem(answer.status, body))
    try:
        return BatchedPayment(payment=_PAYMENT.decode(body), problem=None)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _not_understood(str(error)) from None


def _not_understood(why: str) -> ClientError:
    return ClientError(
        f"the switch's signed answer is not understood ({why}): is this library too old?"
    )


def _again(answer: BatchItemAnswer) -> bool:
    return answer.status in RETRIED


def _unknown(detail: str) -> BatchedPayment:
    return BatchedPayment(payment=None, problem=Problem(name="outcome-unknown", detail=detail))


def _honest(result: BatchedPayment, doubtful: bool) -> BatchedPayment:
    """The result, called unknown where an earlier attempt may have been decided."""
    problem = result.problem
    if problem is None or not doubtful or problem.status in OF_THE_BYTES:
        return result
    return _unknown(f"{problem.name}: {problem.detail}")
