"""What an OCS route is, and how it fails."""

import dataclasses


class Failure(Exception):
    """An OCS failure: the code of the envelope, its message and data."""

    def __init__(self, code, message="", data=None):
        super().__init__(message)
        self.code = code
        self.data = data if data is not None else []


@dataclasses.dataclass(frozen=True)
class Route:
    """``run(call, *path parts)`` returns the data. ``confirm``: refused to app passwords. ``strict``:
    another method on the path is 405 instead of an unknown route."""

    method: str
    pattern: str
    run: object
    admin: bool = True
    confirm: bool = False
    refusal: str = "Logged in account must be at least a sub admin"
    strict: bool = False
