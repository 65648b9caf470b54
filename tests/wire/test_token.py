"""Tokens: what a robot signs is taken, and every attack that we know of is refused."""

import hashlib
import hmac
import json

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.core import InvalidInput, RilaasError, Unauthenticated
from rilaas.wire import TokenVerifier, audience, peer_host
from tests.wire.token_site import HERE, NOW, Site, b64, forge, parts


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_robots_token_is_taken_again_and_again(kind, site, keys):
    token = site.sign(keys[kind], lifetime_s=120)
    claims = site.verify(token)
    assert (claims.kid, claims.audience) == (keys[kind].public.fingerprint, HERE)
    assert (claims.issued_at, claims.not_before, claims.expires_at) == (NOW, NOW, NOW + 120)
    assert not claims.single_use
    assert site.verify(token) == site.verify(token, opens_stream=True) == claims


def test_a_token_says_what_is_written_down(site, keys):
    header, claims, _ = parts(site.sign(keys["ed25519"], single_use=True))
    kid = keys["ed25519"].public.fingerprint
    assert json.loads(header) == {"typ": "rilaas+jwt", "alg": "EdDSA", "kid": kid}
    said = json.loads(claims)
    assert len(said.pop("jti")) == 16
    assert said == {"iss": kid, "aud": HERE, "iat": NOW, "nbf": NOW, "exp": NOW + 300, "use": "stream"}


def test_ed25519_may_be_called_by_both_of_its_names(site, keys):
    site.verify(forge(keys["ed25519"], algorithm="Ed25519"))


def test_an_audience_is_the_host_that_was_dialled():
    assert audience("Edge-1.Local") == "rilaas://edge-1.local"
    assert audience("[::1]") == audience("::1") == "rilaas://::1"


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("ipv4:10.0.0.7:51234", "10.0.0.7"),
        ("ipv6:[::1]:51234", "::1"),
        ("ipv6:%5B::1%5D:51234", "::1"),
        ("unix:/run/x.sock", "unix:/run/x.sock"),
        ("unix:", "unix:"),
    ],
)
def test_a_peer_is_bound_without_its_port(peer, host):
    assert peer_host(peer) == host


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_forged_signature_is_refused(kind, site, keys):
    header, claims, signature = parts(site.sign(keys[kind]))
    for at in (0, len(signature) // 2, len(signature) - 1):
        wrong = bytearray(signature)
        wrong[at] ^= 1
        site.refuses(".".join(map(b64, (header, claims, bytes(wrong)))), "signature is wrong")
    for wrong in (b"", signature[:-1], signature + b"\0", bytes(len(signature))):
        site.refuses(".".join(map(b64, (header, claims, wrong))), "signature is wrong")


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_changed_claims_are_refused(kind, site, keys):
    header, claims, signature = parts(site.sign(keys[kind]))
    changed = {**json.loads(claims), "exp": NOW + 299}
    site.refuses(".".join((b64(header), b64(changed), b64(signature))), "signature is wrong")


def test_a_token_under_another_robots_key_name_is_refused(site, keys):
    victim = keys["ed25519"].public.fingerprint
    site.refuses(forge(keys["mallory"], header={"kid": victim}, claims={"iss": victim}), "signature is wrong")
    site.refuses(forge(keys["ecdsa"], header={"kid": victim}, claims={"iss": victim}), "algorithm is not the one")


def test_a_token_in_another_robots_name_under_ones_own_key_is_refused(site, keys):
    site.refuses(forge(keys["ed25519"], claims={"iss": keys["rsa"].public.fingerprint}), "issuer is not its key")


def test_an_unknown_key_is_refused(site, keys):
    site.refuses(site.sign(keys["mallory"]), "No robot has the key 'SHA256:")


@pytest.mark.parametrize("name", ["none", "None", "NONE", "", "nOnE"])
def test_no_algorithm_at_all_is_refused(name, site, keys):
    header, claims, signature = parts(site.sign(keys["ed25519"]))
    head = {**json.loads(header), "alg": name}
    site.refuses(f"{b64(head)}.{b64(claims)}.", "algorithm is not the one of its key, EdDSA")
    site.refuses(f"{b64(head)}.{b64(claims)}.{b64(signature)}", "algorithm")


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
@pytest.mark.parametrize("name", ["HS256", "HS512", "RS256", "ES256", "EdDSA", "PS256"])
def test_the_public_key_as_a_shared_secret_is_refused(kind, name, site, keys):
    public = keys[kind].public
    if name == public.algorithm:
        return
    header, claims, _ = parts(site.sign(keys[kind]))
    signed = f"{b64({**json.loads(header), 'alg': name})}.{b64(claims)}"
    digest = hashlib.sha512 if name == "HS512" else hashlib.sha256
    signature = hmac.new(public.line.encode(), signed.encode(), digest).digest()
    site.refuses(f"{signed}.{b64(signature)}", f"algorithm is not the one of its key, {public.algorithm}")


@pytest.mark.parametrize("value", [None, 7, ["EdDSA"], {"EdDSA": 1}])
def test_an_algorithm_that_is_no_text_is_refused(value, site, keys):
    site.refuses(forge(keys["ed25519"], header={"alg": value}), "algorithm")


def test_an_expired_token_is_refused_but_clocks_may_differ(site, keys):
    token = site.sign(keys["ed25519"])
    site.clock.now = NOW + 330
    site.verify(token)
    site.clock.now = NOW + 331
    site.refuses(token, "expired 31 s ago")  # from the cache
    site.refuses(forge(keys["ed25519"]), "expired 31 s ago")  # and afresh


def test_a_token_of_the_future_is_refused_but_clocks_may_differ(site, keys):
    token = forge(keys["ed25519"])
    site.clock.now = NOW - 31
    site.refuses(token, "valid only in 31 s")
    site.clock.now = NOW - 30
    site.verify(token)


@pytest.mark.parametrize(
    "claims", [{"exp": NOW + 301}, {"iat": NOW - 1}, {"nbf": NOW + 10**6, "exp": NOW + 10**6 + 300}]
)
def test_a_token_that_lives_too_long_is_refused_wherever_its_life_is_hidden(claims, site, keys):
    site.refuses(forge(keys["ed25519"], claims=claims), "at most 300 s are valid")


@pytest.mark.parametrize(
    "aud", [audience("edge-2.local"), "edge-1.local", "", HERE + "/", [HERE], None, {"a": HERE}, HERE.upper()]
)
def test_a_token_for_somebody_else_is_refused(aud, site, keys):
    site.refuses(forge(keys["ed25519"], claims={"aud": aud}), "not a name of this interceptor|'aud' is missing")


@pytest.mark.parametrize("name", ["iss", "aud", "iat", "nbf", "exp", "jti"])
def test_a_token_that_lacks_a_claim_is_refused(name, site, keys):
    site.refuses(forge(keys["ed25519"], drop=name), f"claim '{name}' is missing")


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": str(NOW + 300)},
        {"exp": float(NOW + 300)},
        {"exp": True},
        {"exp": 10**400, "iat": 10**400 - 2, "nbf": 10**400 - 1},
        {"exp": NOW},
        {"iat": -1},
        {"nbf": NOW - 1},
        {"jti": "short"},
        {"jti": "x" * 65},
        {"jti": 12345678},
        {"use": "everything"},
        {"use": ["stream"]},
        {"iss": None},
    ],
)
def test_claims_of_a_wrong_kind_are_refused(claims, site, keys):
    site.refuses(forge(keys["ed25519"], claims=claims), "claim|times|lives")


