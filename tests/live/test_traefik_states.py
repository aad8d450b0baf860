"""Documents of Traefik, against the real one."""

import copy
import socket
import ssl

import pytest
import yaml
from database_fixtures import Salt, assert_converges, until

from salt_itstack.errors import Unreachable
from salt_itstack.lab.authority import Authority
from salt_itstack.services.traefik import readiness

pytest_plugins = ("database_fixtures", "traefik_fixtures")


def document(rule="Host(`wiki.test`)", name="wiki", **router):
    return {
        "http": {
            "routers": {
                name: {
                    "rule": rule,
                    "entryPoints": ["websecure"],
                    "service": name,
                    "middlewares": [name],
                    **router,
                }
            },
            "services": {name: {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:1"}]}}},
            "middlewares": {name: {"headers": {"stsSeconds": 60}}},
        }
    }


class Traefik(Salt):
    """The states, on the proxy's own folder."""

    def __init__(self, proxy):
        super().__init__("traefik", {"url": proxy.url})
        self.proxy = proxy

    def present(self, name="wiki", wanted=None, test=False, **more):
        more.setdefault("directory", str(self.proxy.directory))
        wanted = document() if wanted is None else wanted
        return self.state("document_present", name, test=test, document=wanted, group="root", **more)

    def absent(self, name="wiki", test=False):
        return self.state("document_absent", name, test=test, directory=str(self.proxy.directory))

    def file(self, name="wiki"):
        return self.proxy.directory / f"itstack-{name}.yml"


@pytest.fixture
def salt(proxy):
    return Traefik(proxy)


def test_a_document_is_written_loaded_and_left_alone_then(salt, proxy):
    made = assert_converges(
        salt, "document_present", "wiki",
        document=document(), group="root", directory=str(proxy.directory),
    )  # fmt: skip
    assert made == {"document": {"old": None, "new": document()}}
    assert proxy.rules() == {"wiki": "Host(`wiki.test`)"}
    assert salt.file().stat().st_mode & 0o777 == 0o640
    assert [path.name for path in proxy.directory.iterdir()] == ["itstack-wiki.yml"]


def test_a_change_and_drift_by_hand_are_put_right(salt, proxy):
    salt.present()
    changed = salt.present(wanted=document("Host(`other.test`)"))
    assert changed["changes"]["document"]["new"] == document("Host(`other.test`)")
    assert proxy.rules() == {"wiki": "Host(`other.test`)"}
    salt.file().write_text(yaml.safe_dump(document("Host(`elsewhere.test`)")))
    until(lambda: proxy.rules() == {"wiki": "Host(`elsewhere.test`)"}, "the overwritten file is served")
    drift = salt.call(
        "document_drift", "wiki", document("Host(`other.test`)"), directory=str(proxy.directory)
    )
    assert drift["document"]["old"] == document("Host(`elsewhere.test`)")
    predicted = salt.present(wanted=document("Host(`other.test`)"), test=True)
    put_back = salt.present(wanted=document("Host(`other.test`)"))
    assert put_back["result"] is True and put_back["changes"] == predicted["changes"] == drift
    assert proxy.rules() == {"wiki": "Host(`other.test`)"}


@pytest.mark.parametrize("by_hand", ["", "{", "a: [", "http: {}\n"])
def test_whatever_was_made_of_the_file_it_is_put_back(salt, proxy, by_hand):
    salt.present()
    salt.file().write_text(by_hand)
    assert salt.present()["result"] is True
    # Traefik may still be at what was there in between, and read ours right after it.
    until(lambda: salt.present()["changes"] == {}, "the settling of the proxy")
    assert proxy.rules() == {"wiki": "Host(`wiki.test`)"}


def test_a_deleted_file_is_made_anew(salt, proxy):
    salt.present()
    salt.file().unlink()
    assert salt.present()["changes"]["document"]["old"] is None
    assert proxy.rules() == {"wiki": "Host(`wiki.test`)"}


def test_removal_works_once(salt, proxy):
    salt.present()
    assert salt.absent(test=True)["result"] is None and salt.file().exists()
    assert salt.absent()["changes"] == {"wiki": {"old": "present", "new": "absent"}}
    assert proxy.rules() == {}
    assert (salt.absent()["result"], salt.absent()["changes"]) == (True, {})


def test_what_traefik_refuses_is_put_back_with_its_reason(salt, proxy):
    salt.present()
    refused = salt.present(wanted=document("Host(wiki.test"))
    assert refused["result"] is False and refused["changes"] == {}
    assert "Traefik refuses wiki" in refused["comment"] and "as it was before" in refused["comment"]
    assert yaml.safe_load(salt.file().read_text()) == document()
    until(lambda: proxy.rules() == {"wiki": "Host(`wiki.test`)"}, "the old route is served again")
    fresh = salt.present("other", document("Host(`other.test`)", "other", entryPoints=["nowhere"]))
    assert fresh["result"] is False and "nowhere" in fresh["comment"] and not salt.file("other").exists()


def test_somebody_elses_bad_file_is_named_and_left_alone(salt, proxy):
    salt.present()
    bad = proxy.directory / "by-hand.yml"
    bad.write_text("http:\n  routers: [\n")
    stuck = salt.present("other", document("Host(`other.test`)", "other"))
    assert stuck["result"] is False and "by-hand.yml" in stuck["comment"], stuck["comment"]
    assert not salt.file("other").exists() and bad.read_text() == "http:\n  routers: [\n"
    assert proxy.rules() == {"wiki": "Host(`wiki.test`)"}, "what was loaded goes on"
    bad.unlink()
    assert salt.present("other", document("Host(`other.test`)", "other"))["result"] is True


def test_a_name_of_another_file_is_a_conflict_before_anything_is_written(salt, proxy):
    foreign = proxy.directory / "by-hand.yml"
    foreign.write_text(yaml.safe_dump(document("Host(`hand.test`)")))
    refused = salt.present()
    assert refused["result"] is False and "wiki is defined in by-hand.yml already" in refused["comment"]
    assert not salt.file().exists() and yaml.safe_load(foreign.read_text()) == document("Host(`hand.test`)")


@pytest.fixture
def certificate(tmp_path):
    """Writes a new certificate and its key for a name, and returns the document's part with them."""
    made = iter(range(10))

    def issue(name="wiki.test", key=True):
        pair = Authority(tmp_path / f"authority-{next(made)}", "test").issue(name, [])
        (tmp_path / "wiki.crt").write_text(pair[0])
        if key:
            (tmp_path / "wiki.key").write_text(pair[1])
        files = {"certFile": str(tmp_path / "wiki.crt"), "keyFile": str(tmp_path / "wiki.key")}
        return {**document(), "tls": {"certificates": [files]}}

    return issue


def served(proxy, name="wiki.test"):
    """The certificate that a browser is shown."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", proxy.web), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=name) as secure,
    ):
        return ssl.DER_cert_to_PEM_cert(secure.getpeercert(binary_form=True))


def secured(wanted):
    wanted["http"]["routers"]["wiki"]["tls"] = {}
    return wanted


def test_a_replaced_certificate_is_drift_until_it_is_served(salt, proxy, certificate, tmp_path):
    wanted = secured(certificate())
    assert salt.present(wanted=wanted)["result"] is True and salt.present(wanted=wanted)["changes"] == {}
    first = served(proxy)
    certificate()
    drift = salt.call("document_drift", "wiki", wanted, directory=str(proxy.directory))
    changes = {"certificates": {"old": "as they were", "new": [str(tmp_path / "wiki.crt")]}}
    assert drift == salt.present(wanted=wanted, test=True)["changes"] == changes
    again = salt.present(wanted=wanted)
    assert again["result"] is True and again["changes"] == changes
    assert served(proxy) != first and (tmp_path / "wiki.crt").read_text().startswith(served(proxy))
    assert salt.present(wanted=wanted)["changes"] == {}
    (told,) = salt.call("certificates").values()
    assert told["sans"] == ["wiki.test"]


def test_a_certificate_that_traefik_cannot_serve_is_refused_and_the_file_put_back(salt, proxy, certificate):
    absent = secured(certificate())
    absent["tls"]["certificates"][0]["keyFile"] += ".none"
    refused = salt.present(wanted=absent)
    assert refused["result"] is False and "wiki.key.none isn't there" in refused["comment"]
    assert not salt.file().exists()
    salt.present()
    foreign = secured(certificate(key=False))
    refused = salt.present(wanted=foreign)
    assert refused["result"] is False and refused["changes"] == {}
    assert "doesn't serve" in refused["comment"] and "belong together" in refused["comment"]
    assert yaml.safe_load(salt.file().read_text()) == document()


def test_what_a_document_does_not_say_any_more_is_gone_when_the_state_ends(salt, proxy):
    both = document()
    both["http"]["routers"]["second"] = {"rule": "Host(`second.test`)", "service": "wiki", "priority": 7}
    both["http"]["routers"]["wiki"]["priority"] = 99
    salt.present(wanted=both)
    assert salt.present()["result"] is True
    assert proxy.rules() == {"wiki": "Host(`wiki.test`)"}
    assert proxy.get("/api/http/routers/wiki@file")["priority"] == len("Host(`wiki.test`)")


def test_a_router_that_loses_its_middleware_is_seen_to_have_lost_it(salt, proxy):
    wanted = document()
    salt.present(wanted=wanted)
    del wanted["http"]["routers"]["wiki"]["middlewares"]
    assert salt.present(wanted=wanted)["result"] is True
    assert "middlewares" not in proxy.get("/api/http/routers/wiki@file")
    wanted["http"]["services"]["wiki"]["loadBalancer"]["healthCheck"] = {"path": "/", "interval": "90s"}
    assert salt.present(wanted=wanted)["result"] is True
    loaded = proxy.get("/api/http/services/wiki@file")["loadBalancer"]["healthCheck"]
    assert loaded["interval"] == "1m30s" and salt.present(wanted=wanted)["changes"] == {}


def test_a_removal_that_traefik_does_not_see_is_put_back(salt, proxy):
    salt.present()
    content = salt.file().read_bytes()
    bad = proxy.directory / "by-hand.yml"
    bad.write_text("http: {middlewares: {mine: {headers: {stsSecond: 60}}}}\n")
    stuck = salt.absent()
    assert stuck["result"] is False and stuck["changes"] == {} and "by-hand.yml" in stuck["comment"]
    assert salt.file().read_bytes() == content and proxy.rules() == {"wiki": "Host(`wiki.test`)"}
    bad.unlink()
    assert salt.absent()["result"] is True and proxy.rules() == {}


def test_routers_version_and_errors_are_told(salt, proxy):
    salt.present()
    (proxy.directory / "by-hand.yml").write_text(
        yaml.safe_dump({"http": {"routers": {"hand": {"rule": "Host(`hand.test`)", "service": "none@file"}}}})
    )
    until(lambda: salt.call("errors"), "the error of the router")
    assert list(salt.call("errors")) == ["routers hand@file"]
    assert salt.call("routers")["wiki@file"]["status"] == "enabled"
    assert salt.call("version").startswith("3.")
    facts = {
        "settings": {"api_address": "127.0.0.1"}, "address": "127.0.0.1",
        "ports": {"dashboard": proxy.api, "http": proxy.plain},
    }  # fmt: skip
    # Somebody else's router in error isn't a proxy that can't be used.
    assert readiness(facts) == f"Traefik {salt.call('version')}"
    proxy.stop()
    with pytest.raises(Unreachable, match="Traefik"):
        readiness(facts)


def test_credentials_in_a_document_show_nowhere(salt, proxy):
    wanted = document()
    wanted["http"]["middlewares"]["wiki"] = {"basicAuth": {"users": ["ann:$2y$05$Canary"]}}
    for test in (True, False):
        assert "Canary" not in str(salt.present(wanted=wanted, test=test))
    assert "Canary" in salt.file().read_text() and "Canary" not in str(salt.call("document", "wiki"))
    wanted["http"]["middlewares"]["wiki"]["basicAuth"]["users"] = ["{{ Canary }}"]
    assert "Canary" not in str(salt.present(wanted=wanted))


def test_a_second_run_over_many_documents_asks_once(salt, proxy):
    names = [f"app{number}" for number in range(20)]
    for name in names:
        assert salt.present(name, document(f"Host(`{name}.test`)", name))["result"] is True
    from salt_loader import load

    _, states = load({"test": False}, salt.pillar)
    before = (proxy.folder / "access.log").read_text().count("/api/rawdata")
    for name in names:
        found = states["itstack_traefik.document_present"](
            name=name, document=document(f"Host(`{name}.test`)", name), group="root",
            directory=str(proxy.directory),
        )  # fmt: skip
        assert (found["result"], found["changes"]) == (True, {})
    after = (proxy.folder / "access.log").read_text().count("/api/rawdata")
    assert after - before <= 1


def test_an_unreachable_proxy_is_a_clean_failure(salt, proxy):
    salt.present()
    proxy.stop()
    for found in (salt.present(), salt.present(test=True), salt.absent()):
        assert found["result"] is False and found["changes"] == {}
        assert "Traefik" in found["comment"] and "Remedy: " in found["comment"]
    assert salt.file().exists()


def test_a_dry_run_from_nothing_predicts_what_the_run_will_do(salt, proxy):
    proxy.stop()
    salt.pillar["itstack"]["services"] = {"traefik": {}}
    predicted = salt.present(test=True)
    assert predicted["result"] is None and salt.absent(test=True)["result"] is True
    proxy.start()
    assert salt.present()["changes"] == predicted["changes"]


BAD = [
    ({}, "isn't a mapping with content"),
    ({"htp": {"routers": {}}}, "did you mean http"),
    ({"http": {}}, "stops the whole provider"),
    ({"http": {"router": {"a": {}}}}, "did you mean routers"),
    ({"http": {"routers": {}}}, "document:http:routers"),
    ("rulle", "did you mean rule"),
    ("balancer", "did you mean servers"),
    ("health", "did you mean interval"),
    ("template", "double braces"),
    ("at", "may not have an @"),
    ("service", "isn't among the services"),
    ("url", "isn't a server's URL"),
    ("deep", "did you mean stsSeconds"),
    ("number", "isn't a number"),
    ("duration", "isn't a duration"),
    ("flag", "isn't true or false"),
    ("list", "isn't a list"),
    ("null", "isn't a mapping"),
    ("empty", "stops the whole provider"),
    ("two", "has to be one thing"),
    ("transport", "isn't among the serversTransports"),
    ("weighted", "isn't among the services"),
    ("chain", "isn't among the middlewares"),
    ("options", "isn't among the options"),
    ("tcp", "did you mean address"),
    ("certificate", "did you mean certFile"),
]


def spoilt(how):
    found = copy.deepcopy(document())
    router, balancer = found["http"]["routers"]["wiki"], found["http"]["services"]["wiki"]["loadBalancer"]
    if how == "rulle":
        router["rulle"] = router.pop("rule")
    elif how == "balancer":
        balancer["server"] = balancer["servers"]
    elif how == "health":
        balancer["healthCheck"] = {"intervall": "5s"}
    elif how == "template":
        router["rule"] = "Host(`{{ env }}`)"
    elif how == "at":
        found["http"]["routers"]["wiki@file"] = router
    elif how == "service":
        router["service"] = "wikki"
    elif how == "url":
        balancer["servers"] = [{"url": "wiki:80"}]
    spoil_deeply(how, found["http"], found)
    return found


def spoil_deeply(how, http, found):
    router, balancer = http["routers"]["wiki"], http["services"]["wiki"]["loadBalancer"]
    changes = {
        "deep": (http["middlewares"]["wiki"], {"headers": {"stsSecond": 60}}),
        "number": (router, {"priority": "high"}),
        "duration": (balancer, {"healthCheck": {"path": "/", "interval": "1d"}}),
        "flag": (balancer, {"passHostHeader": "no"}),
        "list": (router, {"entryPoints": "websecure"}),
        "null": (router, {"tls": None}),
        "empty": (balancer, {"healthCheck": {}}),
        "two": (http["middlewares"]["wiki"], {"compress": {}}),
        "transport": (balancer, {"serversTransport": "none"}),
        "weighted": (http["services"], {"both": {"weighted": {"services": [{"name": "wikki"}]}}}),
        "chain": (http["middlewares"], {"all": {"chain": {"middlewares": ["wikki"]}}}),
        "options": (router, {"tls": {"options": "strict"}}),
        "tcp": (found, {"tcp": {"services": {"a": {"loadBalancer": {"servers": [{"addres": "a:1"}]}}}}}),
        "certificate": (found, {"tls": {"certificates": [{"certFle": "/a", "keyFile": "/b"}]}}),
    }
    if how in changes:
        place, more = changes[how]
        place.update(more)


@pytest.mark.parametrize(("given", "told"), BAD, ids=lambda value: str(value)[:30])
def test_what_would_stop_the_provider_is_refused_before_it_is_written(salt, proxy, given, told):
    found = salt.present(wanted=spoilt(given) if isinstance(given, str) else given)
    assert found["result"] is False and found["changes"] == {}
    assert told in found["comment"], found["comment"]
    assert list(proxy.directory.iterdir()) == []
