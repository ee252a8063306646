"""Bodies out of the ordinary, which every server of a participant gets: what is promised of them.

How one is sent, and whether it was taken, is the caller's business: a bank gets them at each path.
"""

from collections.abc import Awaitable, Callable

from switch import limits
from switch.conformance.report import Check, Seen


def body_checks(
    *,
    unknown_member: Callable[[], Awaitable[Seen]],
    too_large: Callable[[], Awaitable[Seen]],
    no_json: Callable[[], Awaitable[Seen]],
) -> tuple[Check, ...]:
    """The checks of bodies, in order, by what sends one of each and sees what came of it."""
    return (
        Check(
            name="ignores-unknown-members",
            promise="a member that is not known today does no harm",
            advice="ignore members that you do not know",
            run=unknown_member,
        ),
        Check(
            name="refuses-large-bodies",
            promise=f"a body over {limits.BODY_BYTES_MAX} bytes is refused",
            advice="bound what you read; answer 413",
            run=too_large,
        ),
        Check(
            name="refuses-what-is-not-json",
            promise="a signed body that is not JSON is refused, not a fault of the server",
            advice="answer 400",
            run=no_json,
        ),
    )
