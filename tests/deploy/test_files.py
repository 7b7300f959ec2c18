"""What `deploy/` has for containers, clusters and machines, as far as it can be judged without them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from goimctl.output import ExitCode

from goim import __version__
from goim.config import Settings
from goim.config.dsn import parse_dsn
from goim.config.keys import variables
from goim.config.secret import weakness
from goim.config.values import duration
from tests.deploy.proxies import DEPLOY, needed
from tests.process import ROOT

BIN = Path(sys.executable).parent
BASE = DEPLOY / "kubernetes/base"
COMPOSE = DEPLOY / "docker/compose.yaml"
MANIFESTS = sorted(path for path in BASE.glob("*.yaml") if path.name != "kustomization.yaml")
DRAIN, REQUESTS = Settings().server.drain_seconds, 5


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, command)], check=False, capture_output=True, text=True, timeout=50)


def compose() -> Any:
    return yaml.safe_load(COMPOSE.read_text())


def manifests() -> dict[tuple[str, str], Any]:
    """Every object of the base, by kind and name."""
    found = [yaml.safe_load(path.read_text()) for path in MANIFESTS]
    return {(each["kind"], each["metadata"]["name"]): each for each in found}


# of all files


def test_every_variable_that_is_named_is_a_setting() -> None:
    known = {*variables(), *(f"{name}_FILE" for name, key in variables().items() if key.is_secret)}
    for path in filter(Path.is_file, DEPLOY.rglob("*")):
        named = set(re.findall(r"\bIM_[A-Z0-9_]+", path.read_text()))
        assert named <= known, f"{path.name}: {named - known}"


def test_the_version_is_that_of_the_source() -> None:
    for path in filter(Path.is_file, DEPLOY.rglob("*")):
        named = set(re.findall(r"(?:goim:|newTag: )(\d+\.\d+\.\d+)", path.read_text()))
        assert named <= {__version__}, path.name


# the image


def test_hadolint_finds_nothing_wrong_with_the_dockerfile() -> None:
    done = run(BIN / "hadolint", DEPLOY / "docker/Dockerfile")
    assert done.returncode == 0, done.stdout


def test_what_the_image_is_made_of_gets_past_dockerignore_and_nothing_else() -> None:
    text = (DEPLOY / "docker/Dockerfile").read_text()
    copied = {
        source for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for source in line.split()
    }
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == copied
    assert all((ROOT / each).exists() for each in copied)


def test_the_image_runs_as_nobody_in_particular_and_installs_only_what_is_locked() -> None:
    text = (DEPLOY / "docker/Dockerfile").read_text()
    last = text.rpartition("\nFROM ")[2]
    assert "\nUSER 10001:10001\n" in last
    assert "\nHEALTHCHECK " in last
    installs = re.findall(r"pip install (.+?)(?: \\)?$", text, re.MULTILINE)
    assert len(installs) == 3
    assert all("--require-hashes" in each or "--no-index" in each for each in installs)


# compose


def test_compose_knows_every_key() -> None:
    done = run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("profile", ["embedded", "cluster", "tidb", "mongodb"])
def test_a_profile_is_whole(profile: str) -> None:
    services = {name: each for name, each in compose()["services"].items() if profile in each["profiles"]}
    assert services
    for each in services.values():
        needs = each.get("depends_on", {})
        assert set(needs) <= set(services)
        for name, condition in needs.items() if isinstance(needs, dict) else ():
            assert condition["condition"] != "service_healthy" or "healthcheck" in services[name]
        volumes = {volume.partition(":")[0] for volume in each.get("volumes", ())}
        assert volumes <= set(compose()["volumes"])
        assert set(each.get("secrets", ())) <= set(compose()["secrets"])


def test_nodes_start_after_a_migration_that_ended_well_and_have_time_to_drain() -> None:
    services = compose()["services"]
    ours = {name: each for name, each in services.items() if each["image"].startswith("goim:")}
    for name, each in ours.items():
        if name == "embedded":
            continue  # it brings its own databases up
        if name.startswith("migrate-"):
            assert each["restart"] == "no"
            continue
        (migration,) = (other for other in each["depends_on"] if other.startswith("migrate-"))
        assert each["depends_on"][migration]["condition"] == "service_completed_successfully"
        assert each["environment"] == services[migration]["environment"]
        assert duration(each["stop_grace_period"]) > DRAIN + REQUESTS


def test_the_secrets_that_compose_says_how_to_make_are_good(tmp_path: Path) -> None:
    commands = re.findall(r"^#   ((?:mkdir|python3|echo|chmod) .+)$", COMPOSE.read_text(), re.MULTILINE)
    done = subprocess.run(["bash", "-ec", "\n".join(commands)], cwd=tmp_path, check=True, capture_output=True)
    assert done.stderr == b""
    secrets = {path.name: path.read_text().strip() for path in (tmp_path / "secrets").iterdir()}
    assert {f"secrets/{name}" for name in secrets} == {each["file"] for each in compose()["secrets"].values()}
    assert weakness(secrets["jwt_secret"]) is None
    dsn = parse_dsn(secrets["mysql_dsn"])
    database = compose()["services"]["mysql"]["environment"]
    assert (dsn.user, dsn.database) == (database["MARIADB_USER"], database["MARIADB_DATABASE"])
    assert (dsn.host, dsn.password) == ("mysql", secrets["mysql_password"])


# Kubernetes


def test_kubernetes_knows_every_field() -> None:
    done = run(BIN / "kubernetes-validate", "--strict", *MANIFESTS, DEPLOY / "kubernetes/secret.example.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_base_has_every_manifest_and_the_overlay_patches_what_there_is() -> None:
    base = yaml.safe_load((BASE / "kustomization.yaml").read_text())
    assert sorted(base["resources"]) == [path.name for path in MANIFESTS]
    overlay = yaml.safe_load((DEPLOY / "kubernetes/overlays/example/kustomization.yaml").read_text())
    for patch in overlay["patches"]:
        manifest = manifests()[patch["target"]["kind"], patch["target"]["name"]]
        for step in yaml.safe_load(patch["patch"]):
            at = manifest
            for part in step["path"].strip("/").split("/"):
                at = at[int(part) if isinstance(at, list) else part]


def pods() -> Iterator[tuple[str, Any]]:
    for (kind, name), each in manifests().items():
        if kind in ("Deployment", "Job"):
            yield name, each["spec"]["template"]["spec"]


def test_pods_may_do_as_little_as_possible() -> None:
    for _, pod in pods():
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["automountServiceAccountToken"] is False
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in container["resources"]["limits"]


def test_a_pod_is_killed_only_when_it_has_had_time_to_drain() -> None:
    pod = dict(pods())["goim"]
    (container,) = pod["containers"]
    pause = float(container["lifecycle"]["preStop"]["exec"]["command"][1])
    drain = duration(manifests()["ConfigMap", "goim"]["data"]["IM_SERVER_DRAIN_SECONDS"])
    assert pod["terminationGracePeriodSeconds"] > pause + drain + REQUESTS
    ready = container["readinessProbe"]
    assert ready["periodSeconds"] * ready["failureThreshold"] < drain / 2


def test_selectors_find_the_pods_they_are_for() -> None:
    every = manifests()
    labels = every["Deployment", "goim"]["spec"]["template"]["metadata"]["labels"]
    assert every["Service", "goim"]["spec"]["selector"] == labels
    assert every["PodDisruptionBudget", "goim"]["spec"]["selector"]["matchLabels"] == labels
    assert every["HorizontalPodAutoscaler", "goim"]["spec"]["scaleTargetRef"]["name"] == "goim"
    for kind, name in every:
        if kind == "Deployment":
            spec = every[kind, name]["spec"]
            assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]


# systemd


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """The units as they stand, but for where the program is."""
    made = []
    for path in sorted((DEPLOY / "systemd").glob("*.service")):
        made.append(tmp_path / path.name)
        made[-1].write_text(path.read_text().replace("/opt/goim/bin/goimctl", "/bin/true"))
    return made


def test_systemd_finds_nothing_wrong_with_the_units(units: list[Path]) -> None:
    done = run(needed("systemd-analyze", "systemd"), "verify", *units)
    complaints = [line for line in done.stderr.splitlines() if "goim" in line]  # its exit code is 0 whatever it finds
    assert (done.returncode, complaints) == (0, [])


def test_the_units_are_closed_to_all_that_goim_does_not_need(units: list[Path]) -> None:
    for unit in units:
        done = run(
            needed("systemd-analyze", "systemd"), "security", "--offline=true", "--threshold=20", "--no-pager", unit
        )
        assert done.returncode == 0, done.stdout  # 2.0 of 10


def test_a_node_has_time_to_drain_before_systemd_kills_it_and_starts_after_the_migration() -> None:
    text = (DEPLOY / "systemd/goim.service").read_text()
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert int(seconds) > DRAIN + REQUESTS
    assert re.search(r"^After=.*goim-migrate\.service", text, re.MULTILINE)
    assert re.search(r"^KillMode=mixed$", text, re.MULTILINE)


def test_systemd_starts_nothing_again_that_has_wrong_settings() -> None:
    for name in ("goim", "goim-consume"):
        text = (DEPLOY / f"systemd/{name}.service").read_text()
        assert f"RestartPreventExitStatus={ExitCode.WRONG_USE:d}\n" in text
