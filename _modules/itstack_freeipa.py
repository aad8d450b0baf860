"""
All that can be declared of a FreeIPA server, over its JSON-RPC: people, hosts, rules, rights, names.

Configuration, in pillar or in the minion's configuration:

.. code-block:: yaml

    itstack:
      profiles:
        freeipa:
          host: ipa.it-stack.lab             # the server's own FQDN: aliases and addresses are refused
          user: admin
          password: secret://freeipa-admin
          ca: /etc/ipa/ca.crt                # optional; the system's trust otherwise
          address: 10.0.50.11                # optional: where to connect while the name doesn't resolve
          ldap: ldaps://ipa.it-stack.lab     # optional: where bind passwords are tried
          ldap_start_tls: true               # optional: for ldap://; false only on the server itself
          ldap_user: cn=Directory Manager    # optional: who makes system accounts before FreeIPA 4.13
          ldap_password: secret://freeipa-dm # with ldap_user; the account above otherwise

Each function takes ``profile``: a name below ``itstack:profiles``, or such a dictionary itself. All reading
is done in bulk, once per run.

Kinds are ``user``, ``group``, ``host``, ``hostgroup``, ``service``, ``system_account``, ``sudo_command``,
``sudo_command_group``, ``sudo_rule``, ``hbac_service``, ``hbac_service_group``, ``hbac_rule``, ``role``,
``privilege``, ``permission``, ``password_policy``, ``dns_zone`` and ``dns_record``. Their fields are those of
the states.
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

import contextlib

import salt.utils.yaml

from salt_itstack import plugin
from salt_itstack.errors import Invalid, ItstackError, Missing, Problem, Rejected, Unsupported, nearest
from salt_itstack.reconcile import declared, removal, snapshot
from salt_itstack.secrets import fingerprint
from salt_itstack.services import freeipa as service
from salt_itstack.services.freeipa import declaring, describing, directory, writing
from salt_itstack.services.freeipa.api import FreeIPA
from salt_itstack.services.freeipa.guarding import Guard
from salt_itstack.services.freeipa.names import in_zone
from salt_itstack.services.freeipa.resources import KINDS
from salt_itstack.services.freeipa.workspace import Workspace


def _settings(profile):
    settings = plugin.profile(profile, __opts__, __pillar__)
    lacking = [key for key in ("host", "user", "password") if not settings.get(key)]
    if lacking:
        raise Invalid(
            Problem(
                "", "the FreeIPA profile", None, f"it has no {', '.join(lacking)}", "add it to the profile"
            )
        )
    return settings


def _kind(name, zone=None):
    if name not in KINDS:
        raise Invalid(Problem("", "kind", name, "FreeIPA has no such kind here", nearest(name, KINDS)))
    if name != "dns_record":
        if zone is not None:
            raise Invalid(Problem("", "zone", zone, "only DNS records are in a zone", "take it out"))
        return KINDS[name]
    if not zone:
        raise Invalid(Problem("", "zone", None, "a DNS record is in a zone", "declare it"))
    return in_zone(str(zone))


def _workspace(settings):
    # One session and one login per run. A login that was refused is remembered with it: each further try
    # would count towards the account's lock.
    def make():
        server = FreeIPA(
            settings["host"],
            settings["user"],
            settings["password"],
            ca=settings.get("ca"),
            address=settings.get("address"),
            # A dry run doesn't wait for what the run itself would start.
            retries=0 if __opts__.get("test") else 3,
        )
        return Workspace(
            server,
            lambda: directory.Accounts(
                _ldap(settings),
                settings.get("ldap_user") or settings["user"],
                settings.get("ldap_password") or settings["password"],
                settings.get("ca"),
                settings.get("ldap_start_tls", True),
            ),
        )

    place = ("freeipa", settings["host"], settings["user"], hash(settings["password"]))
    return snapshot(__context__, place, make)


def _ldap(settings):
    return settings.get("ldap") or f"ldaps://{settings['host']}"


def _guard(workspace, settings):
    return Guard(workspace, settings["host"], settings["user"])


def entries(kind, zone=None, profile="freeipa"):
    """
    All objects of a kind as the server gives them, by name.

    kind
        One of those above.
    zone
        For ``dns_record``: whose.

    CLI Example:

    .. code-block:: bash

        salt lab-id1 itstack_freeipa.entries sudo_rule
    """
    return _workspace(_settings(profile)).entries(_kind(kind, zone))


def ping(profile="freeipa"):
    """
    What the server says of itself, after a login: its version and that of its API.

    CLI Example:

    .. code-block:: bash

        salt lab-id1 itstack_freeipa.ping
    """
    return _workspace(_settings(profile)).server.ping()


def readiness(facts):
    """
    What answers as FreeIPA, once its web, directory and DNS parts all do.

    facts
        ``address``, ``fqdn`` and ``domain`` of the server, optionally ``ca_file``, ``base_dn``, ``ports``.

    CLI Example:

    .. code-block:: bash

        salt lab-id1 itstack_freeipa.readiness \
            '{address: 10.0.50.11, fqdn: ipa.it-stack.lab, domain: it-stack.lab}'
    """
    return service.readiness(facts)


def apply(
    kind, name, zone=None, exclusive=False, password_check="bind", test=False, profile="freeipa", **fields
):
    """
    Bring one object to the declared shape, and return what changed.

    kind, name
        Which object; of a DNS record the name in its ``zone``.
    exclusive
        Remove members, of the fields that are given, that aren't named. Otherwise the named ones are added.
    password_check
        How a changed password of a system account is found. ``bind``: by a bind with the declared one, which
        can't lock such an account and needs python-ldap. ``fingerprint``: by comparing with what this minion
        wrote last, which doesn't see changes made by others.
    test
        Only say what would change.
    fields
        What isn't given is left alone; an empty text or list deletes.

    A person's password is written on creation, and when the *declared* one is another than the one written
    last. What the person changed is never tried or overwritten: a wrong try counts towards locking the
    account.

    Raises an error with all that can be said against it before anything is written, and with what had been
    written if the server refuses a part.

    CLI Example:

    .. code-block:: bash

        salt lab-id1 itstack_freeipa.apply user jdoe first_name=Jane last_name=Doe test=True
    """
    chosen = _kind(kind, zone)
    wanted = declared(**plugin.own_arguments(fields))
    item = _run(chosen, {name: {**wanted, "exclusive": exclusive}}, password_check, test, profile)[0][0]
    if item.failure:
        failure = item.failure if len(item.errors) == 1 else Rejected("\n".join(item.errors))
        failure.changes = item.done()
        raise failure
    return item.changes


def apply_all(
    kind,
    objects,
    zone=None,
    exclusive=False,
    limit=declaring.LIMIT,
    shared_numbers=False,
    password_check="bind",
    test=False,
    profile="freeipa",
):
    """
    Bring a whole set of objects to the declared shape, and return what changed, by name.

    kind
        One of those above.
    objects
        By name the fields; among them ``exclusive`` for the members of one object.
    exclusive
        Remove all objects of this kind that aren't named. Never what FreeIPA made itself, what belongs to its
        servers, and the profile's own account.
    limit
        How many such removals are allowed; where there would be more, nothing is done at all.
    shared_numbers
        Whether several people may be declared with the same telephone number.
    password_check
        As of ``apply``.

    Reads once and writes in slices of 100. What can be said against any of them is said before anything is
    written. What the server refuses is told by name, while the others go on.

    CLI Example:

    .. code-block:: bash

        salt lab-id1 itstack_freeipa.apply_all hostgroup '{web: {hosts: [www1.it-stack.lab]}}' test=True
    """
    chosen = _kind(kind, zone)
    if not isinstance(objects, dict):
        raise Invalid(
            Problem("", chosen.plural, objects, "this isn't a mapping", "write {name: {field: value}}")
        )
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise Invalid(Problem("", "limit", limit, "this isn't a number", "write how many may be removed"))
    made, going = _run(
        chosen, objects, password_check, test, profile, bool(shared_numbers), limit if exclusive else None
    )
    changes = {item.name: item.done() for item in made}
    changes.update((item.name, {"old": "present", "new": "absent"}) for item in going if not item.failure)
    changes = {name: change for name, change in changes.items() if change}
    failed = [item for item in (*made, *going) if item.failure]
    if failed:
        raise _several(chosen, failed, len(made) + len(going), changes)
    return changes


def _several(kind, failed, count, changes):
    told = list(dict.fromkeys(error for item in failed for error in item.errors))
    if len(told) == 1 and len(failed) > 1:
        # One cause for all of them, such as a server that went away.
        text = (
            f"{told[0]}\n(this befell {len(failed)} of {count}: {_names(failed)}; the next run sees what the "
            "server did of it all the same)"
        )
    else:
        shown = [f"{item.name}: {error}" for item in failed for error in item.errors]
        text = "\n".join([f"{len(failed)} of {count} {kind.plural} aren't as declared:", *shown])
    failure = type(failed[0].failure)(text)
    failure.changes = changes
    return failure


def _names(items):
    names = [item.name for item in items]
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _run(kind, objects, password_check, test, profile, shared_numbers=True, limit=None):
    if password_check not in ("bind", "fingerprint"):
        raise Invalid(Problem("", "password_check", password_check, "unknown check", "bind or fingerprint"))
    settings = _settings(profile)
    workspace = _workspace(settings)
    guard = _guard(workspace, settings)

    def opening(of, name, wanted, found):
        rewrite = []
        for field in of.secrets:
            if field in wanted:
                wanted[field] = plugin.reveal(wanted[field], __opts__, __pillar__)
                mark = _mark(settings, of, name)
                if found is not None and _differs(of, found, wanted[field], password_check, mark, settings):
                    rewrite.append(field)
        return rewrite

    made = declaring.items(workspace, guard, kind, objects, opening, shared_numbers)
    going = [] if limit is None else declaring.others(workspace, guard, kind, objects, limit)
    if test:
        workspace.plan(kind, (item.name for item in made))
        return made, going

    leaving = {id(item) for item in going}

    def settled(item):
        for field in item.kind.secrets:
            if field in item.done():
                fingerprint.remember(__opts__, _mark(settings, item.kind, item.name), item.wanted[field])
        if id(item) in leaving and not item.failure:
            fingerprint.forget(__opts__, _mark(settings, item.kind, item.name))

    if any(item.steps for item in (*made, *going)):
        writing.execute(workspace, [*going, *made], settled)
        written = [item.name for item in (*made, *going) if item.changes or item.failure]
        with contextlib.suppress(ItstackError):
            # It was the last thing to do here; who reads next will hear it.
            workspace.refresh(kind, written)
    return made, going


def _mark(settings, kind, name):
    return f"freeipa/{settings['host']}/{kind.command}/{name}"


def _differs(kind, found, password, check, mark, settings):
    if kind.name != "system_account":
        return fingerprint.known(__opts__, mark, password) is False
    if check == "fingerprint" or found.get("enabled") is False:
        # A locked account can't bind, whatever its password.
        return fingerprint.known(__opts__, mark, password) is not True
    start_tls = settings.get("ldap_start_tls", True)
    return not directory.accepts(_ldap(settings), found["dn"], password, settings.get("ca"), start_tls)


def remove(kind, name, zone=None, preserve=False, test=False, profile="freeipa"):
    """
    Remove one object, and return what changed.

    kind, name, zone
        Which.
    preserve
        Keep a person among the deleted ones, from where FreeIPA can restore them.

    Refuses what FreeIPA made itself, what belongs to its servers, the profile's own account, and the last
    member of ``admins``.

    CLI Example:

    .. code-block:: bash

        salt lab-id1 itstack_freeipa.remove user jdoe preserve=True
    """
    chosen, settings = _kind(kind, zone), _settings(profile)
    workspace = _workspace(settings)
    name = str(name)
    try:
        found = workspace.entries(chosen, ()).get(chosen.identity(name))
    except Missing:  # the zone
        return {}
    if found is None:
        return {}
    _guard(workspace, settings).refuse(chosen, name, found)
    if not test:
        options = {"preserve": True} if preserve else {}
        item = writing.removing(chosen, chosen.key(found), options)
        writing.execute(workspace, [item])
        if item.failure and not isinstance(item.failure, Missing):  # somebody else was faster
            raise item.failure
        workspace.refresh(chosen, [chosen.key(found)])
        fingerprint.forget(__opts__, _mark(settings, chosen, chosen.identity(name)))
    return removal(name)


def describe(kinds=None, secrets=False, numbers=False, text=True, profile="freeipa"):
    """
    What is on a server, as states: applied to this server they change nothing, applied to an empty one they
    make it the same.

    kinds
        Which; without it all that is managed here.
    secrets
        With a reference such as ``secret://freeipa-user-jdoe`` for each password, which the server never
        gives back. A system account can't be made without.
    numbers
        With user and group numbers, which another server would give out anew.
    text
        ``False`` gives a structure in place of YAML.

    What FreeIPA made itself and what it fills in are left out; what people changed of its own groups and
    rules is in it.

    CLI Example:

    .. code-block:: bash

        salt-call --local --out=newline_values_only itstack_freeipa.describe kinds='[user, group]'
    """
    settings = _settings(profile)
    workspace = _workspace(settings)
    wanted = [kinds] if isinstance(kinds, str) else list(kinds or KINDS)
    unknown = [name for name in wanted if name not in KINDS]
    if unknown:
        raise Invalid(
            Problem("", "kinds", name, "FreeIPA has no such kind here", nearest(name, KINDS))
            for name in unknown
        )
    states = describing.describe(workspace, _guard(workspace, settings), wanted, secrets, numbers)
    if not text:
        return states
    return salt.utils.yaml.safe_dump(states, default_flow_style=False, sort_keys=False)


def request_certificate(principal, csr, certificate_profile=None, authority="ipa", profile="freeipa"):
    """
    Have FreeIPA's authority sign a request, and return the certificate in base64.

    principal
        Whose certificate it is: a host's name, or a service as ``HTTP/www.it-stack.lab``. It must exist.
    csr
        The request, as PEM.
    certificate_profile
        The authority's profile; FreeIPA's default is ``caIPAserviceCert``.
    authority
        Which of its authorities.

    Each call makes a new certificate. Raises an error where the server runs without an authority. This one
    command was never tried against an authority: the tests' server has none.

    CLI Example:

    .. code-block:: bash

        salt lab-id1 itstack_freeipa.request_certificate HTTP/www.it-stack.lab "$(cat www.csr)"
    """
    server = _workspace(_settings(profile)).server
    with contextlib.suppress(Unsupported):
        if server.call("ca_is_enabled").get("result"):
            # API.txt of freeipa/freeipa: cert_request(csr, principal, profile_id, cacn).
            options = declared(principal=principal, profile_id=certificate_profile, cacn=authority)
            return server.call("cert_request", [csr], options)["result"]["certificate"]
    raise Unsupported(
        f"the certificate of {principal} can't be requested: this FreeIPA runs without an authority",
        "FreeIPA",
        "have it signed where your certificates come from, or install it with `ipa-ca-install`",
    )
