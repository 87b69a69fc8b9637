"""How a network's parameters come about: epochs of gradient steps, or L-BFGS."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastnn._kernels.mlp import Network
from fastnn._threads import single_threaded_blas

# Rows that L-BFGS and gradient() take at a time.
CHUNK_ROWS = 256


@dataclass
class Problem:
    """Rows to learn from, as the loops read them: labels or real targets, never both."""

    X: object
    labels: np.ndarray | None
    targets: np.ndarray | None
    row_weight: np.ndarray | None

    @property
    def n_rows(self) -> int:
        return self.X.shape[0]

    def take(self, rows) -> Problem:
        return Problem(*(None if part is None else part[rows] for part in vars(self).values()))

    def weight(self) -> float:
        return float(self.n_rows if self.row_weight is None else self.row_weight.sum(dtype=np.float64))

    def arrays(self) -> tuple:
        return self.X, self.labels, self.targets, self.row_weight


def activation_of(model) -> str:
    """The hidden layers' activation, as the loops call it."""
    return {"logistic": "sigmoid"}.get(model.activation, model.activation)


def make_network(model, sizes, dtype, n_rows: int, n_threads: int) -> Network:
    """A network of the estimator's kind with the estimator's parameters."""
    net = Network(
        sizes,
        dtype,
        activation_of(model),
        float(model.leaky_slope),
        model._loss_kind(),
        model._dropout(len(sizes) - 2),
        n_rows,
        model._key,
        n_threads,
    )
    load(net, model.coefs_, model.intercepts_)
    return net


def load(net: Network, coefs, intercepts) -> None:
    for target, source in zip([*net.weights, *net.biases], [*coefs, *intercepts], strict=True):
        target[...] = source


def parameters(net: Network) -> tuple[list, list]:
    return [w.copy() for w in net.weights], [b.copy() for b in net.biases]


def not_finite(epoch: int) -> ValueError:
    return ValueError(
        "Solver produced non-finite parameter weights. The input data may contain large values and need to "
        f"be preprocessed. (Training diverged in epoch {epoch}; the model keeps the parameters from before "
        "it. A smaller learning_rate_init may help as well.)"
    )


class Schedule:
    """The learning rate over epochs: scikit-learn's schedules of "sgd", and "linear"."""

    def __init__(self, model, rate: float | None = None):
        self.model, self.rate = model, model.learning_rate_init if rate is None else rate
        follows = model.solver == "sgd" or model.learning_rate == "linear"
        self.kind = model.learning_rate if follows else "constant"

    def epoch_ends(self, n_samples_seen: int) -> None:
        if self.kind == "linear":
            self.rate = self.model.learning_rate_init * (1 - self.model.n_iter_ / self.model.max_iter)
        if self.kind == "invscaling":
            self.rate = self.model.learning_rate_init / (n_samples_seen + 1) ** self.model.power_t

    def stops(self, message: str) -> bool:
        """What follows when nothing improves any more: the end, or a lower rate."""
        verbose = self.model.verbose
        if self.kind != "adaptive" or self.rate <= 1e-6:
            too_small = " Learning rate too small." if self.kind == "adaptive" else ""
            if verbose:
                print(f"{message}{too_small} Stopping.")
            return True
        self.rate /= 5.0
        if verbose:
            print(f"{message} Setting learning rate to {self.rate:f}")
        return False


def shuffled(order: np.ndarray, rng) -> np.ndarray:
    """order in the order that sklearn.utils.shuffle gives it, drawing the same numbers."""
    chosen = np.arange(order.size)
    rng.shuffle(chosen)
    return order[chosen]


