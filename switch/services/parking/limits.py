"""The bounds of parking, with their units and reasons."""

from datetime import timedelta

NAME_CHARS_MAX = 64  # in every payment's description
MINUTES_MAX = 7 * 1_440  # free, or of a unit
STAY_D_MAX = 365  # a car that stands longer is the police's
STAY_MAX = timedelta(days=STAY_D_MAX)
AHEAD_S_MAX = 300  # that a gate's clock may be ahead of ours
HOLD_SECONDS_MIN = 3_600  # of one hold, so that the next is made in time
HOLD_SECONDS_MAX = 7 * 86_400
HOLDS_MAX = 60  # of one stay, and captures in the transaction that ends it
HOLD_ON_S = 900  # before a hold ends, the next is made: time for a database that is away
HOLD_ON_INTERVAL_S = 30.0  # how often it is looked for those
HOLD_ON_S_MAX = 8.0  # one of them, as long as a statement may take
