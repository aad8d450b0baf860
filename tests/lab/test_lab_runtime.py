"""The lab itself: what is private, what runs, and that nothing is left of it however it ends."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from salt_itstack.lab import client, packages, specifications
from salt_itstack.lab import mounts as lab_mounts
from salt_itstack.lab.progress import Progress
from salt_itstack.lab.settings import Lab, choose

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root")

CLI = [sys.executable, "-m", "salt_itstack.lab"]
FAILING_UNIT = """\
[Service]
Type=simple
User=nobody
ExecStart=/bin/sh -c 'echo "no such table: parrots" >&2; exit 3'
"""
WORKING_UNIT = """\
[Service]
Type=simple
User=nobody
EnvironmentFile=-/etc/parrot.env
Environment="PERCH=brass ring"
RuntimeDirectory=parrot
ExecStartPre=/bin/sh -c 'echo ready > /run/parrot/before'
ExecStart=/bin/sh -c 'echo "$$PERCH $$COLOUR" > /run/parrot/words; exec sleep 1000'
[Install]
WantedBy=multi-user.target
"""


def options(lab: Lab) -> list[str]:
    """The command line's options that choose a lab."""
    return ["--network", lab.network, "--state", str(lab.state), "--servers", ",".join(lab.servers)]


def command(lab: Lab, verb: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
    """Run one verb of the lab."""
    words = [*CLI, verb, *options(lab), *arguments]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def salt(lab: Lab, *words: str) -> dict:
    """The answers of minions to one function, by name."""
    line = shlex.join(["salt", "--out=json", "--static", *words])
    done = command(lab, "shell", "-c", line, check=False)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def members(lab: Lab) -> set[int]:
    """Every process that belongs to a lab: in its mounts, or started for its state folder."""
    found = set()
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            text = Path("/proc", name, "mountinfo").read_text() + Path("/proc", name, "cmdline").read_text()
        except OSError:
            continue
        if str(lab.state) in text:
            found.add(int(name))
    return found


def mounts() -> list[str]:
    """The machine's mounts."""
    return sorted(line.split(" ", 2)[2] for line in Path("/proc/self/mountinfo").read_text().splitlines())


def wait_for(condition: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not in {seconds} s: {what}"
        time.sleep(0.05)


def servers(lab: Lab) -> dict[str, int]:
    """The first process of each running server."""
    keeper = client.Keeper(lab)
    if not keeper.connect():
        return {}
    try:
        return {name: process for name, process in keeper.order("list")["servers"].items() if process}
    finally:
        keeper.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A running lab of two servers, without anything deployed."""
    found = choose("127.0.61", str(tmp_path_factory.mktemp("lab")), None, ["lab-id1", "lab-db1"])
    before = mounts()
    command(found, "up", "--no-deploy")
    yield found
    command(found, "reset")
    assert not members(found)
    assert mounts() == before
    assert not found.state.exists()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Lab]:
    """A lab of one server that isn't running yet."""
    found = choose("127.0.62", str(tmp_path / "lab"), None, ["lab-db1"])
    yield found
    command(found, "reset", check=False)
    assert not members(found)


@pytest.fixture
def neighbour(tmp_path: Path) -> Iterator[Lab]:
    """Another lab of the same server on the same machine, which isn't running yet either."""
    found = choose("127.0.64", str(tmp_path / "neighbour"), None, ["lab-db1"])
    yield found
    command(found, "reset", check=False)
    assert not members(found)


def test_every_minion_answers(lab: Lab) -> None:
    assert salt(lab, "*", "test.ping") == {"lab-id1": True, "lab-db1": True}


def test_each_server_has_its_own_name_and_master_has_its_own_configuration(lab: Lab) -> None:
    names = salt(lab, "*", "grains.item", "id", "host", "fqdn")
    assert names["lab-db1"] == {"id": "lab-db1", "host": "lab-db1", "fqdn": "lab-db1.it-stack.lab"}
    listed = command(
        lab, "shell", "-c", "cat /etc/salt/master.d/itstack.conf /etc/salt/itstack.d/lab.yaml"
    ).stdout
    assert "ext_pillar" in listed and "127.0.61.12" in listed


@pytest.mark.parametrize("folder", ["/etc", "/var", "/var/lib", "/srv", "/opt", "/run", "/tmp", "/dev/shm"])
def test_what_a_server_writes_is_seen_by_nobody_else(lab: Lab, folder: str) -> None:
    path = f"{folder}/itstack-lab-private"
    assert salt(lab, "lab-db1", "file.touch", path)["lab-db1"] is True
    assert salt(lab, "*", "file.file_exists", path) == {"lab-db1": True, "lab-id1": False}
    assert not Path(path).exists()


def test_machine_data_is_hidden_and_programs_cannot_be_changed(lab: Lab) -> None:
    Path("/var/lib/redis/itstack-lab-machine").touch()
    try:
        told = salt(lab, "*", "file.file_exists", "/var/lib/redis/itstack-lab-machine")
    finally:
        Path("/var/lib/redis/itstack-lab-machine").unlink()
    assert told == {"lab-db1": False, "lab-id1": False}
    assert "Read-only" in str(salt(lab, "lab-db1", "cmd.run", "touch /usr/bin/itstack-lab"))


def test_lab_resolves_names_once_its_directory_server_runs(lab: Lab) -> None:
    assert salt(lab, "lab-id1", "service.start", "knot")["lab-id1"] is True
    found = salt(lab, "*", "cmd.run", "getent ahostsv4 ipa.it-stack.lab")
    assert all(answer.startswith("127.0.61.11 ") for answer in found.values()), found


def test_certificates_are_trusted_inside(lab: Lab) -> None:
    line = "openssl verify -CAfile /etc/ssl/certs/ca-certificates.crt /etc/ssl/itstack/ipa.it-stack.lab.crt"
    assert salt(lab, "lab-id1", "cmd.run", line)["lab-id1"].endswith(": OK")
    assert "it-stack.lab" not in Path("/etc/ssl/certs/ca-certificates.crt").read_text()


def test_service_starts_as_its_unit_file_says_and_stops(lab: Lab) -> None:
    salt(lab, "lab-db1", "file.write", "/etc/systemd/system/parrot.service", WORKING_UNIT)
    salt(lab, "lab-db1", "cmd.run", "echo COLOUR=blue > /etc/parrot.env")
    assert salt(lab, "lab-db1", "service.status", "parrot")["lab-db1"] is False
    changed = salt(lab, "lab-db1", "state.single", "service.running", "name=parrot", "enable=True")["lab-db1"]
    (first,) = changed.values()
    assert first["result"] is True and first["changes"], first
    (second,) = salt(lab, "lab-db1", "state.single", "service.running", "name=parrot", "enable=True")[
        "lab-db1"
    ].values()
    assert second["result"] is True and not second["changes"], second
    words = salt(
        lab, "lab-db1", "cmd.run", "cat /run/parrot/before /run/parrot/words; stat -c %U /run/parrot/words"
    )
    assert words["lab-db1"].splitlines() == ["ready", "brass ring blue", "nobody"]
    assert salt(lab, "lab-db1", "service.enabled", "parrot")["lab-db1"] is True
    assert salt(lab, "lab-db1", "service.stop", "parrot")["lab-db1"] is True
    assert salt(lab, "lab-db1", "service.status", "parrot")["lab-db1"] is False
    assert salt(lab, "lab-db1", "service.disable", "parrot")["lab-db1"] is True
    assert salt(lab, "lab-db1", "service.enabled", "parrot")["lab-db1"] is False


def test_service_that_cannot_start_tells_the_end_of_its_own_log(lab: Lab) -> None:
    salt(lab, "lab-db1", "file.write", "/etc/systemd/system/dead-parrot.service", FAILING_UNIT)
    told = salt(lab, "lab-db1", "service.start", "dead-parrot")["lab-db1"]
    assert "dead-parrot doesn't start" in told and "no such table: parrots" in told
    assert salt(lab, "lab-db1", "service.status", "dead-parrot")["lab-db1"] is False


def test_unknown_service_is_missing(lab: Lab) -> None:
    assert salt(lab, "lab-db1", "service.missing", "no-such-thing")["lab-db1"] is True
    assert "no unit file" in str(salt(lab, "lab-db1", "service.start", "no-such-thing")["lab-db1"])


def test_real_database_servers_run_as_their_own_users_and_reload(lab: Lab) -> None:
    for name in ("postgresql", "redis-server"):
        assert salt(lab, "lab-db1", "service.start", name)["lab-db1"] is True
    users = salt(lab, "lab-db1", "cmd.run", "ps -o user= -C postgres,redis-server | sort -u")["lab-db1"]
    assert users.split() == ["postgres", "redis"]
    assert salt(lab, "lab-db1", "service.reload", "postgresql")["lab-db1"] is True
    for name in ("postgresql", "redis-server"):
        assert salt(lab, "lab-db1", "service.stop", name)["lab-db1"] is True
    assert not salt(lab, "lab-db1", "cmd.run", "pgrep -x postgres; pgrep redis-server")["lab-db1"]


def test_second_up_reuses_what_runs_and_heals_what_died(lab: Lab) -> None:
    before = servers(lab)
    told = command(lab, "up", "--no-deploy").stderr
    assert "started nothing; 3 ran already" in told
    (peak,) = re.findall(r"peak memory (\d+\.\d) GiB$", told, re.MULTILINE)
    assert 0.2 < float(peak) < 2
    assert servers(lab) == before
    os.kill(before["lab-db1"], signal.SIGKILL)
    wait_for(lambda: "lab-db1" not in servers(lab), "the dead server is noticed")
    command(lab, "up", "--no-deploy")
    after = servers(lab)
    assert after["lab-db1"] != before["lab-db1"]
    assert {name: after[name] for name in ("lab-id1", "lab-master")} == {
        name: before[name] for name in ("lab-id1", "lab-master")
    }
    assert salt(lab, "*", "test.ping") == {"lab-id1": True, "lab-db1": True}


def test_changed_code_is_loaded_by_the_next_up_and_unchanged_code_is_left_alone(lab: Lab) -> None:
    def starts() -> dict:
        return salt(lab, "*", "cmd.run", "stat -c %Y /run/itstack-lab; pgrep -o -f bin/salt-minion")

    before = starts()
    command(lab, "up", "--no-deploy")
    assert starts() == before
    # as if it had been written by another version of the code
    assert salt(lab, "lab-db1", "file.write", "/etc/salt/minion-code", "older")["lab-db1"]
    command(lab, "up", "--no-deploy")
    after = starts()
    assert after["lab-id1"] == before["lab-id1"]
    assert after["lab-db1"] != before["lab-db1"]


def test_fingerprint_of_the_code_follows_its_files(tmp_path: Path) -> None:
    (tmp_path / "_modules").mkdir()
    module = tmp_path / "_modules" / "itstack_parrot.py"
    module.write_text("state = 'resting'\n")
    first = specifications.fingerprint(tmp_path)
    assert specifications.fingerprint(tmp_path) == first
    module.write_text("state = 'ceased to be'\n")
    assert specifications.fingerprint(tmp_path) != first


def test_status_shows_processes_and_memory(lab: Lab) -> None:
    shown = command(lab, "status", check=False).stdout
    assert "salt-minion running" in shown and "together" in shown


def test_shell_passes_on_the_exit_code(lab: Lab) -> None:
    assert command(lab, "shell", "-c", "exit 7", check=False).returncode == 7


def test_killing_the_caller_of_a_command_ends_the_command(lab: Lab) -> None:
    words = [*CLI, "shell", *options(lab), "-c", "touch /tmp/itstack-started; exec sleep 977"]
    caller = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def sleepers() -> list[str]:
        done = subprocess.run(["pgrep", "-f", "^sleep 977$"], capture_output=True, text=True, check=False)
        return done.stdout.split()

    wait_for(sleepers, "the command runs")
    caller.kill()
    caller.wait()
    wait_for(lambda: not sleepers(), "the command ends with its caller")
    Path("/tmp/itstack-started").unlink(missing_ok=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted_start_leaves_nothing(small: Lab, number: signal.Signals) -> None:
    before = mounts()
    log = small.state.parent / "up.log"
    with open(log, "wb") as stream:
        running = subprocess.Popen([*CLI, "up", "--no-deploy", *options(small)], stdout=stream, stderr=stream)
    wait_for(lambda: len(servers(small)) == 2, "both servers were started")
    assert members(small)
    running.send_signal(number)
    running.wait(60)
    wait_for(lambda: not members(small), f"everything has ended: {log.read_text()}")
    assert mounts() == before


def test_killing_the_keeper_ends_everything(small: Lab) -> None:
    before = mounts()
    command(small, "up", "--no-deploy")
    keeper = client.Keeper(small)
    assert keeper.connect()
    process = keeper.order("list")["pid"]
    assert len(members(small)) > 4
    os.kill(process, signal.SIGKILL)
    wait_for(lambda: not members(small), "everything has ended")
    assert mounts() == before
    keeper.close()
    assert command(small, "status", check=False).returncode == 3


def test_taken_port_is_told_before_anything_starts(small: Lab) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.62.12", 6379))
        taken.listen()
        done = command(small, "up", "--no-deploy", check=False)
    assert done.returncode == 1
    assert "taken already: 127.0.62.12:6379. Remedy: " in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not members(small)


def test_two_labs_side_by_side_share_nothing_and_one_outlives_the_other(small: Lab, neighbour: Lab) -> None:
    def bring_up(lab: Lab) -> tuple[dict, dict, str]:
        command(lab, "up", "--no-deploy")
        line = "salt-run --out=json itstack.deploy services='[redis]'"
        report = json.loads(command(lab, "shell", "-c", line).stdout)
        line = "salt-run --out=newline_values_only sdb.get sdb://itstack/redis-admin"
        secret = command(lab, "shell", "-c", line).stdout.strip()
        return report, salt(lab, "*", "service.start", "postgresql"), secret

    def look(lab: Lab, other: Lab) -> tuple[str, str, str]:
        name = salt(lab, "lab-db1", "cmd.run", "getent ahostsv4 lab-db1.it-stack.lab")["lab-db1"]
        profile = {"host": f"{other.network}.12", "user": "salt-itstack", "password": "secret://redis-admin"}
        refused = salt(lab, "lab-db1", "itstack_redis.users", f"profile={json.dumps(profile)}")["lab-db1"]
        return name, refused, salt(lab, "lab-db1", "itstack_redis.users")["lab-db1"]

    both = (small, neighbour)
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(bring_up, both))
        seen = list(pool.map(look, both, both[::-1]))
    for report, started, secret in made:
        assert report["failures"] == [] and report["steps"]["redis"] == "done", report
        assert started == {"lab-db1": True}, "a master has its own minion, a minion its own server"
        assert len(secret) >= 20
    assert made[0][2] != made[1][2], "each lab has its own store"
    for lab, other, (name, refused, own) in zip(both, both[::-1], seen):
        assert {row.split()[0] for row in name.splitlines()} == {f"{lab.network}.12"}, name
        assert f"{other.network}.12:6379 may not log in" in refused, refused
        assert "salt-itstack" in own

    before = servers(neighbour)
    command(small, "stop")
    assert not members(small) and servers(neighbour) == before
    one = salt(neighbour, "lab-db1", "cmd.run", "psql -Atc 'select 1'", "runas=postgres")
    assert one == {"lab-db1": "1"}
    assert "salt-itstack" in salt(neighbour, "lab-db1", "itstack_redis.users")["lab-db1"]
    assert command(small, "status", check=False).returncode == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--network", "10.0.50"], "three numbers are needed"),
        (["--network", "127.0.500"], "three numbers are needed"),
        (["--servers", "lab-nowhere"], "no server lab-nowhere"),
    ],
)
def test_wrong_options_are_told_with_the_remedy(arguments: list[str], words: str) -> None:
    done = subprocess.run([*CLI, "up", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert words in done.stderr and "Traceback" not in done.stderr


def test_changes_are_kept_in_memory_where_the_state_folder_is_itself_an_overlay(small: Lab) -> None:
    folder = small.state.parent / "overlay"
    layers = [folder / name for name in ("lower", "upper", "work", "merged")]
    for layer in layers:
        layer.mkdir(parents=True)
    lower, upper, work, merged = layers
    lab = [*("--network", small.network, "--state", str(merged / "s")), *("--servers", "lab-db1")]
    words = shlex.join(CLI)
    script = f"""
        mount -t overlay overlay -o lowerdir={lower},upperdir={upper},workdir={work} {merged} &&
        {words} up --no-deploy {shlex.join(lab)} &&
        {words} shell {shlex.join(lab)} -c "salt lab-db1 file.touch /etc/kept" &&
        ls -A {merged}/s/servers; {words} stop {shlex.join(lab)}
    """
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert "1 servers" in done.stderr and done.returncode == 0, done.stderr
    # the servers' changes lie in the keeper's memory, not in the folder
    assert not list((upper / "s" / "servers").iterdir())


def test_packages_policy_is_taken_back_and_a_foreign_one_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(packages, "POLICY", policy)
    with pytest.raises(ZeroDivisionError), packages.autostart_denied():
        assert subprocess.run([policy], check=False).returncode == 101
        raise ZeroDivisionError
    assert not policy.exists()
    policy.write_text("mine")
    with packages.autostart_denied():
        assert policy.read_text() == "mine"
    assert policy.read_text() == "mine"


def test_download_with_a_wrong_checksum_is_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = choose("127.0.62", str(tmp_path / "state"), str(tmp_path / "cache"))
    fetched: list[Path] = []

    def fetch(_: Lab, target: Path, __: Progress, ___: str) -> bool:
        fetched.append(target)
        target.write_bytes(b"the real thing")
        return True

    monkeypatch.setattr(packages, "_download", fetch)
    path, digest = packages.keycloak(lab, Progress()) or ("", "")
    assert packages.keycloak(lab, Progress()) == (path, digest) and len(fetched) == 1
    Path(path).write_bytes(b"something else")
    assert packages.keycloak(lab, Progress()) == (path, digest) and len(fetched) == 2


def test_failed_download_is_told_in_one_line_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = choose("127.0.62", str(tmp_path / "state"), str(tmp_path / "cache"))
    binary = tmp_path / "bin" / "mvn"
    binary.parent.mkdir()
    binary.write_text(
        "#!/bin/sh\necho '[INFO] Scanning'\necho '[ERROR] '\necho '[ERROR] no such host'\nexit 1\n"
    )
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", f"{binary.parent}:{os.environ['PATH']}")
    assert packages.keycloak(lab, Progress()) is None
    told = [line for line in capsys.readouterr().err.splitlines() if "without Keycloak" in line]
    assert len(told) == 1
    assert ": no such host (all in" in told[0] and "Remedy: " in told[0]
    assert not list(lab.cache.glob("*.zip"))


@pytest.mark.parametrize(
    ("point", "covered"),
    [
        ("/var/lib", True),
        ("/var/log", True),
        ("/opt/tools", True),
        ("/var/lib/itstack-lab/127.0.50/servers", False),
        ("/var/lib/postgresql", False),
        ("/var/lib/postgresql/15/main", False),
        ("/srv/data", False),
        ("/home", False),
    ],
)
def test_file_systems_below_private_folders_are_covered_unless_they_are_hidden(
    monkeypatch: pytest.MonkeyPatch, point: str, covered: bool
) -> None:
    monkeypatch.setattr(os.path, "isdir", lambda path: True)
    monkeypatch.setattr(os, "access", lambda path, mode: True)
    folders = lab_mounts.folders_to_cover(f"36 35 0:31 / {point} rw - ext4 /dev/vdb rw\n")
    assert (point in folders) is covered
    assert set(lab_mounts.PRIVATE_FOLDERS) <= set(folders)


def test_folders_that_only_root_may_enter_are_found_above_the_checkout(tmp_path: Path) -> None:
    outer = Path("/root-closed-for-lab-test")
    checkout = outer / "inner" / "checkout"
    checkout.mkdir(parents=True)
    try:
        outer.chmod(0o700)
        assert lab_mounts.closed_folders([str(checkout), str(outer / "inner" / "other")]) == [str(outer)]
        outer.chmod(0o711)
        assert lab_mounts.closed_folders([str(checkout)]) == []
    finally:
        shutil.rmtree(outer)


def test_checkout_below_a_closed_folder_can_be_read_by_other_users_in_the_tests() -> None:
    outer = Path("/root-closed-for-lab-test")
    checkout = outer / "checkout"
    checkout.mkdir(parents=True)
    (checkout / "word").write_text("spam")
    script = f"""
from salt_itstack.lab import mounts
import os
mounts.own_mounts()
mounts.empty_closed_folders(["{checkout}"])
os.setuid(65534)
print(open("{checkout}/word").read(), os.path.exists("{outer}/secret"))
"""
    try:
        outer.chmod(0o700)
        (outer / "secret").touch()
        before = mounts()
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert done.stdout == "spam False\n", done.stderr
        assert mounts() == before
        assert outer.stat().st_mode & 0o777 == 0o700
    finally:
        shutil.rmtree(outer)
