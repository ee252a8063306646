"""Participants' own servers, simulated: what a bank, a wallet provider and a merchant run.

`switch simulate bank|wallet|merchant` starts one. They are real servers of the wire contract, kept
simple, and they can be told to be slow, to hang, to lie: so an operator sees what the switch makes
of it, and an engineer who builds the real thing has something to compare with. Nothing here is part
of the switch, and the switch does not know them.

To read: `knobs` (how they misbehave), `door` (who calls), `journal` (what is on disk), `server`
(HTTP), then `positions` and `bank`, `inbox` (who is told events), `active` (what they have in
common that also send), `wallet`, `merchant`; `reconcile` compares a bank's books with the switch.
"""
