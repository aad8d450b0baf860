"""
The part of Keycloak's admin API that this pack uses: one method per request, no logic.

Read from keycloak/keycloak and measured on 26.4 and 26.7. Paths are relative to the server's base URL, which
has no ``/auth`` since 17.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from ...errors import Denied, Missing, Rejected
from ...http import TIMEOUT, Session, Token, explanation

#: Rows a page. The whole list at once costs 10-12 s for 1,000 clients on a cold cache, paged 2-3 s.
PAGE = 100
#: Seconds between the tries to write what an import of people writes as well: at its end it notes the time in
#: the federation's settings (UserStorageSyncTask), and where both meet the answer is 500 (seen on 26.7.3).
PAUSES = (1.0, 2.0, 4.0, 8.0)

Row = dict[str, Any]


class Keycloak:
    """
    Admin API of one Keycloak server, spoken as one account.

    url
        Base URL with the public scheme: a redirect from http to https would lose every POST.
    client_id, client_secret
        A confidential client with a service account.
    user, password
        Instead of these: a person, through ``admin-cli``.
    auth_realm
        The realm that the account lives in.
    ca
        Path of the CA bundle.
    service
        Named in front of messages.
    """

    def __init__(
        self,
        url: str,
        client_id: str = "",
        client_secret: str = "",
        user: str = "",
        password: str = "",
        auth_realm: str = "master",
        ca: str | None = None,
        service: str = "keycloak",
        timeout: tuple[float, float] = TIMEOUT,
        retries: int = 3,
    ) -> None:
        self.url = url.rstrip("/")
        self.account = user or client_id
        self.auth_realm = auth_realm
        self.service = service
        if user:
            grant = {"grant_type": "password", "client_id": "admin-cli", "username": user}
            self._grant = {**grant, "password": password}
        else:
            grant = {"grant_type": "client_credentials", "client_id": client_id}
            self._grant = {**grant, "client_secret": client_secret}
        #: Tells connections apart; two that differ in the secret only see different things too.
        self.identity = (self.url, auth_realm, self.account, hash(password or client_secret))
        self._open = Session(url, service=service, ca=ca, timeout=timeout, retries=retries)
        self.http = Session(
            url, service=service, token=self.token, ca=ca, timeout=timeout, retries=retries
        )  # fmt: skip

    def token(self) -> Token:
        """A new access token and its lifetime in seconds (60 in the master realm, 300 elsewhere)."""
        path = f"/realms/{quote(self.auth_realm, safe='')}/protocol/openid-connect/token"
        # 401 for a wrong secret or an unknown client; 400 for a client without a service account.
        answer = self._open.post(path, data=self._grant, accept=(400, 401, 404))
        if answer.status == 404:
            raise Missing(
                f"the realm {self.auth_realm}, which the account {self.account} should live in, isn't there",
                self.service,
                "correct auth_realm in the profile",
            )
        if answer.status >= 400:
            raise Denied(
                f"the account {self.account} gets no token from the realm {self.auth_realm} "
                f"({explanation(answer)})",
                self.service,
                "correct the account or its secret in the profile; itstack_keycloak.account_present makes it",
            )
        return answer.data["access_token"], float(answer.data["expires_in"])

    def close(self) -> None:
        """Close the connections."""
        self._open.close()
        self.http.close()

    def server_info(self) -> Row:
        """Version, and every provider that is installed with the settings it knows (300 kB)."""
        return self.http.get("/admin/serverinfo").data

    # Realms

    def realm(self, realm: str) -> Row | None:
        """The realm, or ``None``."""
        answer = self.http.get(_realm(realm), accept=(404,))
        return None if answer.status == 404 else answer.data

    def create_realm(self, body: Row) -> None:
        """Create a realm. 26.4 refuses a token made before with 403 there, so it is renewed."""
        self.http.post("/admin/realms", json=body)
        self.http.renew()

    def update_realm(self, realm: str, body: Row) -> None:
        """Merge into a realm; ``attributes`` are replaced as a whole."""
        self.http.put(_realm(realm), json=body)

    def delete_realm(self, realm: str) -> None:
        """Delete a realm and all that is in it, if it's there."""
        self._beside_imports("DELETE", _realm(realm), accept=(404,))

    # Clients

    def clients(self, realm: str) -> list[Row]:
        """All clients, with their mappers, scope names, attributes and secrets."""
        return self.http.pages(_realm(realm, "clients"), size=PAGE)

    def client(self, realm: str, client_id: str) -> Row | None:
        """One client by its ``clientId``, or ``None``."""
        rows = self.http.get(_realm(realm, "clients"), params={"clientId": client_id}).data
        return rows[0] if rows else None

    def create_client(self, realm: str, body: Row) -> str:
        """Create a client; returns its id."""
        return self.http.post(_realm(realm, "clients"), json=body).created_id()

    def update_client(self, realm: str, identifier: str, body: Row) -> None:
        """Merge into a client; the lists of scopes are ignored here."""
        self.http.put(_realm(realm, "clients", identifier), json=body)

    def delete_client(self, realm: str, identifier: str) -> None:
        """Delete a client."""
        self.http.delete(_realm(realm, "clients", identifier))

    def service_account(self, realm: str, identifier: str) -> Row:
        """The user behind a client's service account."""
        return self.http.get(_realm(realm, "clients", identifier, "service-account-user")).data

    def client_roles(self, realm: str, identifier: str) -> list[Row]:
        """A client's own roles, with attributes."""
        path = _realm(realm, "clients", identifier, "roles")
        return self.http.pages(path, params={"briefRepresentation": "false"}, size=PAGE)

    def assign_scope(self, realm: str, identifier: str, kind: str, scope: str) -> None:
        """
        Assign a client scope. ``kind`` is ``default`` or ``optional``.

        A scope that is in the other list stays there, and the answer is 204 all the same.
        """
        self.http.put(_realm(realm, "clients", identifier, f"{kind}-client-scopes", scope))

    def withdraw_scope(self, realm: str, identifier: str, kind: str, scope: str) -> None:
        """Take a client scope away from a client."""
        self.http.delete(_realm(realm, "clients", identifier, f"{kind}-client-scopes", scope))

    # Client scopes, and the mappers of clients and scopes

    def client_scopes(self, realm: str) -> list[Row]:
        """All client scopes with their mappers; this list has no pages."""
        return self.http.get(_realm(realm, "client-scopes")).data

    def default_scopes(self, realm: str, kind: str) -> list[Row]:
        """The scopes that a new client gets. ``kind`` is ``default`` or ``optional``."""
        return self.http.get(_realm(realm, f"default-{kind}-client-scopes")).data

    def assign_default_scope(self, realm: str, kind: str, scope: str) -> None:
        """Give a scope to the clients that are made from now on. ``kind`` is ``default`` or ``optional``."""
        self.http.put(_realm(realm, f"default-{kind}-client-scopes", scope))

    def withdraw_default_scope(self, realm: str, kind: str, scope: str) -> None:
        """No longer give a scope to the clients that are made from now on."""
        self.http.delete(_realm(realm, f"default-{kind}-client-scopes", scope))

    def create_client_scope(self, realm: str, body: Row) -> str:
        """Create a client scope; returns its id."""
        return self.http.post(_realm(realm, "client-scopes"), json=body).created_id()

    def update_client_scope(self, realm: str, identifier: str, body: Row) -> None:
        """Update a client scope, without its mappers."""
        self.http.put(_realm(realm, "client-scopes", identifier), json=body)

    def delete_client_scope(self, realm: str, identifier: str) -> None:
        """Delete a client scope, also while clients use it."""
        self.http.delete(_realm(realm, "client-scopes", identifier))

    def create_mapper(self, realm: str, owner: tuple[str, str], body: Row) -> None:
        """Add a protocol mapper. ``owner`` is ``("clients", id)`` or ``("client-scopes", id)``."""
        self.http.post(_realm(realm, *owner, "protocol-mappers", "models"), json=body)

    def update_mapper(self, realm: str, owner: tuple[str, str], identifier: str, body: Row) -> None:
        """Replace a protocol mapper, with its whole configuration."""
        self.http.put(_realm(realm, *owner, "protocol-mappers", "models", identifier), json=body)

    def delete_mapper(self, realm: str, owner: tuple[str, str], identifier: str) -> None:
        """Remove a protocol mapper."""
        self.http.delete(_realm(realm, *owner, "protocol-mappers", "models", identifier))

    # Components: federations and their mappers

    def components(self, realm: str) -> list[Row]:
        """All components, also those below other components; this list has no pages."""
        return self.http.get(_realm(realm, "components")).data

    def create_component(self, realm: str, body: Row) -> str:
        """Create a component; returns its id."""
        return self.http.post(_realm(realm, "components"), json=body).created_id()

    def update_component(self, realm: str, identifier: str, body: Row) -> None:
        """Merge into a component's configuration; keys its provider doesn't know vanish silently."""
        self._beside_imports("PUT", _realm(realm, "components", identifier), json=body)

    def delete_component(self, realm: str, identifier: str) -> None:
        """Delete a component and those below it, if it's there."""
        self._beside_imports("DELETE", _realm(realm, "components", identifier), accept=(404,))

    def _beside_imports(self, method: str, path: str, accept: tuple[int, ...] = (), **request: Any) -> None:
        """Send what may meet an import of people, several times; :class:`Rejected` if it always does."""
        for pause in (0.0, *PAUSES):
            time.sleep(pause)
            if self.http.send(method, path, accept=(*accept, 500), **request).status != 500:
                return
        raise Rejected(
            f"{method} {path} was answered with 500, {len(PAUSES) + 1} times",
            self.service,
            "an import of people may be under way: run it again when that is over, or set the periods of the "
            "import to -1 for that time; else the server's own log has the reason",
        )

    def sync_users(self, realm: str, identifier: str, full: bool) -> Row:
        """Import people and groups: ``{ignored, added, updated, removed, failed, status}``."""
        action = "triggerFullSync" if full else "triggerChangedUsersSync"
        path = _realm(realm, "user-storage", identifier, "sync")
        # Thousands of people take their time.
        return self.http.post(path, params={"action": action}, timeout=(5.0, 600.0)).data

    def test_ldap(self, realm: str, body: Row) -> str:
        """Try a directory: an empty text, or the name of what went wrong there."""
        answer = self.http.post(_realm(realm, "testLDAPConnection"), json=body, accept=(400,))
        if answer.status < 300:
            return ""
        said = answer.data if isinstance(answer.data, dict) else {}
        return str(said.get("errorMessage") or said.get("error") or "no reason given")

    # Groups and roles

    def groups(self, realm: str, parent: str = "") -> list[Row]:
        """Groups at the top, or directly below a parent's id, with attributes."""
        path = _realm(realm, "groups", parent, "children") if parent else _realm(realm, "groups")
        return self.http.pages(path, params={"briefRepresentation": "false"}, size=PAGE)

    def create_group(self, realm: str, body: Row, parent: str = "") -> str:
        """Create a group; returns its id."""
        path = _realm(realm, "groups", parent, "children") if parent else _realm(realm, "groups")
        return self.http.post(path, json=body).created_id()

    def update_group(self, realm: str, identifier: str, body: Row) -> None:
        """Replace a group's name and attributes."""
        self.http.put(_realm(realm, "groups", identifier), json=body)

    def delete_group(self, realm: str, identifier: str) -> None:
        """Delete a group and those below it."""
        self.http.delete(_realm(realm, "groups", identifier))

    def roles(self, realm: str) -> list[Row]:
        """All realm roles, with attributes."""
        return self.http.pages(_realm(realm, "roles"), params={"briefRepresentation": "false"}, size=PAGE)

    def role(self, realm: str, name: str, client: str = "") -> Row:
        """One realm role by its name, or one of the client with that id."""
        return self.http.get(_realm(realm, *_of_client(client), "roles", name)).data

    def create_role(self, realm: str, body: Row, client: str = "") -> None:
        """Create a realm role, or a role of the client with that id. Attributes are ignored here."""
        self.http.post(_realm(realm, *_of_client(client), "roles"), json=body)

    def update_role(self, realm: str, identifier: str, body: Row) -> None:
        """Replace a role's name, description and attributes."""
        self.http.put(_realm(realm, "roles-by-id", identifier), json=body)

    def delete_role(self, realm: str, identifier: str) -> None:
        """Delete a realm or client role."""
        self.http.delete(_realm(realm, "roles-by-id", identifier))

    def composites(self, realm: str, identifier: str) -> list[Row]:
        """The roles that a role brings along."""
        return self.http.get(_realm(realm, "roles-by-id", identifier, "composites")).data

    def add_composites(self, realm: str, identifier: str, roles: list[Row]) -> None:
        """Let a role bring along others; takes role objects."""
        self.http.post(_realm(realm, "roles-by-id", identifier, "composites"), json=roles)

    def remove_composites(self, realm: str, identifier: str, roles: list[Row]) -> None:
        """Let a role no longer bring along others; takes role objects."""
        self.http.delete(_realm(realm, "roles-by-id", identifier, "composites"), json=roles)

    def role_mappings(self, realm: str, owner: tuple[str, str]) -> Row:
        """
        The roles that somebody was given: ``{realmMappings, clientMappings}``.

        owner
            ``("users", id)`` or ``("groups", id)``.
        """
        return self.http.get(_realm(realm, *owner, "role-mappings")).data

    def give_roles(self, realm: str, owner: tuple[str, str], roles: list[Row], client: str = "") -> None:
        """Give realm roles, or roles of the client with that id; takes role objects."""
        self.http.post(_realm(realm, *owner, "role-mappings", *_mapped(client)), json=roles)

    def take_roles(self, realm: str, owner: tuple[str, str], roles: list[Row], client: str = "") -> None:
        """Take realm roles, or roles of the client with that id; takes role objects."""
        self.http.delete(_realm(realm, *owner, "role-mappings", *_mapped(client)), json=roles)

    def role_holders(self, realm: str, name: str, client: str, kind: str) -> list[Row]:
        """Who was given a role directly. ``kind`` is ``users`` or ``groups``."""
        return self.http.pages(_realm(realm, *_of_client(client), "roles", name, kind), size=PAGE)

    # People

    def user(self, realm: str, username: str) -> Row | None:
        """One person by the exact user name, imported from the directory if need be, or ``None``."""
        wanted = {"username": username, "exact": "true", "briefRepresentation": "false", "max": 2}
        rows = self.http.get(_realm(realm, "users"), params=wanted).data
        return rows[0] if rows else None

    def users(
        self, realm: str, size: int = PAGE, timeout: tuple[float, float] | None = None, **query: str
    ) -> Iterator[Row]:
        """
        All people in brief, page by page, as far as somebody wants to know.

        size
            People a page. Each who comes from a directory and isn't in the server's cache is looked up there.
        query
            What the server filters its own records by, such as ``enabled``.
        """
        first = 0
        while True:
            wanted = {"first": first, "max": size, "briefRepresentation": "true", **query}
            rows = self.http.get(_realm(realm, "users"), params=wanted, timeout=timeout).data
            yield from rows
            first += size
            if len(rows) < size:
                return

    def delete_user(self, realm: str, identifier: str) -> None:
        """Remove the record of a person."""
        self.http.delete(_realm(realm, "users", identifier))

    def user_groups(self, realm: str, identifier: str) -> list[Row]:
        """The groups that a person is directly in."""
        return self.http.pages(_realm(realm, "users", identifier, "groups"), size=PAGE)

    # How people log in: user profile, required actions, flows, identity providers

    def user_profile(self, realm: str) -> Row:
        """The user profile: ``attributes``, ``groups``, and perhaps ``unmanagedAttributePolicy``."""
        return self.http.get(_realm(realm, "users", "profile")).data

    def update_user_profile(self, realm: str, body: Row) -> None:
        """Replace the user profile as a whole."""
        self.http.put(_realm(realm, "users", "profile"), json=body)

    def required_actions(self, realm: str) -> list[Row]:
        """The required actions that are registered, with their settings."""
        return self.http.get(_authentication(realm, "required-actions")).data

    def unregistered_actions(self, realm: str) -> list[Row]:
        """The required actions that the server has and the realm doesn't: ``{providerId, name}``."""
        return self.http.get(_authentication(realm, "unregistered-required-actions")).data

    def required_action_settings(self, realm: str, alias: str) -> list[Row]:
        """The settings that a required action knows."""
        path = _authentication(realm, "required-actions", alias, "config-description")
        return self.http.get(path).data["properties"]

    def register_action(self, realm: str, alias: str, name: str) -> None:
        """Register a required action; it is enabled, and the last one."""
        body = {"providerId": alias, "name": name}
        self.http.post(_authentication(realm, "register-required-action"), json=body)

    def update_action(self, realm: str, alias: str, body: Row) -> None:
        """Replace a required action's settings: one that is lacking becomes empty, 0 or false."""
        self.http.put(_authentication(realm, "required-actions", alias), json=body)

    def unregister_action(self, realm: str, alias: str) -> None:
        """Take a required action out of the realm."""
        self.http.delete(_authentication(realm, "required-actions", alias))

    def flows(self, realm: str) -> list[Row]:
        """The flows at the top, without those that are parts of others."""
        return self.http.get(_authentication(realm, "flows")).data

    def copy_flow(self, realm: str, alias: str, name: str) -> None:
        """Copy a flow; the copies of its parts are called by the new name, a blank, and their old one."""
        self.http.post(_authentication(realm, "flows", alias, "copy"), json={"newName": name})

    def update_flow(self, realm: str, identifier: str, body: Row) -> None:
        """Replace a flow's alias and description."""
        self.http.put(_authentication(realm, "flows", identifier), json=body)

    def delete_flow(self, realm: str, identifier: str) -> None:
        """Delete a flow with its parts; 500 if it is bound."""
        self.http.delete(_authentication(realm, "flows", identifier))

    def executions(self, realm: str, alias: str) -> list[Row]:
        """What a flow consists of, at all levels, in its order."""
        return self.http.get(_authentication(realm, "flows", alias, "executions")).data

    def add_execution(self, realm: str, alias: str, provider: str) -> str:
        """Add an execution at the end of a flow or part; returns its id. It is disabled."""
        path = _authentication(realm, "flows", alias, "executions", "execution")
        return self.http.post(path, json={"provider": provider}).created_id()

    def add_subflow(self, realm: str, alias: str, body: Row) -> str:
        """Add a part at the end of a flow or part; returns the id of the new flow. It is disabled."""
        path = _authentication(realm, "flows", alias, "executions", "flow")
        return self.http.post(path, json=body).created_id()

    def update_execution(self, realm: str, alias: str, body: Row) -> None:
        """Replace requirement and priority (0 if it is lacking) of what has the ``id`` of the body."""
        self.http.put(_authentication(realm, "flows", alias, "executions"), json=body)

    def delete_execution(self, realm: str, identifier: str) -> None:
        """Take an execution or a part out of its flow."""
        self.http.delete(_authentication(realm, "executions", identifier))

    def execution_settings(self, realm: str, provider: str) -> list[Row]:
        """The settings that an execution of this provider knows."""
        return self.http.get(_authentication(realm, "config-description", provider)).data["properties"]

    def execution_config(self, realm: str, identifier: str) -> Row:
        """An execution's configuration: ``{id, alias, config}``, secrets masked."""
        return self.http.get(_authentication(realm, "config", identifier)).data

    def create_execution_config(self, realm: str, execution: str, body: Row) -> None:
        """Give an execution a configuration; one that it had is left behind without an owner."""
        self.http.post(_authentication(realm, "executions", execution, "config"), json=body)

    def update_execution_config(self, realm: str, identifier: str, body: Row) -> None:
        """Replace a configuration, with its alias."""
        self.http.put(_authentication(realm, "config", identifier), json=body)

    def identity_providers(self, realm: str) -> list[Row]:
        """All identity providers with their configuration, secrets masked."""
        return self.http.pages(_provider(realm), size=PAGE)

    def create_identity_provider(self, realm: str, body: Row) -> None:
        """Create an identity provider."""
        self.http.post(_provider(realm), json=body)

    def update_identity_provider(self, realm: str, alias: str, body: Row) -> None:
        """Replace an identity provider; a secret that is lacking is deleted, a masked one is kept."""
        self.http.put(_provider(realm, alias), json=body)

    def delete_identity_provider(self, realm: str, alias: str) -> None:
        """Delete an identity provider with its mappers and people's links to it."""
        self.http.delete(_provider(realm, alias))

    def identity_mapper_types(self, realm: str, alias: str) -> Row:
        """The mappers that an identity provider can have, by their type."""
        return self.http.get(_provider(realm, alias, "mapper-types")).data

    def identity_mappers(self, realm: str, alias: str) -> list[Row]:
        """An identity provider's mappers."""
        return self.http.get(_provider(realm, alias, "mappers")).data

    def create_identity_mapper(self, realm: str, alias: str, body: Row) -> None:
        """Add a mapper to an identity provider; any type is accepted."""
        self.http.post(_provider(realm, alias, "mappers"), json=body)

    def update_identity_mapper(self, realm: str, alias: str, identifier: str, body: Row) -> None:
        """Replace an identity provider's mapper."""
        self.http.put(_provider(realm, alias, "mappers", identifier), json=body)

    def delete_identity_mapper(self, realm: str, alias: str, identifier: str) -> None:
        """Remove an identity provider's mapper."""
        self.http.delete(_provider(realm, alias, "mappers", identifier))


def _of_client(identifier: str) -> tuple[str, ...]:
    return ("clients", identifier) if identifier else ()


def _mapped(identifier: str) -> tuple[str, ...]:
    return _of_client(identifier) or ("realm",)


def _authentication(realm: str, *parts: str) -> str:
    return _realm(realm, "authentication", *parts)


def _provider(realm: str, *parts: str) -> str:
    return _realm(realm, "identity-provider", "instances", *parts)


def _realm(realm: str, *parts: str) -> str:
    return "/admin/realms/" + "/".join(quote(part, safe="") for part in (realm, *parts))
