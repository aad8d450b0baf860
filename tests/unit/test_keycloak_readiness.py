"""When Keycloak counts as ready: asked of a server that answers what the test says."""

import http.server
import json
import threading

import pytest

from salt_itstack.errors import Unreachable
from salt_itstack.services.keycloak import readiness

DISCOVERY = "/realms/master/.well-known/openid-configuration"


@pytest.fixture
def server():
    """Answers by path: ``answers[path] = (status, body)``; anything else is 404."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = self.server.answers.get(self.path, (404, {"error": "nothing here"}))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_):
            pass

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.answers = {}
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def facts(server):
    port = server.server_address[1]
    return {"address": "127.0.0.1", "url": f"http://127.0.0.1:{port}", "ports": {"management": port}}


def test_ready_is_health_and_discovery(server):
    server.answers = {
        "/health/ready": (200, {"status": "UP", "checks": []}),
        DISCOVERY: (200, {"issuer": "x"}),
    }
    assert readiness(facts(server)) == "Keycloak"


def test_what_is_down_is_named(server):
    down = {
        "status": "DOWN",
        "checks": [{"name": "Database", "status": "DOWN"}, {"name": "x", "status": "UP"}],
    }
    server.answers = {"/health/ready": (503, down), DISCOVERY: (200, {})}
    with pytest.raises(Unreachable, match=r"\(Database\)"):
        readiness(facts(server))


def test_a_server_built_without_health_is_judged_by_its_discovery(server):
    server.answers = {DISCOVERY: (200, {})}
    assert readiness(facts(server)) == "Keycloak"
    server.answers = {}
    with pytest.raises(Unreachable, match="isn't usable"):
        readiness(facts(server))


def test_health_alone_is_not_enough(server):
    server.answers = {"/health/ready": (200, {"status": "UP"}), DISCOVERY: (502, {})}
    with pytest.raises(Unreachable):
        readiness(facts(server))
