"""The delivery process: events are pushed to the callback URLs of those who have one.

    delivery  looks to whom something is to be sent, and starts the turns of its receiver
    pushing   counts what waits and what is dead

It is a process of its own: what participants' servers do, and what calling them costs, is never in
the way of payments, nor of the other jobs. Safe to run twice: an event would then be sent twice,
which receivers must expect anyway. Run by the supervisor only, as `switch _delivery NAME`.
"""

import asyncio

import asyncpg
import uvloop

from switch import db, limits, log
from switch.callback import Callbacks
from switch.clock import SYSTEM_CLOCK, Clock
from switch.config import Config
from switch.deliveries import Deliveries, delivery_backlog, delivery_work
from switch.errors import SwitchError
from switch.lifeline import Lifeline, fail, share_metrics_as
from switch.loops import Job, Loops, work
from switch.metrics import DeliveryMetrics, participant_label
from switch.receiver import Post, Receiver
from switch.switch_keys import CurrentKey


class Delivery(Loops):
    """All receivers, by participant, and the loop that looks what they are to be sent."""

    def __init__(
        self, config: Config, metrics: DeliveryMetrics, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        super().__init__(config, metrics.failures, clock)
        self._metrics = metrics
        self._key = CurrentKey(config.key_dir, clock)
        self._receivers: dict[int, Receiver] = {}
        self._post: Post | None = None
        short = limits.STATEMENT_WAIT_S
        self.jobs = (
            Job(name="delivery", lock=8, turn_s_max=short, turn=self._look),
            Job(name="pushing", lock=9, turn_s_max=short, turn=self._measure),
        )

    async def run(self) -> None:
        """Look and send until cancelled."""
        pool = db.pool(
            self._config.database_url,
            application_name="switch delivery",
            size=limits.DELIVERY_CONNECTIONS_MAX,
        )
        callbacks = Callbacks(allowed=self._config.callback_allow, clock=self._clock)
        async with pool, callbacks:
            self._post = Post(
                callbacks=callbacks,
                deliveries=Deliveries(pool),
                signing_key=self._key.key,
                in_flight=asyncio.Semaphore(limits.DELIVERIES_IN_FLIGHT_MAX),
                give_up_s=self._config.delivery_s_max,
                metrics=self._metrics,
                clock=self._clock,
            )
            try:
                await super().run()
            finally:
                await self._end_turns()

    async def _look(self, connection: asyncpg.Connection) -> float:
        await self._key.follow(connection)
        assert self._post is not None, "the loops run inside `run`"
        for todo in await delivery_work(connection):
            receiver = self._receivers.get(todo.participant_no)
            if receiver is None:
                receiver = self._receivers[todo.participant_no] = Receiver(self._post, todo)
            receiver.start_turns(todo)
        return limits.DELIVERY_LOOK_S

    async def _measure(self, connection: asyncpg.Connection) -> float:
        backlog = [
            (participant_label(one.participant_no, one.participant), one)
            for one in await delivery_backlog(connection)
        ]
        self._metrics.waiting_events.show((label, one.waiting) for label, one in backlog)
        self._metrics.dead_events.show((label, one.dead) for label, one in backlog)
        self._metrics.spared_receivers.show(
            (receiver.label, receiver.is_down) for receiver in self._receivers.values()
        )
        return limits.DELIVERY_BACKLOG_INTERVAL_S

    async def _end_turns(self) -> None:
        for receiver in self._receivers.values():
            await receiver.end()


def main(name: str) -> None:
    """Push until the supervisor asks for an end or is gone."""
    lifeline = Lifeline.take()
    share_metrics_as(name)
    log.configure(level=lifeline.config.log_level, process=name)
    try:
        uvloop.run(work(lifeline, Delivery(lifeline.config, DeliveryMetrics())))
    except SwitchError as error:
        fail(str(error))
