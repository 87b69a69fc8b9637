"""Parties of the RBM cases: a Gibbs step and an epoch of PCD-1, as each library's user writes them.

Every library is imported inside its own party, so that a process holds one library's threads only.
W has shape (n_visible, n_hidden), a (n_visible,), b (n_hidden,).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.table import Call, Job, WrongAnswer

if TYPE_CHECKING:
    import numpy as np

    from bench.digits import Digits

LEARNING_RATE = 0.05


def trained_model(
    digits: Digits,
    *,
    n_visible: int,
    n_hidden: int,
    n_states: int,
    n_training_rows: int,
    n_training_epochs: int,
) -> dict[str, Any]:
    """Train a model and let its chains run: the states that sampling meets, not random bits.

    How many units are on decides what a binary kernel costs, hence fastnn's own training with its
    defaults.  Where fastnn is missing scikit-learn trains, so that the rivals can still be run.
    """
    rows = digits.rows(max(n_training_rows, n_states), n_visible)
    shared = {
        "n_components": n_hidden,
        "learning_rate": LEARNING_RATE,
        "batch_size": 100,
        "n_iter": n_training_epochs,
        "random_state": 0,
    }
    try:
        from fastnn import RBM
    except ImportError:
        from sklearn.neural_network import BernoulliRBM as RBM

    model = RBM(**shared).fit(rows[:n_training_rows])
    states = rows[:n_states]
    for _ in range(10):
        states = model.gibbs(states).astype("float32")
    return {
        "W": model.components_.T.astype("float32", order="C"),
        "a": model.intercept_visible_.astype("float32"),
        "b": model.intercept_hidden_.astype("float32"),
        "v": states,
        "note": f"{n_visible} x {n_hidden} model trained by {RBM.__module__.partition('.')[0]}, "
        f"{states.mean():.0%} of its visible units on",
    }


def digit_rows(digits: Digits, *, n_rows: int, n_visible: int, binary: bool) -> dict[str, Any]:
    """Return training rows, float32, either {0, 1} or grey levels."""
    return {"X": digits.rows(n_rows, n_visible, binary=binary)}


def check_states(job: Job, states: Any) -> None:
    """Refuse what cannot be a Gibbs step of this model: wrong shape, not 0/1, another activity."""
    import numpy as np

    start = job.arrays()["v"][: job.size["n_rows"]]
    states = np.asarray(states)
    if states.shape != start.shape or not np.isin(states, (0, 1)).all():
        raise WrongAnswer(f"a Gibbs step must return 0/1 states of shape {start.shape}")
    if abs(float(states.mean()) - float(start.mean())) > 0.15:
        raise WrongAnswer("a Gibbs step from the model's own states must keep their activity")


def check_weights(job: Job, weights: Any) -> None:
    """Refuse weights of another shape, not finite, or all alike."""
    import numpy as np

    weights = np.asarray(weights)
    if weights.shape != (job.size["n_visible"], job.size["n_hidden"]):
        raise WrongAnswer(f"weights of shape {weights.shape}")
    if not np.isfinite(weights).all():
        raise WrongAnswer("weights that are not finite")
    if np.ptp(weights) == 0:
        raise WrongAnswer("weights that are all alike")


def _model_and_states(job: Job) -> tuple[np.ndarray, ...]:
    """Return W, a, b and the starting states in the dtype that the case asks for."""
    stored = job.arrays()
    states = stored["v"][: job.size["n_rows"]].astype(job.size["dtype"])
    return stored["W"], stored["a"], stored["b"], states


def fastnn_gibbs(job: Job) -> Call:
    """The call a user makes, validation and result array included."""
    from fastnn import RBM

    W, a, b, v = _model_and_states(job)
    model = RBM.from_parameters(W, a, b)
    n_steps = job.size["n_steps"]
    return lambda: model.gibbs(v, n_steps=n_steps)


def sklearn_gibbs(job: Job) -> Call:
    """scikit-learn's method, its weights laid out in memory as its own fit leaves them."""
    from sklearn.neural_network import BernoulliRBM

    W, a, b, v = _model_and_states(job)
    model = BernoulliRBM(n_components=len(b), random_state=0)
    model.components_, model.intercept_visible_, model.intercept_hidden_ = W.T, a, b

    def call() -> np.ndarray:
        states = v
        for _ in range(job.size["n_steps"]):
            states = model.gibbs(states)
        return states

    return call