class Descent:
    """Epochs of minibatches with "sgd" or "adam"."""

    def __init__(self, model, problem: Problem, held_out, sizes, dtype, n_threads: int, state: dict, rng):
        self.model, self.problem, self.held_out, self.rng = model, problem, held_out, rng
        self.batch_size = model._batch_size(problem.n_rows)
        self.schedule = Schedule(model, state.get("rate"))
        self.net = make_network(model, sizes, dtype, self.batch_size, n_threads)
        adam = model.solver == "adam"
        self.net.start(
            model.solver,
            model.beta_1 if adam else model.momentum,
            model.nesterovs_momentum,
            model.beta_2,
            model.epsilon,
            state.get("optimizer", {}),
        )
        self.watched = held_out is not None

    def state(self) -> dict:
        return {"optimizer": self.net.state(), "rate": self.schedule.rate}

    def publish(self) -> None:
        """Let the estimator have the parameters as they are now."""
        self.model.coefs_, self.model.intercepts_ = parameters(self.net)

    def run(self, max_iter: int, incremental: bool, shown: dict) -> None:
        model = self.model
        order = np.arange(self.problem.n_rows)
        model.n_iter_ = 0
        best = model.coefs_, model.intercepts_
        try:
            for number in range(max_iter):
                step = None
                if not incremental:
                    step = model._callback_fit_ctx.subcontext(task_name="epoch")
                    step.call_on_fit_task_begin(estimator=model, **shown)
                if model.shuffle:
                    order = shuffled(order, self.rng)
                self._epoch(number, order if model.shuffle else None)
                stop, improved = self._judge()
                if improved:
                    best = parameters(self.net)
                if step is not None:
                    stop |= step.call_on_fit_task_end(
                        estimator=model,
                        **shown,
                        reconstruction_attributes=lambda: dict(
                            zip(("coefs_", "intercepts_"), parameters(self.net), strict=True)
                        ),
                    )
                if stop or incremental:
                    break
                if model.n_iter_ == max_iter:
                    warnings.warn(
                        f"Stochastic Optimizer: Maximum iterations ({max_iter}) reached and the "
                        "optimization hasn't converged yet.",
                        ConvergenceWarning,
                        stacklevel=7,
                    )
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=7)
        finally:
            self.publish()
        if model.early_stopping:
            model.coefs_, model.intercepts_ = best

    def _epoch(self, number: int, order) -> None:
        model, before = self.model, parameters(self.net)
        loss, bad = self.net.epoch(
            *self.problem.arrays(),
            order,
            self.batch_size,
            self.schedule.rate,
            model.alpha,
            model._loss_factor(),
        )
        if bad or not all(np.isfinite(p).all() for p in [*self.net.weights, *self.net.biases]):
            load(self.net, *before)
            raise not_finite(number + 1)
        model.n_iter_ += 1
        model.loss_ = loss
        model.t_ += self.problem.n_rows
        model.loss_curve_.append(loss)
        if model.verbose:
            print(f"Iteration {model.n_iter_}, loss = {loss:.8f}")

    def _judge(self) -> tuple[bool, bool]:
        """After an epoch: whether to stop, and whether the parameters are the best so far."""
        model, improved = self.model, False
        if self.watched:
            self.publish()
            model.validation_loss_curve_.append(model._held_out_loss(self.held_out))
        if model.early_stopping:
            improved = self._watch_score()
        else:
            loss = model.loss_curve_[-1]
            stuck = loss > model.best_loss_ - model.tol
            model._no_improvement_count = model._no_improvement_count + 1 if stuck else 0
            model.best_loss_ = min(model.best_loss_, loss)
        self.schedule.epoch_ends(model.t_)
        if model._no_improvement_count <= model.n_iter_no_change:
            return False, improved
        what = "Validation score" if model.early_stopping else "Training loss"
        message = (
            f"{what} did not improve more than tol={model.tol:f} for {model.n_iter_no_change} consecutive "
            "epochs."
        )
        if self.schedule.stops(message):
            return True, improved
        model._no_improvement_count = 0
        return False, improved

    def _watch_score(self) -> bool:
        model = self.model
        score = model._held_out_score(self.held_out)
        model.validation_scores_.append(score)
        if model.verbose:
            print(f"Validation score: {score:f}")
        stuck = score < model.best_validation_score_ + model.tol
        model._no_improvement_count = model._no_improvement_count + 1 if stuck else 0
        if score > model.best_validation_score_:
            model.best_validation_score_ = score
            return True
        return False


def run_lbfgs(model, problem: Problem, sizes, dtype, n_threads: int, shown: dict) -> None:
    """SciPy's L-BFGS-B on the whole of the data."""
    from scipy.optimize import minimize
    from sklearn.utils.optimize import _check_optimize_result

    rows = min(problem.n_rows, CHUNK_ROWS)
    net = make_network(model, sizes, dtype, rows, n_threads)
    arrays = [*net.weights, *net.biases]
    model.n_iter_ = 0
    bounds = np.cumsum([0, *(a.size for a in arrays)])
    weight = problem.weight()

    def unpack(packed) -> None:
        for array, start, end in zip(arrays, bounds, bounds[1:], strict=False):
            array[...] = packed[start:end].reshape(array.shape)

    def loss_and_gradient(packed):
        unpack(packed)
        return loss_gradient(model.alpha, net, problem, weight)

    def after_iteration(intermediate_result) -> None:
        nonlocal latest
        latest = intermediate_result.x.copy()
        model.n_iter_ += 1
        model.loss_ = float(intermediate_result.fun)
        step = model._callback_fit_ctx.subcontext(task_name="epoch")
        step.call_on_fit_task_begin(estimator=model, **shown)

        def attributes():
            unpack(intermediate_result.x)
            return dict(zip(("coefs_", "intercepts_"), parameters(net), strict=True))

        if step.call_on_fit_task_end(estimator=model, **shown, reconstruction_attributes=attributes):
            raise StopIteration

    latest = np.concatenate([a.ravel() for a in arrays]).astype(np.float64)
    try:
        with single_threaded_blas():
            found = minimize(
                loss_and_gradient,
                latest,
                method="L-BFGS-B",
                jac=True,
                callback=after_iteration,
                options={"maxfun": model.max_fun, "maxiter": model.max_iter, "gtol": model.tol},
            )
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=7)
        unpack(latest)
        model.coefs_, model.intercepts_ = parameters(net)
        return
    if not np.isfinite(found.x).all() or not np.isfinite(found.fun):
        raise not_finite(int(found.nit))
    if found.status == 99:  # a callback's wish, nothing to warn of
        model.n_iter_ = int(found.nit)
    else:
        model.n_iter_ = _check_optimize_result("lbfgs", found, model.max_iter)
    model.loss_ = found.fun
    unpack(found.x)
    model.coefs_, model.intercepts_ = parameters(net)


def loss_gradient(alpha: float, net: Network, problem: Problem, weight: float) -> tuple[float, np.ndarray]:
    """Loss with its penalty, and the gradient of both as one float64 vector."""
    loss, coefs, intercepts = net.gradient(*problem.arrays(), weight)
    decay = alpha / weight
    for gradient, weights in zip(coefs, net.weights, strict=True):
        gradient += decay * weights
        loss += 0.5 * decay * float(np.vdot(weights, weights))
    return loss, np.concatenate([g.ravel() for g in [*coefs, *intercepts]]).astype(np.float64)
