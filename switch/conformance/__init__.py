"""`switch conformance`: plays the switch against a participant's server and says what it must mend.

For the engineer who builds that server. Every check sends real signed requests and judges what came
back by the same rules as the switch; each is about one promise, so that a failure names what to do.

To read: `report` (checks and results), `player` (how requests are sent), `forgeries` (requests that
must be refused), `bank` and `callback` (the checks of each kind), `running` (one run of them).
"""
