"""plot.network_graph: what is drawn, and what is refused."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from fastnn import RBM, MLPClassifier, MLPRegressor

plt = pytest.importorskip("matplotlib.pyplot")
from fastnn import plot  # noqa: E402

plt.switch_backend("Agg")


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_a_circle_a_unit_and_a_line_a_weight(tmp_path):
    weights = [np.array([[1.0, -2.0, 0.5]] * 4), np.array([[1.0], [-1.0], [3.0]])]
    ax = plot.network_graph(weights)
    assert len(ax.patches) == 4 + 3 + 1
    first, second = ax.collections
    assert len(first.get_segments()) == 12
    widths = second.get_linewidths()
    assert widths[2] == pytest.approx(3 * widths[0])
    red, blue, _ = second.get_colors()
    assert red[0] > red[2]
    assert blue[2] > blue[0]
    assert [t.get_text() for t in ax.texts] == ["inputs\n4", "hidden\n3", "outputs\n1"]
    ax.figure.savefig(tmp_path / "graph.png")


def test_long_layers_are_cut_short():
    ax = plot.network_graph([np.ones((30, 5)), np.ones((5, 3))], max_units=6)
    assert len(ax.patches) == 5 + 5 + 3
    assert any(t.get_text() == "⋮" for t in ax.texts)
    assert "inputs\n30" in [t.get_text() for t in ax.texts]


def test_models_and_names():
    X, y = np.random.default_rng(0).random((20, 3)), np.arange(20) % 2
    model = MLPRegressor(hidden_layer_sizes=(4,), solver="lbfgs").fit(X, y)
    assert len(plot.network_graph(model).patches) == 8
    rbm = RBM(5, n_iter=1).fit(X > 0.5)
    _, ax = plt.subplots()
    assert plot.network_graph(rbm, layer_names=["visible", "hidden"], ax=ax) is ax
    assert ax.texts[0].get_text() == "visible\n3"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot.network_graph([np.ones((2, 3)), np.ones((2, 3))]), "do not follow"),
        (lambda: plot.network_graph([np.full((2, 2), np.nan)]), "NaN"),
        (lambda: plot.network_graph([]), "at least one layer"),
        (lambda: plot.network_graph([np.ones((2, 3))], max_units=2), "max_units"),
        (lambda: plot.network_graph([np.ones((2, 3))], layer_names=["a"]), "2 layers need"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_an_unfitted_model():
    with pytest.raises(NotFittedError):
        plot.network_graph(MLPClassifier())
