"""Who may come in: robots with a token signed by a registered key."""

from __future__ import annotations

from collections.abc import Sequence

from rilaas.core import Unauthenticated
from rilaas.route.access import AccessSource
from rilaas.serve.service import Caller, Metadata
from rilaas.wire import PublicKey, TokenVerifier, audience, peer_host

_HINT = "Send 'authorization: Bearer TOKEN'; RobotClient signs one with the robot's SSH key."


class TokenGate:
    """Admits robots.

    Args:
        access: Where the registered keys are.
        hosts: Names and addresses under which this interceptor is reached; a token for another one is refused.
    """

    def __init__(self, access: AccessSource, hosts: Sequence[str]) -> None:
        self._access = access
        self._verifier = TokenVerifier(self._key, [audience(host) for host in hosts])

    def glance(self, metadata: Metadata) -> None:
        """See ``Gate.glance``."""
        self._verifier.authenticate(_bearer(metadata))

    def admit(self, metadata: Metadata, peer: str, *, opens_stream: bool) -> Caller:
        """See ``Gate.admit``."""
        claims = self._verifier.verify(_bearer(metadata), peer_host(peer), opens_stream=opens_stream)
        found = self._access.find(claims.kid)
        if found is None:  # revoked between the two looks
            raise Unauthenticated("The robot's key is not registered here.", "Ask the fleet's owner to add it.")
        return Caller(found.robot.name, claims.kid, peer)

    def _key(self, kid: str) -> PublicKey | None:
        found = self._access.find(kid)
        return None if found is None else found.key


def _bearer(metadata: Metadata) -> str:
    token = next((value for key, value in metadata if key == "authorization"), None)
    if token is None:
        raise Unauthenticated("The request carries no robot token.", _HINT)
    word = token.decode("ascii", "replace") if isinstance(token, bytes) else token
    scheme, _, bare = word.partition(" ")
    if scheme.lower() != "bearer" or not bare:
        raise Unauthenticated("The authorization is not a bearer token.", _HINT)
    return bare.strip()
