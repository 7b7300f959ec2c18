"""Web Push by the letters of its RFCs."""

from __future__ import annotations

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from goim.model.web_push import (
    check_keys,
    decode_url,
    encode_url,
    encrypt,
    new_private_key,
    private_key,
    public_text,
    vapid,
)

# RFC 8291, section 5 and appendix A
TEXT = b"When I grow up, I want to be a watermelon"
THEIRS = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
OWN = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
SALT = "DGv6ra1nlYgDCS1FRnbzlw"
BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A"
    "_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def test_the_example_of_the_rfc_comes_out_byte_for_byte() -> None:
    assert encode_url(encrypt(TEXT, THEIRS, AUTH, salt=decode_url(SALT), own=private_key(OWN))) == BODY


def test_no_two_bodies_are_alike() -> None:
    assert encrypt(TEXT, THEIRS, AUTH) != encrypt(TEXT, THEIRS, AUTH)


def test_a_key_is_made_read_and_shown() -> None:
    text = new_private_key()
    key = private_key(text)
    assert text != new_private_key()
    assert encode_url(key.private_numbers().private_value.to_bytes(32, "big")) == text
    assert len(decode_url(public_text(key))) == 65


@pytest.mark.parametrize("text", ["", "short", "A" * 43, "_" * 43, "not base64!", "A" * 42 + "EAAAA"])
def test_what_is_no_private_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"VAPID|base64url"):
        private_key(text)


def test_keys_of_a_browser_are_checked() -> None:
    check_keys(THEIRS, AUTH)
    check_keys(THEIRS + "=", AUTH + "==")
    for p256dh, auth in ((THEIRS, AUTH[:-2]), (AUTH, AUTH), (THEIRS[:-4] + "AAAA", AUTH), ("!", AUTH), (THEIRS, "!")):
        with pytest.raises(ValueError, match=r"keys|base64url|curve|point|Invalid"):
            check_keys(p256dh, auth)


def test_who_sends_is_signed_for_one_push_service_and_half_a_day() -> None:
    key = private_key(OWN)
    header = vapid(key, "https://push.test", "mailto:a@b.test", 1_766_000_000_000)
    scheme, _, rest = header.partition(" ")
    token, public = (part.partition("=")[2] for part in rest.split(","))
    assert scheme == "vapid"
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decode_url(public))
    claims = jwt.decode(token, point, algorithms=["ES256"], audience="https://push.test", options={"verify_exp": False})
    assert claims == {"aud": "https://push.test", "exp": 1_766_043_200, "sub": "mailto:a@b.test"}
