"""
States for people, groups and system accounts of FreeIPA.

.. code-block:: yaml

    "person jdoe":
      itstack_freeipa.user_present:
        - name: jdoe
        - first_name: Jane
        - last_name: Doe
        - mail: [jane@it-stack.lab]
        - password: secret://sandbox-person
        - password_expires: "2036-01-01T00:00:00Z"

    "group staff":
      itstack_freeipa.group_present:
        - name: staff
        - users: [jdoe]

    "bind account of Keycloak":
      itstack_freeipa.system_account_present:
        - name: keycloak
        - password: secret://freeipa-keycloak

How the server is reached is described in the execution module of the same name. Fields that aren't given
are left alone.
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
from salt_itstack.reconcile import Field, Resource, converge, declared
from salt_itstack.services.freeipa.resources import GROUP, SYSTEM_ACCOUNT, USER


def _present(kind, function, name, wanted, profile, extra, **options):
    # What nobody knows is refused by the kind, with the nearest name.
    wanted = {**declared(**wanted), **plugin.own_arguments(extra)}

    def apply(test):
        return __salt__[f"itstack_freeipa.{function}"](name, test=test, profile=profile, **options, **wanted)

    predicted = None
    if __opts__["test"] and plugin.starts_in_this_run(__opts__, __pillar__, profile):
        try:
            predicted = kind.predicted(name, wanted)
        except ItstackError as error:
            return {"name": name, "result": False, "changes": {}, "comment": str(error)}
    return converge(name, apply, __opts__["test"], predicted)


def _absent(function, name, profile, extra, **options):
    def apply(test):
        known = dict.fromkeys((*options, "profile"), Field(""))
        Resource("state of this kind", "", known).check(plugin.own_arguments(extra))
        try:
            return __salt__[f"itstack_freeipa.{function}"](name, test=test, profile=profile, **options)
        except Unreachable:
            if test and plugin.starts_in_this_run(__opts__, __pillar__, profile):
                return {}  # a new server has nothing to remove
            raise

    return converge(name, apply, __opts__["test"], unchanged="is absent", changed="was removed")


def user_present(
    name,
    first_name=None,
    last_name=None,
    full_name=None,
    display_name=None,
    mail=None,
    telephone_numbers=None,
    title=None,
    department=None,
    employee_number=None,
    login_shell=None,
    home_directory=None,
    password=None,
    password_expires=None,
    groups=None,
    profile="freeipa",
    **kwargs,
):
    """
    Ensure that a person exists and has the given values.

    name
        Login name; FreeIPA keeps it in lower case.
    first_name, last_name
        Needed on creation.
    full_name, display_name
        FreeIPA makes them of the names on creation, and doesn't follow later changes of those.
    mail, telephone_numbers
        Lists. FreeIPA gives a new person an address of its own domain where none is declared.
    title, department, employee_number, login_shell, home_directory
        An empty text deletes the value.
    password
        A reference (``secret://…``, ``sdb://…``). Written on creation, where the person has none, and when
        another one is declared than was written last; what the person changes is left alone.
    password_expires
        Until when a password that is written here is valid, UTC. Without it FreeIPA demands a new one at
        the first login.
    groups
        Groups that the person is put into; others are left alone.

    .. code-block:: yaml

        jdoe:
          itstack_freeipa.user_present:
            - first_name: Jane
            - last_name: Doe
            - groups: [staff]
    """
    wanted = {
        "first_name": first_name,
        "last_name": last_name,
        "full_name": full_name,
        "display_name": display_name,
        "mail": mail,
        "telephone_numbers": telephone_numbers,
        "title": title,
        "department": department,
        "employee_number": employee_number,
        "login_shell": login_shell,
        "home_directory": home_directory,
        "password": password,
        "password_expires": password_expires,
        "groups": groups,
    }
    return _present(USER, "user_apply", name, wanted, profile, kwargs)


def user_absent(name, preserve=False, profile="freeipa", **kwargs):
    """
    Ensure that there is no such person.

    preserve
        Keep the entry among the deleted ones, from where FreeIPA can restore it.

    .. code-block:: yaml

        jdoe:
          itstack_freeipa.user_absent:
            - preserve: true
    """
    return _absent("user_remove", name, profile, kwargs, preserve=preserve)


def group_present(
    name,
    description=None,
    posix=None,
    users=None,
    groups=None,
    exclusive=False,
    profile="freeipa",
    **kwargs,
):
    """
    Ensure that a group exists, has the given values, and holds the given members.

    name
        Name of the group; FreeIPA keeps it in lower case.
    description
        An empty text deletes it.
    posix
        Whether it has a group number. FreeIPA's default for a new group is true, and it can't be taken away.
    users, groups
        Direct members. They are added; others are left alone, unless ``exclusive``.
    exclusive
        Remove members, of the kinds that are declared, that aren't declared.

    .. code-block:: yaml

        staff:
          itstack_freeipa.group_present:
            - description: Everybody on the payroll
            - users: [jdoe, asmith]
            - groups: [helpdesk]
    """
    wanted = {"description": description, "posix": posix, "users": users, "groups": groups}
    return _present(GROUP, "group_apply", name, wanted, profile, kwargs, exclusive=exclusive)


def group_absent(name, profile="freeipa", **kwargs):
    """
    Ensure that there is no such group.

    .. code-block:: yaml

        helpdesk:
          itstack_freeipa.group_absent: []
    """
    return _absent("group_remove", name, profile, kwargs)


def system_account_present(
    name,
    password=None,
    description=None,
    privileged=None,
    password_check="bind",
    profile="freeipa",
    **kwargs,
):
    """
    Ensure that an account exists with which an application can read the directory. Needs FreeIPA 4.13.

    name
        Name of the account; it binds as ``uid=NAME,cn=sysaccounts,cn=etc,SUFFIX``.
    password
        A reference (``secret://…``, ``sdb://…``), at least eight characters. Needed on creation.
    description
        An empty text deletes it.
    privileged
        May set people's passwords without their having to change them at once.
    password_check
        ``bind`` (default) tries the password on the directory, and needs python-ldap. ``fingerprint``
        compares with what this minion wrote last, and doesn't see changes made by others.

    .. code-block:: yaml

        keycloak:
          itstack_freeipa.system_account_present:
            - password: secret://freeipa-keycloak
            - description: Read by Keycloak's user federation
    """
    wanted = {"password": password, "description": description, "privileged": privileged}
    return _present(
        SYSTEM_ACCOUNT, "system_account_apply", name, wanted, profile, kwargs, password_check=password_check
    )


def system_account_absent(name, profile="freeipa", **kwargs):
    """
    Ensure that there is no such system account. Needs FreeIPA 4.13.

    .. code-block:: yaml

        keycloak:
          itstack_freeipa.system_account_absent: []
    """
    return _absent("system_account_remove", name, profile, kwargs)
