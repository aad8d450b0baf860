"""Map files as data: YAML with every mistake told by file and line, and never with what stands there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ..errors import Problem

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

DEEPEST = 30
"""Levels of nesting: a map needs eight."""

LARGEST = 100_000
"""Values in one file once its aliases are written out: a map of a thousand services has fewer."""


class _Loader(_Base):
    """Safe YAML that refuses a key that stands twice in one mapping, and leaves dates as texts."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in _Base.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        if isinstance(node, yaml.MappingNode):
            seen: dict[str, int] = {}
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                    continue
                line = key.start_mark.line + 1
                if key.value in seen:
                    first = seen[key.value]
                    raise _Twice(
                        None, None, f"the key {key.value[:60]!r} stands in line {first} too", key.start_mark
                    )
                seen[key.value] = line
        return super().construct_mapping(node, deep=deep)


class _Twice(yaml.constructor.ConstructorError):
    """A key that stands twice."""


def read_file(path: Path, problems: list[Problem]) -> dict[str, Any]:
    """The mapping that a file holds; empty, with the problem told, when it holds no usable one."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        problems.append(Problem(str(path), "", None, "not a text in UTF-8", "save it as UTF-8"))
        return {}
    except OSError as error:
        reason = error.strerror or "unreadable"
        problems.append(
            Problem(str(path), "", None, f"can't be read: {reason}", "check the path and its rights")
        )
        return {}
    return read_text(text, str(path), problems)


def read_text(text: str, file: str, problems: list[Problem]) -> dict[str, Any]:
    """The same for a text that was read already; `file` is how messages call it."""
    try:
        found = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        what = error.problem if isinstance(error, _Twice) else f"not valid YAML: {_reason(error)}"
        remedy = (
            "keep one of the two" if isinstance(error, _Twice) else "correct this line or the one above it"
        )
        problems.append(Problem(f"{file}{line}", "", None, what or "not valid YAML", remedy))
        return {}
    except yaml.YAMLError:
        problems.append(Problem(file, "", None, "not valid YAML: it holds a character that YAML forbids"))
        return {}
    except RecursionError:
        problems.append(Problem(file, "", None, "nested too deep", "a map needs eight levels"))
        return {}
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError):
        # What PyYAML's constructors raise for a value that doesn't fit its tag, such as !!int x.
        problems.append(
            Problem(file, "", None, "not valid YAML: a value doesn't fit its type", "put it in quotes")
        )
        return {}
    if found is None:
        return {}
    return usable(found, file, problems)


def usable(found: Any, file: str, problems: list[Problem]) -> dict[str, Any]:
    """What was found, when it is a mapping of sane depth and size; else empty, with the problem told."""
    if not isinstance(found, Mapping):
        problems.append(
            Problem(file, "", None, "expected a mapping at the top", "start with a key such as services:")
        )
        return {}
    count = 0
    rest: list[tuple[Any, int]] = [(found, 0)]
    while rest:
        value, depth = rest.pop()
        count += 1
        if depth > DEEPEST or count > LARGEST:
            why = "nested too deep, or an alias that holds itself" if depth > DEEPEST else "too many values"
            problems.append(Problem(file, "", None, why, "write the map out plainly"))
            return {}
        if isinstance(value, Mapping):
            rest.extend((item, depth + 1) for item in value.values())
        elif isinstance(value, (list, tuple, set)):
            rest.extend((item, depth + 1) for item in value)
    return dict(found)


def _reason(error: yaml.MarkedYAMLError) -> str:
    """The parser's words, unless they could quote a value of the file."""
    words = error.problem or "unreadable"
    if isinstance(error, yaml.constructor.ConstructorError):
        return "a tag or a value that can't be used here"
    return words if len(words) < 100 else "unreadable"