@pytest.mark.parametrize("header", [{"typ": "JWT"}, {"typ": None}, {"kid": 7}, {"kid": None}, {"crit": ["exp"]}])
def test_a_header_that_is_not_ours_is_refused(header, site, keys):
    site.refuses(forge(keys["ed25519"], header=header), "not of type")


def test_keys_that_a_token_brings_along_are_not_looked_at(site, keys):
    jwk = jwt.algorithms.OKPAlgorithm.to_jwk(keys["mallory"].public.key, as_dict=True)
    victim = keys["ed25519"].public.fingerprint
    header = {"kid": victim, "jwk": jwk, "jku": "https://evil.example/keys", "x5u": "https://evil.example/cert"}
    site.refuses(forge(keys["mallory"], header=header, claims={"iss": victim}), "signature is wrong")


def test_an_oversized_token_is_refused_before_anything_else(site, keys):
    site.refuses(forge(keys["ed25519"], claims={"pad": "x" * 2000}), "at most 2048")
    site.refuses("x" * 10**7, "at most 2048")


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "...", "a.b.c", "é.é.é", "e30.e30.e30", "bnVsbA.bnVsbA.", "W10.W10.", "\0.\0.\0", "a b.c.d"],
)
def test_garbage_is_refused(token, site):
    site.refuses(token, "not a JWT|not of type")


def test_json_that_bites_is_refused(site):
    for bomb in (b"[" * 1400, b'{"a":' * 250, b"9" * 1400, b'{"kid": 1e999}', b'{"kid": NaN}'):
        site.refuses(f"{b64(bomb)}.{b64(b'{}')}.", "not a JWT|not of type")


@given(st.text(max_size=300) | st.lists(st.binary(max_size=80).map(b64), min_size=3, max_size=3).map(".".join))
def test_noise_is_refused(token):
    with pytest.raises(Unauthenticated):
        TokenVerifier(lambda kid: None, [HERE]).verify(token, "10.0.0.7")


@given(st.data())
def test_a_token_with_one_changed_character_is_refused(keys, data):
    site = Site(*keys.values())
    token = site.sign(keys[data.draw(st.sampled_from(["ed25519", "ecdsa", "rsa"]))])
    at = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.characters(min_codepoint=33, max_codepoint=126).filter(lambda c: c != token[at]))
    with pytest.raises(RilaasError):
        site.verify(token[:at] + character + token[at + 1 :])


def test_a_verifier_without_a_name_is_a_mistake():
    with pytest.raises(InvalidInput, match="names that it answers to"):
        TokenVerifier({}.get, [])
