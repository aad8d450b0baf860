"""The pack loads through Salt itself, from a wheel and from a checkout, with and without its extras."""

import configparser
import json
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import textwrap

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVICES = ("freeipa", "keycloak", "mattermost", "nextcloud", "postgresql", "redis", "traefik")

#: Asks Salt's own loaders, and prints what they found.
LOOK = """
import json, pathlib, sys

BLOCKED = set(json.loads(sys.argv[1]))


class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Blocked())

import salt.config
import salt.loader

import salt_itstack
from salt_itstack.errors import ItstackError
from salt_itstack.loader import folder
from salt_itstack.master import configuration
from salt_itstack.services.freeipa import directory
from salt_itstack.stack import load


def files(kind):
    # Salt's loading leaves compiled copies beside an SLS that is written in Python
    found = (path for path in folder(kind).rglob("*") if path.is_file() and path.suffix != ".pyc")
    return sorted(str(path.relative_to(folder(kind))) for path in found)


work = pathlib.Path(sys.argv[2])
opts = salt.config.minion_config(None, minion_id="test-minion")
opts.update(
    file_client="local", grains={}, pillar={}, test=False, root_dir=str(work), cachedir=str(work / "cache"),
    pki_dir=str(work / "pki"), conf_file=str(work / "minion"), extension_modules=str(work / "extmods"),
)
master = salt.config.master_config(None)
master.update(
    cachedir=str(work / "cache"), conf_file=str(work / "master"), pki_dir=str(work / "pki"),
    extension_modules=str(work / "extmods"),
)
(work / "pki").mkdir(exist_ok=True)
modules = salt.loader.minion_mods(opts)
utils = salt.loader.utils(opts)
states = salt.loader.states(opts, modules, utils, salt.loader.serializers(opts))
runners = salt.loader.runner(master)


def told(function, **arguments):
    try:
        return repr(function(**arguments))
    except ItstackError as error:
        return str(error)


nowhere = {"host": "127.0.0.1", "port": 1, "url": "http://127.0.0.1:1", "user": "u", "password": "p"}
print(json.dumps({
    "place": str(pathlib.Path(salt_itstack.__file__).parent),
    "version": modules["itstack.version"](),
    "modules": sorted({name.split(".")[0] for name in modules if name.startswith("itstack")}),
    "states": sorted({name.split(".")[0] for name in states if name.startswith("itstack")}),
    "needs_ready": "itstack.needs_ready" in states,
    "runner": sorted(name for name in runners if name.startswith("itstack.")),
    "secrets": sorted(runners["itstack.secrets"]()),
    "pillar": "itstack" in salt.loader.pillars(master, modules),
    "tops": "itstack" in salt.loader.tops({**master, "master_tops": {"itstack": True}}),
    "sdb": "itstack.get" in salt.loader.sdb(master, utils=utils),
    "output": "itstack_matrix" in salt.loader.outputters(master),
    "sls": files("sls"),
    "orchestrate": files("orchestrate"),
    "reactor": files("reactor"),
    "beacon": "itstack.beacon" in salt.loader.beacons(opts, modules),
    "engine": "itstack_hook.start" in salt.loader.engines(master, {}, {}, {}),
    "roots": configuration()["file_roots"]["base"][1:],
    "integrations": len(load().integrations),
    "ldap": told(directory.accepts, url="ldaps://127.0.0.1:1", dn="uid=x", password="p", timeout=1),
    "psycopg": told(modules["itstack_postgresql.role_apply"], name="x", test=True, profile=nowhere),
    "redis": told(modules["itstack_redis.user_apply"], name="x", test=True, profile=nowhere),
}))
"""


