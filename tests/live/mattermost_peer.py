"""What a Mattermost talks to by itself: receivers of outgoing hooks, and an OAuth provider."""

import http.server
import json
import threading

_KEPT = ("User-Agent", "Accept", "Authorization", "Content-Type")


class Peer:
    """Keeps what it's sent; answers hooks with a post, and the provider's paths with what is set."""

    def __init__(self):
        self.claims, self.token_type = {}, "bearer"
        self.taken, self.changed = [], threading.Condition()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                outer.serve(self)

            do_GET = do_POST

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def serve(self, request):
        """Keep one request and answer it."""
        body = request.rfile.read(int(request.headers["Content-Length"] or 0)).decode()
        kept = {name: request.headers[name] for name in _KEPT if request.headers[name]}
        with self.changed:
            self.taken.append(
                {"method": request.command, "path": request.path, "headers": kept, "body": body}
            )
            self.changed.notify_all()
        answer = {
            "/token": {"access_token": "at-1", "token_type": self.token_type, "expires_in": 300},
            "/userinfo": self.claims,
        }.get(request.path, {"text": "answer from hook"})
        content = json.dumps(answer).encode()
        request.send_response(200)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def next(self, count=1):
        """The next that were taken and not yet asked for."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.taken) >= count, timeout=10), "nothing was sent"
            found, self.taken = self.taken[:count], self.taken[count:]
            return found

    def close(self):
        self.server.shutdown()
        self.server.server_close()
