"""Requests that the server makes itself: which addresses it may call and which authorities it trusts."""

import ipaddress
import os
import socket
import urllib.parse

import requests


class Refused(Exception):
    """The address violates the rules for local servers."""


def bundle(installation):
    """The CA bundle: the configured or shipped one, with the certificates imported by occ in front."""
    config = installation.config
    default = config.get("default_certificates_bundle_path") or os.path.join(
        installation.root, "resources", "config", "ca-bundle.crt"
    )
    folder = os.path.join(str(config.get("datadirectory")), "files_external")
    uploads = os.path.join(folder, "uploads")
    if not os.path.isdir(uploads) or not os.listdir(uploads):
        return default
    path = os.path.join(folder, "rootcerts.crt")
    parts = [os.path.join(uploads, name) for name in sorted(os.listdir(uploads))]
    text = ""
    for part in [*parts, default]:
        with open(part, encoding="utf-8", errors="replace") as file:
            text += file.read() + "\n"
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)
    return path


def _check_address(url):
    host = urllib.parse.urlsplit(url).hostname or ""
    local_name = "." not in host and ":" not in host
    if local_name or host.endswith((".local", ".localhost", ".internal")):
        raise Refused(f"Host {host} violates local access rules")
    for entry in socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP):
        if not ipaddress.ip_address(entry[4][0].partition("%")[0]).is_global:
            raise Refused(f"Host {host} violates local access rules")


def call(installation, method, url, **arguments):
    """A response of ``requests`` with status under 400.

    Raises requests.RequestException (also for status 400 and up), OSError or :class:`Refused`.
    """
    if installation.config.get("allow_local_remote_servers") is not True:
        _check_address(url)
    options = installation.config.get("user_oidc") or {}
    verify = False if options.get("httpclient.allowselfsigned") else bundle(installation)
    with requests.Session() as session:
        session.trust_env = False
        answer = session.request(method, url, verify=verify, timeout=(5, 30), **arguments)
    answer.raise_for_status()
    return answer
