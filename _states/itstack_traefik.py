"""
States for the routes of Traefik: a document of its file provider for each application.

.. code-block:: yaml

    "the wiki's route":
      itstack_traefik.document_present:
        - name: wiki
        - document:
            http:
              routers:
                wiki: {rule: "Host(`wiki.example.org`)", service: wiki, tls: {}}
              services:
                wiki: {loadBalancer: {servers: [{url: "http://192.0.2.20:8080"}]}}

How the proxy is reached is described in the execution module of the same name.
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
from salt_itstack.reconcile import converge, creation
from salt_itstack.services.traefik import document as documents
from salt_itstack.services.traefik.resources import DOCUMENT


def _starts(profile):
    return bool(__opts__["test"] and plugin.starts_in_this_run(__opts__, __pillar__, profile))


def document_present(
    name, document, directory="/etc/traefik/dynamic", group="traefik", profile="traefik", **kwargs
):  # pylint: disable=unused-argument
    """
    Ensure that Traefik has this document of an application, in its file and loaded.

    It is refused before it's written where it would stop the provider, and put back where Traefik doesn't
    take it. Other files of the folder are left alone.

    name
        The application. The file is ``itstack-<name>.yml``.
    document
        A mapping with ``http``, ``tcp``, ``udp`` and ``tls``, as Traefik's file provider reads it.
    directory
        The folder that the provider watches.
    group
        Whose members may read the file.
    profile
        Which proxy.

    .. code-block:: yaml

        "the wiki's route":
          itstack_traefik.document_present:
            - name: wiki
            - document:
                http:
                  routers:
                    wiki: {rule: "Host(`wiki.example.org`)", service: wiki, tls: {}}
                  services:
                    wiki: {loadBalancer: {servers: [{url: "http://192.0.2.20:8080"}]}}
    """

    def apply(test):
        return __salt__["itstack_traefik.document_apply"](
            name, document, directory=directory, group=group, test=test, profile=profile
        )

    return converge(name, apply, __opts__["test"], _prediction(document) if _starts(profile) else None)


def _prediction(document):
    try:
        document = documents.plain(document)
    except ItstackError:
        # The execution module says the same, in its place.
        return None
    return documents.shown(creation(DOCUMENT, {"document": document}))


def document_absent(name, directory="/etc/traefik/dynamic", profile="traefik", **kwargs):  # pylint: disable=unused-argument
    """
    Ensure that Traefik has no document of ours for an application.

    name
        The application.
    directory
        The folder that the provider watches.
    profile
        Which proxy.

    .. code-block:: yaml

        "no route to the wiki":
          itstack_traefik.document_absent:
            - name: wiki
    """

    def apply(test):
        try:
            return __salt__["itstack_traefik.document_remove"](
                name, directory=directory, test=test, profile=profile
            )
        except Unreachable:
            # On a server that this run is going to make, there is nothing to remove.
            if _starts(profile):
                return {}
            raise

    return converge(name, apply, __opts__["test"], unchanged="is absent", changed="was removed")
