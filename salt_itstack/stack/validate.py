"""What is wrong in a map once all its files are merged, and what follows from it. All of it in one go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import Problem
from .graph import find_cycle
from .model import GIVEN, MODES, PHASES
from .schema import dotted, nearest, shown

BUILT_IN = "the built-in map"
_SHARED_PORTS = (80, 443)
_MOST_CYCLES = 20

Document = dict[str, Any]
Path = tuple[Any, ...]


def check_whole(
    document: Document, base: Any, origins: Mapping[Path, str], problems: list[Problem]
) -> list[str]:
    """
    Check what only shows when all files are merged, and settle what follows from it: who is placed where,
    who is switched off, which servers are left. Returns warnings.
    """
    whole = _Whole(document, base, origins, problems)
    whole.place()
    whole.switch_off()
    whole.check_services()
    whole.check_servers()
    whole.check_needs()
    whole.check_names()
    whole.check_integrations()
    whole.check_secrets()
    return whole.warnings


class _Whole:
    def __init__(
        self, document: Document, base: Any, origins: Mapping[Path, str], problems: list[Problem]
    ) -> None:
        self.document = document
        self.base = base
        self.origins = origins
        self.problems = problems
        self.warnings: list[str] = []
        self.servers: Document = document["servers"]
        self.services: Document = document["services"]
        self.integrations: Document = document["integrations"]

    def refuse(self, path: Path, value: Any, message: str, remedy: str, blame: Path | None = None) -> None:
        """Add a problem; `blame` is the place whose file is named when it isn't that of the path."""
        file = self._file(blame or path)
        self.problems.append(
            Problem(file, dotted(path), None if value is None else shown(value), message, remedy)
        )

    def _file(self, path: Path) -> str:
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
        return BUILT_IN

    def place(self) -> None:
        """Put services onto the servers that list them."""
        for name in [name for name, entry in self.servers.items() if entry is None]:
            del self.servers[name]
        placed: dict[str, str] = {}
        for name, entry in self.servers.items():
            path = ("servers", name, "services")
            for service_id in entry.get("services", ()):
                if not self._known(service_id, path):
                    continue
                service = self.services[service_id]
                if service_id in placed:
                    message = f"{service_id} is placed on {placed[service_id]} too"
                    self.refuse(path, service_id, message, "keep it on one server")
                elif service.get("external"):
                    message = f"{service_id} is external and placed on a server"
                    self.refuse(
                        path, service_id, message, "take it out of this list, or set its external to null"
                    )
                elif ("services", service_id, "server") in self.origins and service.get("server") != name:
                    message = f"services.{service_id}.server says {service.get('server')}"
                    self.refuse(path, service_id, message, "say it in one of the two places")
                else:
                    placed[service_id] = name
        for service_id, name in placed.items():
            self.services[service_id]["server"] = name

    def switch_off(self) -> None:
        """Apply `only`, and leave out built-in servers that nothing is on."""
        only = self.document.get("only")
        if only is not None:
            for service_id in only:
                self._known(service_id, ("only",))
            for service_id, entry in self.services.items():
                entry["enabled"] = entry.get("enabled", True) and service_id in only
        used = {entry.get("server") for entry in self._running().values()}
        for name in list(self.servers):
            if name not in used and ("servers", name) not in self.origins:
                del self.servers[name]

    def check_services(self) -> None:
        for key, entry in self.services.items():
            path = ("services", key)
            for name, remedy in (
                ("layer", "add layer:, such as business"),
                ("phase", f"add phase:, one of {', '.join(PHASES)}"),
            ):
                if name not in entry:
                    self.refuse(path, None, f"a service needs a {name}", remedy)
            external = entry.get("external")
            if external is not None:
                self._check_external(path, external)
            elif entry.get("server") is None and entry.get("enabled", True):
                self.refuse(path, None, "no server and not external", "add server: or external:")
            elif entry.get("enabled", True) and entry["server"] not in self.servers:
                remedy = nearest(entry["server"], self.servers)
                self.refuse((*path, "server"), entry["server"], "unknown server", remedy)
            for need in entry.get("needs", ()):
                self._known(need, (*path, "needs"))
            self._check_choices(path, entry)
            self._check_units(path, entry)

    def _check_units(self, path: Path, entry: Mapping[str, Any]) -> None:
        settings = entry.get("settings", {})
        for unit in entry.get("units", ()):
            try:
                unit.format(**settings)
            except (LookupError, ValueError, AttributeError, TypeError):
                remedy = f"what stands in braces is one of {', '.join(settings) or '(it has no settings)'}"
                self.refuse((*path, "units"), unit, "can't be filled in from the settings", remedy)

    def _check_external(self, path: Path, external: Mapping[str, Any]) -> None:
        for name, how in self.services[path[1]].get("secrets", {}).items():
            # Nobody may make up the password of a server that exists already.
            if (*path, "secrets", name, "kind") not in self.origins:
                how["kind"] = GIVEN
        for name, remedy in (
            ("address", "add address:, the IP address or host name where it answers"),
            ("speaker", "add speaker:, the id of the minion that configures it"),
        ):
            if name not in external:
                self.refuse((*path, "external"), None, f"an external service needs its {name}", remedy)

    def check_servers(self) -> None:
        domain = self.document["domain"]
        seen: dict[tuple[str, str], str] = {}
        for name, entry in self.servers.items():
            if "address" not in entry:
                self.refuse(("servers", name), None, "a server needs its address", "add address:")
            for what, value in (
                ("address", entry.get("address")),
                ("minion", entry.get("minion", name)),
                ("fqdn", entry.get("fqdn", f"{name}.{domain}")),
            ):
                if value is None:
                    continue
                first = seen.setdefault((what, value.lower()), name)
                if first != name:
                    message = f"{first} has the same {what}"
                    self.refuse(("servers", name, what), value, message, "one of the two must be changed")

    def check_needs(self) -> None:
        """Refuse needs that nobody meets, and circles; warn of a need in a later phase."""
        running = self._running()
        graph: dict[str, list[str]] = {key: [] for key in running}
        # An external one that may be written to needs nothing to start, but may wait for other ends.
        graph.update({key: [] for key in self._written() if key not in graph})
        lacking: dict[str, list[str]] = {}
        for key, entry in running.items():
            for need in entry.get("needs", ()):
                other = self.services.get(need)
                if other is None:
                    continue
                if other.get("external") and other.get("enabled", True):
                    if need in graph:
                        graph[key].append(need)
                    continue
                graph[key].append(need)
                why = ""
                if not other.get("enabled", True):
                    if not entry.get("supported"):
                        # This version starts none of these, so nothing is lost yet.
                        lacking.setdefault(need, []).append(key)
                        continue
                    why = "is switched off"
                elif entry.get("supported") and not other.get("supported"):
                    why = "can't be deployed by this version"
                if why:
                    remedy = f"switch {need} on, " if why == "is switched off" else ""
                    remedy += f"declare {need} as external, switch {key} off, or change services.{key}.needs"
                    only = self.document.get("only") is not None and need not in self.document["only"]
                    blame = ("only",) if only else ("services", need, "enabled")
                    self.refuse(
                        ("services", key, "needs"), need, f"{key} needs {need}, which {why}", remedy, blame
                    )
                elif _is_earlier(entry, other):
                    self.warnings.append(
                        f"{key} (phase {entry['phase']}) needs {need} (phase {other['phase']}):"
                        f" phase by phase it starts after {need}"
                    )
        for need, keys in lacking.items():
            self.warnings.append(f"{need} is switched off, and needed by {', '.join(keys)}")
        self._check_circles(graph)

    def _check_circles(self, graph: dict[str, list[str]]) -> None:
        """Refuse circles among needs and the integrations that a service waits for."""
        for entry in self.integrations.values():
            waits = entry.get("waits")
            if waits and entry.get("enabled", True):
                consumer, provider = entry.get(waits), entry.get("source" if waits == "target" else "target")
                if consumer in graph and provider in graph:
                    graph[consumer].append(provider)
            producer = (entry.get("secret") or {}).get("producer")
            if producer and entry.get("enabled", True):
                maker = entry.get(producer)
                ends = [entry.get(side) for side in ("source", "target")]
                for reader in entry["secret"].get("readers") or ("source", "target"):
                    one = entry.get(reader) if reader in ("source", "target") else reader
                    if one != maker and one in graph and maker in graph and all(end in graph for end in ends):
                        graph[one].append(maker)
        for _ in range(_MOST_CYCLES):
            cycle = find_cycle(graph)
            if not cycle:
                break
            text = " -> ".join(cycle)
            blames = [
                ("services", key, "needs") for key in cycle if ("services", key, "needs") in self.origins
            ]
            self.refuse(
                ("services", cycle[0], "needs"),
                None,
                f"a circle of needs: {text}",
                "take one of these needs out; needs come from needs: and from integrations that wait",
                blames[0] if blames else None,
            )
            graph[cycle[-2]] = [need for need in graph[cycle[-2]] if need != cycle[-1]]

    def check_names(self) -> None:
        """Refuse a public name that two services have; warn of a port that two on one server have."""
        names: dict[str, str] = {}
        ports: dict[tuple[str, bool, int], str] = {}
        for key, entry in self.services.items():
            if not entry.get("enabled", True):
                continue
            name = entry.get("public_name")
            if name and names.setdefault(name.lower(), key) != key:
                message = f"{names[name.lower()]} has the same public name"
                self.refuse(("services", key, "public_name"), name, message, "give one of them another")
            if entry.get("external"):
                continue
            for label, port in entry.get("ports", {}).items():
                place = (entry.get("server"), label.endswith("_udp"), port)
                first = ports.setdefault(place, key)
                if first != key and port not in _SHARED_PORTS:
                    self.warnings.append(f"{first} and {key} both use port {port} on {place[0]}")

    def check_integrations(self) -> None:
        free = max((entry.get("number", 0) for entry in self.integrations.values()), default=0)
        numbers: dict[int, str] = {}
        taken: dict[Path, str] = {}
        for key, entry in self.integrations.items():
            path = ("integrations", key)
            missing = [name for name in ("kind", "source", "target") if name not in entry]
            for name in missing:
                self.refuse(path, None, f"an integration needs its {name}", f"add {name}:")
            if "number" not in entry:
                free += 1
                entry["number"] = free
            if numbers.setdefault(entry["number"], key) != key:
                message = f"{numbers[entry['number']]} has the same number"
                self.refuse((*path, "number"), entry["number"], message, "leave it out: a free one is chosen")
            if missing:
                continue
            if entry["kind"] not in self.base.kinds:
                remedy = nearest(entry["kind"], self.base.kinds)
                self.refuse((*path, "kind"), entry["kind"], "unknown kind", remedy)
            elif entry.get("supported") and not entry.get("wired"):
                wired = [kind for kind, facts in self.base.kinds.items() if facts.get("wired")]
                self.refuse(
                    (*path, "supported"),
                    True,
                    f"this version has no module for integrations of kind {entry['kind']}",
                    f"take it out: only integrations of the kinds {', '.join(wired)} can be wired",
                )
            ends = [self._known(entry[side], (*path, side)) for side in ("source", "target")]
            if all(ends) and entry["source"] == entry["target"]:
                self.refuse(path, entry["source"], "both ends are the same service", "change one of them")
            for need in entry.get("needs", ()):
                self._known(need, (*path, "needs"))
            self._check_condition(path, entry.get("not_applicable"))
            self._check_choices(path, entry)
            if entry.get("enabled", True):
                self._check_engine(path, entry)
                self._check_unique(path, entry, taken)

    def _check_choices(self, path: Path, entry: Mapping[str, Any]) -> None:
        for name, choices in entry.get("choices", {}).items():
            value = entry.get("settings", {}).get(name)
            if value not in choices:
                message = f"expected one of {', '.join(choices)}"
                self.refuse((*path, "settings", name), value, message, f"the default is {choices[0]}")

    def _check_engine(self, path: Path, entry: Mapping[str, Any]) -> None:
        engine, engines = entry.get("engine"), entry.get("engines", {})
        if engine is None:
            return
        here = (*path, "engine")
        if engine not in engines:
            usable = [name for name, facts in engines.items() if not facts.get("refused")]
            remedy = f"one of {', '.join(usable)}" if usable else "take it out: this kind has no engines"
            self.refuse(here, engine, "not an engine that this integration can use", remedy)
        elif engines[engine].get("refused"):
            self.refuse(
                here, engine, engines[engine]["refused"], engines[engine].get("remedy", "choose another")
            )
        elif engines[engine].get("warning"):
            self.warnings.append(f"{dotted(here)} ({engine}): {engines[engine]['warning']}")

    def _check_unique(self, path: Path, entry: Mapping[str, Any], taken: dict[Path, str]) -> None:
        for name in entry.get("unique", ()):
            value = entry.get("settings", {}).get(name)
            if not isinstance(value, str):
                continue
            first = taken.setdefault((entry["kind"], entry["source"], name, value), path[1])
            if first != path[1]:
                message = f"{first} has the same {name} at {entry['source']}"
                self.refuse((*path, "settings", name), value, message, "each integration needs its own")

    def _check_condition(self, path: Path, condition: Mapping[str, Any] | None) -> None:
        if condition is None:
            return
        here = (*path, "not_applicable")
        if "reason" not in condition:
            self.refuse(here, None, "a reason must stand here", "add reason:")
        for word in ("when", "unless"):
            test = condition.get(word)
            if test is None:
                continue
            missing = [name for name in ("service", "setting", "is") if name not in test]
            if missing:
                remedy = f"add {', '.join(missing)}"
                self.refuse((*here, word), None, "a condition needs service, setting and is", remedy)
            elif self._known(test["service"], (*here, word, "service")):
                settings = self.services[test["service"]].get("settings", {})
                if test["setting"] not in settings:
                    remedy = nearest(test["setting"], settings)
                    self.refuse((*here, word, "setting"), test["setting"], "unknown setting", remedy)

    def check_secrets(self) -> None:
        """Every secret has one owner, and its readers are in the map."""
        owners: dict[str, str] = {}
        found: list[tuple[str, Path, Mapping[str, Any]]] = []
        for key, entry in self.services.items():
            for name, how in entry.get("secrets", {}).items():
                found.append((name, ("services", key, "secrets", name), how))
        for key, entry in self.integrations.items():
            if entry.get("secret") is not None:
                found.append(
                    (entry["secret"].get("id", key), ("integrations", key, "secret"), entry["secret"])
                )
        for name, path, how in found:
            owner = dotted(path[:2])
            if owners.setdefault(name, owner) != owner:
                message = f"{owners[name]} has a secret of the same id"
                self.refuse(path, name, message, "give one of them another id")
            sides = ("source", "target") if path[0] == "integrations" else ()
            for reader in how.get("readers", ()):
                if reader not in sides:
                    self._known(reader, (*path, "readers"))

    def _known(self, service_id: str, path: Path) -> bool:
        if service_id in self.services:
            return True
        self.refuse(path, service_id, "unknown service", nearest(service_id, self.services))
        return False

    def _written(self) -> list[str]:
        """The external services that this version may write to."""
        return [
            key
            for key, entry in self.services.items()
            if entry.get("external")
            and entry.get("enabled", True)
            and entry.get("supported")
            and entry.get("mode", MODES[0]) != MODES[0]
        ]

    def _running(self) -> Document:
        """The services that are started: switched on and not external."""
        return {
            key: entry
            for key, entry in self.services.items()
            if entry.get("enabled", True) and not entry.get("external")
        }


def _is_earlier(entry: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether its phase comes before the other's. That a phase is missing is told elsewhere."""
    if "phase" not in entry or "phase" not in other:
        return False
    return PHASES.index(str(entry["phase"])) < PHASES.index(str(other["phase"]))
