"""The command line of occ: definitions, parsing, messages and output in the manner of the console library it
uses."""

import dataclasses
import re

from salt_itstack.lab.doubles.nextcloud import phpvalues


@dataclasses.dataclass(frozen=True)
class Option:
    """``mode``: none, required (a value must follow), optional (a value may follow), many or negatable."""

    name: str
    short: str = ""
    mode: str = "none"
    default: object = None

    def synopsis(self):
        if self.mode == "negatable":
            return f"[--{self.name}|--no-{self.name}]"
        start = f"-{self.short}|--{self.name}" if self.short else f"--{self.name}"
        value = self.name.upper()
        return {
            "none": f"[{start}]",
            "required": f"[{start} {value}]",
            "optional": f"[{start} [{value}]]",
            "many": f"[{start} [{value}]]",
        }[self.mode]


@dataclasses.dataclass(frozen=True)
class Argument:
    """A positional argument; ``many`` takes the rest of the line."""

    name: str
    required: bool = True
    many: bool = False

    def synopsis(self):
        text = f"<{self.name}>" + ("..." if self.many else "")
        return text if self.required else f"[{text}]"


@dataclasses.dataclass(frozen=True)
class Command:
    """``run(console)`` returns the exit code (None is 0); ``app`` names the app that brings the command."""

    name: str
    run: object
    options: tuple = ()
    arguments: tuple = ()
    app: str = ""
    installed: bool = True

    def synopsis(self):
        parts = [self.name, *(option.synopsis() for option in self.options)]
        if self.options and self.arguments:
            parts.append("[--]")
        return " ".join([*parts, *(argument.synopsis() for argument in self.arguments)])


OUTPUT = Option("output", mode="optional", default="plain")
_GLOBAL = (
    Option("help", "h"),
    Option("quiet", "q"),
    Option("verbose", "v"),
    Option("version", "V"),
    Option("ansi"),
    Option("no-ansi"),
    Option("no-interaction", "n"),
    Option("no-warnings"),
)


class CommandFailed(Exception):
    """Ends a command with a framed message on standard error. ``where`` is the ``In … line …`` it comes
    from."""

    def __init__(self, message, where="", code=1):
        super().__init__(message)
        self.where = where
        self.code = code


class Unhandled(Exception):
    """Ends occ with "An unhandled exception has been thrown" on standard output and exit code 1."""


def frame(message, where=""):
    """The framed form of an error message."""
    lines = message.split("\n")
    width = max(len(line) for line in lines) + 4
    blank = " " * width
    body = "\n".join(f"  {line.ljust(width - 2)}" for line in lines)
    head = f"In {where}:\n" if where else ""
    return f"\n{head}{blank}\n{body}\n{blank}\n\n"


def first_argument(tokens):
    """The command's name: the first token that is no option."""
    return next((token for token in tokens if not token.startswith("-")), None)


def flag(tokens, *names):
    """Whether one of the global options ``names`` is given."""
    before = tokens[: tokens.index("--")] if "--" in tokens else tokens
    return any(token in names for token in before)


def parse(command, tokens):
    """``(options, arguments)`` of ``tokens`` (without occ itself). Raises :class:`CommandFailed`."""
    known = {option.name: option for option in (*_GLOBAL, *command.options)}
    shorts = {option.short: option for option in known.values() if option.short}
    options = {option.name: ([] if option.mode == "many" else option.default) for option in command.options}
    words = []
    rest = list(tokens)
    seen_command = False
    while rest:
        token = rest.pop(0)
        if token == "--":
            words.extend(rest)
            break
        if token.startswith("--") and len(token) > 2:
            name, equals, value = token[2:].partition("=")
            _long(command, known, options, name, value if equals else None, rest)
        elif token.startswith("-") and len(token) > 1:
            _short(shorts, options, token[1:], rest)
        elif not seen_command:
            seen_command = True
        else:
            words.append(token)
    return options, _arguments(command, words)


def _long(command, known, options, name, value, rest):
    if name.startswith("no-") and name not in known:
        negated = known.get(name[3:])
        if negated and negated.mode == "negatable":
            options[negated.name] = False
            return
    option = known.get(name)
    if option is None:
        raise CommandFailed(f'The "--{name}" option does not exist.')
    _assign(option, options, f"--{name}", value, rest)


