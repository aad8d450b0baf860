"""
States for a Nextcloud on this host.

.. code-block:: yaml

    "nextcloud installed":
      itstack_nextcloud.installed:
        - database_name: nextcloud
        - database_user: nextcloud_user
        - database_password: secret://postgresql-nextcloud
        - database_host: lab-db1.it-stack.lab
        - admin_password: secret://nextcloud-admin
        - data_directory: /var/www/nextcloud/data

    "nextcloud behind its proxy, on its cache":
      itstack_nextcloud.system_config_present:
        - values:
            trusted_domains: [cloud.it-stack.lab]
            overwriteprotocol: https
            memcache.locking: \\OC\\Memcache\\Redis
            redis:
              host: lab-db1.it-stack.lab
              port: 6379
              user: nextcloud
              password: secret://redis-nextcloud

    "nextcloud logs in by Keycloak":
      itstack_nextcloud.oidc_provider_present:
        - name: keycloak
        - client_id: nextcloud
        - client_secret: secret://keycloak-nextcloud
        - discovery_endpoint: https://sso.it-stack.lab:8443/realms/it-stack/.well-known/openid-configuration

What isn't given is left alone.
"""

__version__ = "0.1.0"

try:
    from salt_itstack import compatibility
except ImportError as error:
    raise ImportError(
        f"{error}; this plug-in needs the library of salt-itstack {__version__}. "
        "Remedy: install it, or sync it together with this file"
    ) from None
else:
    compatibility.require(__version__)

from salt_itstack import plugin
from salt_itstack.errors import ItstackError, Unreachable
from salt_itstack.reconcile import Field, Resource, converge, creation, declared
from salt_itstack.services.nextcloud.resources import (
    INSTALLATION,
    OIDC_PROVIDER,
    application,
    configuration,
    leaves,
    with_members,
)


def _refuse(extra, *known):
    # Functions that take a few arguments of their own, rather than the fields of a resource.
    Resource("state of this kind", "", dict.fromkeys((*known, "profile"), Field(""))).check(
        plugin.own_arguments(extra)
    )


def _starts(profile):
    return __opts__["test"] and plugin.starts_in_this_run(__opts__, __pillar__, profile)


def _run(name, function, *args, predict, profile, extra=None, known=(), words=None, **options):
    """Converge by one function of the execution module; ``predict`` says what it would do to a new server."""

    def apply(test):
        return __salt__[f"itstack_nextcloud.{function}"](*args, test=test, profile=profile, **options)

    try:
        _refuse(extra or {}, *known)
        predicted = predict() if _starts(profile) else None
    except ItstackError as error:
        return {"name": name, "result": False, "changes": {}, "comment": str(error)}
    return converge(name, apply, __opts__["test"], predicted, **(words or {}))


def _gone(name, function, *args, profile, extra, known=()):
    def apply(test):
        _refuse(extra, *known)
        try:
            return __salt__[f"itstack_nextcloud.{function}"](*args, test=test, profile=profile)
        except Unreachable:
            if _starts(profile):
                return {}  # a new server has nothing to remove
            raise

    return converge(name, apply, __opts__["test"], unchanged="is absent", changed="was removed")


def _is_reference(value):
    return isinstance(value, str) and value.startswith((plugin.REFERENCE, "sdb://"))


def installed(
    name,
    database_name=None,
    database_user=None,
    database_password=None,
    database_host=None,
    database_port=None,
    database_type="pgsql",
    admin_user="admin",
    admin_password=None,
    data_directory=None,
    profile="nextcloud",
    **kwargs,
):
    """
    Ensure that Nextcloud's first installation has been made. Its files must be there already.

    database_name, database_user, database_password, database_host, database_port
        A database that exists and belongs to the user, who must not have CREATEROLE: the installer would
        make a role of its own. The password is a reference.
    database_type
        ``pgsql``, ``mysql`` or ``sqlite``.
    admin_user, admin_password
        Nextcloud's first administrator. The password is a reference.
    data_directory
        Where people's files go; below Nextcloud's own folder by default.

    An installation that is there already isn't changed (use ``system_config_present``), but for a database
    password in config.php that the database refuses while another is declared: nothing else works until
    that is put right.

    .. code-block:: yaml

        nextcloud:
          itstack_nextcloud.installed:
            - database_name: nextcloud
            - database_user: nextcloud_user
            - database_password: secret://postgresql-nextcloud
            - database_host: lab-db1.it-stack.lab
            - admin_password: secret://nextcloud-admin
    """
    wanted = declared(
        database_type=database_type,
        database_name=database_name,
        database_user=database_user,
        database_password=database_password,
        database_host=database_host,
        database_port=database_port,
        admin_user=admin_user,
        admin_password=admin_password,
        data_directory=data_directory,
    )
    wanted.update(plugin.own_arguments(kwargs))
    return _run(
        name,
        "installation_apply",
        predict=lambda: creation(INSTALLATION, wanted),
        profile=profile,
        words={"unchanged": "is installed", "changed": "was installed"},
        **wanted,
    )


