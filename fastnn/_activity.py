"""What hidden units do over a batch of rows; public through ``fastnn.plot``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _axes, _tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike


def activity(
    model: Any,
    X: ArrayLike,
    *,
    n_rows: int = 100,
    n_units: int | None = 200,
    cmap: str = "gray",
    ax: Axes | None = None,
) -> Axes:
    """Draw the means of the hidden units, a row for each row of `X` and a column for each unit.

    Black columns are units that never speak, white ones never stop; white rows are inputs that excite
    everything. A healthy model is grey noise without stripes [1]_.

    Parameters
    ----------
    model : fitted estimator with `transform`, or array-like of shape (n_samples, n_components)
        The model, or means computed elsewhere (then `X` is not looked at).
    X : array-like or sparse matrix of shape (n_samples, n_features)
    n_rows : int, default=100
        At most so many rows, the first ones.
    n_units : int, default=200
        At most so many units, the first ones; None draws all.
    cmap : str, default="gray"
        A matplotlib colormap over the range of the means, [0, 1] where they lie there.
    ax : matplotlib.axes.Axes, default=None
        Where to draw; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        matplotlib is not installed.
    TypeError
        `model` is an estimator that cannot transform.
    ValueError
        Nothing to draw, or means that are not finite.

    References
    ----------
    .. [1] Yosinski, Lipson, "Visually debugging restricted Boltzmann machine training with a 3D example",
       ICML 2012 representation learning workshop.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import plot
    >>> ax = plot.activity(np.random.default_rng(0).random((30, 12)), None)
    >>> ax.images[0].get_array().shape
    (30, 12)
    """
    if hasattr(model, "transform"):
        model = model.transform(X[: _tiles.positive(n_rows, "n_rows")])
    elif hasattr(model, "fit"):
        raise TypeError(f"{type(model).__name__} has no method transform; give an array of means")
    means = _tiles.as_array(model, "hidden means")[: _tiles.positive(n_rows, "n_rows")]
    if n_units is not None:
        means = means[:, : _tiles.positive(n_units, "n_units")]
    low, high = float(means.min()), float(means.max())
    limits = (0.0, 1.0) if low >= 0.0 and high <= 1.0 else (low, high)
    ax = _axes.one(ax, (6.0, 3.6))
    ax.imshow(means, cmap=cmap, vmin=limits[0], vmax=limits[1], aspect="auto", interpolation="nearest")
    ax.set(xlabel="hidden unit", ylabel="row", title=f"Mean activity {np.mean(means):.2f}")
    _axes.bar(ax, ax.images[-1])
    return ax
