"""
Links between applications: an account of one, with which the other uses its interface.

Configuration: a profile for the application where the link is made, named after it unless the end says
otherwise, in pillar or in the minion's configuration:

.. code-block:: yaml

    itstack:
      profiles:
        mattermost:
          url: http://10.0.50.13:8065
          user: salt-itstack
          password: secret://mattermost-admin
          ca: /etc/ssl/certs/my-ca.pem   # optional

The kinds are data; ``itstack_link.kinds`` lists them.
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
    The kinds of links that this version knows, with the arguments of both ends and their fields.

    CLI Example:

    .. code-block:: bash

        salt app1 itstack_link.kinds
    """
    return linking.described("link")


def apply(name, kind, source, target, secret=None, test=False, **fields):
    """
    Make a link, or bring it to the wanted shape, on both ends; ``changes`` and ``warnings``.

    name, kind, source, target, secret, fields
        As of the state ``itstack_link.present``.
    test
        Only say what would change.

    CLI Example:

    .. code-block:: bash

        salt app1 itstack_link.apply wiki mattermost-bot \
            '{file: /etc/wiki/token}' '{team: a, channels: [wiki]}'
    """
    link = _link(name, kind, source, target, secret, fields)
    return {"changes": link.present(test), "warnings": link.warnings}


def remove(name, kind, source, target, test=False):
    """
    Remove a link from both ends; ``changes`` and ``warnings``.

    name, kind, source, target
        As of the state ``itstack_link.present``.
    test
        Only say what would change.

    CLI Example:

    .. code-block:: bash

        salt app1 itstack_link.remove wiki mattermost-bot \
            '{file: /etc/wiki/token}' '{team: a, channels: [wiki]}'
    """
    secret = linking.placeholder("link", kind)
    link = _link(name, kind, source, target, secret, {})
    return {"changes": link.absent(test), "warnings": link.warnings}


def _link(name, kind, source, target, secret, fields):
    return linking.Link(
        __opts__, __pillar__, __context__, "link", name=name, kind=kind, source=source, target=target,
        secret=secret, fields=plugin.own_arguments(fields),
    )  # fmt: skip