def system_config_present(name, values=None, members=None, profile="nextcloud", **kwargs):
    """
    Ensure that the system configuration (config.php) has the given values, all in one go.

    name
        Any name for this set of values.
    values
        Keys and values with their types: ``true`` isn't ``"true"``. Maps are merged into what is there,
        lists are written as a whole. References (``secret://…``, ``sdb://…``) may stand at any depth; they
        and whatever is called password, secret, salt or token never show.
    members
        Keys whose value is a list, and what has to be among it; what else is in it stays.

    A wrong ``dbpassword`` is the one thing that occ can't mend, since occ itself needs the database; it is
    then put right in config.php.

    .. code-block:: yaml

        "nextcloud behind its proxy":
          itstack_nextcloud.system_config_present:
            - values:
                trusted_domains: [cloud.it-stack.lab]
                overwriteprotocol: https
            - members:
                trusted_proxies: [10.0.50.15]
    """
    more = {"members": members} if members else {}

    def predict():
        flat = leaves({**(values or {}), **with_members({}, members or {})})
        resource = configuration(flat, [path for path, value in flat.items() if _is_reference(value)])
        return creation(resource, {":".join(path): value for path, value in flat.items()})

    return _run(
        name,
        "system_config_apply",
        values,
        predict=predict,
        profile=profile,
        extra=kwargs,
        known=("values", "members"),
        **more,
    )


def system_config_absent(name, keys=None, profile="nextcloud", **kwargs):
    """
    Ensure that keys are not in the system configuration.

    name
        The key, or any name for the set of ``keys``.
    keys
        Names; ``redis:password`` is the key ``password`` in the map ``redis``.

    .. code-block:: yaml

        overwritehost:
          itstack_nextcloud.system_config_absent: []
    """
    wanted = [name] if keys is None else keys
    return _gone(name, "system_config_remove", wanted, profile=profile, extra=kwargs, known=("keys",))


def app_config_present(name, values=None, profile="nextcloud", **kwargs):
    """
    Ensure that an app's settings have the given values.

    name
        The app's id, or ``core``.
    values
        Keys and values. Nextcloud keeps them as text; true and false become 1 and 0.

    .. code-block:: yaml

        user_oidc:
          itstack_nextcloud.app_config_present:
            - values:
                allow_multiple_user_backends: "0"
    """

    def predict():
        given = values or {}
        return creation(application(given, [key for key in given if _is_reference(given[key])]), given)

    return _run(
        name,
        "app_config_apply",
        name,
        values,
        predict=predict,
        profile=profile,
        extra=kwargs,
        known=("values",),
    )


def app_enabled(name, profile="nextcloud", **kwargs):
    """
    Ensure that an app is enabled. One that isn't on this host is fetched from the app store.

    .. code-block:: yaml

        user_oidc:
          itstack_nextcloud.app_enabled: []
    """
    return _run(
        name,
        "app_apply",
        name,
        predict=lambda: {name: {"old": "disabled", "new": "enabled"}},
        profile=profile,
        extra=kwargs,
        words={"unchanged": "is enabled", "changed": "was enabled"},
    )


def app_disabled(name, profile="nextcloud", **kwargs):
    """
    Ensure that an app isn't enabled. Its files and settings stay.

    .. code-block:: yaml

        survey_client:
          itstack_nextcloud.app_disabled: []
    """
    return _run(
        name,
        "app_apply",
        name,
        enabled=False,
        predict=lambda: {name: {"old": "enabled", "new": "disabled"}},
        profile=profile,
        extra=kwargs,
        words={"unchanged": "is disabled", "changed": "was disabled"},
    )


