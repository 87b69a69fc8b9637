"""Slow twins of the multiclass support vector machine: losses, proximal steps, the optimum as a QP."""

import numpy as np
from scipy.optimize import minimize


def margins(S, y, delta):
    """s_j - s_y + delta, 0 at the label."""
    M = S - S[np.arange(len(y)), y][:, None] + delta
    M[np.arange(len(y)), y] = 0
    return M


def losses(S, y, delta, kind):
    M = margins(np.asarray(S, np.float64), y, delta)
    return np.maximum(M, 0).sum(axis=1) if kind == "weston_watkins" else M.max(axis=1)


def objective(W, b, X, y, costs, delta, kind):
    return 0.5 * (W**2).sum() + 0.5 * (b**2).sum() + costs @ losses(X @ W.T + b, y, delta, kind)


def simplex(u):
    """The nearest point of the simplex, by sorting."""
    s = np.sort(u)[::-1]
    t = (np.cumsum(s) - 1) / np.arange(1, len(u) + 1)
    return np.maximum(u - t[np.flatnonzero(s > t)[-1]], 0)


def proximal_step(s, q, y, kappa, delta, kind):
    """argmax over the duals p of sum p (s + kappa q) - delta p_y - kappa |p|^2 / 2."""
    own = np.arange(len(s)) == y
    if kind == "crammer_singer":
        return simplex((s + delta * ~own) / kappa + q + own) - own
    b = (s - s[y] + delta) / kappa + q - q[y]
    low, high = 0.0, len(s) - 1.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if np.clip(b - middle, 0, 1)[~own].sum() > middle else (low, middle)
    p = np.clip(b - low, 0, 1)
    p[y] = -p[~own].sum()
    return p


def smooth_loss(p, s, q, y, kappa, delta):
    return p @ (s + kappa * q) - delta * p[y] - kappa / 2 * (p @ p)


def optimum(X, y, n_classes, costs, delta, kind):
    """W (n_classes, n_features) of least objective, by SciPy's quadratic programming with slack variables."""
    n, d = X.shape
    size = n_classes * d
    pairs = [(i, j) for i in range(n) for j in range(n_classes) if j != y[i]]
    n_slack = n if kind == "crammer_singer" else len(pairs)
    at = np.array([i if kind == "crammer_singer" else k for k, (i, _) in enumerate(pairs)])
    A = np.zeros((len(pairs), size + n_slack))
    for k, (i, j) in enumerate(pairs):
        A[k, y[i] * d : (y[i] + 1) * d] += X[i]
        A[k, j * d : (j + 1) * d] -= X[i]
        A[k, size + at[k]] = 1
    price = costs if kind == "crammer_singer" else costs[[i for i, _ in pairs]]
    found = minimize(
        lambda v: 0.5 * v[:size] @ v[:size] + price @ v[size:],
        np.concatenate([np.zeros(size), np.full(n_slack, delta)]),
        jac=lambda v: np.concatenate([v[:size], price]),
        bounds=[(None, None)] * size + [(0, None)] * n_slack,
        constraints={"type": "ineq", "fun": lambda v: A @ v - delta, "jac": lambda v: A},
        method="SLSQP",
        options={"maxiter": 1000, "ftol": 1e-14},
    )
    return found.x[:size].reshape(n_classes, d)


def barrier_matrix(p, t, back, y, kind):
    """How a row's duals answer its scores at fixed products: dp = h + M a."""
    if kind == "crammer_singer":
        D = p / t
        return np.diag(D) - np.outer(D, D) / D.sum()
    others = np.arange(len(p)) != y
    E = np.where(others, 1 / (t / np.where(others, p, 1) + back / (1 - p)), 0)
    M = np.diag(E)
    M[y, y] = E.sum()
    M[y, others] = M[others, y] = -E[others]
    return M
