"""The documentation is executed: a page that lies fails here."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from rilaas.cli.fleet import INTERCEPTOR, Fleet, FleetServer
from rilaas.cli.fleet_setup import add_robot, deploy, wait_in_force
from rilaas.cli.output import Output
from rilaas.route import read_access, read_route_config
from rilaas.store import read_model_folder
from rilaas.wire import fingerprint, generate_key

ROOT = Path(__file__).resolve().parents[2]
PAIR = (FleetServer("edge-1", "edge"), FleetServer("cloud-1", "cloud", 0.01))


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    home = tmp_path_factory.mktemp("fleet")
    with Fleet(home, PAIR) as running:
        running.start_machines()
        with running.connect() as hub:
            model = read_model_folder(ROOT / "models/lane-following")
            deployed = deploy(hub, model, ["edge-1", "cloud-1"], "least_connections", Output(quiet=True))
            key_path = add_robot(hub, "robot", deployed.ref, home)
            wait_in_force(hub, INTERCEPTOR)
        yield SimpleNamespace(address=running.address, key_path=key_path, ca_path=running.ca_path)


def run(code, fleet):
    """Execute a block of a page against a fleet that listens elsewhere than the page says."""
    for written, real in (
        ('"127.0.0.1:8443"', f'"{fleet.address}"'),
        ('"out/fleet/robot"', f'"{fleet.key_path}"'),
        ('"robot"', f'"{fleet.key_path}"'),
        ('"out/fleet/tls/ca.pem"', f'"{fleet.ca_path}"'),
        ('"tls/ca.pem"', f'"{fleet.ca_path}"'),
    ):
        code = code.replace(written, real)
    names = {}
    exec(compile(code, "a block of the docs", "exec"), names)
    return names


@pytest.mark.parametrize("page", ["README.md", "docs/serving.md"])
def test_the_python_of_a_page_runs_against_a_fleet(page, fleet, capsys):
    found = blocks(page, "python")
    assert found
    for code in found:
        names = run(code, fleet)
        for name in ("rc", "client"):
            if name in names:
                names[name].close()


def test_the_readmes_snippet_gives_wheels_and_says_who_answered(fleet):
    names = run(blocks("README.md", "python")[0], fleet)
    assert names["outputs"]["wheels"].shape == (1, 2)
    assert names["outputs"].timing.server in {"edge-1", "cloud-1"}
    names["rc"].close()


def test_the_python_of_the_driving_page_runs(capsys):
    for code in blocks("docs/driving.md", "python"):
        exec(compile(code, "a block of the docs", "exec"), {})
    assert float(capsys.readouterr().out) > 0.5


def test_the_model_folder_of_the_page_is_valid(tmp_path):
    (tmp_path / "model.toml").write_text(blocks("docs/models.md", "toml")[0])
    (tmp_path / "hooks.py").write_text(blocks("docs/models.md", "python")[0])
    (tmp_path / "weights.onnx").write_bytes((ROOT / "models/lane-following/weights.onnx").read_bytes())
    assert read_model_folder(tmp_path).manifest.batching.max_size == 8
    for code in blocks("docs/models.md", "python"):
        compile(code, "a block of the docs", "exec")


def test_the_configuration_of_the_serving_page_is_valid(tmp_path):
    route, access, options = blocks("docs/serving.md", "toml")
    (tmp_path / "route.toml").write_text(f"{route}\n{options}")
    assert [server.name for server in read_route_config(tmp_path / "route.toml").servers] == ["edge-1", "cloud-1"]
    key = generate_key(tmp_path / "id").public
    (tmp_path / "access.toml").write_text(access.replace("ssh-ed25519 AAAA... lab-1", key.line))
    robot = read_access(tmp_path / "access.toml")[fingerprint(key)].robot
    assert robot.grant("lane-following").rate_per_s == 50
    assert robot.grant("anything-else").rate_per_s is None


def test_the_configuration_that_route_help_shows_is_valid(tmp_path):
    from rilaas.cli.route import EXAMPLE

    lines = [
        line.strip()
        for line in EXAMPLE.split("Example of a configuration without one:")[1].split("\b")[0].splitlines()
    ]
    (tmp_path / "route.toml").write_text("\n".join(lines))
    assert read_route_config(tmp_path / "route.toml").listen == "0.0.0.0:8443"