def group_present(name, display_name=None, profile="nextcloud", **kwargs):
    """
    Ensure that a group exists. Members aren't touched: those who log in by OpenID Connect bring theirs.

    name
        The group's id; its case matters.
    display_name
        Given on creation only: a login sets it to the claim's.

    .. code-block:: yaml

        staff:
          itstack_nextcloud.group_present: []
    """
    return _run(
        name,
        "group_apply",
        name,
        predict=lambda: {name: {"old": "absent", "new": "present"}},
        display_name=display_name,
        profile=profile,
        extra=kwargs,
        known=("display_name",),
    )


def group_absent(name, profile="nextcloud", **kwargs):
    """
    Ensure that there is no such group.

    .. code-block:: yaml

        staff:
          itstack_nextcloud.group_absent: []
    """
    return _gone(name, "group_remove", name, profile=profile, extra=kwargs)


def oidc_provider_present(
    name,
    client_id=None,
    client_secret=None,
    discovery_endpoint=None,
    scope=None,
    end_session_endpoint=None,
    post_logout_uri=None,
    unique_uid=None,
    mapping_uid=None,
    mapping_display_name=None,
    mapping_email=None,
    mapping_quota=None,
    mapping_groups=None,
    group_provisioning=None,
    group_whitelist_regex=None,
    group_restrict_login_to_whitelist=None,
    check_bearer=None,
    bearer_provisioning=None,
    send_id_token_hint=None,
    extra_claims=None,
    resolve_nested_claims=None,
    profile="nextcloud",
    **kwargs,
):
    """
    Ensure that the app ``user_oidc`` has a provider with the given settings. The app must be enabled.

    name
        The provider's identifier.
    client_id, client_secret, discovery_endpoint
        Needed on creation. The secret is a reference. Nextcloud never gives it back: it is written again
        when it is another one than this minion wrote last.
    scope, end_session_endpoint, post_logout_uri
        As in the provider's form.
    unique_uid
        Nextcloud's default true hashes the ids of people *and groups* with the provider, so that a claim
        ``admin`` never matches the group ``admin``.
    mapping_uid, mapping_display_name, mapping_email, mapping_quota, mapping_groups
        Claims; empty means Nextcloud's default (``sub``, ``name``, ``email``, ``quota``, ``groups``).
    group_provisioning, group_whitelist_regex, group_restrict_login_to_whitelist
        Groups out of the claim at each login. Without the expression a person leaves *every* group that
        isn't in the claim, local ones too.
    check_bearer, bearer_provisioning, send_id_token_hint, extra_claims, resolve_nested_claims
        As in the app's documentation.

    .. code-block:: yaml

        keycloak:
          itstack_nextcloud.oidc_provider_present:
            - client_id: nextcloud
            - client_secret: secret://keycloak-nextcloud
            - discovery_endpoint: https://sso.it-stack.lab:8443/realms/it-stack/.well-known/openid-configuration
            - unique_uid: false
            - mapping_uid: preferred_username
            - group_provisioning: true
            - group_whitelist_regex: /^(admin|users|stack-.*)$/
    """
    wanted = declared(
        client_id=client_id,
        client_secret=client_secret,
        discovery_endpoint=discovery_endpoint,
        scope=scope,
        end_session_endpoint=end_session_endpoint,
        post_logout_uri=post_logout_uri,
        unique_uid=unique_uid,
        mapping_uid=mapping_uid,
        mapping_display_name=mapping_display_name,
        mapping_email=mapping_email,
        mapping_quota=mapping_quota,
        mapping_groups=mapping_groups,
        group_provisioning=group_provisioning,
        group_whitelist_regex=group_whitelist_regex,
        group_restrict_login_to_whitelist=group_restrict_login_to_whitelist,
        check_bearer=check_bearer,
        bearer_provisioning=bearer_provisioning,
        send_id_token_hint=send_id_token_hint,
        extra_claims=extra_claims,
        resolve_nested_claims=resolve_nested_claims,
    )
    wanted.update(plugin.own_arguments(kwargs))
    return _run(
        name,
        "oidc_provider_apply",
        name,
        predict=lambda: creation(OIDC_PROVIDER, wanted),
        profile=profile,
        **wanted,
    )


def oidc_provider_absent(name, profile="nextcloud", **kwargs):
    """
    Ensure that there is no such provider. Its people can no longer log in.

    .. code-block:: yaml

        keycloak:
          itstack_nextcloud.oidc_provider_absent: []
    """
    return _gone(name, "oidc_provider_remove", name, profile=profile, extra=kwargs)
