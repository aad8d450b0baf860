"""
The master's store of secrets as an sdb driver.

One encrypted file, 0600, replaced atomically. Where it is, and where its key is, stands in the same part of
the master's configuration that this pack reads anyway:

.. code-block:: yaml

    itstack:
      driver: itstack
      store: /etc/salt/itstack.store
      key: /etc/salt/itstack.key

Then ``sdb://itstack/keycloak-admin`` is a secret, wherever Salt resolves sdb references on the master.
Minions don't need it: what they may know comes sealed in their pillar.
"""

__version__ = "0.1.0"

from salt.exceptions import CommandExecutionError

# Why this file must not be used is kept until it's called: of a driver that doesn't load,
# Salt only says KeyError.
try:
    from salt_itstack import compatibility
except ImportError as error:
    _REFUSAL = (
        f"{error}; this plug-in needs the library of salt-itstack {__version__}. "
        "Remedy: install it, or sync it together with this file"
    )
else:
    _REFUSAL = compatibility.refusal(__version__)

if not _REFUSAL:
    from salt_itstack.secrets.store import Store


def _store(profile):
    if _REFUSAL:
        raise CommandExecutionError(_REFUSAL)
    profile = profile or {}
    return Store.of({"itstack": profile, "conf_file": __opts__.get("conf_file")})


def get(key, profile=None):
    """
    The secret of that id, or ``None``.

    key
        Id of the secret.

    CLI Example:

    .. code-block:: bash

        salt-run sdb.get sdb://itstack/keycloak-admin
    """
    store = _store(profile)
    return store.get(key) if key in store.describe() else None


def set_(key, value, profile=None):
    """
    Write a secret.

    Mind that ``salt-run sdb.set`` shows the value in the process list and on the event bus:
    ``salt-run itstack.secret_import`` takes it from a file instead.

    CLI Example:

    .. code-block:: bash

        salt-run sdb.set sdb://itstack/demo not-a-real-secret
    """
    _store(profile).put(key, value)
    return True


def delete(key, profile=None):
    """
    Remove a secret; whether it was there.

    CLI Example:

    .. code-block:: bash

        salt-run sdb.delete sdb://itstack/demo
    """
    return _store(profile).delete(key)


__func_alias__ = {"set_": "set"}
