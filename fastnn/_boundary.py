"""Where a classifier changes its mind: the picture behind ``fastnn.plot.decision_boundary``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastnn import _axes, _tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

_LINE = "0.3"
_AROUND = 0.1  # of the rows' range, on each side


def decision_boundary(
    model: Any,
    X: ArrayLike,
    y: ArrayLike | None = None,
    *,
    margin: float | None = None,
    support: bool = False,
    n_steps: int = 300,
    cmap: str = "tab10",
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the regions of a classifier's classes in the plane, with rows, margins and support vectors.

    Lines show where two classes tie; dashed ones, where the first is ahead of the second by `margin`.

    Parameters
    ----------
    model : fitted classifier, or callable
        Its scores are `decision_function`, else `predict_proba`, else 1 for what `predict` says and 0. A
        callable gives scores (n_rows,), positive for the second of two classes, or (n_rows, n_classes)
        for rows (n_rows, 2).
    X : array-like or sparse matrix of shape (n_samples, 2)
        Rows: the picture reaches a little beyond them.
    y : array-like of shape (n_samples,), default=None
        Their classes, for the colours of dots; None draws no dots.
    margin : float, default=None
        None: ``model.delta`` of a MulticlassSVM, of other models no dashed lines.
    support : bool, default=False
        Ring the support vectors ``X[model.support_]``: `X` must be the rows of the fit.
    n_steps : int, default=300
        Points of the grid along each axis, at least 2.
    cmap : str, default="tab10"
        A matplotlib colormap of separate colours, one a class.
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
        `model` is neither a classifier nor callable, or has no support vectors.
    sklearn.exceptions.NotFittedError
        `model` is an estimator that is not fitted.
    ValueError
        Rows that do not have two features or are not finite, labels that do not fit them, or scores that
        do not fit the grid.

    References
    ----------
    Bishop, "Pattern Recognition and Machine Learning", 2006, sections 4.1 and 7.1.

    Examples
    --------
    >>> from fastnn import MulticlassSVM, plot
    >>> X, y = [[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]], [0, 0, 1, 1]
    >>> ax = plot.decision_boundary(MulticlassSVM().fit(X, y), X, y, support=True, n_steps=20)
    >>> len(ax.collections) > 3
    True
    """
    X = _tiles.as_array(X, "X")
    if X.shape[1] != 2:
        raise ValueError(f"X must have two features to be drawn in the plane, got {X.shape[1]}")
    if n_steps < 2:
        raise ValueError(f"n_steps must be at least 2, got {n_steps}")
    if support and not hasattr(model, "support_"):
        raise TypeError(f"{type(model).__name__} has no support vectors: support must be False")
    room = _AROUND * np.where(np.ptp(X, axis=0) > 0, np.ptp(X, axis=0), 10.0)
    ends = zip(X.min(axis=0) - room, X.max(axis=0) + room, strict=True)
    across, up = np.meshgrid(*(np.linspace(low, high, n_steps) for low, high in ends))
    scores = _scores(model, np.column_stack([across.ravel(), up.ravel()]))
    n_classes = scores.shape[1]
    which = None if y is None else _indices(model, y, len(X), n_classes)
    plt = _axes.pyplot()
    ax = _axes.one(ax, (5.0, 4.2))
    colors = _colors(plt.get_cmap(cmap), n_classes)
    _regions(ax, across, up, scores, colors, getattr(model, "delta", None) if margin is None else margin)
    if which is not None:
        ax.scatter(*X.T, c=colors[which], s=14)
    if support:
        ax.scatter(*X[model.support_].T, facecolors="none", edgecolors="k", s=45, linewidths=0.7)
    if title is not None:
        ax.set_title(title)
    return ax


def _scores(model: Any, rows: np.ndarray) -> np.ndarray:
    """(n_rows, n_classes): the greatest is the class."""
    if hasattr(model, "fit"):
        check_is_fitted(model)
        for name in ("decision_function", "predict_proba"):
            if hasattr(model, name):
                found = getattr(model, name)(rows)
                break
        else:
            if not hasattr(model, "classes_"):
                raise TypeError(f"{type(model).__name__} is no classifier")
            found = np.asarray(model.predict(rows))[:, None] == model.classes_
    elif callable(model):
        found = model(rows)
    else:
        raise TypeError(f"model must be a classifier or a function of rows, got {type(model).__name__}")
    scores = np.asarray(found, dtype=np.float64)
    if scores.ndim == 2 and scores.shape[1] == 1:
        scores = scores[:, 0]
    if scores.ndim == 1:
        scores = np.column_stack([-scores / 2, scores / 2])
    if scores.ndim != 2 or len(scores) != len(rows) or not np.isfinite(scores).all():
        raise ValueError(f"scores of shape {scores.shape} for {len(rows)} points, or not all finite")
    return scores


def _indices(model: Any, y: ArrayLike, n_rows: int, n_classes: int) -> np.ndarray:
    """The class of each row by its number."""
    y = np.asarray(y)
    if y.shape != (n_rows,):
        raise ValueError(f"y has shape {y.shape}, but X has {n_rows} rows")
    classes = np.asarray(getattr(model, "classes_", np.unique(y)))
    if len(classes) > n_classes or not np.isin(y, classes).all():
        raise ValueError("y holds classes that the model does not know")
    return np.searchsorted(classes, y)


def _colors(cmap: Any, n_classes: int) -> np.ndarray:
    """(n_classes, 4); of few separate colours the first come again."""
    if cmap.N < 256:
        return cmap(np.arange(n_classes) % cmap.N)
    return cmap(np.linspace(0, 1, n_classes))


def _regions(ax: Axes, across, up, scores, colors, margin: float | None) -> None:
    """Colour each class's part of the plane; draw ties, and where the leader is ahead by the margin."""
    ordered = np.sort(scores, axis=1)
    n_classes, lead = scores.shape[1], ordered[:, -1] - ordered[:, -2]
    winner = scores.argmax(axis=1).reshape(across.shape)
    ax.contourf(across, up, winner, levels=np.arange(n_classes + 1) - 0.5, colors=colors, alpha=0.15)
    for k in range(n_classes - (n_classes == 2)):
        ahead = (scores[:, k] - np.delete(scores, k, axis=1).max(axis=1)).reshape(across.shape)
        if ahead.min() < 0 < ahead.max():
            ax.contour(across, up, ahead, levels=[0.0], colors=_LINE, linewidths=0.9)
    if margin is not None and lead.min() < margin < lead.max():
        lead = lead.reshape(across.shape)
        ax.contour(across, up, lead, levels=[margin], colors=_LINE, linestyles="--", linewidths=0.8)
