"""Web Push as mathematics: a text only the browser can read (RFC 8291 over RFC 8188), and who sends it (RFC 8292)."""

from __future__ import annotations

import base64
import binascii
import secrets

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MAX_TEXT = 3_900
"""Bytes that every push service takes (RFC 8030 §7.2: 4,096 encrypted)."""
POINT_BYTES = 65
AUTH_BYTES = 16
_RECORD = 4_096
_JWT_SECONDS = 12 * 3600
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def decode_url(text: str) -> bytes:
    """Base64 of URLs, padded or not; `ValueError` if it is none."""
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise ValueError("must be base64url") from None


def encode_url(data: bytes) -> str:
    """The same the other way, without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def check_keys(p256dh: str, auth: str) -> None:
    """`ValueError` unless these are a browser's: a point on the curve and 16 bytes."""
    if len(decode_url(auth)) != AUTH_BYTES:
        raise ValueError("keys.auth has 16 bytes, in base64url")
    _point(p256dh)


def _point(p256dh: str) -> ec.EllipticCurvePublicKey:
    raw = decode_url(p256dh)
    if len(raw) != POINT_BYTES:
        raise ValueError("keys.p256dh has 65 bytes, in base64url")
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)


def private_key(text: str) -> ec.EllipticCurvePrivateKey:
    """A private key from the base64url of its 32 bytes; `ValueError` if it is none."""
    raw = decode_url(text)
    number = int.from_bytes(raw, "big")
    if len(raw) != 32 or not 0 < number < _P256_ORDER:
        raise ValueError("a VAPID key has 32 bytes, in base64url; make one: goimctl hooks vapid")
    return ec.derive_private_key(number, ec.SECP256R1())


def new_private_key() -> str:
    """A private key as people write it into settings."""
    numbers = ec.generate_private_key(ec.SECP256R1()).private_numbers()
    return encode_url(numbers.private_value.to_bytes(32, "big"))


def public_text(key: ec.EllipticCurvePrivateKey) -> str:
    """What a browser is given as `applicationServerKey`."""
    return encode_url(_public_bytes(key))


def _public_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def encrypt(
    text: bytes,
    p256dh: str,
    auth: str,
    *,
    salt: bytes | None = None,
    own: ec.EllipticCurvePrivateKey | None = None,
) -> bytes:
    """The body of a push: one record of aes128gcm. A key pair and a salt serve once; tests bring those of the RFC."""
    own = own or ec.generate_private_key(ec.SECP256R1())
    salt = salt or secrets.token_bytes(16)
    theirs, mine = decode_url(p256dh), _public_bytes(own)
    shared = own.exchange(ec.ECDH(), _point(p256dh))
    material = _derive(shared, decode_url(auth), b"WebPush: info\0" + theirs + mine, 32)
    key = _derive(material, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derive(material, salt, b"Content-Encoding: nonce\0", 12)
    sealed = AESGCM(key).encrypt(nonce, text + b"\2", None)  # 2: this record is the last
    return salt + _RECORD.to_bytes(4, "big") + bytes((len(mine),)) + mine + sealed


def _derive(material: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(material)


def vapid(key: ec.EllipticCurvePrivateKey, origin: str, subject: str, now_ms: int) -> str:
    """The `Authorization` by which a push service knows who sends, good for half a day there and nowhere else."""
    claims = {"aud": origin, "exp": now_ms // 1000 + _JWT_SECONDS, "sub": subject}
    return f"vapid t={jwt.encode(claims, key, algorithm='ES256')},k={public_text(key)}"