def look(python, folder, block=(), cwd=None):
    """What Salt finds with this Python, in a process of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "look.py"
    script.write_text(textwrap.dedent(LOOK))
    done = subprocess.run(
        [python, "-B", str(script), json.dumps(list(block)), str(folder)],
        capture_output=True, text=True, cwd=cwd or folder, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of what is packaged, so that nothing is built into the checkout, or out of an old build."""
    target = tmp_path_factory.mktemp("source")
    for path in ROOT.iterdir():
        if path.name.startswith(("_", "salt_itstack", "states", "orchestrate", "reactor")) and path.is_dir():
            if not path.name.endswith((".egg-info", "__pycache__")):
                shutil.copytree(path, target / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(path, target)
    return target


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    """The wheel, as the build backend makes it."""
    target = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), str(source)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = target.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The Python of a new environment with the wheel in it, and Salt from the environment of the tests."""
    environment = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True, timeout=60)
    python = environment / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index",
         "--no-deps", "--disable-pip-version-check", str(wheel)],
        check=True, timeout=120,
    )  # fmt: skip
    (packages,) = environment.glob("lib/python*/site-packages")
    # A folder that is named here isn't searched for further .pth files: the checkout stays out.
    (packages / "salt.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return str(python)


@pytest.fixture(scope="module")
def from_wheel(installed, tmp_path_factory):
    return look(installed, tmp_path_factory.mktemp("look") / "wheel")


@pytest.fixture(scope="module")
def from_checkout(tmp_path_factory):
    return look(sys.executable, tmp_path_factory.mktemp("look") / "checkout")


@pytest.fixture(params=["wheel", "checkout"])
def found(request):
    return request.getfixturevalue(f"from_{request.param}")


def test_each_comes_from_where_it_should(from_wheel, from_checkout):
    assert from_checkout["place"] == str(ROOT / "salt_itstack")
    assert "site-packages" in from_wheel["place"]
    assert all(root.startswith(from_wheel["place"]) for root in from_wheel["roots"])


def test_salt_loads_modules_and_states_of_every_service(found):
    wanted = ["itstack", "itstack_link", "itstack_webhook", *(f"itstack_{service}" for service in SERVICES)]
    assert found["modules"] == found["states"] == sorted(wanted)
    assert found["version"] and found["needs_ready"]


def test_salt_loads_the_masters_plugins(found):
    for name in (
        "deploy",
        "status",
        "secrets",
        "preflight",
        "prove",
        "graph",
        "config",
        "secret_import",
        "remediate",
    ):
        assert f"itstack.{name}" in found["runner"]
    assert "keycloak-admin" in found["secrets"]
    assert found["pillar"] and found["tops"] and found["sdb"] and found["output"]
    assert found["beacon"] and found["engine"]


def test_private_names_are_no_functions_of_the_runner(found):
    assert not [name for name in found["runner"] if name.split(".")[1].startswith("_")]


def test_the_map_is_part_of_the_package(found):
    assert found["integrations"] == 58


def test_sls_and_orchestration_are_part_of_the_package(found):
    expected = {
        str(path.relative_to(ROOT / "states")) for path in (ROOT / "states").rglob("*") if path.is_file()
    }
    assert set(found["sls"]) == expected
    assert {f"itstack/{service}/init.sls" for service in SERVICES} <= expected
    assert found["orchestrate"] == ["itstack/deploy.sls"]
    assert found["reactor"] == ["itstack/enforced.sls", "itstack/made.sls", "itstack/wrong.sls"]
    assert all(pathlib.Path(root).is_absolute() for root in found["roots"]) and len(found["roots"]) == 2


@pytest.mark.parametrize("place", ["wheel", "checkout"])
def test_everything_else_loads_without_the_extras(place, request, tmp_path):
    python = request.getfixturevalue("installed") if place == "wheel" else sys.executable
    whole = request.getfixturevalue(f"from_{place}")
    bare = look(python, tmp_path / "bare", block=("ldap", "psycopg", "redis", "supervisor", "rich", "jwt"))
    answers = ("ldap", "psycopg", "redis")
    assert {key: value for key, value in bare.items() if key not in answers} == {
        key: value for key, value in whole.items() if key not in answers
    }
    for library, package in (("ldap", "python-ldap"), ("psycopg", "psycopg"), ("redis", "redis")):
        assert package in bare[library] and "Remedy" in bare[library], bare[library]
        assert "install" in bare[library].split("Remedy")[1], bare[library]
        assert bare[library] != whole[library]


def test_the_list_of_packages_is_the_tree():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = set(setup["options"]["packages"].split())
    places = dict(line.split(" = ") for line in setup["options"]["package_dir"].strip().splitlines())
    tree = {
        ".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "salt_itstack").rglob("__init__.py")
    }
    tree |= {f"salt_itstack.{path.name[1:]}" for path in ROOT.glob("_*") if any(path.glob("itstack*.py"))}
    # Folders of files that aren't Python packages.
    tree |= {"salt_itstack.sls", "salt_itstack.orchestrate", "salt_itstack.reactor", "salt_itstack.lab.salt"}
    assert listed == tree
    for name in listed:
        below = pathlib.Path(*name.split("."))
        assert (ROOT / places.get(name, below)).is_dir(), name


def test_every_file_of_the_package_is_in_the_wheel(wheel, source):
    import zipfile

    inside = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("salt_itstack/")}
    tree = {str(path.relative_to(source)) for path in (source / "salt_itstack").rglob("*") if path.is_file()}
    assert tree <= inside, tree - inside
    assert not [name for name in inside if name.endswith(".pyc")]


def test_each_extra_that_the_messages_name_exists():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert {"ldap", "postgresql", "redis", "lab", "test"} <= set(setup["options.extras_require"])
