"""The bench over people, with very few of them: what it counts, and that those it puts in are like others."""

import pytest

from bench import freeipa as bench
from bench.processes import Salt
from salt_itstack.lab.alone import running


@pytest.fixture
def server():
    with running("freeipa", bench.ADDRESS) as (site, about):
        yield bench.Server(site, about)


def test_people_are_measured_by_whole_runs(server, tmp_path):
    folder = tmp_path / "bench"
    folder.mkdir()
    measuring = bench.Bench(folder, tmp_path, lambda told: None)
    row = measuring._row(measuring._salt(server, "pack"), 2, server)
    assert (row["tool"], row["count"], row["no_op_requests"], row["no_op_changed"]) == (Salt.name, 2, 2, 0)
    # Those that are put into the directory are what was declared, and lack nothing that the interface gives.
    people = bench.declared(4)
    server.fill({name: people[name] for name in ("person00000", "person00002", "person00003")})
    salt = measuring._salt(server, "filled")
    salt.declare({**people, "person00001": bench.declared(2, changed=True)["person00001"]})
    assert salt.run(server.requests).changed == 0
    made, put = (_attributes(server, name) for name in ("person00001", "person00003"))
    assert put.keys() == made.keys()
    assert sorted(put["objectclass"]) == sorted(made["objectclass"])
    assert made["memberof_group"] == put["memberof_group"] == ["ipausers"]


def _attributes(server, name):
    from salt_itstack.services.freeipa.api import FreeIPA

    api = FreeIPA(**server.account)
    try:
        return api.call("user_show", [name], {"all": True})["result"]
    finally:
        api.close()
