"""``rilaas hub`` from the command line."""

from tests.hub_process import HubProcess, Visitor


def run(start, *arguments):
    """Exit code, standard output, standard error."""
    process = start("hub", *arguments)
    out, err = process.communicate(timeout=60)
    return process.returncode, out.strip(), err


def test_another_link_leads_to_where_the_hub_runs(start, tmp_path):
    with HubProcess(tmp_path / "home") as hub:
        code, link, said = run(start, "--link", "--home", tmp_path / "home")
        assert code == 0, said
        assert link.startswith(f"{hub.url}/enter/")
        visitor = Visitor(hub.url)
        assert "First steps" in visitor.post(link, act="enter")


def test_a_hub_beyond_loopback_wants_tls(start, tmp_path):
    code, _, said = run(start, "--listen", "0.0.0.0:0", "--home", tmp_path)
    assert code == 2
    assert "clear text" in said
    assert "--tls" in said


def test_a_wrong_database_is_told(start, tmp_path, monkeypatch):
    monkeypatch.setenv("RILAAS_DATABASE_URL", "mysql://somewhere/hub")
    code, _, said = run(start, "--listen", "127.0.0.1:0", "--home", tmp_path)
    assert code == 2
    assert "'mysql'" in said
    assert "postgresql://" in said
