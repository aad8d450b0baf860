"""From what differs to calls, in slices, and to what was done: the same for one object and for thousands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import Conflict, ItstackError, Rejected
from ...reconcile import Changes, body
from .api import SERVICE, SLICE, member_failures
from .kinds import LISTS, Kind
from .workspace import Workspace

#: One after the other for all objects of a set: what is made first may be a member of what is made with
#: it, and a category can only become ``all`` when its members have gone.
MAKE, TAKE_OUT, CHANGE, LATE, PUT_IN, SWITCH = range(6)


@dataclass
class Step:
    """
    One call.

    fields
        What it brings to the declared shape.
    members
        The names that it puts in or takes out, of the one field.
    """

    round: int
    method: str
    args: list[str]
    options: dict[str, Any]
    fields: tuple[str, ...] = ()
    members: tuple[str, ...] = ()

    @property
    def weight(self) -> int:
        return max(1, len(self.members))


@dataclass
class Item:
    """One object that is to become as declared, or to go."""

    kind: Kind
    name: str
    wanted: dict[str, Any] = field(default_factory=dict)
    found: dict[str, Any] | None = None
    exclusive: bool = False
    rewrite: list[str] = field(default_factory=list)
    changes: Changes = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    failure: ItstackError | None = None
    _answered: int = 0
    _left: dict[str, int] = field(default_factory=dict)
    _done: set[str] = field(default_factory=set)
    _put_in: dict[str, list[str]] = field(default_factory=dict)
    _taken_out: dict[str, set[str]] = field(default_factory=dict)

    def plan(self) -> None:
        """Find what differs, and which calls that takes."""
        kind = self.kind
        if self.found is not None and not self.exclusive:
            self._add_to_what_is_there(kind.additive)
        elif self.found is not None:
            self._add_to_what_is_there(tuple(kind.memberships))
        self.changes = kind.difference(self.wanted, self.found, self.rewrite)
        self.steps = list(self._steps())
        for step in self.steps:
            for name in step.fields:
                self._left[name] = self._left.get(name, 0) + 1

    @property
    def unfinished(self) -> bool:
        """Whether calls of it haven't been answered."""
        return self._answered < len(self.steps)

    def settle(self, step: Step, outcome: Any) -> None:
        """Take notice of a call's result, or of its error."""
        self._answered += 1
        if isinstance(outcome, ItstackError):
            self.fail(outcome)
            return
        if step.members:
            self._settle_members(step, member_failures(outcome))
            return
        if step.round == MAKE:
            self._done.add("exists")
        for name in step.fields:
            self._left[name] -= 1
            if not self._left[name]:
                self._done.add(name)

    def _settle_members(self, step: Step, refused: Mapping[str, str]) -> None:
        name = step.fields[0]
        if refused:
            told = "; ".join(f"{self._option(name)} {one}: {why}" for one, why in refused.items())
            # The server says so inside an answer that looks like a success.
            self.fail(
                Rejected(
                    f"{step.method} {step.args[-1] if step.args else ''}: {told}",
                    SERVICE,
                    "declare the missing entries before this one, or correct their names",
                )
            )
        gone = {one.casefold() for one in refused}
        # Where the object itself goes into another one, that other one is what the field names.
        moved = [
            one
            for one in step.members
            if not (gone if name in self.kind.memberships else one.casefold() in gone)
        ]
        if step.round == PUT_IN:
            self._put_in.setdefault(name, []).extend(moved)
        else:
            self._taken_out.setdefault(name, set()).update(self._form(name, one) for one in moved)

    def fail(self, error: ItstackError) -> None:
        """Remember why this object isn't as declared."""
        self.failure = self.failure or error
        self.errors.append(str(error))

    def done(self) -> Changes:
        """What of the changes has been made."""
        if not self.failure:
            return self.changes
        told: Changes = {}
        for name, change in self.changes.items():
            if name in self.kind.additive:
                gone = self._taken_out.get(name, ())
                left = [one for one in change["old"] or () if self._form(name, str(one)) not in gone]
                if gone or self._put_in.get(name):
                    told[name] = {"old": change["old"], "new": [*left, *self._put_in.get(name, ())]}
            elif name in self._done:
                told[name] = change
        if "exists" in self._done and not told:
            told["exists"] = {"old": False, "new": True}
        return told

    def _add_to_what_is_there(self, fields: Iterable[str]) -> None:
        for name in fields:
            if name in self.wanted:
                present = self._present(name)
                new = [one for one in self.wanted[name] if self._form(name, one) not in present]
                self.wanted[name] = [*present.values(), *new]

    def _present(self, name: str) -> dict[str, str]:
        """Members that are there, by the form in which two are equal."""
        values = self.kind.resource.fields[name].read(self.found or {}) or ()
        texts = [str(one).lower() if name in self.kind.identifiers else str(one) for one in values]
        return {self._form(name, one): one for one in texts}

    def _form(self, name: str, value: str) -> str:
        compare = self.kind.resource.fields[name].compare
        forms: Any = compare([value]) if compare in LISTS else None
        return forms[0] if forms else value

    def _option(self, name: str) -> str:
        return self.kind.members[name].option if name in self.kind.members else self.kind.memberships[name]

    def _steps(self) -> Iterator[Step]:
        kind, arguments = self.kind, self.kind.arguments(self.name)
        changed = [name for name in self.changes if name != "exists"]
        apart = {*kind.additive, *kind.late}
        if kind.switch:
            apart.add("enabled")
        plain = [name for name in changed if name not in apart]
        options = self._options(plain)
        if self.found is None:
            emptied = [name for name in plain if name in kind.filled and self.wanted[name] in ("", [])]
            plain = [name for name in plain if name not in emptied]
            for name, value in self.wanted.items():
                if name in kind.once:
                    options.update(kind.once[name](value))
                elif name in kind.special:
                    options.update(kind.special[name](value, True))
            yield Step(MAKE, f"{kind.command}_add", arguments, options, tuple(plain))
            if emptied:
                nothing = body(kind.resource, dict.fromkeys(emptied, ""))
                yield Step(CHANGE, f"{kind.command}_mod", arguments, nothing, tuple(emptied))
        elif options:
            yield Step(CHANGE, f"{kind.command}_mod", arguments, options, tuple(plain))
        secret = set(kind.secrets) & set(changed)
        for name in kind.late:
            again = name in kind.undone and bool(secret) and bool(self.wanted.get(name))
            if name in changed or again:
                yield Step(
                    LATE, f"{kind.command}_mod", arguments, self._options([name]),
                    (name,) if name in changed else (),
                )  # fmt: skip
        for name in kind.additive:
            if name in changed:
                yield from self._member_steps(name, arguments)
        if kind.switch and "enabled" in changed:
            wanted = self.wanted["enabled"]
            if self.found is not None or not wanted:
                verb = "enable" if wanted else "disable"
                yield Step(SWITCH, f"{kind.command}_{verb}", arguments, {}, ("enabled",))
            else:
                # What is new is in force.
                self._done.add("enabled")

    def _member_steps(self, name: str, arguments: list[str]) -> Iterator[Step]:
        kind, present = self.kind, self._present(name)
        wanted = {self._form(name, one): one for one in self.wanted[name]}
        new = [one for form, one in wanted.items() if form not in present]
        if name in kind.memberships:
            owner = kind.memberships[name]
            for group in new:
                yield Step(
                    PUT_IN, f"{owner}_add_member", [group],
                    {kind.command: [self.name], "no_members": True}, (name,), (group,),
                )  # fmt: skip
            return
        link = kind.members[name]
        old = [one for form, one in present.items() if form not in wanted]
        for turn, verb, names in ((TAKE_OUT, "remove", old), (PUT_IN, "add", new)):
            for start in range(0, len(names), link.slices):
                part = names[start : start + link.slices]
                given: Any = part[0] if link.slices == 1 else part
                yield Step(
                    turn, f"{kind.command}_{verb}_{link.suffix}", arguments,
                    # A large group needn't come back with each slice.
                    {link.option: given, "no_members": True}, (name,), tuple(part),
                )  # fmt: skip

    def _options(self, fields: Iterable[str]) -> dict[str, Any]:
        kind = self.kind
        plain = [name for name in fields if name not in kind.special]
        # An empty list deletes nothing on the wire; an empty text does.
        options = {
            key: "" if value == [] else value
            for key, value in body(kind.resource, self.wanted, plain).items()
            if self.found is not None or value not in ([], "")
        }
        for name in fields:
            if name in kind.special and self.found is not None:
                options.update(kind.special[name](self.wanted[name], False))
        return options


