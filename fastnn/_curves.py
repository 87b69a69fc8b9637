"""Pictures of functions of one number: a basis, a predictive band; public through ``fastnn.plot``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri
from sklearn.utils.validation import check_is_fitted

from fastnn import _axes, _tiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

_BAND, _DOT = "#9ecae1", "#d1495b"
_MOST_NAMED = 8  # curves that a legend can still tell apart


def basis(
    phi: Any,
    x: ArrayLike,
    *,
    coef: ArrayLike | None = None,
    intercept: float = 0.0,
    names: Sequence[str] | None = None,
    cmap: str = "viridis",
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the functions of a basis, by themselves or weighted and with their sum.

    With `coef` the picture shows how a model is made: each function times its coefficient, and above
    them the sum, which is what the model says [1]_.

    Parameters
    ----------
    phi : callable, fitted transformer, fitted BayesianLinearRegression, \
or array-like of shape (n_points, n_basis)
        The basis: what gives rows (n_points, n_basis) for a column (n_points, 1) of numbers; a model
        stands for the basis it was fitted with; or the values of the functions at `x`.
    x : array-like of shape (n_points,) or (n_points, 1)
        Where to draw, in any order.
    coef : array-like of shape (n_basis,), default=None
        Weights of the functions, such as ``model.coef_``; None draws the functions as they are.
    intercept : float, default=0.0
        Added to the sum.
    names : sequence of str, default=None
        One for each function, for the legend.
    cmap : str, default="viridis"
        A matplotlib colormap, first function to last.
    title : str, default=None
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
        `phi` is an estimator that has no basis.
    sklearn.exceptions.NotFittedError
        `phi` is an estimator that is not fitted.
    ValueError
        Points or values that are not finite, another number of rows than of points, or of coefficients or
        names than of functions.

    References
    ----------
    .. [1] Bishop, "Pattern Recognition and Machine Learning", 2006, section 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import plot
    >>> x = np.linspace(-1, 1, 50)
    >>> ax = plot.basis(lambda X: np.hstack([X, X**2]), x, coef=[1.0, -2.0], names=["x", "x²"])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['x', 'x²', 'sum']
    """
    x = _points(x)
    values = _basis_values(phi, x)
    if len(values) != len(x):
        raise ValueError(f"the basis has {len(values)} rows for {len(x)} points")
    n_functions = values.shape[1]
    if names is not None and len(names) != n_functions:
        raise ValueError(f"{n_functions} functions need as many names, got {len(names)}")
    if coef is not None:
        coef = _tiles.as_array(coef, "coef", any_shape=True).ravel()
        if len(coef) != n_functions:
            raise ValueError(f"{n_functions} functions need as many coefficients, got {len(coef)}")
        values = values * coef
    plt = _axes.pyplot()
    ax = _axes.one(ax, (5.2, 3.4))
    order = np.argsort(x, kind="stable")
    for k, color in enumerate(plt.get_cmap(cmap)(np.linspace(0, 0.9, n_functions))):
        ax.plot(x[order], values[order, k], color=color, linewidth=1.2, label=names and names[k])
    if coef is not None:
        ax.plot(x[order], values[order].sum(axis=1) + intercept, color="black", linewidth=2, label="sum")
    _finish(ax, "x", "" if coef is None else "weighted", title)
    if names is not None and n_functions <= _MOST_NAMED:
        ax.legend(frameon=False, fontsize=8)
    return ax


