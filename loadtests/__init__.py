"""Load tests: locust drives a city as its participants would, and an audit follows every run.

__main__    `python -m loadtests`: a city, scenario after scenario, each with its audit
scenarios   the list: who is at work, what they do, what must be seen
city        the city under load: founded for the run, or one that runs already
incidents   what happens meanwhile: a bank hangs, processes are killed
running     locust and its reports, in processes of their own
locustfile  what locust loads: the users of a scenario, its stages, its thresholds
ground      what all users of a locust process share: keys, and the record
user        signs every request, verifies every answer, writes both down
wallet, bank, merchant  what each kind of user does
record      what was written down, read again
settle      sends again what is in doubt, under the same key, until it is decided
audit       the books, and every answer that was written down against the ledger
"""
