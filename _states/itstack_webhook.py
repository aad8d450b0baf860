"""
Webhooks between applications: an address of one, to which the other sends what happened.

.. code-block:: yaml

    "the wiki tells the chat":
      itstack_webhook.present:
        - name: wiki
        - kind: mattermost-incoming
        - source:
            file: /etc/wiki/chat-address
        - target:
            team: it-stack
            channel: wiki

How the application is reached is described in the execution module of the same name.
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

from salt_itstack import linking, plugin
from salt_itstack.errors import Unreachable
from salt_itstack.reconcile import converge


def present(name, kind, source, target, secret=None, **kwargs):
    """
    Ensure that a webhook exists, has these settings, and that the other end has what it needs of it.

    One that was removed by hand is made anew, and the other end gets the new address in the same run. What is
    managed are the fields that are given, and those that the kind has a default for.

    name
        Its name; with the place, what it's found by.
    kind
        One of the kinds that ``itstack_webhook.kinds`` lists.
    source, target
        The two applications: mappings with the arguments of the kind. The end where the webhook is made may
        have ``profile`` (a name, or address and credentials). Where the server makes the address or a token,
        the other end has ``file`` (a path; with ``user``, ``group`` and ``mode``, 0600 if not said) or
        ``store`` (id of a secret of the map, which the master gives to the minion that needs it).
    secret
        A reference, for the kinds where we choose it.
    kwargs
        Fields of the kind.

    .. code-block:: yaml

        "the wiki tells the chat":
          itstack_webhook.present:
            - name: wiki
            - kind: mattermost-incoming
            - source:
                file: /etc/wiki/chat-address
            - target:
                team: it-stack
                channel: wiki
    """
    given = {"kind": kind, "source": source, "target": target, "secret": secret}
    fields = plugin.own_arguments(kwargs)
    warnings = []

    def apply(test):
        found = __salt__["itstack_webhook.apply"](name, test=test, **given, **fields)
        warnings.extend(found["warnings"])
        return found["changes"]

    ret = converge(name, apply, __opts__["test"], _predicted(name=name, fields=fields, **given))
    if warnings:
        ret["warnings"] = warnings
    return ret


def _predicted(**given):
    return linking.prediction(__opts__, __pillar__, "webhook", **given) if __opts__["test"] else None


def absent(name, kind, source, target, **kwargs):  # pylint: disable=unused-argument
    """
    Ensure that a webhook doesn't exist, and that nothing of it is left at the other end.

    name, kind, source, target
        As of ``present``.

    .. code-block:: yaml

        "the wiki no longer tells the chat":
          itstack_webhook.absent:
            - name: wiki
            - kind: mattermost-incoming
            - source:
                file: /etc/wiki/chat-address
            - target:
                team: it-stack
                channel: wiki
    """

    def apply(test):
        try:
            return __salt__["itstack_webhook.remove"](name, kind, source, target, test=test)["changes"]
        except Unreachable:
            # On a server that this run is going to make, there is nothing to remove.
            given = {"name": name, "kind": kind, "source": source, "target": target}
            if test and linking.starts(__opts__, __pillar__, "webhook", **given):
                return {}
            raise

    return converge(name, apply, __opts__["test"], unchanged="is absent", changed="was removed")
