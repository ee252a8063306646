"""Wallets: registered by their providers, in classes, for people who are known or are not.

Read `rules` for the classes, `seal` for how personal data stands in a table, `key_folder` for where
the secrets are, `message` for what is sent, `endpoints` for what is done.
"""

from switch.service import Service
from switch.services.wallets.endpoints import endpoints

WALLETS = Service(name="wallets", endpoints=endpoints)
