"""Clients of a realm by the requests library alone: read once, write on four threads. Prints how many."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

PAGE, THREADS = 100, 4


def main(file: str) -> None:
    wanted = json.loads(Path(file).read_text(encoding="utf-8"))
    server, objects = wanted["server"], wanted["objects"]
    grant = {
        "grant_type": "client_credentials",
        "client_id": server["client_id"],
        "client_secret": server["client_secret"],
    }
    token = requests.post(f"{server['url']}/realms/master/protocol/openid-connect/token", data=grant)
    token.raise_for_status()
    clients = f"{server['url']}/admin/realms/{server['realm']}/clients"
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
    found: dict = {}
    while True:
        page = session.get(clients, params={"first": len(found), "max": PAGE})
        page.raise_for_status()
        found |= {row["clientId"]: row for row in page.json()}
        if len(page.json()) < PAGE:
            break

    def write(client_id: str) -> None:
        if client_id in found:
            identifier = found[client_id]["id"]
            answer = session.put(
                f"{clients}/{identifier}", json={"clientId": client_id, **objects[client_id]}
            )
        else:
            answer = session.post(clients, json={"clientId": client_id, **objects[client_id]})
        answer.raise_for_status()

    differing = [name for name, fields in objects.items() if not same(fields, found.get(name))]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(write, differing))
    print(len(differing))


def same(wanted: object, found: object) -> bool:
    """Whether what is wanted is part of what was found."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return all(same(value, found.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(any(same(one, other) for other in found) for one in wanted)
    return wanted == found


if __name__ == "__main__":
    main(sys.argv[1])
