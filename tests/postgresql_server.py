"""A real PostgreSQL server of a test's own: Debian's package, on a unix socket, in a temporary folder."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest


def program(name):
    """Where Debian keeps it: not on the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if not found:
        pytest.skip("PostgreSQL is not installed; scripts/install_packages.sh postgresql")
    return str(found[-1])


class PostgresServer:
    """Starts on ``with``, ends after it; ``url`` is for ``RILAAS_DATABASE_URL``.

    PostgreSQL refuses to run as root, so root runs it as the package's user.
    """

    def __init__(self, folder):
        self._folder, self._data = folder, folder / "data"
        self._user = "postgres" if os.geteuid() == 0 else None
        self.url = f"postgresql://{self._user or pwd.getpwuid(os.geteuid()).pw_name}@/hub?host={folder}"

    def __enter__(self):
        self._folder.mkdir(parents=True)
        if self._user:
            shutil.chown(self._folder, self._user)
        self._run("initdb", "-D", self._data, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        options = (
            f"-c listen_addresses='' -c unix_socket_directories='{self._folder}' -c fsync=off -c max_connections=40"
        )
        self._run("pg_ctl", "-D", self._data, "-l", self._folder / "log", "-o", options, "-w", "start")
        self._run("createdb", "-h", self._folder, "hub")
        return self

    def __exit__(self, *_):
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")

    def _run(self, name, *arguments):
        command = [program(name), *map(str, arguments)]
        done = subprocess.run(
            command, user=self._user, cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=120
        )
        assert done.returncode == 0, done.stderr.decode()