def predictive_band(
    model: Any,
    x: ArrayLike,
    *,
    rows: tuple[ArrayLike, ArrayLike] | None = None,
    level: float = 0.9,
    n_draws: int = 0,
    random_state: int = 0,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw what a regression of one feature predicts, and how far it is from certain.

    Parameters
    ----------
    model : fitted regressor, or (mean, std), each array-like of shape (n_points,)
        What takes ``predict(X, return_std=True)``: BayesianLinearRegression, BayesianRidge, Gaussian
        processes; or predictions made elsewhere.
    x : array-like of shape (n_points,) or (n_points, 1)
        Where to draw, in any order.
    rows : (X, y), default=None
        Rows the model has seen, drawn as dots: X of shape (n_rows,) or (n_rows, 1), y (n_rows,).
    level : float in (0, 1), default=0.9
        Probability of the band, mean - z std to mean + z std of a normal distribution.
    n_draws : int, default=0
        So many functions drawn from the posterior of a BayesianLinearRegression, as thin lines.
    random_state : int, default=0
        Of these draws.
    title : str, default=None
    ax : matplotlib.axes.Axes, default=None
        Where to draw; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        matplotlib is not installed.
    sklearn.exceptions.NotFittedError
        `model` is an estimator that is not fitted.
    TypeError
        `n_draws` of a model without ``sample_posterior``.
    ValueError
        A level outside (0, 1), or points, predictions or rows that do not fit together or are not finite.

    References
    ----------
    Bishop, "Pattern Recognition and Machine Learning", 2006, section 3.3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import BayesianLinearRegression, plot
    >>> X, y = np.array([[0.0], [1.0], [2.0]]), [0.1, 0.9, 2.1]
    >>> model = BayesianLinearRegression().fit(X, y)
    >>> ax = plot.predictive_band(model, np.linspace(-1, 3, 50), rows=(X, y), n_draws=3)
    >>> len(ax.lines)  # three draws, the mean and the rows
    5
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    x = _points(x)
    order = np.argsort(x, kind="stable")
    x = x[order]
    if hasattr(model, "predict"):
        check_is_fitted(model)
        mean, std = model.predict(x[:, None], return_std=True)
    else:
        mean, std = (_tiles.as_array(v, "mean and std", any_shape=True).ravel() for v in model)
        if len(mean) != len(x) or len(std) != len(x):
            raise ValueError(f"{len(x)} points have {len(mean)} means and {len(std)} standard deviations")
        mean, std = mean[order], std[order]
    width = ndtri((1 + level) / 2) * std
    ax = _axes.one(ax, (5.2, 3.6))
    ax.fill_between(x, mean - width, mean + width, color=_BAND, linewidth=0, label=f"{level:.0%} band")
    for drawn in _drawn_functions(model, x, n_draws, random_state):
        ax.plot(x, drawn, color=_axes.INK, linewidth=0.6)
    ax.plot(x, mean, color=_axes.INK, label="mean")
    if rows is not None:
        ax.plot(*_rows(rows), "o", color=_DOT, markersize=4)
    _finish(ax, "x", "y", title)
    return ax


def _points(x: ArrayLike, name: str = "x") -> np.ndarray:
    """(n_points,) of one number each."""
    x = _tiles.as_array(x, name, any_shape=True)
    if x.ndim > 2 or (x.ndim == 2 and x.shape[1] != 1):
        raise ValueError(f"{name} must have one feature, got shape {x.shape}")
    return x.ravel()


def _rows(rows: tuple[ArrayLike, ArrayLike]) -> tuple[np.ndarray, np.ndarray]:
    X, y = _points(rows[0], "the rows' X"), _points(rows[1], "the rows' y")
    if len(X) != len(y):
        raise ValueError(f"rows holds {len(X)} of X and {len(y)} of y")
    return X, y


def _basis_values(phi: Any, x: np.ndarray) -> np.ndarray:
    """(n_points, n_basis)"""
    X = x[:, None]
    if hasattr(phi, "fit"):
        check_is_fitted(phi)
        if not hasattr(phi, "transform") and not hasattr(phi, "_checked_basis"):
            raise TypeError(f"{type(phi).__name__} has no basis: give what makes rows, or their values")
        values = phi._checked_basis(X) if hasattr(phi, "_checked_basis") else phi.transform(X)
    else:
        values = phi(X) if callable(phi) else phi
    return _tiles.as_array(values, "the values of the basis")


def _drawn_functions(model: Any, x: np.ndarray, n_draws: int, random_state: int) -> np.ndarray:
    """(n_draws, n_points)"""
    if not n_draws:
        return np.empty((0, len(x)))
    if not hasattr(model, "sample_posterior"):
        raise TypeError(f"{type(model).__name__} has no method sample_posterior: n_draws must be 0")
    coef, intercept = model.sample_posterior(n_draws, random_state)
    return coef @ model._checked_basis(x[:, None]).T + intercept[:, None]


def _finish(ax: Axes, xlabel: str, ylabel: str, title: str | None) -> None:
    ax.set(xlabel=xlabel, ylabel=ylabel)
    _axes.hide(ax, "top", "right")
    if title is not None:
        ax.set_title(title)
