"""
Documents of Traefik's file provider: written, loaded by the running Traefik, and looked at.

Configuration, in pillar or in the minion's configuration:

.. code-block:: yaml

    itstack:
      profiles:
        traefik:
          url: http://127.0.0.1:8080     # of its API, which has no login: keep it on the loopback

Run on the proxy itself: Traefik has no interface that writes, so documents are files. One file that it can't
read makes it ignore all new ones; so each is checked before, and looked up in the running Traefik afterwards.
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
import os
import pathlib
import shutil
import time

from salt_itstack import atomic, plugin
from salt_itstack.errors import Invalid, ItstackError, Missing, Problem, Rejected
from salt_itstack.reconcile import forget, removal, snapshot
from salt_itstack.services.traefik import applied, loading
from salt_itstack.services.traefik import document as documents
from salt_itstack.services.traefik.api import Traefik, others, place, read_document, text_of

_SERVICE = "Traefik"
#: Seconds until a document has to be loaded: it reads at most every two.
_PATIENCE = 10.0


def _server(profile):
    return Traefik(plugin.profile(profile, __opts__, __pillar__))


def _slots(server):
    return ("traefik", server.url), ("traefik certificates", server.url)


def _loaded(server):
    return snapshot(__context__, _slots(server)[0], server.read_all)


def _served(server, document):
    """What is served, asked for only where a document has certificates."""
    if not applied.certificates(document):
        return []
    return snapshot(__context__, _slots(server)[1], server.read_certificates)


def _forget(server):
    for slot in _slots(server):
        forget(__context__, slot)


def version(profile="traefik"):
    """
    The server's version, such as ``3.7.15``.

    CLI Example:

    .. code-block:: bash

        salt lab-proxy1 itstack_traefik.version
    """
    return _server(profile).read_version()


def routers(profile="traefik"):
    """
    The routers that are loaded, by ``name@provider``: rule, service, status, and errors if there are any.

    CLI Example:

    .. code-block:: bash

        salt lab-proxy1 itstack_traefik.routers
    """
    found = _server(profile).read_all().get("routers") or {}
    return {
        name: {key: row[key] for key in ("rule", "service", "status", "error") if key in row}
        for name, row in found.items()
    }


def errors(profile="traefik"):
    """
    What Traefik can't use of what it has loaded, by kind and ``name@provider``: its reasons.

    CLI Example:

    .. code-block:: bash

        salt lab-proxy1 itstack_traefik.errors
    """
    return {
        f"{kind} {name}": list(row["error"])
        for kind, rows in sorted(_server(profile).read_all().items())
        for name, row in sorted((rows or {}).items())
        if row.get("error")
    }


def certificates(profile="traefik"):
    """
    The certificates that are served, by their SHA-256: for which names, from whom, and until when.

    CLI Example:

    .. code-block:: bash

        salt lab-proxy1 itstack_traefik.certificates
    """
    return {
        row["name"]: {key: row[key] for key in ("sans", "issuerCN", "notAfter", "status") if key in row}
        for row in _server(profile).read_certificates()
    }


def document(name, directory="/etc/traefik/dynamic"):
    """
    Our document of an application as it stands in its file, or ``None``; credentials in it show as hidden.

    CLI Example:

    .. code-block:: bash

        salt lab-proxy1 itstack_traefik.document wiki
    """
    return documents.shown(read_document(directory, name))


def document_apply(
    name, document, directory="/etc/traefik/dynamic", group="traefik", test=False, profile="traefik"
):
    """
    Write the document of an application, see that the running Traefik takes it, and return what changed.

    If it doesn't, the file is put back as it was, and the error says why.

    name
        The application; the file is called after it.
    document
        What the file provider is given, as a mapping with ``http``, ``tcp``, ``udp``, ``tls``.
    directory
        The folder that the provider watches.
    group
        Whose members may read it.
    test
        Only say what would change.

    CLI Example:

    .. code-block:: bash

        salt lab-proxy1 itstack_traefik.document_apply wiki '{http: {routers: {}}}' test=True
    """
    _check_name(name)
    document = documents.plain(document)
    server = _server(profile)
    changes = applied.differences(name, document, directory, _loaded(server), _served(server, document))
    if changes:
        applied.refuse_taken(name, document, directory)
    if changes and not test:
        applied.require_files(document)
        _write(server, name, document, directory, group)
    return changes


def document_drift(name, document, directory="/etc/traefik/dynamic", profile="traefik"):
    """
    What of a document isn't as wanted, in its file and in the running Traefik, read afresh and quickly.

    name, document, directory
        As of ``document_apply``.

    CLI Example:

    .. code-block:: bash

        salt lab-proxy1 itstack_traefik.document_drift wiki '{http: {routers: {}}}'
    """
    return applied.drift(plugin.profile(profile, __opts__, __pillar__), name, document, directory)


def document_remove(name, directory="/etc/traefik/dynamic", test=False, profile="traefik"):
    """
    Remove the document of an application, see that Traefik lets its routes go, and return what changed.

    If it doesn't, the file is put back as it was, and the error says why.

    name, directory
        As of ``document_apply``.
    test
        Only say what would change.

    CLI Example:

    .. code-block:: bash

        salt lab-proxy1 itstack_traefik.document_remove wiki
    """
    _check_name(name)
    path = place(directory, name)
    server = _server(profile)
    # Also where there is nothing to remove: a proxy that doesn't answer is no proxy that is as wanted.
    loaded = _loaded(server)
    if not path.exists():
        return {}
    if not test:
        _take_away(server, name, directory, loaded)
    return removal(name)


def _check_name(name):
    if not isinstance(name, str) or not name or "/" in name or name.startswith("."):
        raise Invalid(
            Problem("", "name", name, "can't be part of a file's name", "give the application's id")
        )


def _take_away(server, name, directory, loaded):
    path = place(directory, name)
    content, owner = path.read_bytes(), path.stat()
    document = read_document(directory, name)
    document = document if isinstance(document, dict) else {}
    # What another file defines, too, stays: that one is served then.
    for other in others(directory, name).values():
        document = loading.gone(document, other) if isinstance(other, dict) else document
    path.unlink()
    _forget(server)
    if not loading.remaining(document, loaded):
        return
    left = _awaited(lambda: loading.remaining(document, server.read_all()))
    if left:
        _put(path, content, owner.st_gid)
        told = f"Traefik goes on with {', '.join(left)}"
        raise applied.stuck(name, told, directory, "the file is as it was before")


def _write(server, name, document, directory, group):
    path = place(directory, name)
    if not path.parent.is_dir():
        raise Missing(f"there is no folder {directory}", _SERVICE, "make it, and let Traefik watch it")
    before = path.read_bytes() if path.exists() else None
    had = read_document(directory, name)
    _put(path, text_of(document).encode(), group)
    _forget(server)
    try:
        _see(server, name, document, had if isinstance(had, dict) else {}, directory)
    except ItstackError:
        if before is None:
            path.unlink(missing_ok=True)
        else:
            _put(path, before, group)
        raise


def _see(server, name, document, before, directory):
    """Wait until Traefik has the document in the place of what was there before; raise if it doesn't."""
    dropped = loading.gone(before, document)
    for other in others(directory, name).values():
        dropped = loading.gone(dropped, other) if isinstance(other, dict) else dropped
    seen = {}

    def lacking():
        loaded = server.read_all()
        seen["lacking"] = loading.unloaded(document, loaded)
        seen["left"] = loading.remaining(dropped, loaded)
        return seen["lacking"] or seen["left"] or loading.lingers(before, document, loaded)

    if not _awaited(lacking) or not (seen["lacking"] or seen["left"]):
        # What is left over from before, if anything, is a default.
        _see_certificates(server, document)
        return
    told = "; ".join(f"{one}: {why}" for one, why in sorted(seen["lacking"].items()))
    told = told or f"it goes on with {', '.join(seen['left'])}"
    if set(seen["lacking"].values()) <= {loading.NOT_LOADED}:
        put_back = "the file is as it was before"
        raise applied.stuck(name, f"Traefik hasn't loaded {name} ({told})", directory, put_back)
    raise Rejected(f"Traefik refuses {name} ({told}), and the file is as it was before", _SERVICE)


def _see_certificates(server, document):
    if not applied.certificates(document):
        return
    unserved = _awaited(lambda: applied.unserved(document, server.read_certificates()))
    if unserved:
        raise Rejected(
            f"Traefik doesn't serve {', '.join(unserved)}, and the file is as it was before",
            _SERVICE,
            "see that its account may read the key, that both belong together, and that no other certificate "
            "has the same names",
        )


def _awaited(lacking):
    """What is lacking still when the patience ends; nothing once nothing is."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        found = lacking()
        if not found or time.monotonic() >= deadline:
            return found
        time.sleep(0.2)


def _put(path, content, group):
    # Beside it, and with an ending that the provider doesn't read.
    temporary = pathlib.Path(f"{path}.new")
    try:
        atomic.write(temporary, content)
        with contextlib.suppress(LookupError):
            shutil.chown(temporary, group=group)
        os.chmod(temporary, 0o640)
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise ItstackError(
            f"{path} can't be written ({error.strerror}), and is as it was",
            _SERVICE,
            "make room, or run as root",
        ) from None
