"""Does what a kind's description says, on a real server: one place for all kinds."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from ..errors import Denied, ItstackError, Missing, Unsupported
from ..http import Answer, Session
from .kinds import Plan, filled, named, products

_LIFETIME = 3600.0


class Server:
    """
    The application where the object of a kind is made.

    profile
        ``url``, ``user``, ``password`` or ``token``, and ``ca``.
    """

    def __init__(self, plan: Plan, profile: Mapping[str, Any]) -> None:
        self.plan, self.spec = plan, plan.spec
        self.product = products()[plan.spec["product"]]
        self.address = str(profile["url"])
        self._profile = profile
        self._query = f"?{self.product['query']}" if self.product.get("query") else ""
        words = {
            "service": self.product["service"],
            "ca": profile.get("ca"),
            "headers": self.product.get("headers"),
        }
        if self.product["login"] == "basic":
            basic = (str(profile["user"]), str(profile["password"]))
            self.http = Session(self.address, basic=basic, **words)
        else:
            self.http = Session(self.address, token=self._token, **words)
        self._words = words
        self._logged_in = ""
        self._places: dict[str, Any] | None = None

    def close(self) -> None:
        """End what was begun: a session that was opened for this run is closed on the server, too."""
        if self._logged_in:
            # If it can't be, it ends by itself.
            with contextlib.suppress(ItstackError):
                self.http.post("/api/v4/users/logout")
        self.http.close()

    def _token(self) -> tuple[str, float]:
        if self._profile.get("token"):
            return str(self._profile["token"]), _LIFETIME
        http = Session(self.address, **self._words)
        try:
            answer = http.post(
                "/api/v4/users/login",
                json={"login_id": self._profile["user"], "password": self._profile["password"]},
            )
        except Denied:
            # Mattermost: with its database away, it takes every password for a wrong one.
            state = http.get("/api/v4/system/ping?get_server_status=true", accept=(500,))
            if state.status != 200:
                raise ItstackError(
                    "it can't reach its database", self.product["service"], "look at its log"
                ) from None
            raise
        finally:
            http.close()
        self._logged_in = answer.headers.get("Token", "")
        return self._logged_in, _LIFETIME

    # Requests

    def call(self, operation: Mapping[str, Any], places: Mapping[str, Any], **more: Any) -> Any:
        """One request as a description says; the answer's data."""
        path = str(filled(operation["path"], places))
        # Of what the value is made is as secret as the value: a hook's address ends in the hook's id.
        secret = set(named(self.spec.get("value", {}).get("text"))) & set(named(operation["path"])) - {"site"}
        if secret:
            more["shown"] = str(filled(operation["path"], {**places, **dict.fromkeys(secret, "(hidden)")}))
        body = more.pop("body", None)
        if body is None and "body" in operation:
            body = filled(operation["body"], places)
        glue = "&" + self._query[1:] if self._query and "?" in path else self._query
        try:
            answer = self.http.send(operation.get("method", "GET"), path + glue, json=body, **more)
        except ItstackError as error:
            raise self._explained(error) from None
        return self._data(answer)

    def _explained(self, error: ItstackError) -> ItstackError:
        if "answered with 501" in str(error) and self.spec.get("switched_off"):
            return Unsupported(str(error), remedy=self.spec["switched_off"])
        return error

    def _data(self, answer: Answer) -> Any:
        data = answer.data
        for key in self.product.get("answer", ()):
            data = data.get(key) if isinstance(data, Mapping) else None
        return data

    def rows(self, listing: Mapping[str, Any], places: Mapping[str, Any]) -> list[dict[str, Any]]:
        """All objects that a list has."""
        if listing.get("one"):
            try:
                return [dict(self.call(listing, places))]
            except Missing:
                return []
        if not listing.get("pages"):
            return list(self.call(listing, places) or [])
        pages = self.product["pages"]
        found: list[dict[str, Any]] = []
        number = pages["first"]
        while True:
            glue = "&" if "?" in listing["path"] else "?"
            path = f"{listing['path']}{glue}{pages['number']}={number}&{pages['size']}={pages['most']}"
            page = self.call({**listing, "path": path}, places) or []
            found += page
            if len(page) < pages["most"]:
                return found
            number += 1

    # What a plan is about

    @property
    def places(self) -> dict[str, Any]:
        """What templates are filled in with: arguments, and what the server calls what they name."""
        if self._places is None:
            found = self.plan.places
            for name, about in self.spec.get("look_up", {}).items():
                found[name] = self.looked_up(about, found)
            if "site" in named(self.spec.get("value", {}).get("text")):
                site = self.plan.here.get("site") or self.call(self.product["site"], found).get(
                    self.product["site"]["take"]
                )
                found["site"] = str(site or self.address).rstrip("/")
            self._places = found
        return self._places

    def looked_up(self, about: Mapping[str, Any], places: Mapping[str, Any]) -> Any:
        """What the server calls something that an argument names."""
        try:
            found = self.call(about, places)
        except Missing:
            path = filled(about["path"], places)
            raise Missing(
                f"there is no {path.rsplit('/', 1)[-1]} ({path})",
                self.product["service"],
                "make it first, or correct its name",
            ) from None
        return found[about["take"]]

    def ours(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those of a list that have our natural key, the oldest first."""
        wanted = filled(self.spec["match"], self.places)
        found = [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]
        oldest = self.spec.get("oldest")
        return sorted(found, key=lambda row: int(row.get(oldest) or 0)) if oldest else found

    def unsatisfied(
        self, row: Mapping[str, Any] | None
    ) -> list[tuple[str, Mapping[str, Any], dict[str, Any]]]:
        """What the object isn't a member of yet: its name, how it joins, and what fills that in."""
        lacking: list[tuple[str, Mapping[str, Any], dict[str, Any]]] = []
        for join in self.spec.get("joins", ()):
            names = (
                list(self.plan.here.get(join["each"]) or ()) if "each" in join else [self.plan.here["team"]]
            )
            for name in names:
                places = {**self.places, **(row or {}), "name": self.plan.name, "each": name}
                # Before the object is made, too: what can't join stays unmade.
                for key, about in join.get("look_up", {}).items():
                    places[key] = self.looked_up(about, places)
                if row is not None and self._is_member(join, places):
                    continue
                lacking.append((str(name), join, places))
        return lacking

    def _is_member(self, join: Mapping[str, Any], places: Mapping[str, Any]) -> bool:
        try:
            found = self.call(join["list"], places)
        except Missing:
            return False
        if "has" in join["list"]:
            return places["each"] in (found or {}).get(join["list"]["has"], ())
        return not (found or {}).get(join.get("gone", ""), 0)

    def join(
        self, lacking: list[tuple[str, Mapping[str, Any], dict[str, Any]]], row: Mapping[str, Any]
    ) -> None:
        """Make the object a member of what it lacks."""
        for _, join, places in lacking:
            self.call(join["add"], {**places, **row, "name": self.plan.name})

    def works(self, value: str) -> bool:
        """Whether the value is good, found by using it. It never is a person's."""
        about = self.spec["uses"]
        places = {**self.places, "value": value}
        words = {**self._words}
        if "basic" in about:
            user, password = filled(about["basic"], places)
            http = Session(self.address, basic=(user, password), **words)
        else:
            words["headers"] = {**(words["headers"] or {}), **filled(about["header"], places)}
            http = Session(self.address, **words)
        try:
            glue = self._query
            http.get(str(filled(about["path"], places)) + glue)
        except Denied:
            return False
        finally:
            http.close()
        return True
