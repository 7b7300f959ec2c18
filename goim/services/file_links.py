"""Links that open a file for whoever has them, until they expire: signed, kept nowhere."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence

from msgspec import Struct

_PURPOSE = b"goim file links"


class Signature(Struct, frozen=True):
    """What a link carries behind the address: until when (unix milliseconds), and the proof that we said so."""

    expires: int
    proof: str

    def __str__(self) -> str:
        return f"expires={self.expires}&signature={self.proof}"


class LinkSigner:
    """Signs with the first secret, believes all. A signature is good for all of one file: its bytes, its thumbnail."""

    def __init__(self, secrets: Sequence[str]) -> None:
        # Keys of its own: what is signed here can never pass for a token, nor a token for a link.
        self._keys = [hmac.digest(secret.encode(), _PURPOSE, "sha256") for secret in secrets]

    def sign(self, file_id: str, expires: int) -> Signature:
        """A signature for a file until then."""
        return Signature(expires, _proof(self._keys[0], file_id, expires))

    def is_good(self, file_id: str, signature: Signature, now_ms: int) -> bool:
        """Whether this is ours, for this file, and not over."""
        given = signature.proof.encode()
        proofs = (_proof(key, file_id, signature.expires).encode() for key in self._keys)
        return any(hmac.compare_digest(proof, given) for proof in proofs) and signature.expires > now_ms


def _proof(key: bytes, file_id: str, expires: int) -> str:
    digest = hmac.digest(key, f"{file_id}\n{expires}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