def _short(shorts, options, letters, rest):
    option = shorts.get(letters[0])
    if option is None:
        raise CommandFailed(f'The "-{letters[0]}" option does not exist.')
    if option.mode in ("none", "negatable"):
        _assign(option, options, f"-{letters[0]}", None, rest)
        if letters[1:]:
            _short(shorts, options, letters[1:], rest)
        return
    _assign(option, options, f"--{option.name}", letters[1:] or None, rest)


def _assign(option, options, shown, value, rest):
    if option.mode in ("none", "negatable"):
        if value is not None:
            raise CommandFailed(f'The "{shown}" option does not accept a value.')
        options[option.name] = True
        return
    if value is None and rest and (option.mode == "required" or not rest[0].startswith("-")):
        value = rest.pop(0)
    if value is None and option.mode == "required":
        raise CommandFailed(f'The "{shown}" option requires a value.')
    if option.mode == "many":
        options[option.name].append(value)
    else:
        options[option.name] = value


def _arguments(command, words):
    found = {argument.name: ([] if argument.many else None) for argument in command.arguments}
    rest = list(words)
    for argument in command.arguments:
        if argument.many:
            found[argument.name], rest = rest, []
        elif rest:
            found[argument.name] = rest.pop(0)
    missing = [
        argument.name
        for argument in command.arguments
        if argument.required and found[argument.name] in (None, [])
    ]
    if missing:
        raise CommandFailed(f'Not enough arguments (missing: "{", ".join(missing)}").')
    if rest:
        expected = '" "'.join(argument.name for argument in command.arguments)
        if expected:
            raise CommandFailed(
                f'Too many arguments to "{command.name}" command, expected arguments "{expected}".'
            )
        raise CommandFailed(f'No arguments expected for "{command.name}" command, got "{rest[0]}".')
    return found


def unknown(name, names):
    """The message for a command that isn't in ``names``."""
    if ":" in name:
        space = name.rpartition(":")[0]
        if not any(known.startswith(f"{space}:") for known in names):
            return f'There are no commands defined in the "{space}" namespace.'
    message = f'Command "{name}" is not defined.'
    last = name.rpartition(":")[2]
    near = [known for known in sorted(names) if re.search(rf"\b{re.escape(last)}\b", known)]
    if near:
        message += "\n\nDid you mean one of these?\n    " + "\n    ".join(near)
    return message


class Console:
    """What a command works with: options, arguments, streams, environment, and the installation."""

    def __init__(self, installation, options, arguments, streams, environment, interactive):
        self.installation = installation
        self.config = installation.config
        self.options = options
        self.arguments = arguments
        self.stdin, self.stdout, self.stderr = streams
        self.environment = environment
        self.interactive = interactive

    @property
    def database(self):
        """The open :class:`~salt_itstack.lab.doubles.nextcloud.database.Database`."""
        return self.installation.database

    @property
    def people(self):
        """The :class:`~salt_itstack.lab.doubles.nextcloud.people.People` of the database."""
        return self.installation.people

    def line(self, text):
        """Write a line to standard output."""
        self.stdout.write(f"{text}\n")

    def value(self, value):
        """Write one value, an array item by item, in the chosen output format."""
        form = self.options.get("output")
        if form in ("json", "json_pretty"):
            self.line(phpvalues.to_json(value, pretty=form == "json_pretty"))
        elif isinstance(value, (dict, list)):
            self._items(value, "")
        else:
            self.line(text_of(value))

    def items(self, value):
        """Write an array in the chosen output format, plain with dashes."""
        if self.options.get("output") in ("json", "json_pretty"):
            self.value(value)
        else:
            self._items(value, "  - ")

    def _items(self, value, prefix):
        for name, item in phpvalues.as_map(value).items():
            if isinstance(item, (dict, list)):
                self.line(f"{prefix}{name}:")
                self._items(item, f"  {prefix}")
            elif isinstance(name, int):
                self.line(f"{prefix}{text_of(item)}")
            else:
                self.line(f"{prefix}{name}" + ("" if item is None else f": {text_of(item)}"))

    def ask(self, question, newline=False):
        """One line of standard input after a prompt on standard error; None when there is nobody to ask."""
        if not self.interactive:
            return None
        self.stderr.write(question)
        self.stderr.flush()
        answer = self.stdin.readline()
        if answer == "":
            raise CommandFailed("Aborted.")
        if newline:
            self.stderr.write("\n")
        return answer.strip() or None


def text_of(value):
    """A scalar as the console prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)
