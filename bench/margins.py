"""Parties of the support vector machine's cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.table import Call, Job, WrongAnswer

if TYPE_CHECKING:
    from bench.digits import Digits


def overlapping_classes(digits: Digits, *, n_rows: int, n_features: int, n_classes: int) -> dict[str, Any]:
    """Normal features, labels of a noisy linear teacher. The digits are not used."""
    import numpy as np

    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_features))
    scores = X @ rng.normal(size=(n_features, n_classes))
    noise = 0.8 * n_features**0.5 * rng.normal(size=scores.shape)
    return {"X": X, "y": (scores + noise).argmax(axis=1)}


def _fit(job: Job, model: Any) -> Call:
    import warnings

    stored = job.arrays()
    X, y = stored["X"], stored["y"]
    # liblinear may end at its limit of iterations; that is its default.
    warnings.simplefilter("ignore")

    def call() -> Any:
        model.fit(X, y)
        return model.coef_, model.intercept_, getattr(model, "dual_gap_", None)

    return call


def fastnn_svm(job: Job) -> Call:
    from fastnn import MulticlassSVM

    return _fit(job, MulticlassSVM("crammer_singer", n_threads=job.threads))


def fastnn_linear_svc(job: Job) -> Call:
    from fastnn.linear import LinearSVC

    return _fit(job, LinearSVC(multi_class="crammer_singer"))


def sklearn_linear_svc(job: Job) -> Call:
    from sklearn.svm import LinearSVC

    return _fit(job, LinearSVC(multi_class="crammer_singer", random_state=0))


def check_machine(job: Job, found: Any) -> None:
    """A certificate that is kept, and a training accuracy above guessing."""
    stored = job.arrays()
    coef, intercept, gap = found
    if gap is not None and gap > 1e-4:
        raise WrongAnswer(f"a relative duality gap of {gap:g}")
    predicted = (stored["X"] @ coef.T + intercept).argmax(axis=1)
    if (predicted == stored["y"]).mean() < 2 / job.size["n_classes"]:
        raise WrongAnswer("no better than guessing")
