"""An interceptor's verifier with a clock that stands still, and tokens that nobody honest would write."""

import base64
import json

import jwt
import pytest

from rilaas.core import Unauthenticated
from rilaas.wire import TokenVerifier, audience, sign_token

NOW = 1_800_000_000
HERE = audience("edge-1.local")


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self):
        self.now = float(NOW)

    def __call__(self):
        return self.now


class Site:
    """An interceptor's verifier with its registry of keys and its clock."""

    def __init__(self, *keys, **options):
        self.registry = {key.public.fingerprint: key.public for key in keys}
        self.clock = Clock()
        self.verifier = TokenVerifier(self.registry.get, [HERE], clock=self.clock, **options)

    def sign(self, key, aud=HERE, **options):
        return sign_token(key, aud, clock=self.clock, **options)

    def verify(self, token, peer="10.0.0.7", **options):
        return self.verifier.verify(token, peer, **options)

    def refuses(self, token, words, peer="10.0.0.7", **options):
        with pytest.raises(Unauthenticated, match=words):
            self.verify(token, peer, **options)


def b64(data):
    return (
        base64.urlsafe_b64encode(data if isinstance(data, bytes) else json.dumps(data).encode()).decode().rstrip("=")
    )


def parts(token):
    return [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")]


def forge(key, *, header=(), claims=(), drop=None, algorithm=None):
    """A token signed with ``key`` whose header and claims are not what ``sign_token`` writes."""
    kid = key.public.fingerprint
    said = {"iss": kid, "aud": HERE, "iat": NOW, "nbf": NOW, "exp": NOW + 300, "jti": "0123456789abcdef"}
    said.update(claims)
    said.pop(drop, None)
    head = {"alg": algorithm or key.public.algorithm, "kid": kid, "typ": "rilaas+jwt", **dict(header)}
    signed = f"{b64(head)}.{b64(said)}"
    signature = jwt.get_algorithm_by_name(key.public.algorithm).sign(signed.encode(), key.key)
    return f"{signed}.{b64(signature)}"
