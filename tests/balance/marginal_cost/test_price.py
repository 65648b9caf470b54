"""The file of a price: what fits is read, and what does not is refused with a sentence."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from rilaas.balance import make_balancer
from rilaas.balance.learned_file import read_learned, write_learned
from rilaas.balance.marginal_cost.feature import NAMES, ORDER, VERSION
from rilaas.balance.marginal_cost.price import KIND, LAYERS, SHIPPED, Price, read_price
from rilaas.core import InvalidInput, NotFound
from tests.balance.marginal_cost.talk import layers

CARD = {"features": VERSION}


def test_the_price_that_comes_with_rilaas_is_read_and_small():
    price = read_price()
    assert price.card["kind"] == KIND
    assert price.card["features"] == VERSION
    assert SHIPPED.stat().st_size < 50_000


def test_what_was_written_is_read_and_prices_the_same(tmp_path):
    path = tmp_path / "price.npz"
    write_learned(path, KIND, layers(), CARD)
    x = np.random.default_rng(0).normal(size=(len(NAMES) + 1, 5))
    x[-1] = 1.0
    assert np.array_equal(read_price(path)(x), Price(layers(), CARD)(x))


def test_the_price_is_the_formula_on_features_in_the_order_of_their_names():
    weights = {**layers(3), "b3": np.ones(1)}
    w1, b1, w2, b2, w3, b3 = (weights[name] for name in LAYERS)
    features = np.random.default_rng(1).normal(size=(40, len(NAMES)))
    hidden = np.maximum(np.maximum(features @ w1 + b1, 0.0) @ w2 + b2, 0.0)
    expected = np.maximum((hidden @ w3 + b3)[:, 0], 0.0)
    rows = np.concatenate([features[:, list(ORDER)].T, np.ones((1, 40))])
    assert Price(weights, CARD)(rows) == pytest.approx(expected, abs=1e-12)
    assert 0 < np.count_nonzero(expected) < 40


@given(
    seed=st.integers(0, 20),
    x=arrays_of.arrays(np.float64, (len(NAMES), 6), elements=st.floats(-100.0, 100.0)),
)
def test_a_price_is_never_negative(seed, x):
    assert (Price(layers(seed), CARD)(np.concatenate([x, np.ones((1, 6))])) >= 0.0).all()


@pytest.mark.parametrize("card", [{}, {"features": VERSION + 1}, {"features": "1"}])
def test_a_price_for_other_features_is_refused_with_both_versions(card):
    with pytest.raises(
        InvalidInput, match=f"version {card.get('features')} of the features, not on {VERSION}"
    ) as caught:
        Price(layers(), card)
    assert "rilaas learn balancer --policy marginal_cost" in caught.value.hint


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("shape", [(), (3,), (8, 9), (17, 8), (1, 1, 1), (0,)])
def test_a_layer_of_another_shape_is_refused_with_what_it_should_be(name, shape):
    with pytest.raises(InvalidInput, match="layers have shapes .*they should have"):
        Price({**layers(), name: np.zeros(shape)}, CARD)


@pytest.mark.parametrize("name", LAYERS)
def test_a_price_without_a_layer_is_refused_with_its_name(name):
    with pytest.raises(InvalidInput, match=f"has no {name};"):
        Price({each: array for each, array in layers().items() if each != name}, CARD)


def test_a_file_that_was_cut_off_is_refused(tmp_path):
    data = SHIPPED.read_bytes()
    for share in (0.0, 0.01, 0.5, 0.99):
        path = tmp_path / "cut.npz"
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(InvalidInput, match="no file of a learned policy"):
            make_balancer(f"marginal_cost={path}")


def test_a_file_of_another_policy_is_refused_with_its_name(tmp_path):
    write_learned(tmp_path / "q.npz", "q_learning", {"values": np.zeros(3)}, {})
    with pytest.raises(InvalidInput, match="trained for the policy 'q_learning', not for 'marginal_cost'"):
        make_balancer(f"marginal_cost={tmp_path / 'q.npz'}")


def test_a_file_that_is_not_there_is_answered_with_how_to_make_one(tmp_path):
    with pytest.raises(NotFound) as caught:
        make_balancer(f"marginal_cost={tmp_path / 'no.npz'}")
    assert "rilaas learn balancer --policy marginal_cost --out" in caught.value.hint


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    arrays, card = read_learned(SHIPPED, KIND)
    members = {**arrays, "b3": np.array([np.nan]), "card": np.frombuffer(json.dumps(card).encode(), np.uint8)}
    np.savez(tmp_path / "price.npz", **members)
    with pytest.raises(InvalidInput, match="not finite"):
        read_price(tmp_path / "price.npz")
