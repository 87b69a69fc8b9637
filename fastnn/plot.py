"""Pictures of what a model learned.

Every function takes a fitted object or plain arrays and returns the matplotlib axes it drew on,
so titles, limits and sizes remain the caller's to change.  matplotlib itself is imported at the
first picture: ``import fastnn`` does not pay for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastnn import _axes, _tiles
from fastnn._activity import activity
from fastnn._boundary import decision_boundary
from fastnn._curves import basis, predictive_band
from fastnn._graph import network_graph
from fastnn._landscapes import energy_landscape, energy_trace, transition_probability

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

__all__ = [
    "activity",
    "basis",
    "decision_boundary",
    "energy_landscape",
    "energy_trace",
    "filters",
    "histograms",
    "history",
    "images",
    "network_graph",
    "predictive_band",
    "reconstructions",
    "transition_probability",
]


def images(
    X: ArrayLike,
    *,
    image_shape: tuple[int, int] | None = None,
    n_columns: int | None = None,
    limits: tuple[float, float] | None = None,
    cmap: str = "gray_r",
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw every row of `X` as one tile of a tightly packed grid.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_images, n_features), \
or array-like of shape (n_images, height, width)
        The images, drawn in reading order.
    image_shape : (height, width), default=None
        None takes a square, if `n_features` is the square of a whole number.
    n_columns : int, default=None
        Tiles in a row; None makes the grid about square.
    limits : (low, high), default=None
        Values drawn as the two ends of `cmap`. None takes (0, 1) when every value lies there,
        and the smallest and largest value otherwise.
    cmap : str, default="gray_r"
        A matplotlib colormap; the default draws 0 as paper and 1 as ink.
    title : str, default=None
    ax : matplotlib.axes.Axes, default=None
        Where to draw; None makes a new figure of fitting size.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        matplotlib is not installed.
    ValueError
        `X` is empty or not finite, or its rows do not fit `image_shape`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from fastnn import plot
    >>> ax = plot.images(load_digits().data[:20] / 16, n_columns=10, title="Digits")
    >>> ax.get_title()
    'Digits'
    """
    tiles = _tiles.as_tiles(X, image_shape, "X")
    if limits is None:
        low, high = float(tiles.min()), float(tiles.max())
        limits = (0.0, 1.0) if low >= 0.0 and high <= 1.0 else (low, high)
    ax = _tiles.draw(tiles, n_columns, limits, cmap, ax)
    if title is not None:
        ax.set_title(title)
    return ax


def filters(
    model: Any,
    *,
    image_shape: tuple[int, int] | None = None,
    n_filters: int | None = 100,
    order: str = "index",
    n_columns: int | None = None,
    cmap: str = "RdBu_r",
    ax: Axes | None = None,
) -> Axes:
    """Draw the weights of each hidden unit as an image: what the unit looks for.

    All tiles share one colour scale, symmetric about zero, so that strong and weak units can be
    told apart: with the default `cmap` red pixels switch the unit on, blue ones switch it off and
    white ones do not matter.

    Parameters
    ----------
    model : fitted estimator with `components_`, or array-like of shape (n_components, n_features)
        The model, or its weights.
    image_shape : (height, width), default=None
        None takes a square, if `n_features` is the square of a whole number.
    n_filters : int, default=100
        At most so many units are drawn; None draws all.
    order : {"index", "norm"}, default="index"
        Draw the first units, or those with the largest Euclidean norm, largest first.
    n_columns : int, default=None
        Tiles in a row; None makes the grid about square.
    cmap : str, default="RdBu_r"
        A diverging matplotlib colormap.
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
        Unknown `order`, weights that are empty or not finite, rows that do not fit `image_shape`.

    Notes
    -----
    The scale ends at the 99.5 % quantile of the absolute weights drawn: a few extreme weights
    would bleach all others.

    References
    ----------
    G. Hinton (2010), A Practical Guide to Training Restricted Boltzmann Machines, section 16.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import plot
    >>> ax = plot.filters(np.random.default_rng(0).normal(size=(12, 64)))
    >>> low, high = ax.images[0].get_clim()
    >>> low == -high
    True
    """
    if order not in ("index", "norm"):
        raise ValueError(f"order must be 'index' or 'norm', got {order!r}")
    weights = _parameter(model, "components_")
    tiles = _tiles.as_tiles(weights, image_shape, "components_")
    n_all = len(tiles)
    if order == "norm":
        tiles = tiles[np.argsort(-np.linalg.norm(tiles, axis=(1, 2)), kind="stable")]
    if n_filters is not None:
        tiles = tiles[: _tiles.positive(n_filters, "n_filters")]
    limit = float(np.quantile(np.abs(tiles), 0.995)) or float(np.abs(tiles).max()) or 1.0
    ax = _tiles.draw(tiles, n_columns, (-limit, limit), cmap, ax)
    which = "" if len(tiles) == n_all else f"{len(tiles)} of "
    ax.set_title(f"Weights of {which}{n_all} hidden units")
    _axes.bar(ax, ax.images[0], extend="both")
    return ax


