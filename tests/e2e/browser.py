"""A browser's end of Web Push: its keys, and what it makes of what its push service got (RFC 8188, 8291, 8292)."""

from __future__ import annotations

import base64
import json
import secrets
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.receiver import Got


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Browser:
    """One subscription."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._auth = secrets.token_bytes(16)
        self._point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def registration(self, **more: Any) -> dict[str, Any]:
        keys = {"p256dh": encoded(self._point), "auth": encoded(self._auth)}
        return {"type": "webpush", "endpoint": self.endpoint, "keys": keys, **more}

    def read(self, got: Got) -> Any:
        """The notification that a push carries; fails if it is for somebody else or was touched."""
        assert got.headers["content-encoding"] == "aes128gcm"
        salt, size, length = got.body[:16], int.from_bytes(got.body[16:20], "big"), got.body[20]
        theirs, sealed = got.body[21 : 21 + length], got.body[21 + length :]
        assert (length, size >= len(sealed)) == (65, True)
        shared = self._key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs))
        info = b"WebPush: info\x00" + self._point + theirs
        material = HKDF(SHA256(), 32, self._auth, info).derive(shared)
        key = HKDF(SHA256(), 16, salt, b"Content-Encoding: aes128gcm\x00").derive(material)
        nonce = HKDF(SHA256(), 12, salt, b"Content-Encoding: nonce\x00").derive(material)
        text = AESGCM(key).decrypt(nonce, sealed, None).rstrip(b"\x00")
        assert text[-1:] == b"\x02"
        return json.loads(text[:-1])


def claims_of(got: Got, public_key: str, audience: str) -> Any:
    """Who says that they send, if the key of the server that the browser subscribed with has signed it."""
    scheme, _, rest = got.headers["authorization"].partition(" ")
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    assert (scheme, parts["k"]) == ("vapid", public_key)
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decoded(public_key))
    return jwt.decode(parts["t"], point, algorithms=["ES256"], audience=audience)
