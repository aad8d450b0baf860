"""
Does the commands of FreeIPA's own ipalib and ipaclient that it reads, each a line of JSON, and prints what
came of each.

Runs where those packages are, and nothing of this project. They know no passwords: a session of the server's
page for passwords takes the place of a Kerberos ticket.
"""

import json
import sys

import requests
from ipalib import api, errors, rpc
from ipalib.request import context

FOLDER, HOST, AUTHORITY, DOMAIN = sys.argv[1:]


def log_in(user: str, password: str) -> str:
    """A session of the server, as a cookie."""
    answer = requests.post(
        f"https://{HOST}/ipa/session/login_password",
        data={"user": user, "password": password},
        headers={"Referer": f"https://{HOST}/ipa"},
        verify=AUTHORITY,
        timeout=30,
    )
    answer.raise_for_status()
    return f"ipa_session={answer.cookies['ipa_session']}"


def connect(user: str, password: str) -> None:
    """Make the client know the server, and all its commands."""
    api.bootstrap(
        context="tests",
        confdir=FOLDER,
        cache_dir=FOLDER,
        domain=DOMAIN,
        realm=DOMAIN.upper(),
        basedn=",".join(f"dc={part}" for part in DOMAIN.split(".")),
        host=HOST,
        server=HOST,
        jsonrpc_uri=f"https://{HOST}/ipa/session/json",
        rpc_protocol="jsonrpc",
        tls_ca_cert=AUTHORITY,
        fallback=False,
    )
    # Which servers a domain has it asks the name server, which knows nothing of this one.
    rpc.RPCClient.get_url_list = lambda self, url: [url]
    context.session_cookie = log_in(user, password)
    api.finalize()
    api.Backend.rpcclient.connect()


def switches() -> dict[str, dict[str, object]]:
    """What it sends by itself with each command, whatever it is given."""
    return {
        command.name: {
            option.name: option.default
            for option in command.options()
            if option.autofill and option.default is not None
        }
        for command in api.Command()
    }


def main() -> None:
    for line in sys.stdin:
        name, arguments, options = json.loads(line)
        try:
            run = {"connect": connect, "switches": switches}.get(name) or api.Command[name]
            answer = {"result": run(*arguments, **options)}
        except errors.PublicError as error:
            answer = {"raised": type(error).__name__, "code": error.errno, "told": str(error)}
        print(json.dumps(answer, default=str), flush=True)


main()