def reconstructions(
    model: Any,
    X: ArrayLike,
    *,
    rows: Mapping[str, ArrayLike] | None = None,
    n_images: int = 12,
    image_shape: tuple[int, int] | None = None,
    cmap: str = "gray_r",
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw originals above their reconstructions, one image a column.

    Parameters
    ----------
    model : fitted estimator with `reconstruct`, or array-like of shape (n_samples, n_features)
        The model, or reconstructions computed elsewhere.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        The originals; the first `n_images` are drawn.
    rows : mapping of str to array-like of shape (n_samples, n_features), default=None
        Further rows below, label and images, for instance a masked input and its completion.
    n_images : int, default=12
        At most so many columns.
    image_shape : (height, width), default=None
        None takes a square, if `n_features` is the square of a whole number.
    cmap : str, default="gray_r"
        A matplotlib colormap over [0, 1].  NaN pixels are left empty.
    title : str, default=None
    ax : matplotlib.axes.Axes, default=None
        Where to draw; None makes a new figure of fitting size.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        matplotlib is not installed.
    TypeError
        `model` is an estimator that cannot reconstruct.
    ValueError
        An empty input, an array of another shape than `X`, or rows that do not fit `image_shape`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from fastnn import plot
    >>> X = load_digits().data[:5] / 16
    >>> ax = plot.reconstructions(X.round(), X, rows={"negative": 1 - X})
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['original', 'reconstruction', 'negative']
    """
    X = _tiles.as_array(X, "X")[: _tiles.positive(n_images, "n_images")]
    if hasattr(model, "reconstruct"):
        model = model.reconstruct(X)
    elif hasattr(model, "fit"):
        raise TypeError(f"{type(model).__name__} has no method reconstruct; give an array of reconstructions")
    stack = {"original": X, "reconstruction": model, **(rows or {})}
    tiles = []
    for label, values in stack.items():
        values = _tiles.as_array(values, label, allow_nan=True)[: len(X)]
        if values.shape != X.shape:
            raise ValueError(f"{label}: expected shape {X.shape} as in X, got {values.shape}")
        tiles.append(_tiles.as_tiles(values, image_shape, label, allow_nan=True))
    ax = _tiles.draw(np.concatenate(tiles), len(X), (0.0, 1.0), cmap, ax, list(stack))
    if title is not None:
        ax.set_title(title)
    return ax


def histograms(
    model: Any,
    X: ArrayLike | None = None,
    *,
    bins: int = 50,
    ax: Axes | Sequence[Axes] | None = None,
) -> np.ndarray:
    """Draw how weights, biases and hidden probabilities are distributed, one panel each.

    A quick look at whether training is healthy: weights should neither stay at their tiny initial
    values nor grow long tails, and hidden units should neither sleep nor fire for everything.

    Parameters
    ----------
    model : fitted RBM, or mapping of str to array-like
        An estimator with `components_`, `intercept_visible_` and `intercept_hidden_`, or named
        arrays of any shape.
    X : array-like or sparse matrix of shape (n_samples, n_features), default=None
        If given, one more panel shows ``model.transform(X)``.
    bins : int, default=50
    ax : Axes or sequence of Axes, default=None
        One per panel; None makes a new figure.

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (n_panels,)

    Raises
    ------
    ImportError
        matplotlib is not installed.
    sklearn.exceptions.NotFittedError
        `model` is an estimator that is not fitted.
    ValueError
        Nothing to draw, values that are not finite, or another number of axes than of panels.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import plot
    >>> axes = plot.histograms({"weights": np.arange(6.0), "bias": np.zeros(3)}, bins=3)
    >>> [int(bar.get_height()) for bar in axes[0].patches]
    [2, 2, 2]
    """
    if isinstance(model, Mapping):
        panels = dict(model)
    else:
        panels = {
            "weights": _parameter(model, "components_"),
            "visible bias": _parameter(model, "intercept_visible_"),
            "hidden bias": _parameter(model, "intercept_hidden_"),
        }
    if X is not None:
        panels["hidden probability"] = model.transform(X)
    axes = _axes.panels(ax, len(panels))
    for axis, (name, values) in zip(axes, panels.items(), strict=True):
        axis.hist(_tiles.as_array(values, name, any_shape=True).ravel(), bins=bins, color=_axes.INK)
        axis.set_title(name)
        axis.set_yticks([])
        _axes.hide(axis, "left", "top", "right")
    return axes


def history(
    model: Any,
    *,
    monitors: Sequence[str] | None = None,
    ax: Axes | Sequence[Axes] | None = None,
) -> np.ndarray:
    """Draw the monitors of training against the epoch, one panel each.

    Parameters
    ----------
    model : fitted estimator with `history_`, or mapping of str to sequence of float
        The values of each monitor, one per epoch.
    monitors : sequence of str, default=None
        Which ones, in this order; None draws all but "epoch" and "time".
    ax : Axes or sequence of Axes, default=None
        One per monitor; None makes a new figure.

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (n_monitors,)

    Raises
    ------
    ImportError
        matplotlib is not installed.
    sklearn.exceptions.NotFittedError
        `model` is an estimator that is not fitted.
    ValueError
        An unknown monitor, no epochs, another number of axes than of monitors, or monitors of
        different lengths.

    Examples
    --------
    >>> from fastnn import plot
    >>> axes = plot.history({"epoch": [1, 2, 3], "reconstruction": [0.09, 0.05, 0.04]})
    >>> axes[0].get_title()
    'reconstruction'
    """
    record = model if isinstance(model, Mapping) else _parameter(model, "history_")
    if monitors is None:
        monitors = [name for name in record if name not in ("epoch", "time")]
    unknown = [name for name in monitors if name not in record]
    if unknown:
        raise ValueError(f"no monitor {unknown[0]!r} in the history; it has {sorted(record)}")
    if not monitors or not len(record[monitors[0]]):
        raise ValueError("the history is empty: nothing to draw")
    epochs = record.get("epoch", range(1, len(record[monitors[0]]) + 1))
    for name in monitors:
        if len(record[name]) != len(epochs):
            raise ValueError(f"{name}: {len(record[name])} values for {len(epochs)} epochs")
    axes = _axes.panels(ax, len(monitors))
    for axis, name in zip(axes, monitors, strict=True):
        axis.plot(epochs, record[name], color=_axes.INK, marker=".", markersize=4, linewidth=1.5)
        axis.set_title(name.replace("_", " "))
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
        _axes.hide(axis, "top", "right")
    return axes


def _parameter(model: Any, name: str) -> Any:
    """The fitted attribute of an estimator; anything else is taken for the values themselves."""
    if not hasattr(model, "fit"):
        return model
    check_is_fitted(model, name)
    return getattr(model, name)
