"""What of a document isn't as wanted, in its file and in the running Traefik, and whose fault it may be."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ...errors import Conflict, Invalid, Missing, Rejected
from ...reconcile import Changes, diff
from .api import SERVICE, Traefik, others, read_document
from .document import check, names, plain, shown
from .loading import unloaded
from .resources import DOCUMENT

#: Seconds to connect, and for an answer, where drift is looked for again and again.
QUICK = (2.0, 2.0)


def differences(
    name: str,
    document: Mapping[str, Any],
    directory: str,
    loaded: Mapping[str, Any],
    served: list[dict[str, Any]],
) -> Changes:
    """
    What a run would change: the file, or else that it's loaded, or else its certificates.

    name
        The application.
    document
        As wanted, after :func:`~.document.plain`.
    directory
        The folder that the provider watches.
    loaded
        What ``/api/rawdata`` answers.
    served
        What ``/api/certificates`` answers; it needn't be asked for where a document has none.
    """
    found = read_document(directory, name)
    changes = diff(DOCUMENT, {"document": document}, None if found is None else {"document": found})
    if changes:
        hidden: Changes = shown(changes)
        return hidden
    if unloaded(document, loaded):
        return {"loaded": {"old": False, "new": True}}
    # Traefik doesn't notice a file of a certificate that was replaced: it reads it with the document.
    newer = unserved(document, served)
    return {"certificates": {"old": "as they were", "new": newer}} if newer else {}


def drift(profile: Mapping[str, Any], name: str, document: Mapping[str, Any], directory: str) -> Changes:
    """The same with fresh reads, and little patience; the document is checked."""
    wanted = plain(document)
    server = Traefik(profile, patience=QUICK, retries=0)
    try:
        served = server.read_certificates() if certificates(wanted) else []
        return differences(name, wanted, directory, server.read_all(), served)
    finally:
        server.close()


def certificates(document: Mapping[str, Any]) -> list[str]:
    """The files of the certificates that a document has Traefik serve."""
    return sorted({row["certFile"] for row in _pairs(document) if not _is_content(row.get("certFile"))})


def unserved(document: Mapping[str, Any], served: list[dict[str, Any]]) -> list[str]:
    """The files whose certificate isn't what is served. Raises :class:`Missing` for one that isn't there."""
    known = {row.get("certFingerprint") or row.get("name") for row in served}
    return [path for path in certificates(document) if _fingerprint(path) not in known]


def require_files(document: Mapping[str, Any]) -> None:
    """Raise :class:`Missing` for a file of a certificate or key that isn't there: Traefik only logs that."""
    for row in _pairs(document):
        for key in ("certFile", "keyFile"):
            path = row.get(key)
            if not path or (not _is_content(path) and not os.path.exists(path)):
                raise _missing(f"{key} {path or '(none)'}", "isn't there")


def refuse_taken(name: str, document: Mapping[str, Any], directory: str) -> None:
    """Raise :class:`Conflict` for a name that another file of the folder defines."""
    wanted = names(document)
    for file, other in others(directory, name).items():
        if not isinstance(other, Mapping):
            continue
        for place, there in names(other).items():
            both = set(map(str, there)) & set(map(str, wanted.get(place, ())))
            if both:
                raise Conflict(
                    f"{', '.join(sorted(both))} is defined in {file} already, and the first file wins",
                    SERVICE,
                    f"give it another name, or take it out of {os.path.join(directory, file)}",
                )


def stuck(name: str, told: str, directory: str, what: str) -> Rejected:
    """The error for what Traefik hasn't taken notice of, with the files that may be why."""
    suspects = ", ".join(file for file, content in others(directory, name).items() if _is_bad(content))
    return Rejected(
        f"{told}, and {what}",
        SERVICE,
        f"one bad file makes it ignore all new ones; look at: {suspects or 'its log'}",
    )


def _is_bad(content: Any) -> bool:
    try:
        check(content)
    except Invalid:
        return True
    return False


def _pairs(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    tls = document.get("tls") or {}
    yield from tls.get("certificates") or ()
    for store in (tls.get("stores") or {}).values():
        if "defaultCertificate" in store:
            yield store["defaultCertificate"]


def _is_content(value: Any) -> bool:
    """Whether a certificate stands in the document itself."""
    return "-----BEGIN" in str(value)


def _fingerprint(path: str) -> str:
    try:
        with open(path, "rb") as file:
            found = x509.load_pem_x509_certificate(file.read())
    except OSError as error:
        raise _missing(path, f"can't be read ({error.strerror})") from None
    except ValueError:
        raise _missing(path, "is no certificate in PEM") from None
    return found.fingerprint(hashes.SHA256()).hex()


def _missing(path: str, why: str) -> Missing:
    return Missing(f"{path} {why}", SERVICE, "put the certificate and its key there first")
