"""One kind of entry and what all kinds have in common: add, show, mod, find, del, members."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from salt_itstack.lab.doubles.freeipa import errors, parameters
from salt_itstack.lab.doubles.freeipa.commands import Call, Command
from salt_itstack.lab.doubles.freeipa.parameters import Parameter
from salt_itstack.lab.doubles.freeipa.reading import Options, Readable, as_list, stored
from salt_itstack.lab.doubles.freeipa.store import ONE, TREE, Found, escape, same_dn

NO_SUCH, ALREADY, NOT_THERE = "no such entry", "This entry is already a member", "This entry is not a member"


class Kind(Readable):
    """A kind of entry with its commands. What isn't said by ``Readable``'s attributes, its hooks say."""

    # --- commands

    def commands(self) -> list[Command]:
        """All commands of this kind that the double offers."""
        key, several = self.key, replace(self.key, many=True)
        shown = (parameters.ALL, parameters.RAW, *self._members_option())
        optional = tuple(one.optional() for one in self.attributes)
        made = [
            Command(f"{self.name}_add", self.add, [key], (
                *self.attributes, *self.add_options, parameters.SETATTR, parameters.ADDATTR, *shown)),
            Command(f"{self.name}_show", self.show, [key], (parameters.RIGHTS, *shown)),
            Command(f"{self.name}_mod", self.mod, [key], (
                *optional, *self.mod_options, parameters.SETATTR, parameters.ADDATTR, parameters.DELATTR,
                parameters.RIGHTS, *shown)),
            Command(f"{self.name}_find", self.find, [Parameter("criteria", attribute=False)], (
                replace(key, required=False, rule=None), *optional, *self.find_options, parameters.SIZE_LIMIT,
                parameters.TIME_LIMIT, parameters.KEYS_ONLY, *shown)),
            Command(f"{self.name}_del", self.delete, [several], (parameters.CONTINUE, *self.del_options)),
        ]  # fmt: skip
        for suffix, attribute, kinds in self.member_commands:
            options = [Parameter(one, many=True, attribute=False) for one in kinds]
            for verb, run in (("add", self.add_member), ("remove", self.remove_member)):

                def bound(
                    call: Call,
                    key: Any,
                    options: Options,
                    run: Any = run,
                    attribute: str = attribute,
                    kinds: tuple[str, ...] = kinds,
                ) -> dict[str, Any]:
                    return run(call, key, options, attribute, kinds)

                made.append(Command(f"{self.name}_{verb}_{suffix}", bound, [key], (*options, *shown)))
        for suffix, kind in self.reverse_commands:
            for verb, what in (("add", "add"), ("remove", "delete")):

                def backwards(
                    call: Call, key: Any, options: Options, kind: str = kind, what: str = what
                ) -> dict[str, Any]:
                    return self._change_owner(call, key, options, kind, what)

                options = [Parameter(kind, many=True, attribute=False)]
                made.append(Command(f"{self.name}_{verb}_{suffix}", backwards, [key], (*options, *shown)))
        return made

    def _members_option(self) -> tuple[Parameter, ...]:
        return (parameters.NO_MEMBERS,) if self.links else ()

    def protect(self, call: Call, key: str, dn: str) -> None:
        """Raise if this entry can't be removed."""

    # --- the five commands

    def add(self, call: Call, key: Any, options: Options) -> dict[str, Any]:
        key = self.normal_key(call, key)
        if self.key_limit:
            wrong = self.key_limit(call, key)
            if wrong:
                raise errors.validation(self.key.told, wrong)
        values: dict[str, list[Any]] = {"objectclass": list(self.classes), self.key.name: [key]}
        values.update(self._attributes(options))
        if self.numbered:
            values["ipauniqueid"] = [self.new_number()]
        extra = self.before_add(call, key, values, options) or {}
        _apply_pairs(values, options)
        if self.by_number:
            if self._numbered_dn(call, key):
                raise self._exists(key)
            dn = f"ipaUniqueID={values['ipauniqueid'][0]},{self.base(call)}"
        else:
            dn = self.dn(call, key)
        try:
            call.me.add(dn, values)
        except errors.RpcError as error:
            if error.code == 4002 and error.message == "This entry already exists":
                raise self._exists(key) from None
            raise
        self.after_add(call, key, dn, options)
        wanted = self.wanted(options, extra=values)
        result = self.answer(call, self._read(call, dn, wanted, key), wanted, options, "add")
        result.update(extra)
        return {"result": {**result, "dn": dn}, "value": self.value(key), "summary": self._said("Added", key)}

    def show(self, call: Call, key: Any, options: Options) -> dict[str, Any]:
        key = self.normal_key(call, key)
        dn, wanted = self.dn(call, key), self.wanted(options)
        result = self.answer(call, self._read(call, dn, wanted, key), wanted, options, "show")
        return {"result": {**result, "dn": dn}, "value": self.value(key), "summary": None}

    def mod(self, call: Call, key: Any, options: Options) -> dict[str, Any]:
        key = self.normal_key(call, key)
        dn = self.dn(call, key)
        wished = self._attributes(options, keep_empty=True)
        current = call.me.get(dn, ["*", *wished])
        if current is None:
            raise self.missing(key)
        extra = self.before_mod(call, key, current, wished, options) or {}
        before = {name: list(current.values.get(name, [])) for name in wished}
        pairs = {name: list(many) for name, many in current.values.items()}
        touched = _apply_pairs(pairs, options)
        for name in touched:
            wished[name], before[name] = pairs[name], current.values.get(name, [])
        changes = [("replace", name, many or None) for name, many in wished.items()
                   if sorted(map(stored, many)) != sorted(before.get(name, []))]  # fmt: skip
        if not changes and not extra.pop("changed", False):
            raise errors.nothing_to_change()
        if changes:
            call.me.change(dn, changes)
        dn = self.after_mod(call, key, dn, options) or dn
        wanted = self.wanted(options, extra=wished)
        result = self.answer(call, self._read(call, dn, wanted, key), wanted, options, "mod")
        result.update(extra)
        return {"result": result, "value": self.value(key), "summary": self._said("Modified", key)}

    def find(self, call: Call, criteria: str | None, options: Options) -> dict[str, Any]:
        wanted = self.wanted_of_find(options)
        condition = f"(&{self.condition(call)}{self._text(criteria)}{self._matching(call, options)})"
        limit = options.get("sizelimit")
        if limit is None:
            settings = call.manager.get(f"cn=ipaConfig,cn=etc,{call.realm.base}", ["ipasearchrecordslimit"])
            limit = int(settings.first("ipasearchrecordslimit", "100")) if settings else 100
        base, scope = self.place(call, options)
        rows, more = call.me.search(base, scope, condition, self._read_names(wanted), max(limit, 0))
        rows.sort(key=lambda row: row.first(self.key.name.lower()).lower())
        if more:
            reason = "Configured size limit exceeded"
            call.tell("warning", "SearchResultTruncated", 13017,
                f"Search result has been truncated: {reason}",
                      reason=reason)  # fmt: skip
        results = [{**self.answer(call, row, wanted, options, "find"), "dn": row.dn} for row in rows]
        noun = self.title if len(results) == 1 else self.titles
        return {"result": results, "count": len(results), "truncated": more,
                "summary": f"{len(results)} {noun} matched" if self.title else None}  # fmt: skip

    def delete(self, call: Call, keys: list[Any], options: Options) -> dict[str, Any]:
        done, failed = [], []
        for given in keys:
            key = self.normal_key(call, given)
            try:
                self.delete_one(call, key, options)
                done.append(key)
            except errors.RpcError:
                if not options.get("continue"):
                    raise
                failed.append(key)
        return {"result": {"failed": failed}, "value": [self.value(one) for one in done],
                "summary": self._said(self.verb_of_delete(options), ",".join(done))}  # fmt: skip

    def delete_one(self, call: Call, key: str, options: Options) -> None:
        dn = self.dn(call, key)
        self.protect(call, key, dn)
        if call.me.get(dn, ["1.1"]) is None:
            raise self.missing(key)
        # A host's keys or a zone's records lie below it.
        below, _ = call.me.search(dn, TREE, "(objectClass=*)", ["1.1"])
        for entry in sorted(below, key=lambda one: -len(one.dn)):
            call.me.delete(entry.dn)

    # --- members

    def add_member(
        self, call: Call, key: Any, options: Options, attribute: str, kinds: Sequence[str]
    ) -> dict[str, Any]:
        return self._change_members(call, key, options, attribute, kinds, "add")

    def remove_member(
        self, call: Call, key: Any, options: Options, attribute: str, kinds: Sequence[str]
    ) -> dict[str, Any]:
        return self._change_members(call, key, options, attribute, kinds, "delete")

    def _change_members(
        self, call: Call, key: Any, options: Options, attribute: str, kinds: Sequence[str], what: str
    ) -> dict[str, Any]:
        key = self.normal_key(call, key)
        dn = self.dn(call, key)
        if call.me.get(dn, ["1.1"]) is None:
            raise self.missing(key)
        self.before_members(call, key, dn, options, attribute, kinds, what)
        failed: dict[str, list[list[str]]] = {kind: [] for kind in kinds}
        completed = 0
        for kind in kinds:
            for given in options.get(kind) or []:
                name = given if kind not in call.kinds else call.kinds[kind].normal_key(call, given)
                wrong = self.change_member(call, dn, attribute, kind, name, what)
                if wrong:
                    failed[kind].append([name, wrong])
                else:
                    completed += 1
        completed += self.after_members(call, dn, options, what)
        wanted = self.wanted(options)
        result = self.answer(call, self._read(call, dn, wanted, key), wanted, options, "member")
        return {"completed": completed, "failed": {attribute.lower(): failed}, "result": {**result, "dn": dn}}

    def _change_owner(self, call: Call, key: Any, options: Options, kind: str, what: str) -> dict[str, Any]:
        """Let this entry into others, or out of them."""
        key = self.normal_key(call, key)
        dn = self.dn(call, key)
        if call.me.get(dn, ["1.1"]) is None:
            raise self.missing(key)
        if what == "add":
            self.before_owners(call, kind, options.get(kind) or [])
        failed, completed, other = [], 0, call.kinds[kind]
        for name in options.get(kind) or []:
            try:
                owner = other.dn(call, name)
                if call.me.get(owner, ["1.1"]) is None:
                    raise errors.not_found(f"{other.label} not found")
                call.me.change(owner, [(what, "member", [dn])])
                completed += 1
            except errors.RpcError as error:
                told = {4202: ALREADY if what == "add" else NOT_THERE}.get(error.code, error.message)
                failed.append([name, told])
        wanted = self.wanted(options)
        result = self.answer(call, self._read(call, dn, wanted, key), wanted, options, "member")
        return {"completed": completed, "failed": {"member": {kind: failed}}, "result": {**result, "dn": dn}}

    def change_member(self, call: Call, dn: str, attribute: str, kind: str, name: str, what: str) -> str:
        """Let one member in or out. Returns "" or what is wrong."""
        try:
            if kind not in call.kinds:
                return NO_SUCH
            other = call.kinds[kind].dn(call, name)
            if what == "add" and call.me.get(other, ["1.1"]) is None:
                return NO_SUCH
            if same_dn(dn, other):
                return "A group may not be added as a member of itself" if what == "add" else NOT_THERE
            call.me.change(dn, [(what, attribute, [other])])
        except errors.RpcError as error:
            if error.code == 4202:
                return ALREADY if what == "add" else NOT_THERE
            if error.code == 4001:
                return NO_SUCH if what == "add" else NOT_THERE
            return error.message
        return ""

    # --- what kinds change

    def normal_key(self, call: Call, key: Any) -> str:
        return str(key)

    def value(self, key: str) -> Any:
        """The key as ``value`` of an answer carries it."""
        return key

    def before_add(
        self, call: Call, key: str, values: dict[str, list[Any]], options: Options
    ) -> Options | None:
        """Fill in attributes. Returns what the answer shows beside the entry."""
        return None

    def after_add(self, call: Call, key: str, dn: str, options: Options) -> None:
        """Whatever an addition brings with it."""

    def before_mod(
        self, call: Call, key: str, current: Found, wished: dict[str, list[Any]], options: Options
    ) -> Options | None:
        """
        Check and complete a modification. Returns what the answer shows beside the entry;
        ``changed`` among it says that there's something to do although no attribute differs.
        """
        return None

    def after_mod(self, call: Call, key: str, dn: str, options: Options) -> str | None:
        """Whatever a modification brings with it. Returns the entry's new DN if it got one."""
        return None

    def before_members(
        self, call: Call, key: str, dn: str, options: Options, attribute: str, kinds: Sequence[str], what: str
    ) -> None:
        """Raise if members can't be changed now."""

    def after_members(self, call: Call, dn: str, options: Options, what: str) -> int:
        """Let in or out what else the options name. Returns how many of that were no member, or were one."""
        return 0

    def before_owners(self, call: Call, kind: str, names: Sequence[str]) -> None:
        """Raise if this entry can't be let into others now."""

    def condition(self, call: Call) -> str:
        return "".join(f"(objectClass={one})" for one in self.classes[-1:])

    def place(self, call: Call, options: Options) -> tuple[str, int]:
        return self.base(call), ONE

    def verb_of_delete(self, options: Options) -> str:
        return "Deleted"

    def new_number(self) -> str:
        return str(uuid.uuid1())

    # --- small things

    def _exists(self, key: str) -> errors.RpcError:
        return errors.duplicate(f'{self.label} with name "{key}" already exists')

    def _said(self, verb: str, key: str) -> str | None:
        return f'{verb} {self.title} "{key}"' if self.title else None

    def _attributes(self, options: Options, keep_empty: bool = False) -> dict[str, list[Any]]:
        made = {}
        for parameter in self.attributes:
            if parameter.name in options and parameter.attribute:
                value = options[parameter.name]
                many = value if isinstance(value, list) else [] if value is None else [value]
                if many or keep_empty:
                    made[parameter.name] = list(many)
        return made

    def _text(self, criteria: str | None) -> str:
        if not criteria:
            return ""
        return "(|" + "".join(f"({name}=*{escape(criteria)}*)" for name in self.searched) + ")"

    def _matching(self, call: Call, options: Options) -> str:
        made = ""
        for parameter in (self.key, *self.attributes):
            value = options.get(parameter.name)
            if value is not None and parameter.attribute:
                made += "".join(f"({parameter.name}={escape(stored(one))})" for one in as_list(value))
        for name, value in options.items():
            kind = call.kinds.get(name.rpartition("in_")[2])
            if kind and name.startswith(("in_", "not_in_")):
                for one in as_list(value) if value else []:
                    link = f"(memberof={escape(kind.dn(call, one))})"
                    made += f"(!{link})" if name.startswith("not_") else link
        return made


def _apply_pairs(values: dict[str, list[Any]], options: Options) -> set[str]:
    """Carry out setattr, addattr and delattr, each a list of ``name=value``. Returns the names touched."""
    touched = set()
    for option, change in (("setattr", "set"), ("addattr", "add"), ("delattr", "delete")):
        for pair in options.get(option) or []:
            name, equals, value = pair.partition("=")
            if not equals or not name:
                raise errors.validation(option, "Invalid format. Should be name=value")
            name = name.lower()
            many = values.get(name, [])
            if change == "set":
                values[name] = [value] if value else []
            elif change == "add":
                values[name] = [*many, value]
            elif value not in many:
                raise errors.value_not_there(name, value)
            else:
                values[name] = [one for one in many if one != value]
            touched.add(name)
    return touched
