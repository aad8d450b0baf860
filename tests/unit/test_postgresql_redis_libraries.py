"""Without the client libraries everything loads, readiness works, and a call names the remedy."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys
sys.modules[{library!r}] = None
from salt_itstack.errors import Unsupported
from salt_itstack.services import {service}
from salt_itstack.services.{service} import probe
from salt_itstack.services.{service}.api import {client}
for call in (lambda: {client}({{}}), lambda: probe.{probe}("127.0.0.1", 1, *{arguments})):
    try:
        call()
    except Unsupported as error:
        assert "salt-pip install 'salt-itstack[{service}]'" in str(error), error
    else:
        raise SystemExit("it was called all the same")
print({service}.readiness)
"""


@pytest.mark.parametrize(
    ("library", "service", "client", "probe", "arguments"),
    [
        ("psycopg", "postgresql", "PostgreSQL", "probe_database", ("a", "b", "c")),
        ("redis", "redis", "Redis", "probe_key_space", ("a", "b")),
    ],
)
def test_a_call_without_the_library_names_the_remedy(library, service, client, probe, arguments):
    script = SCRIPT.format(library=library, service=service, client=client, probe=probe, arguments=arguments)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "readiness" in done.stdout
