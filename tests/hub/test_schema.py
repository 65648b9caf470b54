"""Schemathesis reads the OpenAPI schema and tries what it allows, and what it does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hub_process import HubProcess

EXAMPLES = "8"  # an operation; `EXAMPLES=100` in the environment looks harder


@pytest.mark.timeout(600)
def test_no_request_that_the_schema_suggests_makes_the_hub_fail(tmp_path):
    with HubProcess(tmp_path / "home") as hub:
        options = ["--checks", "not_a_server_error", "--max-examples", os.environ.get("EXAMPLES", EXAMPLES)]
        options += ["--phases", "examples,coverage,fuzzing", "--seed", "1", "--request-timeout", "30"]
        # These wait for a change; and the token that all is asked with is not to be revoked.
        options += ["--exclude-path-regex", "/policy$|/placements$|/tokens/"]
        options += ["--header", f"Authorization: Bearer {hub.token}", "--no-color"]
        done = subprocess.run(
            [Path(sys.executable).with_name("st"), "run", f"{hub.url}/api/v1/openapi.json", *options],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-4000:] + hub.log[-4000:]
