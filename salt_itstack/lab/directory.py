"""
A real 389 Directory Server instance, laid out without dscreate (which insists on systemd).

The instance lies in one folder: its configuration, schema, certificates, database and logs.
``lay_out`` makes it once, with its first entries imported offline; ``command`` is what a process
supervisor runs in the foreground, as an unprivileged user. Everything here comes from Debian's
package 389-ds-base, and libnss3-tools where LDAPS is wanted.
"""

from __future__ import annotations

import base64
import hashlib
import os
import pwd
import secrets
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from salt_itstack.errors import Invalid, ItstackError, Missing

BACKEND = "userRoot"
MANAGER = "cn=Directory Manager"
TEMPLATE = Path("/usr/share/dirsrv/data/template-dse.ldif")
CERTIFICATE_NAME = "Server-Cert"
FOLDERS = ("schema", "lock", "tmp", "ldif", "bak", "run", "log", "db", "dbhome", "inst")
# attribute: kinds of index. The server makes only the indexes that its own working needs by itself.
INDEXES = {
    "cn": "pres eq sub", "uid": "pres eq sub", "sn": "pres eq sub", "givenName": "pres eq sub",
    "mail": "pres eq sub", "telephoneNumber": "pres eq sub", "title": "pres eq sub", "ou": "pres eq sub",
    "description": "pres eq sub", "uidNumber": "eq", "gidNumber": "eq", "member": "pres eq sub",
    "memberOf": "pres eq sub", "owner": "eq", "seeAlso": "eq", "uniqueMember": "eq", "manager": "pres eq sub",
}  # fmt: skip

Entry = tuple[str, Sequence[tuple[str, str]]]


@dataclass(frozen=True)
class Certificate:
    """PEM files that LDAPS presents: the certificate, its key, and the authority that signed it."""

    certificate: Path
    key: Path
    authority: Path


@dataclass(frozen=True)
class Instance:
    """
    One directory server.

    folder
        Holds everything of the instance. Its base name must be the only one of its kind on the machine:
        the server derives the name of a semaphore from it.
    suffix
        Root of the tree, such as ``dc=it-stack,dc=lab``.
    address, port, secure_port
        Where it listens. ``secure_port`` counts only with a certificate.
    host
        The server's own full name.
    user
        Whom the process runs as.
    manager_hash
        Hash of the Directory Manager's password, as ``hash_password`` makes it.
    schema
        LDIF lines of own attribute types and object classes.
    plugins
        Settings of plug-ins by their cn; those named here are switched on.
    extra_configuration
        More entries under cn=config.
    indexes
        More indexes beside those of ``INDEXES``: attribute to kinds.
    """

    folder: Path
    suffix: str
    address: str
    host: str
    manager_hash: str
    port: int = 389
    secure_port: int = 636
    user: str = "dirsrv"
    certificate: Certificate | None = None
    schema: Sequence[str] = ()
    plugins: dict[str, dict[str, Sequence[str]]] = field(default_factory=dict)
    extra_configuration: Sequence[Entry] = ()
    indexes: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)


def hash_password(password: str) -> str:
    """The password as the directory stores it (salted SHA-512: cheap enough for thousands of binds)."""
    salt = secrets.token_bytes(8)
    digest = hashlib.sha512(password.encode() + salt).digest()
    return "{SSHA512}" + base64.b64encode(digest + salt).decode()


def command(instance: Instance) -> list[str]:
    """What runs the server in the foreground."""
    return [
        _program("ns-slapd"),
        "-D",
        str(instance.folder),
        "-i",
        str(instance.folder / "run" / "slapd.pid"),
        "-d",
        "0",
    ]


def lay_out(instance: Instance, entries: Iterable[Entry]) -> None:
    """
    Make the instance's folder, and import its first entries.

    entries
        Pairs of a DN and its attributes, parents first. Passwords in them should be hashed already.

    Raises Missing where the packages aren't installed, Invalid where the instance is there already.
    """
    if (instance.folder / "dse.ldif").exists():
        raise Invalid(
            [
                f"{instance.folder}: there is a directory instance already, and making it anew would lose its"
                " entries. Remove the folder, or leave the instance as it is"
            ]
        )
    if not TEMPLATE.exists():
        raise Missing(f"{TEMPLATE} isn't there", remedy="apt-get install 389-ds-base")
    for name in FOLDERS:
        (instance.folder / name).mkdir(parents=True, exist_ok=True)
    # The server refuses to start without these two, even if they're empty.
    for name in ("certmap.conf", "slapd-collations.conf"):
        (instance.folder / name).touch()
    (instance.folder / "schema" / "99user.ldif").write_text(
        "\n".join(["dn: cn=schema", *instance.schema, ""]), encoding="utf-8"
    )
    if instance.certificate:
        _store_certificate(instance.folder, instance.certificate)
    (instance.folder / "dse.ldif").write_text(_configuration(instance), encoding="utf-8")
    first = instance.folder / "ldif" / "first.ldif"
    first.write_text(to_ldif(entries), encoding="utf-8")
    _give_to(instance.folder, instance.user)
    try:
        _run_as(
            instance.user,
            [_program("ns-slapd"), "ldif2db", "-D", str(instance.folder), "-n", BACKEND, "-i", str(first)],
        )
    finally:
        first.unlink()


