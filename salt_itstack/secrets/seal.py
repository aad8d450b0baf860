"""
Seal a text to the key that a minion or the master already has.

A fresh symmetric key encrypts the text, RSA-OAEP encrypts that key: OAEP alone holds some 200 bytes. The
result differs each time, so sealed values are never compared.
"""

from __future__ import annotations

import base64
import json

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from ..errors import Denied

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


def unseal(sealed: str, private_key: bytes) -> str:
    """
    The text that was sealed to this key.

    private_key
        PEM of the RSA key, without a passphrase.

    Raises :class:`Denied` when it was sealed to another key, or is damaged.
    """
    try:
        holder = serialization.load_pem_private_key(private_key, password=None)
        parts = json.loads(base64.b64decode(sealed))
        once = holder.decrypt(base64.b64decode(parts["k"]), _OAEP)  # type: ignore[union-attr]
        return Fernet(once).decrypt(parts["t"].encode()).decode()
    except (ValueError, KeyError, TypeError, InvalidToken):
        raise Denied(
            "a secret was sealed to another key than this minion's",
            remedy="refresh the pillar; if the minion's key was renewed, accept the new one on the master",
        ) from None
