"""From files to a checked stack: the built-in map, the master's own files, a key of its configuration."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import Invalid, Problem
from ..loader import data_file
from . import schema
from .build import build
from .layer import check_layer
from .model import Stack
from .reading import read_file, usable
from .validate import check_whole

BUILT_IN = tuple(data_file(f"stack/{name}.yaml") for name in ("servers", "services", "integrations"))
EXTRA = "the master's configuration, itstack:map"
_KEPT = 4

_Mark = tuple[str, int, int]
_documents: dict[Any, tuple[dict[str, Any], list[str]]] = {}
_shared: dict[Any, Stack] = {}
_built_in: dict[tuple[_Mark, ...], Base] = {}


class Base:
    """The built-in map: its document, with what kinds give already put into each integration."""

    def __init__(self) -> None:
        problems: list[Problem] = []
        self.document: dict[str, Any] = {}
        for path in BUILT_IN:
            self.document = merged(self.document, read_file(path, problems))
        if problems:
            raise Invalid(problems)
        self.kinds: dict[str, Any] = self.document.pop("kinds")
        table = self.document["integrations"]
        for key, entry in table.items():
            table[key] = merged(self.defaults(entry), entry)

    def defaults(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """What an integration of this kind has when it says nothing else."""
        kind = merged({}, self.kinds.get(str(entry.get("kind")), {}))
        ends = {"{source}": str(entry.get("source", "")), "{target}": str(entry.get("target", ""))}
        settings = kind.get("settings", {})
        for key, value in settings.items():
            for word, end in ends.items():
                value = value.replace(word, end) if isinstance(value, str) else value
            settings[key] = value
        return kind


def load(
    directory: str | os.PathLike[str] | None = None,
    extra: Mapping[str, Any] | None = None,
    files: Iterable[str | os.PathLike[str]] | None = None,
    shared: bool = False,
) -> Stack:
    """
    The stack that the built-in map and the user's own additions make together.

    directory
        Its ``*.yaml`` are read in the order of their names; later ones win.
    extra
        A mapping of the same form, which wins over all files.
    files
        Further files, read after those of the directory.
    shared
        Give the same object to all who ask so, as long as no file changes: for those who only read it, such
        as the pillar of each of a thousand minions.

    Raises :class:`Invalid` with all problems at once.
    """
    warnings: list[str] = []
    problems: list[Problem] = []
    paths = _paths(directory, problems, warnings)
    paths += [Path(path) for path in files or ()]
    mine = {} if extra is None else usable(extra, EXTRA, problems)
    key = (_marks(BUILT_IN), _marks(paths), _frozen(mine))
    if shared and not problems:
        whole = (key, tuple(warnings))
        if whole not in _shared:
            stack = load(directory, extra, files)
            _shared.clear()
            _shared[whole] = stack
        return _shared[whole]
    if not problems and key in _documents:
        document, remarks = _documents[key]
        return build(document, [*warnings, *remarks])
    base = _base()
    layers = [(str(path), read_file(path, problems)) for path in paths]
    layers.append((EXTRA, mine))
    document, remarks = _checked(base, layers, problems)
    while len(_documents) >= _KEPT:
        _documents.pop(next(iter(_documents)))
    _documents[key] = (document, remarks)
    return build(document, [*warnings, *remarks])


def load_for(opts: Mapping[str, Any], shared: bool = False) -> Stack:
    """
    The stack of a Salt master.

    opts
        The master's configuration. ``itstack:directory`` says where the map files are, by default in
        ``itstack.d`` beside the configuration file; ``itstack:map`` is merged over them.
    shared
        As of :func:`load`.

    Raises :class:`Invalid`.
    """
    mine = opts.get("itstack") or {}
    if not isinstance(mine, Mapping):
        raise Invalid(
            Problem(
                "the master's configuration",
                "itstack",
                schema.shown(mine),
                "expected a mapping",
                "write itstack: {directory: /etc/salt/itstack.d}",
            )
        )
    directory = mine.get("directory")
    if directory is None and opts.get("conf_file"):
        beside = os.path.join(os.path.dirname(str(opts["conf_file"])), "itstack.d")
        directory = beside if os.path.isdir(beside) else None
    if directory is not None and not isinstance(directory, (str, os.PathLike)):
        raise Invalid(
            Problem(
                "the master's configuration",
                "itstack:directory",
                schema.shown(directory),
                "expected a path",
                "write the path of a folder",
            )
        )
    return load(directory, mine.get("map"), shared=shared)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both mappings in a new one: mappings are merged key by key, anything else above wins."""
    result: dict[str, Any] = {}
    for key, value in below.items():
        if key in above and not (isinstance(value, Mapping) and isinstance(above[key], Mapping)):
            continue
        result[key] = merged(value, above.get(key, {})) if isinstance(value, Mapping) else value
    for key, value in above.items():
        if key not in result:
            result[key] = merged({}, value) if isinstance(value, Mapping) else value
    return result


def _checked(
    base: Base, layers: list[tuple[str, dict[str, Any]]], problems: list[Problem]
) -> tuple[dict[str, Any], list[str]]:
    """The merged document and its warnings. Raises :class:`Invalid`."""
    document = merged(base.document, {})
    origins: dict[tuple[Any, ...], str] = {}
    for file, layer in layers:
        good = check_layer(layer, file, base.document, problems)
        _remember(good, (), file, origins)
        document = merged(document, good)
    own = {key for key in document["integrations"] if key not in base.document["integrations"]}
    for key in own:
        entry = document["integrations"][key]
        document["integrations"][key] = merged(base.defaults(entry), entry)
    warnings = check_whole(document, base, origins, problems)
    if problems:
        raise Invalid(problems)
    return document, warnings


def _remember(value: Any, path: tuple[Any, ...], file: str, origins: dict[tuple[Any, ...], str]) -> None:
    """Note for every key which file said it last."""
    if path:
        origins[path] = file
    if isinstance(value, Mapping):
        for key, item in value.items():
            _remember(item, (*path, key), file, origins)


def _base() -> Base:
    mark = _marks(BUILT_IN)
    if mark not in _built_in:
        _built_in.clear()
        _built_in[mark] = Base()
    return _built_in[mark]


def _paths(
    directory: str | os.PathLike[str] | None, problems: list[Problem], warnings: list[str]
) -> list[Path]:
    if directory is None:
        return []
    folder = Path(directory)
    try:
        names = sorted(item.name for item in folder.iterdir())
    except OSError as error:
        reason = error.strerror or "unreadable"
        problems.append(
            Problem(str(folder), "", None, f"can't be read: {reason}", "make it, or name another")
        )
        return []
    for name in names:
        if name.endswith(".yml"):
            warnings.append(f"{folder / name} is not read: only names that end in .yaml are")
    return [folder / name for name in names if name.endswith(".yaml") and not name.startswith(".")]


def _frozen(value: Any) -> Any:
    """A stand-in for a value that can be a key, and differs where values of different types are equal."""
    if isinstance(value, Mapping):
        return tuple((key, _frozen(item)) for key, item in value.items())
    if isinstance(value, (list, tuple, set)):
        return (type(value).__name__, *(_frozen(item) for item in value))
    return (type(value).__name__, value)


def _marks(paths: Iterable[Path]) -> tuple[_Mark, ...]:
    """What changes when a file does."""
    marks: list[_Mark] = []
    for path in paths:
        try:
            status = path.stat()
            marks.append((str(path), status.st_mtime_ns, status.st_size))
        except OSError:
            marks.append((str(path), 0, -1))
    return tuple(marks)