def to_ldif(entries: Iterable[Entry]) -> str:
    """Entries as LDIF text."""
    blocks = []
    for dn, attributes in entries:
        lines = [_line("dn", dn), *(_line(name, value) for name, value in attributes)]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _line(name: str, value: str) -> str:
    plain = value.isascii() and value.isprintable() and value[:1] not in (" ", ":", "<") and value[-1:] != " "
    return f"{name}: {value}" if plain else f"{name}:: {base64.b64encode(value.encode()).decode()}"


def _program(name: str) -> str:
    # /usr/sbin isn't in the search path of every user who runs the tests.
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        package = "libnss3-tools" if name in ("certutil", "pk12util") else "389-ds-base"
        raise Missing(f"the program {name} isn't installed", remedy=f"apt-get install {package}")
    return path


# --- configuration


def _configuration(instance: Instance) -> str:
    folder = instance.folder
    marks = {name: str(folder / name.removesuffix("_dir")) for name in
             ("schema_dir", "lock_dir", "tmp_dir", "ldif_dir", "bak_dir", "run_dir", "log_dir", "db_dir",
              "inst_dir")}  # fmt: skip
    marks |= {
        "cert_dir": str(folder), "config_dir": str(folder), "db_home_dir": str(folder / "dbhome"),
        "db_lib": "bdb", "ds_user": instance.user, "ds_passwd": instance.manager_hash, "fqdn": instance.host,
        "ds_port": str(instance.port), "ds_suffix": instance.suffix, "rootdn": MANAGER,
        "ldapi_enabled": "off", "ldapi": str(folder / "run" / "slapd.socket"), "ldapi_autobind": "off",
    }  # fmt: skip
    text = TEMPLATE.read_text(encoding="utf-8")
    for name, value in marks.items():
        text = text.replace(f"%{name}%", value)
    blocks = _Blocks(text)
    blocks.set("cn=config", {name: [value] for name, value in _main_settings(instance).items()})
    for name, settings in instance.plugins.items():
        blocks.set(f"cn={name},cn=plugins,cn=config", {"nsslapd-pluginenabled": ["on"], **settings})
    added = to_ldif([*_backend(instance), *instance.extra_configuration])
    return blocks.text() + "\n" + added


def _main_settings(instance: Instance) -> dict[str, str]:
    settings = {
        "nsslapd-listenhost": instance.address,
        # The default scheme costs several milliseconds of one core at each bind.
        "passwordStorageScheme": "SSHA512",
        "nsslapd-rootpwstoragescheme": "SSHA512",
        "nsslapd-syntaxcheck": "on",
        "nsslapd-sizelimit": "100000",
        "nsslapd-defaultnamingcontext": instance.suffix,
        # Else a stopping server may wait for idle clients.
        "nsslapd-idletimeout": "3600",
    }
    if instance.certificate:
        settings |= {
            "nsslapd-security": "on",
            "nsslapd-securePort": str(instance.secure_port),
            "nsslapd-securelistenhost": instance.address,
            # Clients authenticate with passwords here; asking for certificates only slows the handshake.
            "nsslapd-SSLclientAuth": "off",
        }
    return settings | instance.settings


