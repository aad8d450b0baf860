"""The command line of the lab: `./lab up`, and so on."""

from __future__ import annotations

import argparse
import sys

from .alone import DOUBLES, LOOPBACK
from .errors import LabError
from .runtime import Runtime, interruptible
from .settings import DEFAULT_NETWORK, choose


def parser() -> argparse.ArgumentParser:
    """The arguments that ./lab takes."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--network", default=DEFAULT_NETWORK, help="first three numbers of its addresses (%(default)s)"
    )
    common.add_argument("--state", help="its folder (/var/lib/itstack-lab/NETWORK)")
    common.add_argument("--cache", help="folder of the downloads (/var/cache/itstack-lab)")
    common.add_argument("--servers", help="only these servers, with commas between them")
    top = argparse.ArgumentParser(
        prog="lab",
        description="A Salt master and the servers of the stack on this machine, in namespaces of their own. "
        "For a machine that may be thrown away; as root.",
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    verb = verbs.add_parser("up", parents=[common], help="start what doesn't run, deploy, show the matrix")
    verb.add_argument("--no-deploy", action="store_true", help="stop before the deploy")
    verbs.add_parser("status", parents=[common], help="servers, processes, memory, and the last matrix")
    verb = verbs.add_parser("verify", parents=[common], help="prove every integration now")
    verb.add_argument("--json", action="store_true", help="rows as JSON on standard output")
    verbs.add_parser("test", help="run the tests; further arguments go to pytest", add_help=False)
    verbs.add_parser("bench", help="measure; names and --json go to the benches", add_help=False)
    verb = verbs.add_parser("double", help="run one double by itself, and print how to get in")
    verb.add_argument("name", choices=sorted(DOUBLES), metavar="NAME", help=", ".join(sorted(DOUBLES)))
    verb.add_argument(
        "--address",
        default=LOOPBACK,
        help="where it listens: on %(default)s at free ports, on another address at the product's own",
    )
    verbs.add_parser("stop", parents=[common], help="end everything, keep the state")
    verbs.add_parser("reset", parents=[common], help="end everything, forget the state")
    verb = verbs.add_parser("shell", parents=[common], help="enter the master, with salt set up")
    verb.add_argument("-c", dest="command", metavar="COMMAND", help="run one command instead")
    return top


def main() -> int:
    """Run one verb; returns its exit code."""
    chosen, rest = parser().parse_known_args()
    if rest and chosen.verb not in ("test", "bench"):
        parser().error(f"unknown arguments: {' '.join(rest)}")
    interruptible()
    try:
        if chosen.verb in ("test", "bench", "double"):
            # Tests and benches choose their own labs.
            runtime = Runtime(choose(DEFAULT_NETWORK, None, None))
            if chosen.verb == "double":
                return runtime.double(chosen.name, chosen.address)
            return runtime.test(rest) if chosen.verb == "test" else runtime.bench(rest)
        only = chosen.servers.split(",") if chosen.servers else None
        runtime = Runtime(choose(chosen.network, chosen.state, chosen.cache, only))
        if chosen.verb == "up":
            return runtime.up(deploy=not chosen.no_deploy)
        if chosen.verb == "shell":
            return runtime.shell(chosen.command)
        if chosen.verb == "verify":
            return runtime.verify(chosen.json)
        return {"status": runtime.status, "stop": runtime.stop, "reset": runtime.reset}[chosen.verb]()
    except LabError as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
