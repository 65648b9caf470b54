"""Public and private SSH keys."""

from rilaas.wire import generate_key


def public_line(folder, name="id", kind="ed25519", comment=""):
    """The line of a fresh key's .pub file."""
    generate_key(folder / name, kind, comment=comment)
    return (folder / f"{name}.pub").read_text()