def _backend(instance: Instance) -> list[Entry]:
    root = f"cn={BACKEND},cn=ldbm database,cn=plugins,cn=config"
    entries: list[Entry] = [
        (
            root,
            [
                ("objectClass", "top"), ("objectClass", "extensibleObject"),
                ("objectClass", "nsBackendInstance"), ("cn", BACKEND), ("nsslapd-suffix", instance.suffix),
                ("nsslapd-directory", str(instance.folder / "db" / BACKEND)),
            ],
        ),
        (f"cn=index,{root}", [("objectClass", "top"), ("objectClass", "extensibleObject"), ("cn", "index")]),
    ]  # fmt: skip
    for name, kinds in {**INDEXES, **instance.indexes}.items():
        attributes = [
            ("objectClass", "top"),
            ("objectClass", "nsIndex"),
            ("cn", name),
            ("nsSystemIndex", "false"),
        ]
        entries.append(
            (f"cn={name},cn=index,{root}", attributes + [("nsIndexType", k) for k in kinds.split()])
        )
    mapping: list[tuple[str, str]] = [
        ("objectClass", "top"), ("objectClass", "extensibleObject"), ("objectClass", "nsMappingTree"),
        ("cn", instance.suffix), ("nsslapd-state", "backend"), ("nsslapd-backend", BACKEND),
    ]  # fmt: skip
    entries.append((f'cn="{instance.suffix}",cn=mapping tree,cn=config', mapping))
    return entries


class _Blocks:
    """The package's template, entry by entry, with its lines left as they are."""

    def __init__(self, text: str) -> None:
        self.blocks = [block.split("\n") for block in text.strip().split("\n\n") if block.strip()]

    def set(self, dn: str, settings: dict[str, Sequence[str]]) -> None:
        """Give an entry these values, in place of those that it has of the same attributes."""
        for number, lines in enumerate(self.blocks):
            named = next((line for line in lines if line.lower().startswith("dn:")), "")
            if named[3:].strip().lower() == dn.lower():
                kept = [
                    line for line in lines if line.split(":")[0].lower() not in {n.lower() for n in settings}
                ]
                added = [_line(name, value) for name, values in settings.items() for value in values]
                self.blocks[number] = kept + added
                return
        raise ItstackError(
            f"{TEMPLATE} has no entry {dn!r}",
            remedy="use the 389-ds-base of Debian 12 (2.3.1) or correct the name",
        )

    def text(self) -> str:
        return "\n\n".join("\n".join(lines) for lines in self.blocks) + "\n"


# --- certificates, users


def _store_certificate(folder: Path, files: Certificate) -> None:
    """Put PEM files into the certificate database that the server reads."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.serialization import pkcs12

    database = f"sql:{folder}"
    _run([_program("certutil"), "-N", "-d", database, "--empty-password"])
    _run([_program("certutil"), "-A", "-d", database, "-n", "authority", "-t", "CT,,", "-a", "-i",
          str(files.authority)])  # fmt: skip
    passphrase = secrets.token_urlsafe(24)
    bundle, word, empty = (folder / "tmp" / name for name in ("bundle.p12", "bundle.word", "empty.word"))
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    chain = x509.load_pem_x509_certificates(files.certificate.read_bytes())
    packed = pkcs12.serialize_key_and_certificates(
        CERTIFICATE_NAME.encode(), key, chain[0], chain[1:],  # type: ignore[arg-type]
        serialization.BestAvailableEncryption(passphrase.encode()),
    )  # fmt: skip
    try:
        for path, content in ((bundle, packed), (word, passphrase.encode()), (empty, b"\n")):
            path.touch(mode=0o600)
            path.write_bytes(content)
        _run([_program("pk12util"), "-d", database, "-i", str(bundle), "-w", str(word), "-k", str(empty)])
    finally:
        for path in (bundle, word, empty):
            path.unlink(missing_ok=True)


def _give_to(folder: Path, user: str) -> None:
    try:
        owner = pwd.getpwnam(user)
    except KeyError:
        raise Missing(
            f"there is no user {user!r}", remedy="apt-get install 389-ds-base makes the user dirsrv"
        ) from None
    for path in [folder, *folder.rglob("*")]:
        if os.geteuid() == 0:
            os.chown(path, owner.pw_uid, owner.pw_gid)
        path.chmod(0o700 if path.is_dir() else 0o600)


def _run_as(user: str, words: list[str]) -> None:
    if os.geteuid() == 0:
        owner = pwd.getpwnam(user)
        _run(words, user=owner.pw_uid, group=owner.pw_gid, extra_groups=[])
    else:
        _run(words)


def _run(words: list[str], **options: object) -> None:
    done = subprocess.run(  # type: ignore[call-overload]
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/",
        timeout=120, check=False, **options,
    )  # fmt: skip
    if done.returncode:
        last = "\n".join(done.stdout.strip().splitlines()[-5:])
        raise ItstackError(f"{Path(words[0]).name} failed with code {done.returncode}: {last}")
