"""Keys: every kind that ssh-keygen makes, and what is refused."""

import os
import shutil
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa

from rilaas.core import InvalidInput, NotFound
from rilaas.wire import fingerprint, generate_key, load_private_key, load_public_key

KINDS = {
    "ed25519": (["-t", "ed25519"], "EdDSA"),
    "ecdsa-256": (["-t", "ecdsa", "-b", "256"], "ES256"),
    "ecdsa-384": (["-t", "ecdsa", "-b", "384"], "ES384"),
    "ecdsa-521": (["-t", "ecdsa", "-b", "521"], "ES512"),
    "rsa-2048": (["-t", "rsa", "-b", "2048"], "RS256"),
    "rsa-4096": (["-t", "rsa", "-b", "4096"], "RS256"),
}


@pytest.fixture
def ssh_keygen(tmp_path):
    program = shutil.which("ssh-keygen")
    assert program, "ssh-keygen is missing: apt-get install openssh-client"

    def make(arguments, passphrase="", name="key"):
        path = tmp_path / name
        command = [program, "-q", "-N", passphrase, "-C", "robot one", "-f", str(path), *arguments]
        subprocess.run(command, check=True, timeout=60)
        return path

    return make


def printed_fingerprint(path):
    command = ["ssh-keygen", "-lf", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[1]


@pytest.mark.parametrize("kind", KINDS)
def test_keys_of_ssh_keygen_are_read_and_named_as_it_names_them(kind, ssh_keygen):
    arguments, algorithm = KINDS[kind]
    path = ssh_keygen(arguments)
    private, public = load_private_key(path), load_public_key(path.with_name("key.pub").read_text())
    assert private.public == public
    assert hash(private.public) == hash(public)
    assert public.algorithm == algorithm
    assert fingerprint(public) == printed_fingerprint(path)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa-256", "rsa-2048"])
def test_an_encrypted_key_opens_with_its_passphrase_and_no_other(kind, ssh_keygen):
    path = ssh_keygen(KINDS[kind][0], passphrase="correct horse")
    assert load_private_key(path, "correct horse").public == load_private_key(path, b"correct horse").public
    with pytest.raises(InvalidInput, match="is encrypted") as refusal:
        load_private_key(path)
    assert refusal.value.hint == "Pass its passphrase."
    with pytest.raises(InvalidInput, match="passphrase does not open"):
        load_private_key(path, "wrong")


def test_without_bcrypt_an_encrypted_key_says_what_to_install(ssh_keygen):
    path = ssh_keygen(KINDS["ed25519"][0], passphrase="secret")
    code = (
        "import sys; sys.modules['bcrypt'] = None\n"
        "from rilaas.core import MissingDependency; from rilaas.wire import load_private_key\n"
        f"try: load_private_key({str(path)!r}, 'secret')\n"
        "except MissingDependency as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "pip install 'rilaas[ssh]'" in said


def test_a_key_that_is_not_encrypted_does_not_look_at_a_passphrase(tmp_path):
    key = generate_key(tmp_path / "key")
    assert load_private_key(tmp_path / "key", "secret").public == key.public


@pytest.mark.parametrize("form", ["TraditionalOpenSSL", "PKCS8"])
@pytest.mark.parametrize("passphrase", [None, "secret"])
def test_pem_keys_are_read(form, passphrase, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    lock = serialization.BestAvailableEncryption(b"secret") if passphrase else serialization.NoEncryption()
    path = tmp_path / "key.pem"
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, getattr(serialization.PrivateFormat, form), lock))
    path.chmod(0o600)
    assert load_private_key(path, passphrase).public.algorithm == "ES256"


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_key_that_others_can_read_is_refused_as_ssh_does(tmp_path):
    path = tmp_path / "key"
    generate_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    for mode in (0o640, 0o604, 0o644):
        path.chmod(mode)
        with pytest.raises(InvalidInput, match=f"mode {mode:o}") as refusal:
            load_private_key(path)
        assert refusal.value.hint == f"Run: chmod 600 {path}"
    path.chmod(0o400)
    load_private_key(path)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_generated_key_is_one_that_ssh_reads(kind, tmp_path):
    key = generate_key(tmp_path / "key", kind, comment="robot")
    assert printed_fingerprint(tmp_path / "key") == fingerprint(key.public)
    assert (tmp_path / "key.pub").read_text() == key.public.line + " robot\n"
    assert load_private_key(tmp_path / "key").public == key.public


def test_generating_overwrites_nothing_and_says_what_is_wrong(tmp_path):
    generate_key(tmp_path / "key")
    with pytest.raises(InvalidInput, match="is not overwritten"):
        generate_key(tmp_path / "key")
    with pytest.raises(NotFound, match="no folder"):
        generate_key(tmp_path / "none" / "key")
    with pytest.raises(InvalidInput, match="Did you mean 'ed25519'"):
        generate_key(tmp_path / "other", "ed25518")
    with pytest.raises(InvalidInput, match="cannot be written"):
        generate_key(tmp_path / "key" / "key")


def test_a_private_key_does_not_show_itself(tmp_path):
    key = generate_key(tmp_path / "key")
    assert repr(key) == f"PrivateKey({key.public.fingerprint})"


def private_file(tmp_path, data):
    path = tmp_path / "file"
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def pem(key):
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is not a private key"),
        (b"ssh-ed25519 AAAA", "without .pub"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", "not a readable"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "not a readable"),
        (b"-----BEGIN PRIVATE KEY-----" * 10_000, "larger than"),
        (pem(ed448.Ed448PrivateKey.generate()), "a key of another kind"),
        (pem(ec.generate_private_key(ec.SECP256K1())), "a key of another kind"),
        (pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)), "1024 bits; valid are 2048 to 8192"),
        (pem(dsa.generate_private_key(2048)), "a key of another kind"),
    ],
)
def test_what_is_no_usable_private_key_is_refused(data, words, tmp_path):
    with pytest.raises(InvalidInput, match=words):
        load_private_key(private_file(tmp_path, data))


def test_a_key_that_is_not_there_or_not_readable_is_named(tmp_path):
    with pytest.raises(NotFound, match="There is no key"):
        load_private_key(tmp_path / "none")
    with pytest.raises(InvalidInput, match="cannot be read"):
        load_private_key(tmp_path)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "is not a public key"),
        ("ssh-ed25519", "is not a public key"),
        ("ssh-ed25519 AAAA", "is not a public key"),
        ("ssh-dss AAAAB3NzaC1kc3M=", "is not a public key"),
        ('from="10.0.0.1" ssh-ed25519 AAAA', "is not a public key"),
        ("ssh-ed25519 A\nssh-ed25519 B", "is not a public key"),
        ("sk-ssh-ed25519@openssh.com AAAA", "cannot sign tokens"),
        ("ssh-ed25519-cert-v01@openssh.com AAAA", "cannot sign tokens"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "keep the private one on the robot"),
    ],
)
def test_what_is_no_usable_public_key_is_refused(line, words):
    with pytest.raises(InvalidInput, match=words):
        load_public_key(line)


def test_a_short_rsa_key_is_refused_when_it_is_registered(ssh_keygen):
    path = ssh_keygen(["-t", "rsa", "-b", "1024"])
    with pytest.raises(InvalidInput, match="1024 bits"):
        load_public_key(path.with_name("key.pub").read_text())
