"""The lab's certificate authority: made once per state folder, trusted by every server of the lab only."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAYS = 825
RENEW_DAYS = 30
KEY_BITS = 2048


class Authority:
    """Issues certificates, and keeps them with its own key in one folder."""

    def __init__(self, folder: Path, domain: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.key_file, self.certificate_file = folder / "ca.key", folder / "ca.crt"
        if not self._fresh(self.certificate_file) or not self.key_file.exists():
            self._make(f"{domain} lab certificate authority")
        key = serialization.load_pem_private_key(self.key_file.read_bytes(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        self.key = key
        self.certificate = x509.load_pem_x509_certificate(self.certificate_file.read_bytes())

    @property
    def pem(self) -> str:
        """The authority's own certificate."""
        return self.certificate_file.read_text()

    def issue(self, name: str, alternatives: list[str]) -> tuple[str, str]:
        """
        A server certificate with its chain, and its key, as PEM; the same again until they near their end.

        name
            The host name that it is for, also the file's name.
        alternatives
            Further host names and addresses.
        """
        certificate_file, key_file = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        wanted = sorted({name, *alternatives})
        if not self._fits(certificate_file, wanted) or not key_file.exists():
            key = rsa.generate_private_key(65537, KEY_BITS)
            subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
            builder = self._builder(subject, self.certificate.subject, key, certificate_authority=False)
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general_name(text) for text in wanted]), critical=False
            ).add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            signed = builder.sign(self.key, hashes.SHA256())
            _write_private(key_file, _pem(key))
            certificate_file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        return certificate_file.read_text() + self.pem, key_file.read_text()

    def _make(self, name: str) -> None:
        key = rsa.generate_private_key(65537, KEY_BITS)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signed = self._builder(subject, subject, key, certificate_authority=True).sign(key, hashes.SHA256())
        for old in [*self.folder.glob("*.crt"), *self.folder.glob("*.key")]:
            old.unlink()
        _write_private(self.key_file, _pem(key))
        self.certificate_file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    def _builder(
        self, subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey, certificate_authority: bool
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        issuing = key if certificate_authority else self.key
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=DAYS))
            .add_extension(x509.BasicConstraints(ca=certificate_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuing.public_key()), critical=False
            )
            .add_extension(_usage(certificate_authority), critical=True)
        )

    def _fits(self, path: Path, wanted: list[str]) -> bool:
        if not self._fresh(path):
            return False
        found = x509.load_pem_x509_certificate(path.read_bytes())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return sorted(str(entry.value) for entry in names) == wanted

    @staticmethod
    def _fresh(path: Path) -> bool:
        if not path.exists():
            return False
        end = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
        return end > datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=RENEW_DAYS)


def _usage(certificate_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=not certificate_authority,
        key_cert_sign=certificate_authority,
        crl_sign=certificate_authority,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_bytes(content)
