"""A network drawn as a graph: the picture behind ``fastnn.plot.network_graph``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastnn import _axes
from fastnn._tiles import as_array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NODE = 0.36
_POSITIVE, _NEGATIVE, _INK = "#b2182b", "#2166ac", "0.25"


def shown_units(n_units: int, most: int) -> list[int | None]:
    """Which units are drawn, top to bottom; None stands for those left out."""
    if n_units <= most:
        return list(range(n_units))
    upper = (most - 1) // 2
    return [*range(upper), None, *range(n_units - (most - 1 - upper), n_units)]


def draw_graph(
    weights: Sequence[np.ndarray],
    layer_names: Sequence[str],
    max_units: int,
    ax: Axes | None,
) -> Axes:
    """weights: (n_in, n_out) of each layer."""
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Circle

    sizes = [weights[0].shape[0], *(w.shape[1] for w in weights)]
    columns = [shown_units(size, max_units) for size in sizes]
    height = max(len(column) for column in columns)
    ax = _axes.one(ax, (2.2 * len(sizes) + 0.4, 0.5 * height + 1))
    places = []
    for x, column in enumerate(columns):
        y = (np.arange(len(column)) - (len(column) - 1) / 2) * -1.0
        places.append({unit: (3.0 * x, at) for unit, at in zip(column, y, strict=True)})
    for weight, left, right in zip(weights, places, places[1:], strict=False):
        most = float(np.abs(weight).max()) or 1.0
        pairs = [(i, j) for i in left for j in right if i is not None and j is not None]
        values = np.array([weight[i, j] for i, j in pairs])
        lines = LineCollection(
            [(left[i], right[j]) for i, j in pairs],
            colors=np.where(values > 0, _POSITIVE, _NEGATIVE),
            linewidths=2.2 * np.abs(values) / most,
            alpha=0.75,
            zorder=1,
        )
        ax.add_collection(lines)
    for name, size, place in zip(layer_names, sizes, places, strict=True):
        for unit, at in place.items():
            if unit is None:
                ax.text(*at, "⋮", ha="center", va="center", fontsize=14, color=_INK)
            else:
                ax.add_patch(Circle(at, _NODE, facecolor="white", edgecolor=_INK, linewidth=1.2, zorder=2))
        ax.text(next(iter(place.values()))[0], height / 2 + 0.35, f"{name}\n{size}", ha="center", va="bottom")
    ax.set_xlim(-0.9, 3.0 * (len(sizes) - 1) + 0.9)
    ax.set_ylim(-height / 2 - 0.2, height / 2 + 1.7)
    ax.set_aspect("equal")
    ax.axis("off")
    return ax


def network_graph(
    model: Any,
    *,
    max_units: int = 12,
    layer_names: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a network as a graph: a circle a unit, a line a weight.

    A line is as wide as its weight is large among those of its layer; red lines are positive, blue
    ones negative. Of a long layer the first and the last units are drawn.

    Parameters
    ----------
    model : fitted MLPClassifier, MLPRegressor or RBM, or sequence of array-like (n_in, n_out)
        The model, or the weights of each layer.
    max_units : int, default=12
        At most so many places a layer, at least 3.
    layer_names : sequence of str, default=None
        One a layer of units; None: "inputs", "hidden", "outputs".
    ax : matplotlib.axes.Axes, default=None
        Where to draw; None makes a new figure of fitting size.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        matplotlib is not installed.
    sklearn.exceptions.NotFittedError
        `model` is an estimator that is not fitted.
    ValueError
        Weights that do not fit one another or are not finite, a wrong number of names, or `max_units`
        below 3.

    Examples
    --------
    >>> from fastnn import MLPClassifier, plot
    >>> ax = plot.network_graph(MLPClassifier.from_truth_table([0, 1, 1, 0]))
    >>> len(ax.patches)
    5
    """
    if max_units < 3:
        raise ValueError(f"max_units must be at least 3, got {max_units}")
    weights = [as_array(w, "weights") for w in _weights_of(model)]
    for left, right in pairwise(weights):
        if left.shape[1] != right.shape[0]:
            raise ValueError(f"weights of shapes {left.shape} and {right.shape} do not follow each other")
    if not weights:
        raise ValueError("a network has at least one layer of weights")
    if layer_names is None:
        layer_names = ["inputs", *["hidden"] * (len(weights) - 1), "outputs"]
    if len(layer_names) != len(weights) + 1:
        raise ValueError(f"{len(weights) + 1} layers need as many names, got {len(layer_names)}")
    return draw_graph(weights, layer_names, max_units, ax)


def _weights_of(model: Any) -> Sequence:
    if not hasattr(model, "fit"):
        return model
    check_is_fitted(model)
    return model.coefs_ if hasattr(model, "coefs_") else [model.components_.T]
