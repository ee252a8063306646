"""`switch conformance`: plays the switch against a participant's server and says what it must mend.

For the engineer who builds that server. Every check sends real signed requests and judges what came
back by the same rules as the switch; each is about one promise, so that a failure names what to do.

To read: `report` (checks and results), `player` (how requests are sent), `forgeries` (requests that
must be refused), `bodies` (some out of the ordinary), `publication` and `new_key` (the switch's
keys, and that they change), `callback` (the checks of a callback URL), `interview`, `bank_paths`
and `bank` (those of a bank: what it is asked, what holds at each path, everything else), `running`
(one run of them).
"""
