"""
Does the calls of python-freeipa that it reads, each a line of JSON, and prints what came of each.

Runs where that package is, and nothing of this project.
"""

import inspect
import json
import sys

import python_freeipa


def switches() -> dict[str, dict[str, bool]]:
    """What each method of its client sends by itself, with options named as the server names them."""
    made = {}
    for name, method in inspect.getmembers(python_freeipa.ClientMeta, inspect.isfunction):
        options = inspect.signature(method).parameters.values()
        made[name] = {
            one.name.removeprefix("o_"): one.default for one in options if isinstance(one.default, bool)
        }
    return made


def main(kind: str, host: str, authority: str) -> None:
    client = getattr(python_freeipa, kind)(host, verify_ssl=authority)
    for line in sys.stdin:
        name, arguments, options = json.loads(line)
        try:
            run = switches if name == "switches" else getattr(client, name)
            answer = {"result": run(*arguments, **options)}
        except python_freeipa.exceptions.FreeIPAError as error:
            code = getattr(error, "code", None)
            answer = {"raised": type(error).__name__, "code": code, "told": str(error)}
        print(json.dumps(answer, default=str), flush=True)


main(*sys.argv[1:])
