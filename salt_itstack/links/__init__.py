"""
Webhooks and REST links between applications, of whatever kind: what a kind is stands in ``kinds.yaml``.

A webhook is an address to which one application sends what happened. A link is an account, or a token, with
which one application uses the interface of another. Both have an end where an object is made, and another end
that needs to know something of it.
"""
