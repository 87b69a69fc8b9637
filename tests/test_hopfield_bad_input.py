"""What Hopfield networks refuse, and how they say so."""

import numpy as np
import pytest

from fastnn import HopfieldNetwork

GOOD = np.random.default_rng(0).choice([-1, 1], (6, 10))


def fitted(**params):
    return HopfieldNetwork(**params).fit(GOOD)


def changed_after_fit(first, **params):
    fitted(**first).set_params(**params).predict(GOOD)


BAD = [
    ("zeros and ones", lambda: HopfieldNetwork().fit((GOOD + 1) // 2), ValueError, r"give 2 \* X - 1"),
    ("other values", lambda: HopfieldNetwork().fit(GOOD * 0.5), ValueError, "states are -1 and \\+1"),
    ("unsigned", lambda: HopfieldNetwork().fit(GOOD.astype(np.uint8)), ValueError, "states are -1"),
    ("NaN", lambda: HopfieldNetwork().fit(np.full((2, 3), np.nan)), ValueError, "NaN"),
    ("empty", lambda: HopfieldNetwork().fit(GOOD[:0]), ValueError, "0 sample"),
    ("1-D", lambda: HopfieldNetwork().fit(GOOD[0]), ValueError, "Expected 2D"),
    ("columns", lambda: fitted().predict(GOOD[:, :4]), ValueError, "4 features"),
    ("complex", lambda: HopfieldNetwork().fit(GOOD + 0j), ValueError, "Complex"),
    ("strings", lambda: HopfieldNetwork().fit([["a"]]), ValueError, "not compatible"),
    ("unfitted", lambda: HopfieldNetwork().predict(GOOD), ValueError, "not fitted"),
    ("rule", lambda: fitted(rule="hopfield"), ValueError, "'rule' parameter"),
    ("energy", lambda: fitted(energy="cubic"), ValueError, "'energy' parameter"),
    ("degree", lambda: fitted(degree=1), ValueError, "'degree' parameter"),
    ("beta", lambda: fitted(beta=0), ValueError, "'beta' parameter"),
    ("max_sweeps", lambda: fitted(max_sweeps=0), ValueError, "'max_sweeps' parameter"),
    ("unknown", lambda: fitted().set_params(order_="x"), ValueError, "no parameters"),
    ("rule and energy", lambda: fitted(rule="storkey", energy="polynomial"), ValueError, "makes weights"),
    ("scale", lambda: fitted(rule="storkey", scale="patterns"), ValueError, "scale='patterns'"),
    ("not stored", lambda: fitted().forget(-GOOD), ValueError, "row 0 of X is not among"),
    ("all forgotten", lambda: fitted().forget(GOOD), ValueError, "no pattern would remain"),
    ("not square", lambda: HopfieldNetwork.from_weights(np.ones((2, 3))), ValueError, "must have shape"),
    ("diagonal", lambda: HopfieldNetwork.from_weights(np.eye(3)), ValueError, "zero diagonal"),
    ("infinite", lambda: HopfieldNetwork.from_weights([[0, np.inf], [1, 0]]), ValueError, "infinity"),
    ("bias", lambda: HopfieldNetwork.from_weights(np.zeros((2, 2)), [1]), ValueError, "b must have"),
    (
        "weights, steep",
        lambda: HopfieldNetwork.from_weights(np.zeros((2, 2)), energy="polynomial"),
        ValueError,
        "weights make a quadratic energy",
    ),
    (
        "learning on given weights",
        lambda: HopfieldNetwork.from_weights(np.zeros((10, 10))).partial_fit(GOOD),
        ValueError,
        "made from weights",
    ),
    ("changed rule", lambda: changed_after_fit({}, rule="storkey"), ValueError, "fit again"),
    (
        "changed states",
        lambda: changed_after_fit({"energy": "exponential"}, update="sync"),
        ValueError,
        "fit again",
    ),
    ("weights of steep", lambda: fitted(energy="polynomial").weights_, AttributeError, "no weights"),
]


@pytest.mark.parametrize(("call", "error", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
