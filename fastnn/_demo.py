"""``fastnn demo``: learn digits, race scikit-learn, draw what was learned."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import fastnn
from fastnn import _axes, datasets, plot

_MAX_HELD_OUT = 2000
_N_SAMPLES = 100
_N_SAMPLING_STEPS = 500
_N_COMPLETED = 16
_N_COMPLETION_CHAINS = 32
_N_COMPLETION_STEPS = 200
_MAX_FILTERS = 256
# Bounds of the race: MNIST at scikit-learn's pace would take longer than the rest of the demo.
_RACE_MAX_ROWS = 5000
_RACE_MAX_EPOCHS = 10
_RACE_ROUNDS = 3
_RACE_SECONDS = 6.0
_RACE_PARAMETERS = {"learning_rate": 0.05, "batch_size": 10}


@dataclass(frozen=True)
class Plan:
    """Everything the demo needs to know; made and checked before any work starts."""

    train: np.ndarray  # (n_train, n_features) float32 in [0, 1]
    held_out: np.ndarray  # (n_held_out, n_features)
    image_shape: tuple[int, int]
    name: str
    out: Path
    n_components: int
    n_epochs: int
    n_threads: int | None
    seed: int
    with_rival: bool


def prepare(
    data: str | None = None,
    out: str = "fastnn-demo",
    n_epochs: int | None = None,
    n_components: int | None = None,
    n_threads: int | None = None,
    seed: int = 0,
    with_rival: bool = True,
) -> Plan:
    """Load the images, hold some out and choose sizes that learn in less than a minute.

    Raises
    ------
    ImportError
        matplotlib is missing.
    OSError, ValueError
        The data cannot be read or the directory for the pictures cannot be written.
    """
    _axes.pyplot().switch_backend("Agg")  # files only: works without a display
    images = datasets.digits() if data is None else datasets.read_images(data)
    n_samples, n_features = images.X.shape
    n_held_out = min(n_samples // 5, _MAX_HELD_OUT)
    if n_held_out < _N_COMPLETED:
        raise ValueError(f"{data}: {n_samples} images are too few to learn from")
    directory = _writable_directory(Path(out))
    order = np.random.default_rng(seed).permutation(n_samples)
    n_train = n_samples - n_held_out
    return Plan(
        train=images.X[order[n_held_out:]],
        held_out=images.X[order[:n_held_out]],
        image_shape=images.image_shape,
        name=images.name,
        out=directory,
        n_components=n_components or (64 if n_features < 200 else 256),
        n_epochs=n_epochs or int(np.clip(600_000 // n_train, 5, 40)),
        n_threads=n_threads,
        seed=seed,
        with_rival=with_rival,
    )


def run(plan: Plan) -> None:
    """Train, race, draw, and say so on standard output."""
    start = time.perf_counter()
    n_train, n_features = plan.train.shape
    height, width = plan.image_shape
    print(f"fastnn {fastnn.__version__} demo")
    print(
        f"Data: {plan.name}, {height} × {width} pixels; "
        f"{n_train:,} images to learn from, {len(plan.held_out):,} held out\n"
    )
    print(
        f"Training an RBM of {n_features} visible and {plan.n_components} hidden units, "
        f"persistent contrastive divergence, {plan.n_epochs} epochs",
        flush=True,
    )
    rbm, seconds = _train(plan)
    print(f"Trained in {seconds:.2f} s\n")
    speedup = _race(plan) if plan.with_rival else None
    print("Pictures")
    for path, caption in _draw(rbm, plan):
        print(f"  {path}  {caption}", flush=True)
    print(
        f"\nDone in {time.perf_counter() - start:.1f} s: {plan.n_components} hidden units learned "
        f"{n_train:,} images in {seconds:.2f} s."
    )
    if speedup is not None:
        print(f"In the race fastnn took 1/{speedup:.1f} of scikit-learn's time.")


def _train(plan: Plan) -> tuple[fastnn.RBM, float]:
    """A fitted RBM and the seconds it took.

    The last quarter of the epochs runs at a tenth of the learning rate: at a high rate the weights
    flee from the persistent chains (Tieleman and Hinton 2009), which makes learning quick but
    leaves a model that draws the same digit again and again.
    """
    n_slow = plan.n_epochs // 4 or plan.n_epochs // 2
    is_small = len(plan.train) < 5000
    learning_rate = 0.1 if is_small else 0.05
    binary = np.isin(plan.train, (0, 1)).all()
    rbm = fastnn.RBM(
        plan.n_components,
        method="pcd",
        learning_rate=learning_rate,
        momentum=0.0,
        l1=1e-4,
        batch_size=10 if is_small else 100,
        n_chains=100,
        n_iter=plan.n_epochs - n_slow,
        binarize=None if binary else "sample",
        verbose=1,
        n_threads=plan.n_threads,
        random_state=plan.seed,
    )
    start = time.perf_counter()
    rbm.fit(plan.train, X_val=plan.held_out)
    if n_slow:
        print(f"and {n_slow} epochs at a tenth of the learning rate", flush=True)
        rbm.set_params(warm_start=True, learning_rate=learning_rate / 10, n_iter=n_slow)
        rbm.fit(plan.train, X_val=plan.held_out)
    return rbm, time.perf_counter() - start


def _race(plan: Plan) -> float:
    """Time both BernoulliRBMs on the same binary images; returns scikit-learn's time / fastnn's."""
    from sklearn.neural_network import BernoulliRBM
    from threadpoolctl import threadpool_limits

    train = (plan.train[:_RACE_MAX_ROWS] > 0.5).astype(np.float32)
    held_out = (plan.held_out[:200] > 0.5).astype(np.float32)
    parameters = {
        "n_components": plan.n_components,
        "n_iter": min(plan.n_epochs, _RACE_MAX_EPOCHS),
        "random_state": plan.seed,
        **_RACE_PARAMETERS,
    }
    parties = {
        "scikit-learn": BernoulliRBM(**parameters),
        "fastnn": fastnn.BernoulliRBM(**parameters, n_threads=plan.n_threads),
    }
    print(
        f"Against scikit-learn: BernoulliRBM, the same {len(train):,} images in black and white, "
        f"{parameters['n_iter']} epochs,\nbatches of {parameters['batch_size']}, "
        f"learning rate {parameters['learning_rate']}",
        flush=True,
    )
    times = {name: [] for name in parties}
    begin = time.perf_counter()
    with threadpool_limits(plan.n_threads):
        for _ in range(_RACE_ROUNDS):
            for name, model in parties.items():
                start = time.perf_counter()
                model.fit(train)
                times[name].append(time.perf_counter() - start)
            if time.perf_counter() - begin > _RACE_SECONDS:
                break
    print("                    time   pseudo-log-likelihood per held-out image")
    for name, model in parties.items():
        score = _pseudo_log_likelihood(model, held_out)
        print(f"  {name:<12} {np.median(times[name]):8.3f} s   {score:.2f}")
    ratio = float(np.median(times["scikit-learn"]) / np.median(times["fastnn"]))
    print(f"  ratio        {ratio:8.1f}     median of {len(times['fastnn'])}, taking turns\n")
    return ratio


def _pseudo_log_likelihood(model, X: np.ndarray) -> float:
    """Mean over images of Σᵢ log p(vᵢ | all other pixels), in nats.

    Written here and not taken from either party, so that both are measured by the same rule.
    """
    weights = model.components_.astype(np.float64)  # (n_components, n_features)
    X = X.astype(np.float64)
    fields = X @ weights.T + model.intercept_hidden_  # (n_samples, n_components)
    softplus = np.logaddexp(0.0, fields).sum(axis=1)
    total = np.zeros(len(X))
    for i, bias in enumerate(model.intercept_visible_):
        flip = 1.0 - 2.0 * X[:, i]
        flipped = np.logaddexp(0.0, fields + flip[:, None] * weights[:, i]).sum(axis=1)
        total -= np.logaddexp(0.0, flip * bias + flipped - softplus)
    return float(total.mean())


def _draw(rbm: fastnn.RBM, plan: Plan):
    """Write the three pictures; yields each path with a caption as soon as it is there."""
    ax = plot.filters(rbm, image_shape=plan.image_shape, n_filters=min(plan.n_components, _MAX_FILTERS))
    yield _save(ax, plan.out / "filters.png"), "what each hidden unit looks for"

    originals = plan.held_out[:_N_COMPLETED]
    known = np.arange(originals.shape[1]) < plan.image_shape[1] * (plan.image_shape[0] // 2)
    one, mean = _complete(rbm, originals, known, plan.seed)
    ax = plot.reconstructions(
        rbm,
        originals,
        n_images=_N_COMPLETED,
        rows={
            "upper half only": np.where(known, originals, np.nan),
            "completed once": one,
            f"mean of {_N_COMPLETION_CHAINS}": mean,
        },
        image_shape=plan.image_shape,
        title="Held-out images",
    )
    yield _save(ax, plan.out / "reconstructions.png"), "held-out images, rebuilt and completed"

    samples = rbm.reconstruct(rbm.sample(_N_SAMPLES, _N_SAMPLING_STEPS))
    ax = plot.images(
        samples,
        image_shape=plan.image_shape,
        title=f"Drawn by the model: {_N_SAMPLES} chains after {_N_SAMPLING_STEPS} Gibbs steps",
    )
    yield _save(ax, plan.out / "samples.png"), "images the model draws by itself"


def _complete(rbm: fastnn.RBM, X: np.ndarray, known: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Fill in the unknown pixels by clamped Gibbs sampling: by one chain, by the mean of many.

    `known` is a boolean mask of shape (n_features,).  Chains of one image are independent, so
    their mean estimates the conditional expectation of the unknown pixels.
    """
    n, n_features = X.shape
    start = np.where(known, X, 0.5)
    draws = np.random.default_rng(seed).random((_N_COMPLETION_CHAINS, n, n_features))
    chains = (draws < start).astype(np.float32).reshape(-1, n_features)
    chains = rbm.sample(len(chains), _N_COMPLETION_STEPS, v_init=chains, clamp=known)
    pixels = rbm.reconstruct(chains).reshape(_N_COMPLETION_CHAINS, n, n_features)
    return np.where(known, X, pixels[0]), np.where(known, X, pixels.mean(axis=0))


def _save(ax, path: Path) -> Path:
    figure = ax.figure
    figure.savefig(path, dpi=150)
    _axes.pyplot().close(figure)
    return path


def _writable_directory(path: Path) -> Path:
    """`path`, created if need be; refused before training rather than after."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{path}: cannot make this directory: {error.strerror}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise ValueError(f"{path}: cannot write here: permission denied")
    return path
