"""Who administers a realm, so that nobody takes the last of them away."""

from __future__ import annotations

from collections.abc import Callable

from ...errors import Invalid, Problem
from .api import Row
from .view import View


def keep_one(view: View, realm: str, goes: Callable[[str, Row], bool], name: str) -> None:
    """
    Refuse to remove the last administrator of a realm.

    goes
        Whether a holder of the role goes with what is removed: called with ``users`` or ``groups`` and the
        holder's row.
    name
        What is removed, for the message.

    An administrator has the role ``admin`` of master, or ``realm-admin`` of another realm, directly or
    by a group. A realm without one is administered from master: there's nothing to keep.

    Raises :class:`Invalid`.
    """
    if realm == "master":
        role, client = "admin", ""
    else:
        management = view.clients(realm).get("realm-management")
        if management is None:
            return
        role, client = "realm-admin", management["id"]
    holders = [
        (kind, row)
        for kind in ("users", "groups")
        for row in view.api.role_holders(realm, role, client, kind)
    ]
    if holders and all(goes(kind, row) for kind, row in holders):
        raise Invalid(
            Problem("", "name", name, f"with it goes the last administrator of the realm {realm} ({role})",
                    f"give somebody else the role {role} first")
        )  # fmt: skip
