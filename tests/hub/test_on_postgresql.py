"""The tests of the hub once more, on a real PostgreSQL."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.postgresql_server import PostgresServer, program

FOLDER = Path(__file__).parent
IS_INSIDE = "RILAAS_TEST_INSIDE" in os.environ
OWN_PROCESSES = ("test_browser", "test_schema", "test_killed")  # these start hubs of their own, on SQLite


@pytest.mark.skipif(IS_INSIDE, reason="this is the run on PostgreSQL")
@pytest.mark.timeout(900)
def test_the_same_tests_pass_on_postgresql():
    program("initdb")
    with tempfile.TemporaryDirectory(prefix="pg-") as short:  # the path of a unix socket has 107 bytes at most
        Path(short).chmod(0o755)
        with PostgresServer(Path(short) / "s") as server:
            environment = {**os.environ, "RILAAS_DATABASE_URL": server.url, "RILAAS_TEST_INSIDE": "1"}
            skipped = [f"--ignore-glob=*{name}*" for name in OWN_PROCESSES]
            command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:xdist", "-p", "no:cacheprovider"]
            done = subprocess.run(
                [*command, *skipped, str(FOLDER)],
                env=environment,
                cwd=FOLDER.parents[1],
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stdout[-5000:]
