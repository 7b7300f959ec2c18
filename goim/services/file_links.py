"""Links that open a file for whoever has them, until they expire: signed, kept nowhere."""

from __future__ import annotations

import base64
import hmac

from msgspec import Struct

_PURPOSE = b"goim file links"


class Signature(Struct, frozen=True):
    """What a link carries behind the address: until when (unix milliseconds), and the proof that we said so."""

    expires: int
    proof: str

    def __str__(self) -> str:
        return f"expires={self.expires}&signature={self.proof}"


class LinkSigner:
    """Signs and checks. A signature is good for all of one file: its bytes and its thumbnail."""

    def __init__(self, secret: str) -> None:
        # A key of its own: what is signed here can never pass for a token, nor a token for a link.
        self._key = hmac.digest(secret.encode(), _PURPOSE, "sha256")

    def sign(self, file_id: str, expires: int) -> Signature:
        """A signature for a file until then."""
        digest = hmac.digest(self._key, f"{file_id}\n{expires}".encode(), "sha256")
        return Signature(expires, base64.urlsafe_b64encode(digest).decode().rstrip("="))

    def is_good(self, file_id: str, signature: Signature, now_ms: int) -> bool:
        """Whether this is ours, for this file, and not over."""
        ours = self.sign(file_id, signature.expires)
        is_ours = hmac.compare_digest(ours.proof.encode(), signature.proof.encode())
        return is_ours and signature.expires > now_ms
