"""What people install: the wheel and the sdist carry everything, and nothing that does not belong there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from goim import __version__
from goim.resources import bundled

ROOT = Path(__file__).parent.parent
LOCKS = sorted(ROOT.glob("requirements*.lock"))


def build(source: Path, target: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=60)
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return zipfile.ZipFile(build(ROOT, "wheel", tmp_path_factory.mktemp("wheel")))


def test_a_wheel_brings_only_goim_and_goimctl_into_site_packages(wheel: zipfile.ZipFile) -> None:
    assert {name.split("/")[0] for name in wheel.namelist()} == {"goim", "goimctl", f"goim-{__version__}.dist-info"}


def test_a_wheel_has_the_command(wheel: zipfile.ZipFile) -> None:
    entry_points = wheel.read(f"goim-{__version__}.dist-info/entry_points.txt").decode()
    assert "goimctl = goimctl.__main__:main" in entry_points


def test_a_wheel_carries_every_file_that_the_code_looks_for(wheel: zipfile.ZipFile) -> None:
    inside = set(wheel.namelist())
    for file in [*ROOT.glob("schemas/**/*.sql"), *ROOT.glob("loadtest/**/*.py")]:
        assert f"goim/_bundled/{file.relative_to(ROOT)}" in inside
    assert not [name for name in inside if "__pycache__" in name]
    assert wheel.read("goim/_bundled/goimctl.toml") == (ROOT / "goimctl.toml").read_bytes()
    assert wheel.read("goim/py.typed") == b""


@pytest.mark.skipif(sys.platform != "linux", reason="load is made on Linux only")
def test_the_load_test_of_a_wheel_works(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path / "installed")
    program = "import sys; from goimctl.app import main\ntry: main()\n"
    program += "finally: print(sys.modules['loadtest.run'].__file__, file=sys.stderr)"
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            program,
            *["bench", "c2c", "--senders", "2", "--seconds", "0.2", "--warmup", "0", "--rest", "0.2"],
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "nothing lost" in done.stdout
    assert done.stderr.endswith(f"{tmp_path}/installed/goim/_bundled/loadtest/run.py\n")


def test_a_wheel_built_from_the_sdist_is_the_same(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    with tarfile.open(build(ROOT, "sdist", tmp_path / "sdist")) as sdist:
        sdist.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    again = zipfile.ZipFile(build(source, "wheel", tmp_path / "wheel"))
    assert sorted(again.namelist()) == sorted(wheel.namelist())


def test_bundled_files_are_found_beside_the_source() -> None:
    assert bundled("goimctl.toml") == ROOT / "goimctl.toml"
    assert (bundled("schemas") / "sqlite").is_dir()


def test_locks_name_no_host_and_every_package_has_a_hash() -> None:
    assert [lock.name for lock in LOCKS] == ["requirements-build.lock", "requirements-dev.lock", "requirements.lock"]
    for lock in LOCKS:
        text = lock.read_text()
        assert "://" not in text
        assert "--index" not in text
        assert "--find-links" not in text
        pinned = re.split(r"\n(?=\S)", text.strip())
        assert all(re.match(r"[\w.-]+==\S+ (;.+ )?\\\n +--hash=sha256:[0-9a-f]{64}", entry) for entry in pinned)


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w.-]", requirement)[0] for requirement in requirements}


def test_locks_cover_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    runtime, dev = pins("requirements.lock"), pins("requirements-dev.lock")
    assert names(project["project"]["dependencies"]) <= runtime.keys()
    assert names(project["project"]["optional-dependencies"]["dev"]) <= dev.keys()
    assert names(project["dependency-groups"]["build"]) <= pins("requirements-build.lock").keys()
    assert runtime.items() <= dev.items(), "the tests run with the very versions that `make run` installs"
