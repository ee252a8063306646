"""How much of everything there may be, and why."""

COUNT_MAX = 1_000_000  # red packets of one offer: one for everybody in a city
DRAW_AHEAD_D_MAX = 366
SEED_BYTES = 32
ENTRIES_A_TURN = 2_000  # of a draw, written down in one transaction
GIFTS_A_TURN = 64  # purses opened one by one, then given in one transaction
GIVE_PAUSE_S = 0.02  # between two turns with work: payments come first
GIVE_IDLE_S = 1.0  # how often it is looked for work
GIVE_S_MAX = 8.0  # one turn, as long as a statement may take
RETRY_S = 3_600  # what could not be given is tried again, until its purpose ends
