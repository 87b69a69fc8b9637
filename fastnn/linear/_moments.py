"""What a Gaussian linear model needs of its rows: their moments, and the eigenvectors of the second ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh
from sklearn.utils import assert_all_finite

from fastnn._kernels.gram import gram
from fastnn._threads import single_threaded_blas

_SHIFT_ROWS = 256
_ROUNDING = 1e-13
_ONE_THREAD = 256  # rows of a matrix up to which BLAS's own threads cost more than they save


@dataclass
class Moments:
    """Sums over rows of weight * [x - shift, 1, y - y_shift] times its transpose: two sets can be added."""

    sums: np.ndarray
    shift: np.ndarray
    y_shift: float
    n_rows: int  # of any weight

    @classmethod
    def of(cls, X, y, weights, n_threads: int, like: Moments | None = None) -> Moments:
        """X: C-ordered, y in its dtype, maybe with values that are not finite: ValueError then.

        The shift, a rough mean (that of `like`, if given), keeps digits of data that lie far from zero.
        """
        if like is None:
            some = slice(None, None, max(1, len(X) // _SHIFT_ROWS))
            with np.errstate(all="ignore"):
                shift, y_shift = X[some].mean(axis=0, dtype=np.float64), float(y[some].mean(dtype=np.float64))
            shift[~np.isfinite(shift)] = 0
        else:
            shift, y_shift = like.shift, like.y_shift
        root = None if weights is None else np.sqrt(weights.astype(np.float64))
        with single_threaded_blas():
            sums = gram(X, None, root, shift, y, y_shift, True, n_threads)
        if not np.isfinite(sums).all():
            assert_all_finite(X, input_name="X")
            raise ValueError("X or y holds values too large to be squared: rescale them")
        return cls(sums, shift, y_shift, len(X) if weights is None else int(np.count_nonzero(weights)))

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.sums + other.sums, self.shift, self.y_shift, self.n_rows + other.n_rows)

    @property
    def total(self) -> float:
        """Sum of the weights."""
        return float(self.sums[-2, -2])

    def centred(self, about_mean: bool):
        """(x mean, y mean, x'x, x'y, y'y): sums about the means, or about zero and zero means."""
        d = len(self.shift)
        S, a, b, n = self.sums[:d, :d], self.sums[:d, d], self.sums[d, d + 1], self.total
        xy, yy = self.sums[:d, d + 1], self.sums[d + 1, d + 1]
        if about_mean:
            moved = np.outer(a, a / n)
            xy, yy = xy - a * (b / n), yy - b * b / n
            return self.shift + a / n, self.y_shift + b / n, S - moved, xy, max(float(yy), 0.0)
        c, e = self.shift, self.y_shift
        cross = np.outer(a, c)
        S = S + cross + cross.T + n * np.outer(c, c)
        return np.zeros(d), 0.0, S, xy + a * e + c * b + c * (n * e), float(yy + 2 * e * b + n * e * e)


def decompose(S) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (those that are rounding as 0; least first) and eigenvectors in columns."""
    with single_threaded_blas(len(S) <= _ONE_THREAD):
        values, vectors = eigh(S)
    values[values < len(S) * np.finfo(float).eps * values[-1]] = 0
    return values, vectors


@dataclass
class Ridge:
    """Least squares with penalty r |w|^2 along the eigenvectors of x'x: w_k = c_k / (s_k + r)."""

    s: np.ndarray
    c: np.ndarray
    rest: float

    @classmethod
    def of(cls, s, V, xy, yy: float) -> Ridge:
        """rest: what no w explains of y'y; below its rounding, nothing."""
        c = np.where(s > 0, V.T @ xy, 0.0)
        rest = yy - float(np.sum(c[s > 0] ** 2 / s[s > 0]))
        return cls(s, c, rest if rest > _ROUNDING * yy else 0.0)

    def at(self, r: float) -> tuple[np.ndarray, float]:
        """(w along the eigenvectors, sum of squared residuals): no difference of large numbers."""
        w = self.c / (self.s + r)
        return w, self.rest + float(np.sum(w[self.s > 0] ** 2 / self.s[self.s > 0])) * r * r


def decompose_rows(X, y, weights, about_mean: bool):
    """The same for fewer rows than columns, through the rows' own Gram matrix.

    (x mean, y mean, eigenvalues of x'x other than 0, their vectors in columns, x'y, y'y); ValueError for X
    that is not finite.
    """
    X, y = X.astype(np.float64), y.astype(np.float64)
    d = X.shape[1]
    x_mean, y_mean = np.zeros(d), 0.0
    if about_mean:
        x_mean, y_mean = np.average(X, axis=0, weights=weights), float(np.average(y, weights=weights))
        X, y = X - x_mean, y - y_mean
    if weights is not None:
        root = np.sqrt(weights.astype(np.float64))
        X, y = X * root[:, None], y * root
    K = X @ X.T
    if not np.isfinite(K).all():
        raise ValueError("X holds values too large to be squared: rescale them")
    values, U = decompose(K)
    kept = values > values[-1] * len(X) * np.finfo(float).eps
    values, U = values[kept], U[:, kept]
    return x_mean, y_mean, values, X.T @ (U / np.sqrt(values)), X.T @ y, float(y @ y)
