"""The settings of files: URLs that are URLs, and keys that come in pairs."""

from __future__ import annotations

import pytest

from goim.config import load
from goim.errors import ConfigError

BUCKET = {"IM_FILES_S3_BUCKET": "goim", "IM_FILES_S3_ENDPOINT": "http://127.0.0.1:9000/s3"}


def problem(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        load(None, environ)
    return caught.value.message


def test_a_bucket_is_read_with_its_secret_masked() -> None:
    settings = load(None, BUCKET | {"IM_FILES_S3_KEY": "key", "IM_FILES_S3_SECRET": "hush"}).settings
    assert (settings.files.s3_bucket, settings.files.s3_endpoint) == ("goim", "http://127.0.0.1:9000/s3")
    assert settings.files.s3_secret.get_secret_value() == "hush"
    assert "hush" not in repr(settings)
    assert settings.is_embedded


@pytest.mark.parametrize("name", ["IM_FILES_S3_KEY", "IM_FILES_S3_SECRET"])
def test_a_key_without_its_secret_is_refused(name: str) -> None:
    assert "files.s3_key and files.s3_secret belong together" in problem(BUCKET | {name: "alone"})


@pytest.mark.parametrize(
    "text", ["chat.example", "ftp://chat.example", "https://", "https://me:pw@host", "https://a?b"]
)
@pytest.mark.parametrize("name", ["IM_FILES_S3_ENDPOINT", "IM_SERVER_PUBLIC_URL"])
def test_what_is_no_url_is_refused(name: str, text: str) -> None:
    assert "must look like" in problem({name: text})
