"""Load tests: locust drives a city as its wallets would, and an audit follows every run.

__main__   `python -m loadtests`: a city, the load, the thresholds, the audit
city       the city under load: founded for the run, or one that runs already
wallet     a wallet's user: signs every request, verifies every answer, writes them down
audit      the books, and every answer that was written down against the ledger
"""
