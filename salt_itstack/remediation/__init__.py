"""
Repair by events: what is looked at, who is believed, what is done about it, and what is left to people.

A look on a minion (:mod:`.look`) finds that something isn't as it was. Its signed event
(:mod:`.announcement`) becomes a poke on the master (:mod:`.pokes`), a worker (:mod:`.worker`) looks again,
and the policy (:mod:`.policy`) decides. Each attempt is recorded (:mod:`.record`).
"""
