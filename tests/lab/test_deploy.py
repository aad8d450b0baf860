"""The main job: from nothing to nine proved integrations, and what a second run and a dry run say."""

from __future__ import annotations

import json

from fleet import changes

PROVED = {
    "freeipa-keycloak",
    "keycloak-nextcloud",
    "postgresql-keycloak",
    "postgresql-nextcloud",
    "redis-nextcloud",
    "postgresql-mattermost",
    "taiga-mattermost",
    "traefik-nextcloud",
    "traefik-mattermost",
}


def test_every_step_of_the_first_run_succeeds(deployed):
    failed = {
        name: (step["comment"], step["changes"])
        for name, step in deployed.first.items()
        if step["result"] is False
    }
    assert not failed
    assert {"preflight", "freeipa", "postgresql", "redis", "keycloak", "nextcloud"} <= set(deployed.first)


def test_services_start_in_the_order_of_their_needs(deployed):
    begun = {name: step["start_time"] for name, step in deployed.first.items() if "start_time" in step}
    assert (
        begun["preflight"] < begun["freeipa"] < begun["postgresql"] < begun["keycloak"] < begun["nextcloud"]
    )
    assert begun["redis"] < begun["nextcloud"]


def test_a_dry_run_from_nothing_predicts_exactly_the_first_run(deployed):
    predicted, made = changes(deployed.predicted), changes(deployed.first)
    assert sorted(predicted) == sorted(made)
    ours = [name for name in made if _is_ours(deployed.first, name)]
    assert ours, "no state of ours changed anything"
    assert {name: predicted[name] for name in ours} == {name: made[name] for name in ours}


def _is_ours(steps, name):
    minion, identifier = name.split(" ", 1)
    for step in steps.values():
        returned = (step.get("changes") or {}).get("ret") or {}
        for key, state in (returned.get(minion) or {}).items() if isinstance(returned, dict) else ():
            if state["__id__"] == identifier:
                return key.startswith("itstack")
    return False


def test_a_dry_run_changes_nothing(deployed):
    # It ran on an empty fleet, and the first real run afterwards still found all of it to do.
    assert len(changes(deployed.first)) > 20


def test_the_second_run_changes_nothing_and_the_matrix_is_proved(deployed):
    done = deployed.inside("lab-master", "salt-run", "--out=json", "itstack.deploy", timeout=600)
    report = json.loads(done.stdout)
    assert report["failures"] == []
    assert report["changes"] == 0
    assert {row["id"] for row in report["rows"] if row["state"] == "works"} == PROVED
    assert done.returncode == 0
    # Progress goes to standard error, a line when a service starts and one when it's ready.
    assert "keycloak on lab-id1: ready, no changes" in done.stderr


def test_rows_say_when_and_against_what(deployed):
    rows = deployed.rows(fresh=False)
    assert len(rows) == 58
    assert {row["state"] for name, row in rows.items() if name not in PROVED} <= {
        "not deployed",
        "not applicable",
    }
    row = rows["keycloak-nextcloud"]
    assert row["proved_at"]
    assert row["against"].startswith("Keycloak 26.")
    assert "double" in row["against"], "a row that ran on a double has to say so"
    assert "double" not in rows["postgresql-keycloak"]["against"]


def test_the_login_went_through_the_real_page_as_a_person_of_the_directory(deployed):
    proof = deployed.call("lab-app1", "itstack.probe", "integrations=['keycloak-nextcloud']")[
        "keycloak-nextcloud"
    ]
    assert proof["state"] == "works", proof
    assert "itstack-probe logged in" in proof["reason"] and "users" in proof["reason"]