def removing(kind: Kind, name: str, options: Mapping[str, Any] | None = None) -> Item:
    """An object that is to go."""
    given = dict(options or {})
    if kind.name == "dns_record":
        given["del_all"] = True
    item = Item(kind, name, changes={"exists": {"old": True, "new": False}})
    item.steps = [Step(MAKE, f"{kind.command}_del", kind.arguments(name), given, ("exists",))]
    item._left["exists"] = 1
    return item


def execute(workspace: Workspace, items: list[Item], settled: Callable[[Item], None] | None = None) -> None:
    """
    Send the calls of all items, in slices; what became of each, the item knows.

    settled
        Called with each item of which all calls have been answered.

    A failure of one item ends its own calls only. Where the server can't be asked any more, all that is left
    fails with that.
    """
    waiting = [item for item in items if item.steps]
    for turn in range(SWITCH + 1):
        steps = [
            (item, step) for item in waiting if not item.failure for step in item.steps if step.round == turn
        ]
        for part in _slices(steps):
            if not _send(workspace, part):
                for item in waiting:
                    if item.unfinished and not item.failure:
                        item.fail(_cause(part))
                break
    if settled:
        for item in waiting:
            settled(item)


def _send(workspace: Workspace, part: list[tuple[Item, Step]]) -> bool:
    """Send one slice, and return whether the server can be asked further."""
    kind = part[0][0].kind
    try:
        outcomes = workspace.channel(kind).batch([(step.method, step.args, step.options) for _, step in part])
    except ItstackError as error:
        # Nobody knows what of these the server still did; the next run looks.
        for item, step in part:
            item.settle(step, error)
        return False
    for (item, step), outcome in zip(part, outcomes):
        if isinstance(outcome, Conflict) and step.round == MAKE and step.method.endswith("_add"):
            _make_again(workspace, item, outcome)
        else:
            item.settle(step, outcome)
    return True


