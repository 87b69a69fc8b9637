"""Parties of the linear models' cases; every answer is held against the optimum found beforehand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.table import Call, Job, WrongAnswer

if TYPE_CHECKING:
    from bench.digits import Digits

AGREE = 1e-6  # of objectives, relative


def _note(best: float) -> str:
    return f"every party's objective is within {AGREE:g} of the optimum, {best:.8g} (relative)"


# --- data -------------------------------------------------------------------------------------------


def classes(digits: Digits, *, n_rows: int, n_features: int, n_classes: int) -> dict[str, Any]:
    """Normal rows, labels drawn from a softmax, and the least objective."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    X, teacher = rng.normal(size=(n_rows, n_features)), rng.normal(size=(n_features, n_classes)) / 3
    y = (X @ teacher + rng.gumbel(size=(n_rows, n_classes))).argmax(axis=1)
    model = LogisticRegression(solver="newton-cg", tol=1e-8).fit(X, y)
    best = logistic_objective(X, y, model.coef_, model.intercept_)
    return {"X": X, "y": y, "best": best, "note": _note(best)}


def adult(digits: Digits, *, n_rows: int, n_features: int) -> dict[str, Any]:
    """Rows of 14 ones among 123 columns: the files a1a and a1a.t of LIBSVM's Adult, or a stand-in."""
    import numpy as np
    import scipy.sparse as sp
    from sklearn.datasets import load_svmlight_file
    from sklearn.linear_model import LogisticRegression

    given = os.environ.get("FASTNN_BENCH_ADULT")
    if given:
        parts = [
            load_svmlight_file(str(Path(given) / name), n_features=n_features) for name in ("a1a", "a1a.t")
        ]
        X = sp.csr_array(sp.vstack([rows for rows, _ in parts]))[:n_rows]
        y, note = np.concatenate([labels for _, labels in parts])[:n_rows] > 0, "LIBSVM's Adult"
    else:
        rng = np.random.default_rng(0)
        share = rng.random(n_features) ** 4
        columns = np.array([rng.choice(n_features, 14, False, share / share.sum()) for _ in range(n_rows)])
        X = sp.csr_array((np.ones(columns.size), columns.ravel(), np.arange(0, columns.size + 1, 14)))
        X.resize((n_rows, n_features))
        y = X @ rng.normal(size=n_features) + rng.logistic(size=n_rows) > 1
        note = "a stand-in for Adult: 14 ones a row"
    model = LogisticRegression(solver="newton-cg", tol=1e-8).fit(X, y)
    best = logistic_objective(X, y.astype(int), model.coef_, model.intercept_)
    return {
        "data": X.data, "indices": X.indices, "indptr": X.indptr, "y": y.astype(int), "best": best,
        "note": f"{note}; {_note(best)}",
    }  # fmt: skip


def counts(digits: Digits, *, n_rows: int, n_features: int) -> dict[str, Any]:
    """Normal rows, Poisson counts."""
    import numpy as np
    from sklearn.linear_model import PoissonRegressor

    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_features))
    y = rng.poisson(np.exp(X @ rng.normal(size=n_features) * 0.03 + 0.3)).astype(float)
    model = PoissonRegressor(tol=1e-9).fit(X, y)
    best = poisson_objective(X, y, model)
    return {"X": X, "y": y, "best": best, "note": _note(best)}


def two_digits(digits: Digits, *, n_rows: int, n_features: int, n_penalties: int) -> dict[str, Any]:
    """Pictures of two classes, the greatest penalty with a coefficient, and the least objectives below it."""
    import numpy as np

    from fastnn import LogisticRegression

    X = digits.rows(n_rows, n_features, binary=False).astype(np.float64)
    rng = np.random.default_rng(0)
    scores = (X - X.mean(axis=0)) @ (rng.normal(size=n_features) * (rng.random(n_features) < 0.2))
    y = (scores + 0.5 * scores.std() * rng.logistic(size=n_rows) > 0).astype(int)
    strengths = np.abs(X.T @ (y - y.mean())).max() * np.logspace(0, -2, n_penalties + 1)[1:]
    model = LogisticRegression(solver="proximal-newton", l1_ratio=1, tol=1e-9, warm_start=True, max_iter=1000)
    best = []
    for strength in strengths:
        model.set_params(C=1 / strength).fit(X, y)
        best.append(l1_objective(X, y, strength, model.coef_, model.intercept_))
    return {"X": X, "y": y, "strengths": strengths, "best": best, "note": _note(best[-1])}


# --- objectives -------------------------------------------------------------------------------------


def logistic_objective(X: Any, y: Any, coef: Any, intercept: Any) -> float:
    """Sum of the losses + |w|^2 / 2."""
    import numpy as np
    from scipy.special import logsumexp

    Z = X @ np.asarray(coef, float).T + intercept
    if Z.shape[1] == 1:
        losses = np.logaddexp(0, Z[:, 0]) - y * Z[:, 0]
    else:
        losses = logsumexp(Z, axis=1) - Z[np.arange(len(y)), y]
    return float(losses.sum() + 0.5 * (np.asarray(coef, float) ** 2).sum())


