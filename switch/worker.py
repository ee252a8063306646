"""One worker process, from its start to its end: configuration in, the app running, drain, out.

What the worker is made of is `app`'s business. Only the supervisor runs it: `switch _worker NAME`.
"""

import asyncio
import gc

import uvloop

from switch import limits, log
from switch.errors import SwitchError
from switch.lifeline import Lifeline, allow_descriptors, fail, share_metrics_as


def main(name: str) -> None:
    """Serve until the supervisor asks for an end or is gone."""
    lifeline = Lifeline.take()
    share_metrics_as(name)
    allow_descriptors(lifeline.config.connections_max + limits.DESCRIPTORS_BESIDE_CONNECTIONS)
    log.configure(level=lifeline.config.log_level, process=name)
    try:
        uvloop.run(_serve(lifeline))
    except SwitchError as error:
        fail(str(error))


def _spare_the_collector() -> None:
    """What is there now stays: it is not searched for cycles again, and new objects more rarely.

    A payment makes hundreds of objects and no cycle; reference counts free them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(limits.GC_NEW_OBJECTS)


async def _serve(lifeline: Lifeline) -> None:
    from switch.app import App  # after share_metrics_as: metrics are bound to files when made

    asked_to_end = lifeline.asked_to_end()
    app = App(lifeline.config)
    await app.start()
    _spare_the_collector()
    reporting = asyncio.create_task(lifeline.report(app.waiting_for))
    try:
        await asked_to_end.wait()
    finally:
        await app.drain()
        reporting.cancel()