def _cause(part: list[tuple[Item, Step]]) -> ItstackError:
    failure = part[0][0].failure
    assert failure is not None
    return failure


def _make_again(workspace: Workspace, item: Item, conflict: Conflict) -> None:
    """Something of that name is there: made by somebody else since all was read, or hidden from us."""
    kind = item.kind
    try:
        entry = workspace.channel(kind).show(kind.command, kind.arguments(item.name))
    except ItstackError as error:
        item.fail(error)
        return
    if entry is None:
        if kind.name == "user":
            conflict = Conflict(
                str(conflict),
                remedy=f"a deleted person of that name is preserved: `ipa user-undel {item.name}`, or delete "
                "it for good",
            )
        item.fail(conflict)
        return
    again = Item(kind, item.name, dict(item.wanted), kind.plain(entry), item.exclusive, item.rewrite)
    again.plan()
    execute(workspace, [again])
    vars(item).update(vars(again), steps=[])


def _slices(steps: list[tuple[Item, Step]]) -> Iterator[list[tuple[Item, Step]]]:
    part: list[tuple[Item, Step]] = []
    weight = 0
    for pair in steps:
        if part and weight + pair[1].weight > SLICE:
            yield part
            part, weight = [], 0
        part.append(pair)
        weight += pair[1].weight
    if part:
        yield part
