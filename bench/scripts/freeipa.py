"""People of FreeIPA by the requests library alone: read once, write by hundreds. Prints how many."""

import json
import sys
from pathlib import Path

import requests

SLICE = 100


def main(file: str) -> None:
    wanted = json.loads(Path(file).read_text(encoding="utf-8"))
    server, objects = wanted["server"], wanted["objects"]
    address = f"https://{server['host']}/ipa"
    session = requests.Session()
    # A bundle that the environment names would win over the server's own.
    session.trust_env = False
    session.verify = server["ca"]
    session.headers["Referer"] = address
    login = {"user": server["user"], "password": server["password"]}
    session.post(f"{address}/session/login_password", data=login).raise_for_status()

    def call(method: str, args: list, **options: object) -> dict:
        content = {"method": method, "params": [args, {"version": "2.254", **options}], "id": 0}
        answer = session.post(f"{address}/session/json", json=content)
        answer.raise_for_status()
        assert not answer.json()["error"], answer.json()["error"]
        return answer.json()["result"]

    rows = call("user_find", [], all=True, sizelimit=0, timelimit=0)["result"]
    found = {row["uid"][0]: row for row in rows}
    calls = []
    for name, fields in objects.items():
        if name not in found:
            calls.append({"method": "user_add", "params": [[name], fields]})
        elif changed := {key: value for key, value in fields.items() if found[name].get(key) != [value]}:
            calls.append({"method": "user_mod", "params": [[name], changed]})
    for start in range(0, len(calls), SLICE):
        for row in call("batch", [calls[start : start + SLICE]])["results"]:
            assert not row["error"], row
    print(len(calls))


if __name__ == "__main__":
    main(sys.argv[1])
