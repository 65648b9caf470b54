"""Tokens that are used again: by their robot, by a thief, once too often; and what a verifier remembers of them."""

import contextlib
import threading

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from rilaas.core import RateLimited, Unauthenticated
from tests.wire.token_site import NOW, Site, b64, parts

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def test_a_token_replayed_from_another_host_is_refused(site, keys):
    token = site.sign(keys["ed25519"])
    site.verify(token, "10.0.0.7")
    site.refuses(token, "first used by another host", peer="10.0.0.8")
    site.verify(token, "10.0.0.7")


def test_a_replayed_token_is_known_however_its_bytes_are_varied(site, keys):
    """An ECDSA signature (r, s) is as good as (r, n - s), so that a thief can change a token's bytes."""
    token = site.sign(keys["ecdsa"], single_use=True)
    site.verify(token, opens_stream=True)
    header, claims, signature = parts(token)
    r, s = signature[:32], int.from_bytes(signature[32:], "big")
    varied = r + (P256_ORDER - s).to_bytes(32, "big")
    assert decode_dss_signature(encode_dss_signature(int.from_bytes(r, "big"), P256_ORDER - s))
    other = ".".join(map(b64, (header, claims, varied)))
    assert other != token
    site.refuses(other, "has opened its stream already", opens_stream=True)
    site.refuses(other, "first used by another host", peer="10.0.0.8", opens_stream=True)


def test_the_same_bits_may_not_be_written_in_two_ways(site, keys):
    token = site.sign(keys["ed25519"])
    site.verify(token)
    for varied in (token + "=", token + "\n", " " + token, token[:-1] + chr(ord(token[-1]) ^ 1), token + "."):
        site.refuses(varied, "not a JWT|signature is wrong")


def test_a_stream_token_opens_one_stream_once(site, keys):
    token = site.sign(keys["ed25519"], single_use=True)
    assert site.verify(token, opens_stream=True).single_use
    site.refuses(token, "has opened its stream already", opens_stream=True)


def test_a_stream_token_is_good_for_nothing_else(site, keys):
    token = site.sign(keys["ed25519"], single_use=True)
    site.refuses(token, "only opens a stream")
    site.verify(token, opens_stream=True)
    site.refuses(token, "only opens a stream")


def test_many_threads_open_only_one_stream_with_one_token(site, keys):
    token, opened = site.sign(keys["ed25519"], single_use=True), []
    gate = threading.Barrier(8)

    def try_it():
        gate.wait()
        with contextlib.suppress(Unauthenticated):
            opened.append(site.verify(token, opens_stream=True))

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 1


def test_a_revoked_key_stops_working_at_once_though_its_token_is_remembered(site, keys):
    token = site.sign(keys["ed25519"])
    claims = site.verify(token)
    site.verifier.confirm(claims)
    key = site.registry.pop(claims.kid)
    site.refuses(token, "No robot has the key")
    with pytest.raises(Unauthenticated, match="No robot has the key"):
        site.verifier.confirm(claims)
    site.registry[claims.kid] = key
    site.verify(token)


def test_a_key_that_was_exchanged_under_its_name_does_not_take_the_old_ones_token(site, keys):
    token = site.sign(keys["ed25519"])
    kid = site.verify(token).kid
    site.registry[kid] = keys["mallory"].public
    site.refuses(token, "No robot has the key")


def test_verdicts_that_are_forgotten_do_not_forget_what_a_token_was_used_for(keys):
    site = Site(keys["ed25519"], keys["rsa"], max_verdicts=2)
    token = site.sign(keys["ed25519"], single_use=True)
    site.verify(token, opens_stream=True)
    for _ in range(5):
        site.verify(site.sign(keys["rsa"]))
    assert len(site.verifier._verdicts) == 2
    site.refuses(token, "has opened its stream already", opens_stream=True)
    site.refuses(token, "first used by another host", peer="10.0.0.8", opens_stream=True)


def test_one_key_cannot_fill_the_memory_nor_push_out_another_keys_tokens(keys):
    site = Site(keys["ed25519"], keys["rsa"], max_tokens_per_key=3)
    other = site.sign(keys["rsa"])
    site.verify(other)
    tokens = [site.sign(keys["ed25519"]) for _ in range(4)]
    for token in tokens[:3]:
        site.verify(token)
    with pytest.raises(RateLimited, match="3 unexpired tokens"):
        site.verify(tokens[3])
    site.verify(tokens[0])
    site.refuses(other, "another host", peer="10.0.0.8")
    site.clock.now = NOW + 331
    site.verify(site.sign(keys["ed25519"]))


def test_what_expired_is_forgotten(keys):
    site = Site(keys["ed25519"], keys["rsa"])
    for _ in range(10):
        site.verify(site.sign(keys["rsa"]))
    site.clock.now = NOW + 1000
    site.verify(site.sign(keys["ed25519"]))
    assert list(site.verifier._uses) == [keys["ed25519"].public.fingerprint]
