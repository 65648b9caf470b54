"""The authority and what it issues: files, modes, names, and that OpenSSL agrees."""

import datetime
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography import x509

from rilaas.core import InvalidInput, NotFound
from rilaas.wire import certificate_names, client_credentials, ensure_authority, server_credentials


def load(path):
    return x509.load_pem_x509_certificate(path.read_bytes())


@pytest.fixture
def authority(tmp_path):
    return ensure_authority(tmp_path / "tls")


def test_the_authority_is_made_once_and_its_key_is_private(authority):
    key, certificate = authority.key_path.read_bytes(), authority.cert_path.read_bytes()
    assert authority.key_path.stat().st_mode & 0o777 == 0o600
    assert authority.folder.stat().st_mode & 0o777 == 0o700
    again = ensure_authority(authority.folder)
    assert (again.key_path.read_bytes(), again.cert_path.read_bytes()) == (key, certificate)


def test_processes_that_ask_at_once_get_one_authority(tmp_path):
    code = (
        f"from rilaas.wire import ensure_authority; print(ensure_authority({str(tmp_path)!r}).cert_path.read_text())"
    )

    def ask(_):
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(ask, range(4)))) == 1


def test_half_an_authority_is_not_completed(authority):
    authority.cert_path.unlink()
    with pytest.raises(InvalidInput, match=r"ca\.key is there without ca\.pem"):
        ensure_authority(authority.folder)


def test_the_authority_signs_only_end_certificates_for_ten_years(authority):
    certificate = load(authority.cert_path)
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)
    days = (certificate.not_valid_after_utc - certificate.not_valid_before_utc) / datetime.timedelta(days=1)
    assert 3649 < days < 3652


def test_a_servers_certificate_names_its_hosts_and_addresses(authority):
    issued = authority.issue("edge-1", ["localhost", "Edge-1.local", "127.0.0.1", "[::1]"])
    assert issued.key_path.stat().st_mode & 0o777 == 0o600
    assert certificate_names(issued.cert_path) == ["localhost", "edge-1.local", "127.0.0.1", "::1"]
    assert certificate_names(issued.cert_path.read_bytes()) == certificate_names(issued.cert_path)
    leaf = load(issued.cert_path)
    leaf.verify_directly_issued_by(load(authority.cert_path))
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.ExtendedKeyUsageOID.SERVER_AUTH]
    days = (leaf.not_valid_after_utc - leaf.not_valid_before_utc) / datetime.timedelta(days=1)
    assert 364 < days < 367


def test_openssl_verifies_the_chain(authority):
    program = shutil.which("openssl")
    assert program, "openssl is missing: apt-get install openssl"
    server = authority.issue("edge-1", ["localhost"])
    client = authority.issue("router", client=True)
    for purpose, certificate in (("sslserver", server), ("sslclient", client)):
        command = [program, "verify", "-x509_strict", "-purpose", purpose, "-CAfile", str(authority.cert_path)]
        subprocess.run([*command, str(certificate.cert_path)], check=True, capture_output=True)
    command = [program, "verify", "-purpose", "sslclient", "-CAfile", str(authority.cert_path), str(server.cert_path)]
    assert subprocess.run(command, check=False, capture_output=True).returncode != 0


def test_a_certificate_is_kept_while_it_is_good_and_made_anew_when_it_is_not(authority):
    first = authority.issue("edge-1", ["localhost"]).cert_path.read_bytes()
    assert authority.issue("edge-1", ["localhost"]).cert_path.read_bytes() == first
    second = authority.issue("edge-1", ["localhost", "127.0.0.1"]).cert_path.read_bytes()
    assert second != first
    third = authority.issue("edge-1", ["localhost", "127.0.0.1"], client=True).cert_path.read_bytes()
    assert third != second
    (authority.folder / "edge-1.key").write_bytes(b"damaged")
    assert authority.issue("edge-1", ["localhost", "127.0.0.1"], client=True).cert_path.read_bytes() != third


def test_a_client_is_named_by_its_own_name(authority):
    assert certificate_names(authority.issue("router", client=True).cert_path) == ["router"]


def test_nothing_but_whole_files_is_left_behind(authority):
    authority.issue("edge-1", ["localhost"])
    names = {path.name for path in authority.folder.iterdir()}
    assert names == {".lock", "ca.key", "ca.pem", "edge-1.key", "edge-1.pem"}


@pytest.mark.parametrize("name", ["", "ca", "../edge", "a/b", ".hidden", "edge 1", "é", "a" * 64, "edge\n"])
def test_a_name_that_is_no_name_is_refused(name, authority):
    with pytest.raises(InvalidInput, match="cannot name a certificate"):
        authority.issue(name, ["localhost"])


@pytest.mark.parametrize("host", ["", "a b", "*.local", "edge_1.local/", "a..b", "é.local", "x" * 64, "a." * 130])
def test_a_host_that_is_no_host_is_refused(host, authority):
    with pytest.raises(InvalidInput, match="neither a host name nor an IP address"):
        authority.issue("edge-1", [host])


def test_a_server_without_a_host_is_refused(authority):
    with pytest.raises(InvalidInput, match="has no host"):
        authority.issue("edge-1")


def test_what_is_no_certificate_is_refused(tmp_path, authority):
    with pytest.raises(NotFound, match="There is no file"):
        certificate_names(tmp_path / "none.pem")
    with pytest.raises(InvalidInput, match="not a certificate"):
        certificate_names(b"nothing")
    assert certificate_names(authority.cert_path) == []
    junk = tmp_path / "junk.pem"
    junk.write_text("nothing")
    with pytest.raises(InvalidInput, match="is not a certificate in PEM form"):
        client_credentials(junk)
    with pytest.raises(InvalidInput, match="is not a private key in PEM form"):
        server_credentials(authority.cert_path, junk)
    with pytest.raises(InvalidInput, match="Pass both or none"):
        client_credentials(authority.cert_path, cert=authority.cert_path)
    with pytest.raises(InvalidInput, match="cannot be read"):
        client_credentials(tmp_path)