def l1_objective(X: Any, y: Any, strength: float, coef: Any, intercept: Any) -> float:
    """Sum of the losses + strength |w|_1."""
    import numpy as np

    z = X @ coef[0] + intercept
    return float((np.logaddexp(0, z) - y * z).sum() + strength * np.abs(coef).sum())


def poisson_objective(X: Any, y: Any, model: Any) -> float:
    """Mean loss + |w|^2 / 2."""
    import numpy as np

    z = X @ model.coef_ + model.intercept_
    return float((np.exp(z) - y * z).mean() + 0.5 * model.coef_ @ model.coef_)


def _compare(found: float, best: float) -> None:
    if abs(found / best - 1) > AGREE:
        raise WrongAnswer(f"objective {found!r}, but the least is {best!r}")


def check_logistic(job: Job, model: Any) -> None:
    """Refuse an objective that is not the optimum's."""
    import scipy.sparse as sp

    stored = job.arrays()
    X = stored["X"] if "X" in stored else sp.csr_array((stored["data"], stored["indices"], stored["indptr"]))
    if X.shape[1] < model.coef_.shape[1]:
        X.resize((X.shape[0], model.coef_.shape[1]))
    _compare(logistic_objective(X, stored["y"], model.coef_, model.intercept_), float(stored["best"]))


def check_poisson(job: Job, model: Any) -> None:
    """The same for Poisson regression."""
    stored = job.arrays()
    _compare(poisson_objective(stored["X"], stored["y"], model), float(stored["best"]))


def check_path(job: Job, path: Any) -> None:
    """The same for every model of a path."""
    stored = job.arrays()
    for strength, best, (coef, intercept) in zip(stored["strengths"], stored["best"], path, strict=True):
        _compare(l1_objective(stored["X"], stored["y"], strength, coef, intercept), float(best))


def check_evidence(job: Job, model: Any) -> None:
    """Refuse precisions far from the residuals'."""
    stored = job.arrays()
    residual = stored["y"] - stored["X"] @ model.coef_ - model.intercept_
    if abs(float(model.alpha_) * residual.var() - 1) > 0.05:
        raise WrongAnswer(f"precision {model.alpha_}, residual variance {residual.var()}")


# --- parties ----------------------------------------------------------------------------------------


def _rows(job: Job) -> tuple[Any, Any]:
    stored = job.arrays()
    dtype = job.size.get("dtype", "float64")
    if "X" in stored:
        return stored["X"].astype(dtype, copy=False), stored["y"]
    import scipy.sparse as sp

    X = sp.csr_matrix((stored["data"], stored["indices"], stored["indptr"]))
    X.resize((X.shape[0], job.size["n_features"]))
    return X, stored["y"]


def _fit(model: Any, job: Job) -> Call:
    X, y = _rows(job)
    return lambda: model.fit(X, y)


def fastnn_logistic(job: Job) -> Call:
    from fastnn import LogisticRegression

    return _fit(LogisticRegression(solver=job.size["solver"], tol=job.size["tol"], max_iter=1000), job)


def sklearn_logistic(job: Job) -> Call:
    from sklearn.linear_model import LogisticRegression

    return _fit(LogisticRegression(solver=job.size["solver"], tol=job.size["tol"], max_iter=1000), job)


def fastnn_poisson(job: Job) -> Call:
    from fastnn import PoissonRegressor

    return _fit(PoissonRegressor(), job)


def sklearn_poisson(job: Job) -> Call:
    from sklearn.linear_model import PoissonRegressor

    return _fit(PoissonRegressor(), job)


def fastnn_bayes(job: Job) -> Call:
    from fastnn import BayesianRidge

    return _fit(BayesianRidge(), job)


def sklearn_bayes(job: Job) -> Call:
    from sklearn.linear_model import BayesianRidge

    return _fit(BayesianRidge(), job)


def _path(model: Any, job: Job) -> Call:
    import warnings

    warnings.simplefilter("ignore")
    (X, y), strengths = _rows(job), job.arrays()["strengths"]

    def call():
        found = []
        for strength in strengths:
            model.set_params(C=1 / strength).fit(X, y)
            found.append((model.coef_.copy(), model.intercept_.copy()))
        return found

    return call


def fastnn_path(job: Job) -> Call:
    from fastnn import LogisticRegression

    model = LogisticRegression(solver="proximal-newton", l1_ratio=1, tol=1e-5, warm_start=True)
    return _path(model, job)


def liblinear_path(job: Job) -> Call:
    """Its intercept is penalised, the less the greater its scale."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(
        solver="liblinear", l1_ratio=1, tol=1e-5, intercept_scaling=1e5, max_iter=1000, random_state=0
    )
    return _path(model, job)


def saga_path(job: Job) -> Call:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(
        solver="saga", l1_ratio=1, tol=1e-4, warm_start=True, max_iter=2000, random_state=0
    )
    return _path(model, job)
