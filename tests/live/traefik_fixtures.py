"""A real Traefik on free ports of the loopback, with the folder that its file provider watches."""

import contextlib
import json
import pathlib
import subprocess
import sys
import urllib.request

import pytest
import yaml
from database_fixtures import free_port, until

BINARY = pathlib.Path(sys.prefix) / "bin" / "traefik"


class Proxy:
    """One Traefik."""

    def __init__(self, folder):
        self.folder = folder
        self.directory = folder / "dynamic"
        self.directory.mkdir()
        self.api, self.web, self.plain = free_port(), free_port(), free_port()
        self.process = None
        #: Its own default is 2s; shorter, so that a test waits less for what has been written.
        self.throttle = "200ms"
        to = {"to": f":{self.web}", "scheme": "https"}
        self.redirection = {"http": {"redirections": {"entryPoint": to}}}

    @property
    def url(self):
        return f"http://127.0.0.1:{self.api}"

    def start(self):
        settings = {
            "entryPoints": {
                "web": {"address": f"127.0.0.1:{self.plain}", **self.redirection},
                "websecure": {"address": f"127.0.0.1:{self.web}"},
                "traefik": {"address": f"127.0.0.1:{self.api}"},
            },
            "providers": {
                "providersThrottleDuration": self.throttle,
                "file": {"directory": str(self.directory), "watch": True},
            },
            "api": {"insecure": True},
            "accessLog": {"filePath": str(self.folder / "access.log"), "format": "json"},
            "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        }
        file = self.folder / "traefik.yml"
        file.write_text(yaml.safe_dump(settings))
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([BINARY, f"--configFile={file}"], stdout=log, stderr=log)
        until(self.answers, "the start of Traefik")
        return self

    def answers(self):
        with contextlib.suppress(OSError):
            return self.get("/api/version")
        return None

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:
            return json.load(answer)

    def rules(self):
        """The rules of the routers that are loaded from files, by name."""
        found = self.get("/api/rawdata").get("routers") or {}
        return {name.split("@")[0]: row["rule"] for name, row in found.items() if name.endswith("@file")}

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(timeout=10)
            self.process = None


@pytest.fixture
def proxy(tmp_path):
    if not BINARY.exists():
        pytest.fail(f"{BINARY} is missing. Remedy: ./lab test installs it with the extra lab")
    found = Proxy(tmp_path)
    try:
        yield found.start()
    finally:
        found.stop()
