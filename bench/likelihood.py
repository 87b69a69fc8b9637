"""Parties of the likelihood cases: exact ln Z of a narrow model, AIS of a wide one.

W has shape (n_visible, n_hidden), a (n_visible,), b (n_hidden,). Every library is imported inside its party.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bench.rbm import trained_model
from bench.table import Call, Job, WrongAnswer

if TYPE_CHECKING:
    from bench.digits import Digits


def narrow_model(digits: Digits, *, n_visible: int, n_hidden: int) -> dict[str, Any]:
    """Train a model with few hidden units, so that weights are of the size that training gives."""
    return trained_model(
        digits,
        n_visible=n_visible,
        n_hidden=n_hidden,
        n_states=64,
        n_training_rows=2000,
        n_training_epochs=5,
    )


def check_log_z(job: Job, value: Any) -> None:
    """Refuse a ln Z that another method does not confirm: NumPy's sum, or AIS in fewer steps."""
    stored = job.arrays()
    if stored["W"].shape[1] <= 20:
        expected, away = _enumerate(stored), 1e-3 if "n_betas" not in job.size else 2.0
    else:
        from fastnn import RBM

        model = RBM.from_parameters(stored["W"], stored["a"], stored["b"])
        expected = float(model.log_partition("bridge", stored["v"], n_betas=500, base=_base(stored)))
        away = 10.0
    if not abs(float(value) - expected) < away:
        raise WrongAnswer(f"ln Z = {value}, not {expected}")


def _enumerate(stored: dict[str, Any], block_bits: int = 12) -> float:
    """Every state of the hidden layer, in blocks that stay in the cache; NumPy's vectorised exp and log1p."""
    import numpy as np

    W, a, b = (stored[name].astype("float64") for name in "Wab")
    n = b.size
    tops, sums = [], []
    for start in range(0, 1 << n, 1 << block_bits):
        numbers = np.arange(start, min(start + (1 << block_bits), 1 << n))
        H = (numbers[:, None] >> np.arange(n) & 1).astype("float64")
        z = H @ W.T + a
        exponents = H @ b + np.maximum(z, 0).sum(axis=1)
        np.log1p(np.exp(np.negative(np.abs(z, out=z), out=z), out=z), out=z)
        exponents += z.sum(axis=1)
        tops.append(exponents.max())
        sums.append(np.exp(exponents - tops[-1]).sum())
    top = max(tops)
    return float(top + np.log(np.dot(np.exp(np.array(tops) - top), sums)))


def numpy_exact(job: Job) -> Call:
    """Enumerate in NumPy, float64, BLAS on all threads."""
    stored = job.arrays()
    return lambda: _enumerate(stored)


def fastnn_exact(job: Job) -> Call:
    """Call the method, which enumerates in float64."""
    from fastnn import RBM

    stored = job.arrays()
    model = RBM.from_parameters(stored["W"], stored["a"], stored["b"])
    return lambda: float(model.log_partition("exact"))


def fastnn_ais(job: Job) -> Call:
    """Call the method, base rates from given visible biases."""
    from fastnn import RBM

    stored, size = job.arrays(), job.size
    model = RBM.from_parameters(stored["W"], stored["a"], stored["b"])
    base = _base(stored)
    return lambda: float(
        model.log_partition("ais", n_chains=size["n_chains"], n_betas=size["n_betas"], base=base)
    )


def torch_ais(job: Job) -> Call:
    """Eager torch: one product each way a step, the fields shared by both temperatures and the draw."""
    import numpy as np
    import torch

    torch.set_num_threads(job.threads)
    torch.manual_seed(0)
    stored, size = job.arrays(), job.size
    W, a, b = (torch.from_numpy(stored[name]) for name in "Wab")
    base = torch.from_numpy(_base(stored))
    betas = np.linspace(0, 1, size["n_betas"] + 1)

    @torch.inference_mode()
    def call() -> float:
        p = base.sigmoid().expand(size["n_chains"], -1)
        v = torch.rand_like(p).lt_(p)
        log_w = torch.zeros(size["n_chains"], dtype=torch.float64)
        for before, beta in pairwise(betas):
            z = torch.addmm(b, v, W)
            rise = torch.nn.functional.softplus(z * beta).sub_(torch.nn.functional.softplus(z * before))
            log_w += rise.sum(1, dtype=torch.float64) + (beta - before) * (v @ (a - base))
            p = z.mul_(beta).sigmoid_()
            h = torch.rand_like(p).lt_(p)
            p = torch.addmm(base * (1 - beta) + a * beta, h, W.T, alpha=beta).sigmoid_()
            v = torch.rand_like(p).lt_(p)
        start = torch.nn.functional.softplus(base.double()).sum() + len(b) * np.log(2)
        return float(start + torch.logsumexp(log_w, 0) - np.log(size["n_chains"]))

    return call


def _base(stored: dict[str, Any]) -> Any:
    """Visible biases at which independent units have the mean activity of the model's chains."""
    import numpy as np

    p = np.clip(stored["v"].mean(axis=0), 0.001, 0.999)
    return np.log(p / (1 - p)).astype("float32")
