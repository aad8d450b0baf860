"""What each integration is tested with: its states, and what breaks it by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from direct import APPLICATION_SERVER, DATABASE_SERVER, IDENTITY_SERVER, PROXY_SERVER, REALM, ROUTES, Direct

from salt_itstack.lab.specifications import NEXTCLOUD_ROOT

#: A secret that nobody chose, and that no message may hold.
WRONG = "canary-of-a-wrong-secret"
DIRECTORY_ACCOUNT = "uid=keycloak,cn=sysaccounts,cn=etc,dc=it-stack,dc=lab"


@dataclass(frozen=True)
class Single:
    """One state for `state.single`: on which server, with which arguments."""

    server: str
    function: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Refusal:
    """A state that can't do its work, and the words that have to be in its comment."""

    single: Single
    words: tuple[str, ...]


@dataclass(frozen=True)
class Promise:
    """
    One integration.

    states
        Ids of its states by server, the source's first: what its first run changes.
    drift
        Changes both ends by hand.
    repair
        Ids of the states that put that right, by server, in the order of their runs.
    verdict
        What the matrix says meanwhile: the row's state, and words of its reason.
    removal
        States that remove it, the target's first; none where people's data would go with it.
    denied, unreachable
        States with wrong credentials, and for a server that isn't there.
    """

    states: dict[str, tuple[str, ...]]
    drift: Callable[[Direct], None]
    repair: dict[str, tuple[str, ...]]
    verdict: tuple[str, tuple[str, ...]]
    removal: tuple[Single, ...]
    denied: Refusal
    unreachable: Refusal


def _postgresql_keycloak(direct: Direct) -> None:
    direct.sql("GRANT TEMPORARY ON DATABASE keycloak TO PUBLIC; ALTER ROLE keycloak_user CREATEDB")


def _postgresql_nextcloud(direct: Direct) -> None:
    direct.sql(f"ALTER ROLE nextcloud_user PASSWORD '{WRONG}'; ALTER DATABASE nextcloud OWNER TO postgres")
    direct.sql("GRANT CONNECT ON DATABASE nextcloud TO PUBLIC")
    file = f"{NEXTCLOUD_ROOT}/config/config.php"
    edit = rf"s/^\( *'dbpassword' => \).*/\1'{WRONG}-of-nextcloud',/"
    assert direct.fleet.inside(APPLICATION_SERVER, "sed", "-i", edit, file).returncode == 0
    assert WRONG in direct.fleet.shell(APPLICATION_SERVER, f"cat {file}")


def _redis_nextcloud(direct: Direct) -> None:
    direct.redis("ACL", "SETUSER", "nextcloud", "+@all", "&*", f">{WRONG}")
    direct.occ("config:system:set", "redis", "dbindex", "--value=5", "--type=integer")
    direct.occ("config:system:delete", "memcache.locking")


def _freeipa_keycloak(direct: Direct) -> None:
    direct.ipa("sysaccount_mod", "keycloak", description="borrowed")
    (federation,) = direct.federations()
    federation["config"].update(bindCredential=[WRONG], changedSyncPeriod=["7"], vendor=["other"])
    direct.keycloak("PUT", f"/components/{federation['id']}", federation)


def _keycloak_nextcloud(direct: Direct) -> None:
    client = direct.client("nextcloud")
    client.update(secret=WRONG, redirectUris=["https://elsewhere.example/*"], directAccessGrantsEnabled=True)
    direct.keycloak("PUT", f"/clients/{client['id']}", client)
    direct.occ("user_oidc:provider", "keycloak", "--mapping-uid=sub", "--scope=openid")


def _postgresql_mattermost(direct: Direct) -> None:
    direct.sql("GRANT TEMPORARY ON DATABASE mattermost TO PUBLIC; ALTER ROLE mattermost_user CREATEROLE")


