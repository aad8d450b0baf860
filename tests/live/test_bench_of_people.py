"""The bench over people, with very few of them: what it counts."""

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
    assert row["create_requests"] == 3 and row["change_requests"] == 4
    assert row["create_mib"] > 0 and row["no_op_mib"] > 0 and row["change_mib"] > 0