def torch_gibbs(job: Job) -> Call:
    """Eager torch at its leanest: addmm, in-place sigmoid, uniforms compared in their own place."""
    import torch

    torch.set_num_threads(job.threads)
    torch.manual_seed(0)
    W, a, b, v = map(torch.from_numpy, _model_and_states(job))

    @torch.inference_mode()
    def call() -> torch.Tensor:
        states = v
        for _ in range(job.size["n_steps"]):
            p_hidden = torch.addmm(b, states, W).sigmoid_()
            hidden = torch.rand_like(p_hidden).lt_(p_hidden)
            p_visible = torch.addmm(a, hidden, W.T).sigmoid_()
            states = torch.rand_like(p_visible).lt_(p_visible)
        return states

    return call


def _fit(job: Job, estimator: type, **extra: Any) -> Call:
    """Return a call that fits for some epochs; the whole of fit is counted, as users pay it."""
    rows = job.arrays()["X"]
    parameters = {
        "n_components": job.size["n_hidden"],
        "learning_rate": LEARNING_RATE,
        "batch_size": job.size["batch_size"],
        "n_iter": job.size["n_epochs"],
        "random_state": 0,
        **extra,
    }
    return lambda: estimator(**parameters).fit(rows).components_.T


def fastnn_rbm_fit(job: Job) -> Call:
    """Plain PCD-1, the update its rivals make: no centering, no momentum, no monitors."""
    from fastnn import RBM

    return _fit(job, RBM, method="pcd", centering=False, momentum=0.0, monitor=())


def fastnn_default_fit(job: Job) -> Call:
    """PCD-1 as fastnn does it by default: centred, with its momentum and its monitors."""
    from fastnn import RBM

    return _fit(job, RBM, method="pcd")


def fastnn_bernoulli_fit(job: Job) -> Call:
    """The drop-in for scikit-learn's class."""
    from fastnn import BernoulliRBM

    return _fit(job, BernoulliRBM)


def sklearn_fit(job: Job) -> Call:
    """scikit-learn's class."""
    from sklearn.neural_network import BernoulliRBM

    return _fit(job, BernoulliRBM)


def torch_fit(job: Job) -> Call:
    """An eager loop of PCD-1 over shuffled minibatches; the chains are kept as hidden states."""
    import torch

    torch.set_num_threads(job.threads)
    torch.manual_seed(0)
    X = torch.from_numpy(job.arrays()["X"])
    n_hidden, batch_size = job.size["n_hidden"], job.size["batch_size"]

    @torch.inference_mode()
    def call() -> torch.Tensor:
        W = 0.01 * torch.randn(X.shape[1], n_hidden)
        a, b = torch.zeros(X.shape[1]), torch.zeros(n_hidden)
        hidden = torch.zeros(batch_size, n_hidden)
        for _ in range(job.size["n_epochs"]):
            for index in torch.randperm(len(X)).split(batch_size):
                v = X[index]
                p_data = torch.addmm(b, v, W).sigmoid_()
                p_visible = torch.addmm(a, hidden, W.T).sigmoid_()
                v_model = torch.rand_like(p_visible).lt_(p_visible)
                p_model = torch.addmm(b, v_model, W).sigmoid_()
                hidden = torch.rand_like(p_model).lt_(p_model)
                rate, rate_model = LEARNING_RATE / len(v), LEARNING_RATE / batch_size
                W.addmm_(v.T, p_data, alpha=rate).addmm_(v_model.T, p_model, alpha=-rate_model)
                a.add_(v.sum(0), alpha=rate).sub_(v_model.sum(0), alpha=rate_model)
                b.add_(p_data.sum(0), alpha=rate).sub_(p_model.sum(0), alpha=rate_model)
        return W

    return call