def _traefik_nextcloud(direct: Direct) -> None:
    direct.edit_route("nextcloud", "Host(`[^`]*`)", "Host(`elsewhere.example`)")
    # Until then it serves what it served before: the row would be drifted, not broken.
    direct.await_loaded("Host(`elsewhere.example`)")
    direct.occ("config:system:set", "trusted_proxies", "--type=json", "--value=[]")


def _traefik_mattermost(direct: Direct) -> None:
    direct.edit_route("mattermost", "stsSeconds: .*", "stsSeconds: 7")
    direct.await_loaded('"stsSeconds":7')


def _taiga_mattermost(direct: Direct) -> None:
    for hook in direct.mattermost("GET", "/hooks/incoming?per_page=200"):
        direct.mattermost("PUT", f"/hooks/incoming/{hook['id']}", {**hook, "channel_locked": True})


def promises(network: str) -> dict[str, Promise]:
    """All of them, by id; ``network`` is the first three numbers of the lab's addresses."""
    postgresql = {"host": f"{network}.12", "port": 5432, "database": "postgres"}
    redis = {"host": f"{network}.12", "port": 6379, "user": "salt-itstack"}
    keycloak = {"client_id": "salt-itstack", "ca": "/etc/ssl/certs/ca-certificates.crt"}
    sso = "https://sso.it-stack.lab"
    federation = {
        "name": "freeipa",
        "realm": REALM,
        "url": "ldaps://ipa.it-stack.lab:636",
        "bind_dn": DIRECTORY_ACCOUNT,
        "users_dn": "cn=users,cn=accounts,dc=it-stack,dc=lab",
    }

    def on_postgresql(function: str, refused: str) -> tuple[Refusal, Refusal]:
        wrong = {**postgresql, "user": refused, "password": WRONG}
        closed = {**wrong, "port": 5433}
        return (
            Refusal(
                Single(DATABASE_SERVER, function, {"name": "wiki", "profile": wrong}),
                ("PostgreSQL", refused),
            ),
            Refusal(Single(DATABASE_SERVER, function, {"name": "wiki", "profile": closed}), ("5433",)),
        )

    role_denied, role_unreachable = on_postgresql("itstack_postgresql.role_present", "keycloak_user")
    database_denied, database_unreachable = on_postgresql(
        "itstack_postgresql.database_present", "nextcloud_user"
    )
    mattermost_denied, mattermost_unreachable = on_postgresql(
        "itstack_postgresql.role_present", "mattermost_user"
    )

    def routed(
        application: str, drift: Callable[[Direct], None], others: tuple[str, ...], verdict: Any
    ) -> Promise:
        row = f"traefik-{application}"
        document = {
            "http": {
                "routers": {"wiki": {"rule": "Host(`wiki.example`)", "service": "wiki"}},
                "services": {"wiki": {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:9"}]}}},
            }
        }

        def refused(url: str, *words: str) -> Refusal:
            arguments = {"name": "wiki", "document": document, "directory": ROUTES, "profile": {"url": url}}
            return Refusal(Single(PROXY_SERVER, "itstack_traefik.document_present", arguments), words)

        states = {
            **({APPLICATION_SERVER: others} if others else {}),
            PROXY_SERVER: (f"{row}: route {application}",),
        }
        return Promise(
            states=states,
            drift=drift,
            repair=states,
            verdict=verdict,
            removal=(
                Single(
                    PROXY_SERVER,
                    "itstack_traefik.document_absent",
                    {"name": application, "directory": ROUTES},
                ),
            ),
            # Its API has no login: what can be wrong is whom one talks to.
            denied=refused(f"http://{network}.13:8065", "Traefik", "correct the address"),
            unreachable=refused("http://127.0.0.1:8081", "Traefik", "8081"),
        )

    def hooked(profile: dict[str, Any], *words: str) -> Refusal:
        arguments = {
            "name": "wiki",
            "kind": "mattermost-incoming",
            "source": {"file": "/etc/wiki/chat-address"},
            "target": {"team": "it-stack", "channel": "ops-alerts", "profile": profile},
        }
        return Refusal(Single(APPLICATION_SERVER, "itstack_webhook.present", arguments), words)

    return {
        "postgresql-mattermost": Promise(
            states={
                DATABASE_SERVER: (
                    "postgresql-mattermost: role mattermost_user",
                    "postgresql-mattermost: database mattermost",
                )
            },
            drift=_postgresql_mattermost,
            repair={
                DATABASE_SERVER: (
                    "postgresql-mattermost: role mattermost_user",
                    "postgresql-mattermost: database mattermost",
                )
            },
            verdict=("drifted", ("role mattermost_user (create_roles)", "database mattermost (access)")),
            removal=(),
            denied=mattermost_denied,
            unreachable=mattermost_unreachable,
        ),
        "traefik-nextcloud": routed(
            "nextcloud", _traefik_nextcloud, ("traefik-nextcloud: trusted proxy",), ("broken", ("404",))
        ),
        "traefik-mattermost": routed(
            "mattermost", _traefik_mattermost, (), ("drifted", ("route mattermost (document)",))
        ),
        "taiga-mattermost": Promise(
            states={APPLICATION_SERVER: ("taiga-mattermost: hook",)},
            drift=_taiga_mattermost,
            repair={APPLICATION_SERVER: ("taiga-mattermost: hook",)},
            # The probe speaks into another channel, which a hook locked to its own doesn't let through.
            verdict=("broken", ("nothing can be said through the hook",)),
            # Its removal is tested with what it is made anew for: the address.
            removal=(),
            denied=hooked(
                {"url": f"http://{network}.13:8065", "user": "salt-itstack", "password": WRONG},
                "Mattermost",
                "check the profile's account",
            ),
            unreachable=hooked(
                {"url": f"http://{network}.13:8066", "user": "salt-itstack", "password": WRONG},
                "Mattermost",
                "8066",
            ),
        ),
        "postgresql-keycloak": Promise(
            states={
                DATABASE_SERVER: (
                    "postgresql-keycloak: role keycloak_user",
                    "postgresql-keycloak: database keycloak",
                )
            },
            drift=_postgresql_keycloak,
            repair={
                DATABASE_SERVER: (
                    "postgresql-keycloak: role keycloak_user",
                    "postgresql-keycloak: database keycloak",
                )
            },
            verdict=("drifted", ("role keycloak_user (create_databases)", "database keycloak (access)")),
            removal=(),
            denied=role_denied,
            unreachable=role_unreachable,
        ),
        "freeipa-keycloak": Promise(
            states={
                IDENTITY_SERVER: (
                    "freeipa-keycloak: system account keycloak",
                    "freeipa-keycloak: federation freeipa",
                )
            },
            drift=_freeipa_keycloak,
            repair={
                IDENTITY_SERVER: (
                    "freeipa-keycloak: system account keycloak",
                    "freeipa-keycloak: federation freeipa",
                )
            },
            verdict=("broken", ("keycloak", "refuses uid=keycloak")),
            removal=(
                Single(
                    IDENTITY_SERVER,
                    "itstack_keycloak.federation_absent",
                    {"name": "freeipa", "realm": REALM},
                ),
                Single(IDENTITY_SERVER, "itstack_freeipa.system_account_absent", {"name": "keycloak"}),
            ),
            denied=Refusal(
                Single(
                    IDENTITY_SERVER,
                    "itstack_keycloak.federation_present",
                    {**federation, "name": "second", "bind_credential": WRONG},
                ),
                ("keycloak", "refuses uid=keycloak", "bind_credential"),
            ),
            unreachable=Refusal(
                Single(
                    IDENTITY_SERVER,
                    "itstack_keycloak.federation_present",
                    {
                        **federation,
                        "name": "second",
                        "url": "ldaps://ipa.it-stack.lab:6360",
                        "bind_credential": WRONG,
                    },
                ),
                ("keycloak", "doesn't reach the directory at ldaps://ipa.it-stack.lab:6360"),
            ),
        ),
        "postgresql-nextcloud": Promise(
            states={
                DATABASE_SERVER: (
                    "postgresql-nextcloud: role nextcloud_user",
                    "postgresql-nextcloud: database nextcloud",
                )
            },
            drift=_postgresql_nextcloud,
            repair={
                DATABASE_SERVER: (
                    "postgresql-nextcloud: role nextcloud_user",
                    "postgresql-nextcloud: database nextcloud",
                ),
                # Nothing of Nextcloud can be asked before that, so it comes first.
                APPLICATION_SERVER: ("nextcloud: installed",),
            },
            verdict=("broken", ("nextcloud_user",)),
            removal=(),
            denied=database_denied,
            unreachable=database_unreachable,
        ),
        "redis-nextcloud": Promise(
            states={
                DATABASE_SERVER: ("redis-nextcloud: user nextcloud",),
                APPLICATION_SERVER: ("redis-nextcloud: cache and locks",),
            },
            drift=_redis_nextcloud,
            repair={
                DATABASE_SERVER: ("redis-nextcloud: user nextcloud",),
                APPLICATION_SERVER: ("redis-nextcloud: cache and locks",),
            },
            verdict=("broken", ("nextcloud",)),
            removal=(
                Single(
                    APPLICATION_SERVER,
                    "itstack_nextcloud.system_config_absent",
                    {"name": "cache", "keys": ["memcache.locking", "memcache.distributed", "redis"]},
                ),
                Single(DATABASE_SERVER, "itstack_redis.user_absent", {"name": "nextcloud"}),
            ),
            denied=Refusal(
                Single(
                    DATABASE_SERVER,
                    "itstack_redis.user_present",
                    {
                        "name": "wiki",
                        "password": "secret://redis-nextcloud",
                        "profile": {**redis, "password": WRONG},
                    },
                ),
                ("Redis", "salt-itstack"),
            ),
            unreachable=Refusal(
                Single(
                    DATABASE_SERVER,
                    "itstack_redis.user_present",
                    {
                        "name": "wiki",
                        "password": "secret://redis-nextcloud",
                        "profile": {**redis, "port": 6380, "password": WRONG},
                    },
                ),
                ("Redis", "6380"),
            ),
        ),
        "keycloak-nextcloud": Promise(
            states={
                IDENTITY_SERVER: ("keycloak-nextcloud: client nextcloud",),
                APPLICATION_SERVER: (
                    "keycloak-nextcloud: app",
                    "keycloak-nextcloud: group users",
                    "keycloak-nextcloud: provider keycloak",
                ),
            },
            drift=_keycloak_nextcloud,
            repair={
                IDENTITY_SERVER: ("keycloak-nextcloud: client nextcloud",),
                APPLICATION_SERVER: ("keycloak-nextcloud: provider keycloak",),
            },
            # Keycloak doesn't show its login page for an address that it doesn't know.
            verdict=("broken", ("sso.it-stack.lab", "answers 400")),
            removal=(
                Single(APPLICATION_SERVER, "itstack_nextcloud.oidc_provider_absent", {"name": "keycloak"}),
                Single(
                    IDENTITY_SERVER, "itstack_keycloak.client_absent", {"name": "nextcloud", "realm": REALM}
                ),
            ),
            denied=Refusal(
                Single(
                    IDENTITY_SERVER,
                    "itstack_keycloak.client_present",
                    {
                        "name": "wiki",
                        "realm": REALM,
                        "profile": {**keycloak, "url": f"{sso}:8443", "client_secret": WRONG},
                    },
                ),
                ("keycloak", "salt-itstack"),
            ),
            unreachable=Refusal(
                Single(
                    IDENTITY_SERVER,
                    "itstack_keycloak.client_present",
                    {
                        "name": "wiki",
                        "realm": REALM,
                        "profile": {**keycloak, "url": f"{sso}:8444", "client_secret": WRONG},
                    },
                ),
                ("keycloak", f"{sso}:8444"),
            ),
        ),
    }
