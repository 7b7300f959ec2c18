"""MySQL, which Debian has in its unstable suite only: makes a folder with that suite, and starts its server.

    sudo python -m tests.debian_mysql /var/tmp/debian-mysql
    export GOIM_TEST_MYSQL_ROOT=/var/tmp/debian-mysql

Nothing of the machine is touched, and no service is set up. The server is run by the folder's own loader and libraries,
so it needs neither root nor a chroot. With the variable set, every test that would start a MariaDB starts it instead.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from loadtest.mariadb import MariaDbProcess, user

PASSWORD = "a word: said/to@no-one"
_MYSQLD = "usr/sbin/mysqld"


def mysql_root() -> Path | None:
    """The folder that `GOIM_TEST_MYSQL_ROOT` names, if it does."""
    named = os.environ.get("GOIM_TEST_MYSQL_ROOT")
    return Path(named) if named else None


class DebianMysqlProcess(MariaDbProcess):
    """MySQL with a folder and a port of its own. `root` has a password, as anybody would give it one."""

    @property
    def _first_sql(self) -> str:
        # Whoever comes over TCP is `127.0.0.1`, and not `localhost`, to a server that looks no name up.
        login = f"CREATE USER root@127.0.0.1 IDENTIFIED BY '{PASSWORD}';\n"
        return f"{super()._first_sql}{login}GRANT ALL ON *.* TO root@127.0.0.1 WITH GRANT OPTION;\n"

    def _installing(self) -> list[str]:
        made = (*self._options, "--initialize-insecure", f"--init-file={self.folder / 'begin.sql'}")
        return [*self._serving(), *made, f"--user={user()}", f"--datadir={self.folder / 'data'}"]

    def _serving(self) -> list[str]:
        root = mysql_root()
        assert root is not None
        [loader] = root.glob("usr/lib/*-linux-gnu/ld-linux-*.so.*")
        command = (loader, "--library-path", loader.parent, root / _MYSQLD)
        own = ("--no-defaults", f"--basedir={root / 'usr'}", "--secure-file-priv=NULL", "--mysqlx=OFF")
        return [*map(str, command), *own]


def make(folder: Path) -> None:
    """Debian's unstable suite with MySQL in it."""
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    subprocess.run(["debootstrap", "--variant=minbase", "sid", folder], check=True)
    no_services = folder / "usr/sbin/policy-rc.d"
    no_services.write_text("#!/bin/sh\nexit 101\n")
    no_services.chmod(0o755)
    install = ["apt-get", "install", "--yes", "--no-install-recommends", "mysql-server-core"]
    subprocess.run(["chroot", folder, *install], check=True)


def main(arguments: list[str]) -> str | None:
    """Make the folder and say what to set; what is wrong otherwise."""
    if len(arguments) != 1:
        return "usage: python -m tests.debian_mysql FOLDER"
    folder = Path(arguments[0]).absolute()
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        return "only root can make it, with debootstrap (Debian: apt-get install debootstrap)"
    if not (folder / _MYSQLD).exists():
        make(folder)
    sys.stdout.write(f"export GOIM_TEST_MYSQL_ROOT={folder}\n")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
