"""A real Kafka broker (KRaft, one node) on a free port, which may be killed and started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.process import free_port

POM = Path(__file__).with_name("pom.xml")
GIVEN = os.environ.get("GOIM_TEST_KAFKA", "")
PATIENCE = 60.0
QUICK_JVM = ("-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")  # it lives for seconds: halves its start
CLUSTER_ID = "goimtestclustergoimtes"
CONFIG = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/logs
num.partitions=3
offsets.topic.num.partitions=3
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""


def class_path(folder: Path) -> str:
    """The jars of the broker, fetched if need be. Skips where there is no Maven, but not in CI."""
    missing = [name for name in ("mvn", "java") if shutil.which(name) is None]
    if missing:
        why = f"Kafka needs {' and '.join(missing)}: install them, or set GOIM_TEST_KAFKA=host:port"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    target = folder / "classpath"
    command = [
        "mvn",
        "-q",
        "--no-transfer-progress",
        "-B",
        "-f",
        str(POM),
        "dependency:build-classpath",
        f"-Dmdep.outputFile={target}",
    ]
    subprocess.run(command, check=True, timeout=300, capture_output=True)
    return target.read_text().strip()


class Broker:
    """The broker of a test session."""

    def __init__(self, folder: Path) -> None:
        self._class_path = class_path(folder)
        self._log = folder / "kafka.log"
        self._port = free_port()
        self._config = folder / "server.properties"
        self._config.write_text(CONFIG.format(port=self._port, controller=free_port(), folder=folder))
        self._run("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(self._config)).wait(PATIENCE)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        """Return when it takes connections."""
        self._process = self._run("kafka.Kafka", str(self._config))
        deadline = time.monotonic() + PATIENCE
        while not self._is_listening():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)
                raise AssertionError(self._log.read_text())
            assert time.monotonic() < deadline, self._log.read_text()

    def kill(self) -> None:
        """`kill -9`."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _is_listening(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), 0.2).close()
        except OSError:
            return False
        return True

    def _run(self, name: str, *args: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            command = ["java", *QUICK_JVM, "-cp", self._class_path, name, *args]
            return subprocess.Popen(command, stdout=log, stderr=log)
