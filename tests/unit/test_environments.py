"""Environments of other people's programs: installed once, and told with the remedy where they can't be."""

import pytest

from salt_itstack.lab.environments import Environment
from salt_itstack.lab.errors import LabError


def test_what_pip_would_miss_is_told_before_anything_is_made(tmp_path):
    wanted = Environment(("some-client==1.0",), {"itstack-no-such-config": "libsome-dev", "sh": "dash"})
    with pytest.raises(LabError, match=r"some-client==1\.0 .* Remedy: apt-get install libsome-dev,"):
        wanted.provide(tmp_path, pytest.fail)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_installation_is_told_with_the_remedy_and_tried_again(tmp_path):
    wanted, told = Environment(("not a requirement",)), []
    for attempt in (1, 2):
        with pytest.raises(LabError, match=r"(?s)not a requirement ended with 1.*Remedy: mend the network"):
            wanted.provide(tmp_path / "cache", told.append)
        assert len(told) == attempt


def test_a_finished_one_is_used_as_it_is_and_another_version_is_not(tmp_path):
    wanted = Environment(("client==1.0", "helper==2.0"))
    folder = wanted.folder(tmp_path)
    folder.mkdir()
    (folder / ".complete").touch()
    assert wanted.provide(tmp_path, pytest.fail) == folder
    assert Environment(("client==1.1", "helper==2.0")).folder(tmp_path) != folder
