"""Coordinates in which an objective curves about alike in all directions.

L-BFGS takes it to be so at first, and finds out otherwise step by step: with features of different scales,
or that vary together, it needs hundreds. Here the second derivative's square root is taken out beforehand:
of one score it is the Hessian itself, of several the product of a matrix for the features and one for the
classes, which is what the Hessian would be if the shares of classes did not depend on the features (Böhning
bounds it by such a product: "Multinomial logistic regression algorithm", Ann. Inst. Statist. Math. 44, 1992).
"""

from __future__ import annotations

import numpy as np

MOST_FEATURES = 1000  # beyond that the matrices cost more than steps
FEWEST_ROWS = 1000
ROWS_TO_FEATURES = 4
# Of the largest: directions flatter than that are taken to be as curved.
FLAT_FEATURES = 1e-10
FLAT_CLASSES = 1e-6


class Coordinates:
    """z with W = V (z / spread) U', V and U orthogonal; W, z: (n_features + fit_intercept, n_scores)."""

    def __init__(self, objective, coef):
        """About these coefficients, where objective is linearized."""
        objective.linearize(coef)
        if objective.n_scores == 1:
            features, classes, l2 = objective.hessian(), np.ones((1, 1)), 0.0
        else:
            features, classes, l2 = *objective.product_hessian(), objective.l2
        curves, self.V = np.linalg.eigh(features)
        slopes, self.U = np.linalg.eigh(classes)
        curves = np.maximum(curves, FLAT_FEATURES * curves[-1])
        slopes = np.maximum(slopes, FLAT_CLASSES * slopes[-1])
        self.spread = np.sqrt(np.outer(curves, slopes) + l2)

    def inward(self, coef):
        """z of coefficients."""
        W = np.reshape(coef, self.spread.shape)
        return ((self.V.T @ W @ self.U) * self.spread).ravel()

    def outward(self, z):
        """The coefficients of z."""
        return (self.V @ (np.reshape(z, self.spread.shape) / self.spread) @ self.U.T).ravel()

    def gradient(self, gradient):
        """The gradient by z of what has this one by the coefficients."""
        G = np.reshape(gradient, self.spread.shape)
        return ((self.V.T @ G @ self.U) / self.spread).ravel()


def coordinates_of(objective, coef) -> Coordinates | None:
    """About these coefficients; None where the objective does not curve, or beyond the range of numbers."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        try:
            space = Coordinates(objective, coef)
        except np.linalg.LinAlgError:
            return None
    return space if (space.spread > 0).all() and np.isfinite(space.spread).all() else None


def pay(objective) -> bool:
    """Whether finding coordinates costs less than the steps they may save."""
    n, p = objective.X.shape
    return p <= MOST_FEATURES and n >= max(FEWEST_ROWS, ROWS_TO_FEATURES * p)
