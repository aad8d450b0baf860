"""PHP's values as Nextcloud writes them: the array literal of ``config.php`` and its JSON.

A PHP array is one ordered map; here it is a ``list`` when its keys are 0, 1, 2, … in that order, else a
``dict`` whose numeric keys are integers.
"""

import json
import re

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)
    |(?P<word>array|true|false|null)\b
    |(?P<mark>=>|[()\[\],;])
    )""",
    re.VERBOSE | re.IGNORECASE,
)


def key(name):
    """The array key PHP makes of ``name``: a decimal string becomes an integer."""
    if isinstance(name, str) and re.fullmatch(r"0|-?[1-9]\d{0,17}", name):
        return int(name)
    return name


def as_map(value):
    """The array ``value`` (list or dict) as a dict with PHP's keys."""
    if isinstance(value, list):
        return dict(enumerate(value))
    return {key(name): item for name, item in value.items()}


def as_array(items):
    """The dict ``items`` as a list when its keys are 0, 1, 2, … in that order, else as it is."""
    if list(items) == list(range(len(items))):
        return list(items.values())
    return items


def normalise(value):
    """A decoded JSON value with PHP's idea of arrays (``{"0": …}`` is a list, an empty object an empty
    array)."""
    if isinstance(value, (list, dict)):
        return as_array({name: normalise(item) for name, item in as_map(value).items()})
    return value


def to_json(value, pretty=False):
    """JSON as PHP's ``json_encode`` writes it: slashes and non-ASCII escaped, empty arrays as ``[]``."""
    if pretty:
        text = json.dumps(_plain(value), indent=4)
    else:
        text = json.dumps(_plain(value), separators=(",", ":"))
    return text.replace("/", "\\/")


def _plain(value):
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()} if value else []
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def export(value, indent=""):
    """``value`` as PHP source in the layout of ``var_export``."""
    if value is None:
        return "NULL"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    lines = ["array ("]
    for name, item in as_map(value).items():
        gap = f"\n{indent}  " if isinstance(item, (list, dict)) else ""
        lines.append(f"{indent}  {export(name)} => {gap}{export(item, indent + '  ')},")
    return "\n".join(lines) + f"\n{indent})"


def parse(source):
    """The value that the PHP literal ``source`` stands for (strings, numbers, booleans, null, nested arrays).

    Raises ValueError on anything else: calls, constants and concatenations are not evaluated.
    """
    tokens = []
    position = 0
    source = source.rstrip()
    while position < len(source):
        match = _TOKEN.match(source, position)
        if not match:
            raise ValueError(
                f"not a PHP literal at character {position}: {source[position : position + 20]!r}"
            )
        tokens.append((match.lastgroup, match.group(match.lastgroup)))
        position = match.end()
    value, rest = _value(tokens)
    if [text for _, text in rest] not in ([], [";"]):
        raise ValueError(f"unexpected {rest[0][1]!r} after the PHP literal")
    return value


def _value(tokens):
    if not tokens:
        raise ValueError("the PHP literal ends too early")
    (kind, text), rest = tokens[0], tokens[1:]
    if kind == "string":
        return _unquote(text), rest
    if kind == "number":
        return (float(text) if re.search(r"[.eE]", text) else int(text)), rest
    if kind == "word" and text.lower() != "array":
        return {"true": True, "false": False, "null": None}[text.lower()], rest
    if kind == "word":
        if not rest or rest[0][1] != "(":
            raise ValueError("array without an opening parenthesis")
        return _array(rest[1:], ")")
    if text == "[":
        return _array(rest, "]")
    raise ValueError(f"unexpected {text!r} in the PHP literal")


def _array(tokens, closing):
    items = {}
    while tokens and tokens[0][1] != closing:
        value, tokens = _value(tokens)
        if tokens and tokens[0][1] == "=>":
            name = key(value)
            value, tokens = _value(tokens[1:])
        else:
            name = max([number for number in items if isinstance(number, int)], default=-1) + 1
        items[name] = value
        if tokens and tokens[0][1] == ",":
            tokens = tokens[1:]
    if not tokens:
        raise ValueError(f"the PHP array isn't closed by {closing!r}")
    return as_array(items), tokens[1:]


def _unquote(text):
    body = text[1:-1]
    if text[0] == "'":
        return re.sub(r"\\([\\'])", r"\1", body)
    if "$" in re.sub(r"\\.", "", body):
        raise ValueError("a double-quoted PHP string with a variable isn't a literal")
    escapes = {"n": "\n", "t": "\t", "r": "\r"}
    return re.sub(r"\\(.)", lambda match: escapes.get(match.group(1), match.group(1)), body)
