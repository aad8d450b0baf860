"""
Authentication flows: copies of flows, what they consist of, and which one a realm uses for what.

Built-in flows are never written. Measured on 26.7.3: in a copy the parts of a flow are called by the copy's
name, a blank and their old name, so people name parts here as the built-in flow does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ...errors import Denied, Invalid, Problem, nearest
from ...reconcile import Changes, body, diff, removal, text
from .api import Row
from .masked import Marks, settings_changes, settings_sent, settings_wanted, settings_written
from .plans import Plan, carry_out, looked_at_again
from .resources_login import BINDINGS, EXECUTION, FLOW
from .view import View

Wanted = Mapping[str, Any]

REQUIREMENTS = ("REQUIRED", "ALTERNATIVE", "CONDITIONAL", "DISABLED")
#: What a new realm uses; the names of the built-in flows.
DEFAULTS = {
    "browserFlow": "browser",
    "directGrantFlow": "direct grant",
    "registrationFlow": "registration",
    "resetCredentialsFlow": "reset credentials",
    "clientAuthenticationFlow": "clients",
    "dockerAuthenticationFlow": "docker auth",
    "firstBrokerLoginFlow": "first broker login",
}
_OF_CLIENTS = "client-flow"
_EXECUTION_KEYS = (
    "provider", "flow", "in", "requirement", "priority", "description", "config_alias", "config",
)  # fmt: skip


@dataclass(frozen=True)
class Node:
    """Something in a flow: what it is called (a provider, or a part's name), the part it is in, its row."""

    label: str
    parent: str
    row: Row

    @property
    def is_flow(self) -> bool:
        """Whether it is a part, with more in it."""
        return bool(self.row.get("authenticationFlow"))


def flow_wanted(
    name: str,
    copy_of: Any,
    executions: Any,
    fields: Wanted,
    exclusive: bool = False,
    hidden: Mapping[int, set[str]] | None = None,
) -> dict[str, Any]:
    """
    What was declared of a copy, checked: ``copy_of``, ``description``, ``executions`` and ``exclusive``.

    exclusive
        Whether what isn't among ``executions`` is taken out of the copy.
    hidden
        For the number of an execution, the settings whose values nobody may read in a report.
    """
    FLOW.check(fields)
    problems: list[Problem | str] = []
    if not copy_of:
        problems.append(
            Problem("", "copy_of", copy_of, "is needed", "name the flow to start from, like browser")
        )
    if executions is not None and not isinstance(executions, (list, tuple)):
        raise Invalid(
            Problem("", "executions", executions, "must be a list", "write each one on its own line")
        )
    if exclusive and not executions:
        problems.append(
            Problem("", "exclusive", True, "would leave nothing in the flow", "declare its executions")
        )
    wanted = []
    seen = set()
    for number, given in enumerate(executions or []):
        place = f"executions:{number + 1}"
        flaws = _flaws(place, given)
        problems += flaws
        if flaws:
            continue
        own = dict(given)
        for key in ("flow", "in"):
            if own.get(key):
                own[key] = own[key].removeprefix(f"{name} ")
        if "requirement" in own:
            own["requirement"] = own["requirement"].upper()
        if "priority" in own:
            own["priority"] = int(own["priority"])
        own["config"] = settings_wanted(own.get("config"), f"{place}:config")
        own["hidden"] = set((hidden or {}).get(number, ()))
        identity = (own.get("provider"), own.get("flow"), own.get("in"), own.get("config_alias"))
        if identity in seen:
            problems.append(
                Problem("", place, own.get("provider") or own.get("flow"), "is declared twice",
                        "tell the two apart by in or config_alias")
            )  # fmt: skip
        seen.add(identity)
        wanted.append(own)
    if problems:
        raise Invalid(problems)
    return {
        "copy_of": copy_of,
        "description": fields.get("description"),
        "executions": wanted,
        "exclusive": exclusive,
    }


def flow_creation(wanted: Wanted) -> Changes:
    """What making the copy would change; all that is declared of it counts as new."""
    changes: Changes = {"copy_of": {"old": None, "new": wanted["copy_of"]}}
    if wanted["description"]:
        changes["description"] = {"old": None, "new": wanted["description"]}
    for own in wanted["executions"]:
        changes[_called(own)] = {"old": None, "new": _new(own)}
    return changes


@looked_at_again
def apply_flow(
    view: View, realm: str, name: str, wanted: Wanted, mark: str, marks: Marks, test: bool = False
) -> Changes:
    """
    Make a copy of a flow and bring it to the declared shape; returns what changed or would change.

    mark
        What secrets in its configuration are remembered by.
    """
    known = flows(view, realm)
    found = known.get(name)
    if found is not None and found["builtIn"]:
        raise Invalid(
            Problem("", "name", name, "is a built-in flow, which is never changed",
                    f"give the copy a name of its own, with copy_of: {name}")
        )  # fmt: skip
    _check_providers(view, wanted)
    copied = _FlowCopy(view, realm, name, wanted, mark, marks)
    plan = Plan(name)
    if found is not None:
        copied.plan(plan, copied.changes(found))
        if not test:
            copied.remember()
        return carry_out(view, realm, plan, test, "flows", _executions_slot(name))
    changes = flow_creation(wanted)
    if not view.planned_realm(realm) and not view.planned(realm, "flow", wanted["copy_of"]):
        if wanted["copy_of"] not in known:
            raise Invalid(
                Problem("", "copy_of", wanted["copy_of"], f"the realm {realm} has no such flow",
                        nearest(wanted["copy_of"], known))
            )  # fmt: skip
        copied.check(nodes_of(view, realm, wanted["copy_of"], ""))
    if test:
        view.plan(realm, "flow", name)
    plan.add({"copy_of": changes.pop("copy_of")}, copied.make)
    copied.plan(plan, changes)
    return carry_out(view, realm, plan, test, "flows", _executions_slot(name))


def remove_flow(view: View, realm: str, name: str, test: bool = False) -> Changes:
    """Delete a flow with its parts; nothing if it isn't there. Raises :class:`Invalid` while it is used."""
    found = flows(view, realm).get(name)
    if found is None:
        return {}
    if found["builtIn"]:
        raise Invalid(
            Problem("", "name", name, "is a built-in flow, which is never removed", "leave it there")
        )
    users = _users(view, realm, found, test)
    if users:
        raise Invalid(
            Problem("", "name", name, f"is used as {', '.join(users)}",
                    "bind another flow there first (itstack_keycloak.flow_bindings_present)")
        )  # fmt: skip
    if not test:
        view.api.delete_flow(realm, found["id"])
        view.changed(realm, "flows", _executions_slot(name))
    return removal(name)


def bindings_wanted(fields: Wanted) -> dict[str, Any]:
    """Declared bindings, checked."""
    BINDINGS.check(fields)
    empty = [name for name, value in fields.items() if not value]
    if empty or not fields:
        raise Invalid(
            Problem("", ", ".join(empty) or "bindings", None, "names no flow",
                    "name one; the built-in ones are " + ", ".join(DEFAULTS.values()))
        )  # fmt: skip
    return dict(fields)


def bindings_creation(fields: Wanted) -> Changes:
    """What binding flows in a realm that is new would change."""
    return diff(BINDINGS, bindings_wanted(fields), DEFAULTS)


def apply_bindings(view: View, realm: str, fields: Wanted, test: bool = False) -> Changes:
    """Bind a realm's flows; returns what changed or would change."""
    wanted = bindings_wanted(fields)
    known = flows(view, realm)
    found = view.realm(realm) or DEFAULTS
    changes = diff(BINDINGS, wanted, found)
    problems: list[Problem | str] = []
    for field in changes:
        alias = wanted[field]
        if view.planned(realm, "flow", alias) or view.planned_realm(realm):
            continue
        if alias not in known:
            # keycloak: answers 500.
            problems.append(
                Problem("", field, alias, f"the realm {realm} has no such flow", nearest(alias, known))
            )
        elif (known[alias]["providerId"] == _OF_CLIENTS) != (field == "client_authentication"):
            # keycloak: accepts it, and nobody gets in any more.
            problems.append(
                Problem("", field, alias, "is a flow of another kind",
                        "clients log in by flows copied from clients, people by all others")
            )  # fmt: skip
    if problems:
        raise Invalid(problems)
    if test:
        for field in changes:
            view.plan(realm, "binding", field)
        return changes
    if changes:
        view.api.update_realm(realm, body(BINDINGS, wanted, changes))
        view.changed(realm, "realm")
    return changes


def flows(view: View, realm: str) -> dict[str, Row]:
    """A realm's flows by their alias, without those that are parts of others."""
    return {row["alias"]: row for row in view.flows(realm)}


class _FlowCopy:
    """One declared copy against what the server has of it."""

    def __init__(self, view: View, realm: str, name: str, wanted: Wanted, mark: str, marks: Marks) -> None:
        self._view, self._realm, self._name = view, realm, name
        self._wanted, self._mark, self._marks = wanted, mark, marks

    def changes(self, found: Row) -> Changes:
        changes: Changes = {}
        if self._wanted["description"] is not None:
            changes.update(diff(FLOW, {"description": self._wanted["description"]}, found))
        nodes = self._nodes()
        self.check(nodes)
        for own in self._wanted["executions"]:
            node = _find(own, nodes)
            if node is None:
                changes[_called(own)] = {"old": None, "new": _new(own)}
                continue
            differences = self._differences(own, node)
            if differences:
                changes[_called(own)] = {
                    side: {key: one[side] for key, one in differences.items()} for side in ("old", "new")
                }
        for node in self._undeclared(nodes):
            changes[_called(_identity(node))] = {"old": "present", "new": None}
        return changes

    def check(self, nodes: list[Node]) -> None:
        """Refuse what can't be there, before anything is sent."""
        problems: list[Problem | str] = []
        parts = {node.label for node in nodes if node.is_flow}
        for number, own in enumerate(self._wanted["executions"]):
            place = f"executions:{number + 1}"
            if own.get("in") and own["in"] not in parts:
                problems.append(
                    Problem("", f"{place}:in", own["in"], "the flow has no such part",
                            nearest(own["in"], parts) if parts else "leave it out")
                )  # fmt: skip
            node = _find(own, nodes)
            if own.get("flow"):
                parts.add(own["flow"])
            choices = node.row["requirementChoices"] if node else REQUIREMENTS
            if own.get("requirement") and own["requirement"] not in choices:
                # keycloak: stores any of its words, also one that this provider can't be used with.
                problems.append(
                    Problem("", f"{place}:requirement", own["requirement"], "isn't possible there",
                            f"one of {', '.join(choices)}")
                )  # fmt: skip
            if own["config"] and own.get("provider") and (node is None or self._differs(own, node)):
                problems += self._unknown_settings(place, own)
        if problems:
            raise Invalid(problems)

    def plan(self, plan: Plan, changes: Changes) -> None:
        """A step for each part that changes, so that a failure tells what was written."""

        def step(key: str, write: Callable[[], None]) -> None:
            plan.add({key: changes[key]} if key in changes else {}, write)

        step("description", self._describe)
        # First, as what is declared may be called like a part that goes.
        declared = {_called(own) for own in self._wanted["executions"]}
        for key in changes:
            if key not in declared and key != "description":
                step(key, partial(self._take, key))
        for own in self._wanted["executions"]:
            step(_called(own), partial(self._bring, own))

    def make(self) -> None:
        self._view.api.copy_flow(self._realm, self._wanted["copy_of"], self._name)
        self._view.changed(self._realm, "flows")
        # What came with the copy, so that taking it out is no change of its own.
        if self._wanted["description"] == "":
            self._describe()
        for node in self._undeclared(self._nodes()):
            self._remove(node)

    def remember(self) -> None:
        """Take the secrets that are there for the declared ones, where nothing is known of them."""
        nodes = self._nodes()
        for own in self._wanted["executions"]:
            node = _find(own, nodes)
            if node is not None and own["config"]:
                stored = self._config(node).get("config") or {}
                settings_written(own["config"], stored, {}, self._of(node), self._marks)

    def _nodes(self) -> list[Node]:
        return nodes_of(self._view, self._realm, self._name, self._name)

    def _describe(self) -> None:
        found = flows(self._view, self._realm)[self._name]
        kept = {key: value for key, value in found.items() if key != "authenticationExecutions"}
        sent = {**kept, "description": self._wanted["description"]}
        self._view.api.update_flow(self._realm, found["id"], sent)
        self._view.changed(self._realm, "flows")

    def _take(self, called: str) -> None:
        for node in self._undeclared(self._nodes()):
            if _called(_identity(node)) == called:
                self._remove(node)

    def _remove(self, node: Node) -> None:
        self._view.api.delete_execution(self._realm, node.row["id"])
        self._view.changed(self._realm, _executions_slot(self._name))

    def _bring(self, own: Wanted) -> None:
        nodes = self._nodes()
        node = _find(own, nodes)
        if node is None:
            node = self._add(own, nodes)
        self._change(own, node)
        self._view.changed(self._realm, _executions_slot(self._name))

    def _undeclared(self, nodes: list[Node]) -> list[Node]:
        """What ``exclusive`` takes out: a part with all that is in it, unless something in it is declared."""
        if not self._wanted["exclusive"]:
            return []
        above = {node.label: node.parent for node in nodes if node.is_flow}
        stays, holding = set(), set()
        for own in self._wanted["executions"]:
            node = _find(own, nodes)
            part = node.parent if node else own.get("in")
            if node:
                stays.add(node.row["id"])
            while part and part not in holding:
                holding.add(part)
                part = above.get(part)
        gone: set[str] = set()
        result = []
        for each in nodes:
            if each.row["id"] in stays or (each.is_flow and each.label in holding):
                continue
            if each.is_flow:
                gone.add(each.label)
            if each.parent not in gone:
                result.append(each)
        return result

    def _add(self, own: Wanted, nodes: list[Node]) -> Node:
        parent = self._name
        for node in nodes:
            if node.is_flow and node.label == own.get("in"):
                parent = node.row["displayName"]
        if own.get("flow"):
            sent = {
                "alias": f"{self._name} {own['flow']}", "type": "basic-flow",
                "description": own.get("description", ""),
            }  # fmt: skip
            made = self._view.api.add_subflow(self._realm, parent, sent)
        else:
            made = self._view.api.add_execution(self._realm, parent, own["provider"])
        self._view.changed(self._realm, "flows", _executions_slot(self._name))
        node = next(one for one in self._nodes() if made in (one.row["id"], one.row.get("flowId")))
        choices = node.row["requirementChoices"]
        if own.get("requirement", choices[0]) not in choices:
            # What a provider can be used with shows only once it is there.
            self._view.api.delete_execution(self._realm, node.row["id"])
            self._view.changed(self._realm, _executions_slot(self._name))
            raise Invalid(
                Problem(
                    "",
                    f"executions:{node.label}:requirement",
                    own["requirement"],
                    "isn't possible there",
                    f"one of {', '.join(choices)}",
                )
            )
        return node

    def _change(self, own: Wanted, node: Node) -> None:
        differences = self._differences(own, node)
        if any(not key.startswith("config") for key in differences):
            rest = {key: own[key] for key in ("requirement", "priority", "description") if key in own}
            # All of the row: a priority that isn't sent becomes 0, and a part loses its name.
            self._view.api.update_execution(self._realm, self._name, {**node.row, **rest})
        if not any(key.startswith("config ") for key in differences):
            return
        before = self._config(node)
        identifier = node.row.get("authenticationConfig")
        sent = {
            "alias": before.get("alias") or own.get("config_alias") or f"{self._name} {node.label}",
            "config": settings_sent(own["config"], before.get("config") or {}, differences),
        }
        if identifier:
            self._view.api.update_execution_config(self._realm, identifier, {"id": identifier, **sent})
        else:
            self._view.api.create_execution_config(self._realm, node.row["id"], sent)
        self._view.changed(self._realm, _executions_slot(self._name), f"execution config {identifier}")
        after = next(one for one in self._nodes() if one.row["id"] == node.row["id"])
        settings_written(
            own["config"], self._config(after).get("config") or {}, differences, self._of(node), self._marks
        )

    def _differences(self, own: Wanted, node: Node) -> Changes:
        wanted = {key: own[key] for key in EXECUTION.fields if key in own}
        changes = diff(EXECUTION, wanted, node.row)
        if (
            node.is_flow
            and "description" in own
            and text(own["description"]) != text(node.row.get("description"))
        ):
            changes["description"] = {"old": node.row.get("description"), "new": own["description"]}
        if own["config"]:
            stored = self._config(node).get("config") or {}
            changes.update(
                settings_changes(own["config"], stored, own["hidden"], self._of(node), self._marks)
            )
        return changes

    def _differs(self, own: Wanted, node: Node) -> bool:
        return any(key.startswith("config ") for key in self._differences(own, node))

    def _config(self, node: Node) -> Row:
        return config_of(self._view, self._realm, node)

    def _of(self, node: Node) -> str:
        return f"{self._mark}/{node.row['id']}"

    def _unknown_settings(self, place: str, own: Wanted) -> list[Problem | str]:
        provider = own["provider"]
        known = settings_known(self._view, self._realm, provider)
        return [
            Problem("", f"{place}:config:{key}", None, f"{provider} has no such setting",
                    nearest(key, known) if known else "it has none at all")
            for key in own["config"]
            if key not in known
        ]  # fmt: skip


def _executions_slot(alias: str) -> str:
    return f"executions of {alias}"


def nodes_of(view: View, realm: str, alias: str, prefix: str) -> list[Node]:
    """What a flow consists of. Its parts are called without the name of the copy that they are in."""
    rows = view.listed(realm, _executions_slot(alias), lambda: view.api.executions(realm, alias), [])
    nodes: list[Node] = []
    above: list[str] = []
    for row in rows:
        del above[row["level"] :]
        is_flow = row.get("authenticationFlow")
        label = row["displayName"].removeprefix(f"{prefix} ") if is_flow else row.get("providerId", "")
        nodes.append(Node(label, above[-1] if above else "", row))
        above.append(label)
    return nodes


def config_of(view: View, realm: str, node: Node) -> Row:
    """The configuration of an execution, with its ``alias``; empty if it has none."""
    identifier = node.row.get("authenticationConfig")
    if not identifier:
        return {}
    return view.listed(
        realm, f"execution config {identifier}", lambda: view.api.execution_config(realm, identifier), {}
    )


def settings_known(view: View, realm: str, provider: str) -> dict[str, bool]:
    """The settings that an execution of this provider knows, and whether each holds a secret."""
    rows = view.listed(
        realm, f"settings of {provider}", lambda: view.api.execution_settings(realm, provider), []
    )
    return {row["name"]: bool(row.get("secret") or row.get("type") == "Password") for row in rows}


def _find(own: Wanted, nodes: list[Node]) -> Node | None:
    """The one node that is meant, or ``None``. Raises :class:`Invalid` where it could be several."""
    label = own.get("flow") or own["provider"]
    found = [node for node in nodes if node.label == label and node.is_flow == bool(own.get("flow"))]
    if "in" in own:
        found = [node for node in found if node.parent == (own["in"] or "")]
    if len(found) > 1 and own.get("config_alias"):
        found = [node for node in found if node.row.get("alias") == own["config_alias"]]
    if len(found) > 1:
        places = sorted({node.parent or '""' for node in found})
        raise Invalid(
            Problem("", "executions", label, f"is there several times, in {', '.join(places)}",
                    "say which one is meant by in or config_alias")
        )  # fmt: skip
    return found[0] if found else None


def _called(own: Wanted) -> str:
    place = f" in {own['in']}" if own.get("in") else ""
    alias = f" ({own['config_alias']})" if own.get("config_alias") else ""
    return f"{'flow' if own.get('flow') else 'execution'} {own.get('flow') or own['provider']}{alias}{place}"


def _identity(node: Node) -> dict[str, Any]:
    return {
        "flow" if node.is_flow else "provider": node.label,
        "in": node.parent,
        "config_alias": node.row.get("alias"),
    }


def _new(own: Wanted) -> dict[str, Any]:
    shown = {key: own[key] for key in ("requirement", "priority", "description") if key in own}
    config = settings_changes(own["config"], {}, own["hidden"], "")
    return {**shown, **{key: one["new"] for key, one in config.items()}} or {"exists": True}


def _flaws(place: str, own: Any) -> list[Problem | str]:
    if not isinstance(own, Mapping):
        return [Problem("", place, own, "must be a map", "such as provider: auth-otp-form")]
    problems: list[Problem | str] = [
        Problem("", f"{place}:{key}", None, "an execution has no such field", nearest(key, _EXECUTION_KEYS))
        for key in own
        if key not in _EXECUTION_KEYS
    ]
    if bool(own.get("provider")) == bool(own.get("flow")):
        problems.append(Problem("", place, None, "needs either provider or flow", "name what it is, once"))
    requirement = own.get("requirement")
    if "requirement" in own and str(requirement).upper() not in REQUIREMENTS:
        problems.append(
            Problem("", f"{place}:requirement", requirement, "unknown", nearest(requirement, REQUIREMENTS))
        )
    priority = own.get("priority", 0)
    if isinstance(priority, bool) or not str(priority).isdigit():
        problems.append(Problem("", f"{place}:priority", priority, "isn't a number", "small ones come first"))
    if own.get("flow") and own.get("config"):
        problems.append(Problem("", f"{place}:config", None, "a part has no configuration", "take it out"))
    return problems


def _check_providers(view: View, wanted: Wanted) -> None:
    """Refuse executions whose provider this server doesn't have."""
    providers = view.server_info().get("providers") or {}
    known = {
        name
        for kind in ("authenticator", "form-action", "client-authenticator", "form-authenticator")
        for name in (providers.get(kind) or {}).get("providers") or {}
    }
    problems = [
        Problem("", f"executions:{number + 1}:provider", own["provider"], "the server has no such provider",
                nearest(own["provider"], known))
        for number, own in enumerate(wanted["executions"])
        if known and own.get("provider") and own["provider"] not in known
    ]  # fmt: skip
    if problems:
        raise Invalid(problems)


def _users(view: View, realm: str, found: Row, test: bool) -> list[str]:
    """What a flow is used as."""
    of_realm = view.realm(realm) or {}
    users = [
        field
        for field, spec in BINDINGS.fields.items()
        if spec.read(of_realm) == found["alias"] and not (test and view.planned(realm, "binding", field))
    ]
    try:
        providers = view.listed(realm, "providers", lambda: view.api.identity_providers(realm), [])
    except Denied:
        # An account that may not see them; the server refuses then, with a less helpful answer.
        providers = []
    keys = ("firstBrokerLoginFlowAlias", "postBrokerLoginFlowAlias")
    users += [
        f"a flow of the identity provider {row['alias']}"
        for row in providers
        if found["alias"] in [row.get(key) for key in keys]
    ]
    users += [
        f"a flow of the client {name}"
        for name, row in view.clients(realm).items()
        if found["id"] in (row.get("authenticationFlowBindingOverrides") or {}).values()
    ]
    return users
