"""A tiny OpenID provider for the tests of the Nextcloud double: it signs what the test tells it to claim."""

import base64
import hashlib
import http.server
import json
import secrets
import threading
import time
import urllib.parse

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa


class Provider:
    """Serves discovery, keys and tokens on 127.0.0.1; ``requests`` keeps the token requests it saw."""

    def __init__(self, port, client_id="nc", secret="client secret of the tests"):
        self.port = port
        self.address = f"http://127.0.0.1:{port}"
        self.issuer = f"{self.address}/realms/x"
        self.client_id = client_id
        self.secret = secret
        self.requests = []
        self.codes = {}
        self.server = None
        self.new_key()

    def new_key(self):
        """Sign with a new key from now on."""
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.key_id = secrets.token_hex(8)

    def discovery(self):
        """The discovery document."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/auth",
            "token_endpoint": f"{self.address}/token",
            "jwks_uri": f"{self.address}/keys",
            "end_session_endpoint": f"{self.address}/end",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def keys(self):
        """The key set."""
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**public, "kid": self.key_id, "use": "sig", "alg": "RS256"}]}

    def authorize(self, location, claims, **overrides):
        """A person with ``claims`` agrees to the request at ``location``. Returns the (state, code) to go
        back with."""
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(location).query))
        now = int(time.time())
        token = {
            "iss": self.issuer,
            "aud": self.client_id,
            "exp": now + 300,
            "iat": now,
            "nonce": query["nonce"],
            **claims,
            **overrides,
        }
        code = secrets.token_urlsafe(16)
        self.codes[code] = (self.sign(token), query)
        return query["state"], code

    def sign(self, token):
        """A signed token."""
        return jwt.encode(token, self.key, algorithm="RS256", headers={"kid": self.key_id})

    def exchange(self, authorization, form):
        """(status, answer) of the token endpoint; the secret and the code verifier are really checked."""
        expected = "Basic " + base64.b64encode(f"{self.client_id}:{self.secret}".encode()).decode()
        if authorization != expected:
            return 401, {"error": "invalid_client", "error_description": "Invalid client credentials"}
        if form.get("code") not in self.codes:
            return 400, {"error": "invalid_grant", "error_description": "Code not valid"}
        token, query = self.codes.pop(form["code"])
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if challenge != query.get("code_challenge") or form.get("redirect_uri") != query["redirect_uri"]:
            return 400, {"error": "invalid_grant", "error_description": "PKCE verification failed"}
        return 200, {"access_token": "opaque", "token_type": "Bearer", "id_token": token}

    def start(self):
        """Listen."""
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                found = {
                    "/realms/x/.well-known/openid-configuration": provider.discovery(),
                    "/lacks/.well-known/openid-configuration": {"issuer": provider.issuer},
                    "/keys": provider.keys(),
                }.get(self.path)
                self.answer(404 if found is None else 200, found)

            def do_POST(self):
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = dict(urllib.parse.parse_qsl(text))
                provider.requests.append(form)
                self.answer(*provider.exchange(self.headers.get("Authorization"), form))

            def answer(self, status, value):
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        """Listen no longer."""
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None
