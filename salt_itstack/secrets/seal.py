"""
Seal a text to the key that a minion or the master already has.

A fresh symmetric key encrypts the text, RSA-OAEP encrypts that key: OAEP alone holds some 200 bytes. The
result differs each time, so sealed values are never compared.
"""

from __future__ import annotations

import base64
import json

from cryptography.exceptions import InvalidSignature
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from ..errors import Denied

_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
_OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)


def seal(text: str, public_key: bytes | str) -> str:
    """
    Encrypt a text so that only the holder of the private key can read it.

    public_key
        PEM of an RSA key, as Salt keeps it of each minion.
    """
    pem = public_key.encode() if isinstance(public_key, str) else public_key
    receiver = serialization.load_pem_public_key(pem)
    if not isinstance(receiver, rsa.RSAPublicKey):
        raise Denied("only RSA keys can be sealed to", remedy="let the minion make a new key")
    once = Fernet.generate_key()
    parts = {
        "k": base64.b64encode(receiver.encrypt(once, _OAEP)).decode(),
        "t": Fernet(once).encrypt(text.encode()).decode(),
    }
    return base64.b64encode(json.dumps(parts).encode()).decode()


def unseal(sealed: str, private_key: bytes, passphrase: bytes | None = None) -> str:
    """
    The text that was sealed to this key.

    private_key
        PEM of the RSA key.
    passphrase
        What opens the key, if anything is needed.

    Raises :class:`Denied` when it was sealed to another key, or is damaged.
    """
    try:
        holder = serialization.load_pem_private_key(private_key, password=passphrase)
        parts = json.loads(base64.b64decode(sealed))
        once = holder.decrypt(base64.b64decode(parts["k"]), _OAEP)  # type: ignore[union-attr]
        return Fernet(once).decrypt(parts["t"].encode()).decode()
    except (ValueError, KeyError, TypeError, InvalidToken):
        raise Denied(
            "a secret was sealed to another key than this one",
            remedy="refresh the pillar; if a key was renewed, accept the new one on the other side",
        ) from None


def sign(text: str, private_key: bytes) -> str:
    """A signature that shows whose key it was that said this text."""
    signer = serialization.load_pem_private_key(private_key, password=None)
    if not isinstance(signer, rsa.RSAPrivateKey):
        raise Denied("only RSA keys can sign", remedy="let the minion make a new key")
    return base64.b64encode(signer.sign(text.encode(), _PSS, hashes.SHA256())).decode()


def signed_by(text: str, signature: str, public_key: bytes | str) -> bool:
    """Whether the holder of the private key belonging to this public one signed the text."""
    pem = public_key.encode() if isinstance(public_key, str) else public_key
    try:
        signer = serialization.load_pem_public_key(pem)
        if not isinstance(signer, rsa.RSAPublicKey):
            return False
        signer.verify(base64.b64decode(signature), text.encode(), _PSS, hashes.SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True
