"""
Webhooks between applications: an address of one, to which the other sends what happened.

Configuration: a profile for the application where the webhook is made, named after it unless the end says
otherwise, in pillar or in the minion's configuration:

.. code-block:: yaml

    itstack:
      profiles:
        mattermost:
          url: http://10.0.50.13:8065
          user: salt-itstack
          password: secret://mattermost-admin
          ca: /etc/ssl/certs/my-ca.pem   # optional

The kinds are data; ``itstack_webhook.kinds`` lists them.
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


def kinds():
    """
    The kinds of webhooks that this version knows, with the arguments of both ends and their fields.

    CLI Example:

    .. code-block:: bash

        salt app1 itstack_webhook.kinds
    """
    return linking.described("webhook")


def apply(name, kind, source, target, secret=None, test=False, **fields):
    """
    Make a webhook, or bring it to the wanted shape, on both ends; ``changes`` and ``warnings``.

    name, kind, source, target, secret, fields
        As of the state ``itstack_webhook.present``.
    test
        Only say what would change.

    CLI Example:

    .. code-block:: bash

        salt app1 itstack_webhook.apply wiki mattermost-incoming \
            '{file: /etc/wiki/hook}' '{team: a, channel: wiki}'
    """
    link = _link(name, kind, source, target, secret, fields)
    return {"changes": link.present(test), "warnings": link.warnings}


def remove(name, kind, source, target, test=False):
    """
    Remove a webhook from both ends; ``changes`` and ``warnings``.

    name, kind, source, target
        As of the state ``itstack_webhook.present``.
    test
        Only say what would change.

    CLI Example:

    .. code-block:: bash

        salt app1 itstack_webhook.remove wiki mattermost-incoming \
            '{file: /etc/wiki/hook}' '{team: a, channel: wiki}'
    """
    secret = linking.placeholder("webhook", kind)
    link = _link(name, kind, source, target, secret, {})
    return {"changes": link.absent(test), "warnings": link.warnings}


def _link(name, kind, source, target, secret, fields):
    return linking.Link(
        __opts__, __pillar__, __context__, "webhook", name=name, kind=kind, source=source, target=target,
        secret=secret, fields=plugin.own_arguments(fields),
    )  # fmt: skip
