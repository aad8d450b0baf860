"""From a request body to an answer: which command, for whom, and in which shape it goes back."""

from __future__ import annotations

import contextlib
import json
import logging
from typing import Any

from salt_itstack.lab.doubles.freeipa import errors, general
from salt_itstack.lab.doubles.freeipa.accounts import Accounts
from salt_itstack.lab.doubles.freeipa.commands import API_VERSION, SERVER_VERSION, Call, Command, Realm
from salt_itstack.lab.doubles.freeipa.dns import Records, Zones
from salt_itstack.lab.doubles.freeipa.groups import Groups
from salt_itstack.lab.doubles.freeipa.hosts import HostGroups, Hosts, Services
from salt_itstack.lab.doubles.freeipa.kinds import Kind
from salt_itstack.lab.doubles.freeipa.parameters import Parameter, anything
from salt_itstack.lab.doubles.freeipa.people import People
from salt_itstack.lab.doubles.freeipa.policies import Policies
from salt_itstack.lab.doubles.freeipa.roles import Permissions, Privileges, Roles
from salt_itstack.lab.doubles.freeipa.rules import (
    AccessRules,
    AccessServiceGroups,
    AccessServices,
    SudoCommandGroups,
    SudoCommands,
    SudoRules,
)
from salt_itstack.lab.doubles.freeipa.store import Directory
from salt_itstack.lab.doubles.freeipa.values import decode, encode

LOG = logging.getLogger(__name__)
# How answers are shaped for who doesn't say which version he speaks.
UNSAID = (2, 51)


def kinds() -> dict[str, Kind]:
    """The kinds of entries that the double offers, by the prefix of their commands."""
    made: list[Kind] = [
        People(), Groups(), Accounts(), Hosts(), HostGroups(), Services(), SudoCommands(),
        SudoCommandGroups(), SudoRules(), AccessRules(), AccessServices(), AccessServiceGroups(),
        Roles(), Privileges(), Permissions(), Policies(), Zones(), Records(),
    ]  # fmt: skip
    return {kind.name: kind for kind in made}


class Interface:
    """All commands, on one directory."""

    def __init__(self, realm: Realm, directory: Directory) -> None:
        self.realm, self.directory = realm, directory
        self.kinds = kinds()
        offered = [*general.commands(), *(one for kind in self.kinds.values() for one in kind.commands())]
        offered.append(
            Command(
                "batch",
                self._batch,
                [Parameter("methods", kind=anything, many=True)],
                [Parameter("keeponly", many=True)],
            )
        )
        self.commands = {command.name: command for command in offered}

    def answer(self, body: bytes, person: str) -> dict[str, Any]:
        """The whole answer to a request's body."""
        identity = None
        version = UNSAID
        try:
            method, arguments, options, identity = _parsed(body)
            version = self._version(options)
            result = encode(self.run(method, arguments, options, person), version)
            return self.envelope(result, None, identity, person)
        except errors.RpcError as error:
            told = {
                "code": error.code,
                "message": error.message,
                "data": encode(error.data, version),
                "name": error.name,
            }
            return self.envelope(None, told, identity, person)

    def envelope(self, result: Any, error: Any, identity: Any, person: str) -> dict[str, Any]:
        """What goes around a result or an error; without a person for who isn't logged in."""
        principal = f"{person}@{self.realm.name}" if person else "UNKNOWN"
        return {
            "result": result,
            "error": error,
            "id": identity,
            "principal": principal,
            "version": SERVER_VERSION,
        }

    def run(self, method: str, arguments: list[Any], options: dict[str, Any], person: str) -> dict[str, Any]:
        """Run a command by name, as this person."""
        # A command has a version of its own behind its name, of which there is only the first.
        command = self.commands.get(str(method).removesuffix("/1"))
        if command is None:
            raise errors.unknown_command(method)
        me = self.directory.as_person(f"uid={person},cn=users,cn=accounts,{self.realm.base}")
        call = Call(self.realm, person, me, self.directory.as_manager(), self.kinds, self._version(options))
        if "version" not in options:
            server = general.API
            text = (
                "API Version number was not sent, forward compatibility not guaranteed."
                f" Assuming server's API version, {server}"
            )
            call.tell("warning", "VersionMissing", 13001, text, server_version=server)
        self._refuse_other_major(options)
        try:
            positional, chosen = command.prepare(arguments, options)
            chosen.pop("version", None)
            result = command.run(call, *positional, chosen)
        except (errors.RpcError, errors.DirectoryDown):
            raise
        except Exception:
            # As the real server: the caller learns nothing, the log everything (but no values).
            LOG.exception("%s failed", method)
            raise errors.internal() from None
        if call.messages:
            result["messages"] = call.messages
        return result

    def _version(self, options: dict[str, Any]) -> tuple[int, int]:
        with contextlib.suppress(ValueError, AttributeError, KeyError):
            major, _, minor = options["version"].partition(".")
            return int(major), int(minor)
        return UNSAID

    def _refuse_other_major(self, options: dict[str, Any]) -> None:
        if "version" in options and self._version(options)[0] != API_VERSION[0]:
            address = f"https://{self.realm.host}/ipa/xml"
            raise errors.version_mismatch(options["version"], general.API, address)

    def _batch(self, call: Call, methods: list[Any] | None, options: dict[str, Any]) -> dict[str, Any]:
        if not methods:
            raise errors.internal()
        results = []
        for item in methods:
            try:
                results.append(self._one(call, item, options.get("keeponly")))
            except errors.RpcError as error:
                results.append({"error": error.message, "error_code": error.code, "error_name": error.name,
                                "error_kw": error.data})  # fmt: skip
        return {"count": len(results), "results": results}

    def _one(self, call: Call, item: Any, kept: list[str] | None) -> dict[str, Any]:
        for name in ("method", "params"):
            if not isinstance(item, dict) or name not in item:
                raise errors.required(name)
        arguments, options = item["params"]
        options = {"version": ".".join(map(str, call.version)), **options}
        result = self.run(item["method"], list(arguments), options, call.person)
        if kept and isinstance(result.get("result"), dict):
            result["result"] = {name: one for name, one in result["result"].items() if name in kept}
        return {**result, "error": None}


def _parsed(body: bytes) -> tuple[str, list[Any], dict[str, Any], Any]:
    try:
        request = json.loads(body)
    except ValueError as error:
        raise errors.bad_json(str(error)) from None
    if not isinstance(request, dict):
        raise errors.bad_json("Request must be a dict")
    if "method" not in request:
        raise errors.bad_json('Request is missing "method"')
    if "params" not in request:
        raise errors.bad_json('Request is missing "params"')
    parameters = request["params"]
    if not isinstance(parameters, list):
        raise errors.bad_json("params must be a list")
    if len(parameters) != 2:
        raise errors.bad_json("params must contain [args, options]")
    arguments, options = parameters
    if not isinstance(arguments, list):
        raise errors.bad_json("params[0] (aka args) must be a list")
    if not isinstance(options, dict):
        raise errors.bad_json("params[1] (aka options) must be a dict")
    return request["method"], decode(arguments), decode(options), request.get("id")
