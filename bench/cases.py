"""The table of cases.  To add one, add one row: tests and ``python -m bench`` find it here."""

from __future__ import annotations

from typing import Any

from bench import hopfield, ising, likelihood, margins, networks, rbm, regression, system, units
from bench.table import Case, Party, Size, Target, table

# One model for all Gibbs cases (trained once a run), of the size at which the targets are set.
_MODEL: dict[str, Any] = {
    "n_visible": 784,
    "n_hidden": 512,
    "n_states": 2048,
    "n_training_rows": 10_000,
    "n_training_epochs": 5,
}
_TINY_MODEL: dict[str, Any] = {
    "n_visible": 64,
    "n_hidden": 16,
    "n_states": 64,
    "n_training_rows": 200,
    "n_training_epochs": 1,
}
_STEP: dict[str, Any] = {"n_steps": 1, "dtype": "float32"}
_TINY_ROWS: dict[str, Any] = {"n_rows": 40, "n_visible": 64, "n_hidden": 16, "batch_size": 10}

_EPOCH_PARTIES = {
    "fastnn": Party(rbm.fastnn_rbm_fit),
    "fastnn defaults": Party(rbm.fastnn_default_fit),
    "fastnn BernoulliRBM": Party(rbm.fastnn_bernoulli_fit),
    "torch": Party(rbm.torch_fit),
    "sklearn": Party(rbm.sklearn_fit),
}


def _steps(size: Size) -> float:
    return size["n_steps"]


def _epochs(size: Size) -> float:
    return size["n_epochs"]


def _connections(size: Size) -> float:
    """Weights met in a step: both layers, every row."""
    return 2 * size["n_rows"] * size["n_visible"] * size["n_hidden"] * size["n_steps"]


def _memory_limit(size: Size) -> float:
    """Weights, gradient, velocity, average, and the kernels' two forms of the weights, both ways.

    A copy of X at the case's full size is beyond this limit whatever the dtype.
    """
    return 8 * system.parameters_and_chains_bytes(size)


def _curve() -> dict[str, Party]:
    """Each axis of the Gibbs step from a quarter to four times the base."""
    curve = {"base": Party(rbm.fastnn_gibbs)}
    for axis in ("n_rows", "n_visible", "n_hidden"):
        for factor in (0.25, 0.5, 2, 4):
            curve[f"{axis} x {factor:g}"] = Party(rbm.fastnn_gibbs, scale={axis: factor})
    return curve


def _pcd_epoch(name: str, what: str, targets: tuple[Target, ...], **size: Any) -> Case:
    base = {"n_rows": 10_000, "n_visible": 784, "n_hidden": 512, "batch_size": 100, "n_epochs": 5}
    return Case(
        name,
        f"one epoch of PCD-1, {what}: time of fit divided by its epochs, nothing left out",
        _EPOCH_PARTIES,
        size={**base, "binary": True, **size},
        tiny={**_TINY_ROWS, "n_epochs": 2},
        targets=targets,
        per=_epochs,
        prepare=rbm.digit_rows,
        check=rbm.check_weights,
    )


def _cross_entropy(n_rows: int, n_classes: int, targets: tuple[Target, ...]) -> Case:
    return Case(
        f"cross_entropy_{n_classes}",
        f"softmax cross-entropy, loss and gradient, float32 logits {n_rows} x {n_classes}",
        {
            "fastnn": Party(networks.fastnn_cross_entropy),
            "torch": Party(networks.torch_cross_entropy),
            "sklearn": Party(networks.sklearn_cross_entropy),
        },
        size={"n_rows": n_rows, "n_classes": n_classes},
        tiny={"n_rows": 40, "n_classes": 5},
        targets=targets,
        prepare=networks.logits,
        check=networks.check_gradient,
    )


def _in_place(n_rows: int, n_classes: int, most: float) -> Case:
    return Case(
        f"cross_entropy_{n_classes}_in_place",
        f"the same at {n_rows} x {n_classes}, the gradient in the logits' place, against scaling that array",
        {"fastnn": Party(networks.fastnn_in_place), "scaling in place": Party(networks.scaling_in_place)},
        size={"n_rows": n_rows, "n_classes": n_classes},
        tiny={"n_rows": 40, "n_classes": 5},
        targets=(Target("scaling in place", 1 / most),),
        prepare=networks.logits,
    )


def _mlp(name: str, targets: tuple[Target, ...], **size: Any) -> Case:
    what = " x ".join(map(str, (size["n_visible"], *size["hidden"], 10)))
    return Case(
        name,
        f"one epoch of a perceptron {what}, Adam, batch {size['batch_size']}: fit divided by its epochs",
        {
            "fastnn": Party(networks.fastnn_mlp),
            "torch": Party(networks.torch_mlp),
            "sklearn": Party(networks.sklearn_mlp),
            "sgemm peak": Party(networks.sgemm_peak),
        },
        size=size,
        tiny={"n_rows": 60, "n_visible": 20, "hidden": (5,), "batch_size": 20, "n_epochs": 2},
        targets=targets,
        per=_epochs,
        prepare=networks.labelled_digits,
        check=networks.check_loss,
    )


def _loss_curves() -> dict[str, Party]:
    """The loss of each library after 1, 2, 4 and 8 epochs."""
    libraries = {"fastnn": networks.fastnn_mlp, "sklearn": networks.sklearn_mlp, "torch": networks.torch_mlp}
    return {
        f"{name} {n}": Party(set_up, size={"n_epochs": n})
        for n in (1, 2, 4, 8)
        for name, set_up in libraries.items()
    }


def _unit_step(unit: str) -> Case:
    return Case(
        f"gibbs_step_{unit}",
        f"v -> h -> v of {unit} visible and Bernoulli hidden units, 784 x 512, batch 128, float32",
        {
            "fastnn": Party(units.fastnn_unit_gibbs),
            "products and draws": Party(units.numpy_unit_step),
        },
        size={"n_visible": 784, "n_hidden": 512, "n_states": 128, "unit": unit},
        tiny={"n_visible": 21, "n_hidden": 8, "n_states": 16},
        targets=(Target("products and draws", 1 / 1.3),),
        prepare=units.small_weights,
        check=units.check_numbers,
    )


def _updates(size: Size) -> float:
    return size["n_reads"] * size["n_sweeps"]


def _anneal(name: str, what: str, limit: float, reads: int, rival_reads: int, **model: Any) -> Case:
    """Rivals take their reads in turn, so fewer of them tell the time of each."""
    fewer = {"n_reads": rival_reads}
    return Case(
        f"anneal_{name}",
        f"{what}, {reads} reads x 1000 sweeps, conversion included; time per read and sweep",
        {
            "fastnn": Party(ising.fastnn_anneal),
            "dwave": Party(ising.dwave_anneal, size=fewer),
            "openjij": Party(ising.openjij_anneal, size=fewer),
        },
        size={"width": 0, **model, "n_reads": reads, "n_sweeps": 1000},
        tiny={"side": 8, "width": 4, "n_reads": 2, "n_sweeps": 200},
        targets=(Target("dwave", limit),),
        per=_updates,
        prepare=ising.model,
        check=ising.check_energies,
    )


def _drop_in(name: str, what: str, limit: float, **model: Any) -> Case:
    """The samplers of dimod, from a binary quadratic model to a sample set."""
    return Case(
        f"dimod_{name}",
        f"{what}, 64 reads x 1000 sweeps through dimod; time per read and sweep",
        {
            "fastnn": Party(ising.fastnn_dimod),
            "dwave": Party(ising.dwave_anneal, size={"n_reads": 8}),
        },
        size={"width": 0, **model, "n_reads": 64, "n_sweeps": 1000},
        tiny={"side": 8, "width": 4, "n_reads": 2, "n_sweeps": 200},
        targets=(Target("dwave", limit),),
        per=_updates,
        prepare=ising.model,
        check=ising.check_energies,
    )


def _packed_limit(size: Size) -> float:
    """The packed states, and the model in a form for the kernel: some 200 bytes a unit of six partners."""
    return size["side"] ** 3 * (size["n_reads"] / 8 + 200)


def _logistic(name: str, what: str, targets: tuple[Target, ...], **size: Any) -> Case:
    """Tolerances are such that each solver comes within 1e-6 of the optimum, and no lower than rounding."""
    newton = {"solver": "newton-cg"}
    tiny_tol = 1e-5 if size.get("dtype") == "float32" else 1e-7
    return Case(
        name,
        what,
        {
            "fastnn": Party(regression.fastnn_logistic),
            "fastnn newton-cg": Party(regression.fastnn_logistic, size=newton),
            "sklearn": Party(regression.sklearn_logistic),
            "sklearn newton-cg": Party(regression.sklearn_logistic, size=newton),
        },
        size={"solver": "lbfgs", "tol": 1e-4 if size.get("dtype") == "float32" else 3e-5, **size},
        tiny={"n_rows": 200, "n_features": 8, "n_classes": 3, "tol": tiny_tol},
        targets=targets,
        prepare=regression.classes,
        check=regression.check_logistic,
    )


def _counts(name: str, what: str, target: float, ours: Any, theirs: Any, check: Any) -> Case:
    return Case(
        name,
        what,
        {"fastnn": Party(ours), "sklearn": Party(theirs)},
        size={"n_rows": 50_000, "n_features": 100},
        tiny={"n_rows": 500, "n_features": 3},
        targets=(Target("sklearn", target),),
        prepare=regression.counts,
        check=check,
    )


def _svm(name: str, targets: tuple[Target, ...], **size: Any) -> Case:
    what = " x ".join(str(size[key]) for key in ("n_rows", "n_features", "n_classes"))
    return Case(
        name,
        f"Crammer-Singer machine {what}, float64, C = 1: fit, fastnn's to a relative duality gap of 1e-4",
        {
            "fastnn": Party(margins.fastnn_svm),
            "fastnn LinearSVC": Party(margins.fastnn_linear_svc),
            "sklearn": Party(margins.sklearn_linear_svc),
        },
        size=size,
        tiny={"n_rows": 60, "n_features": 5, "n_classes": 3},
        targets=targets,
        prepare=margins.overlapping_classes,
        check=margins.check_machine,
    )


CASES = table(
    (
        Case(
            "gibbs_step",
            "v -> h -> v, all units drawn, per step; 784 x 512, batch 128, float32 weights",
            {
                "fastnn": Party(rbm.fastnn_gibbs),
                "fastnn uint8": Party(rbm.fastnn_gibbs, size={"dtype": "uint8"}),
                "fastnn bool": Party(rbm.fastnn_gibbs, size={"dtype": "bool"}),
                "fastnn 10 steps": Party(rbm.fastnn_gibbs, size={"n_steps": 10}),
                "torch": Party(rbm.torch_gibbs),
                "sklearn": Party(rbm.sklearn_gibbs),
            },
            size={**_MODEL, **_STEP, "n_rows": 128},
            tiny={**_TINY_MODEL, "n_rows": 16},
            targets=(Target("torch", 4), Target("sklearn", 9)),
            per=_steps,
            prepare=rbm.trained_model,
            check=rbm.check_states,
        ),
        *(_unit_step(unit) for unit in ("gaussian", "poisson", "relu", "potts")),
        _pcd_epoch(
            "pcd_epoch",
            "10,000 binary rows of 784, 512 hidden, batch 100",
            (Target("torch", 4), Target("sklearn", 8)),
        ),
        _pcd_epoch(
            "pcd_epoch_batch10",
            "10,000 binary rows of 784, 512 hidden, batch 10",
            (Target("sklearn", 10),),
            batch_size=10,
            n_epochs=1,
        ),
        _pcd_epoch(
            "pcd_epoch_grey",
            "10,000 grey rows of 784, 512 hidden, batch 100",
            (),
            binary=False,
            n_epochs=2,
        ),
        Case(
            "log_partition_exact",
            "exact ln Z of a 784 x 20 model, float64",
            {"fastnn": Party(likelihood.fastnn_exact), "numpy": Party(likelihood.numpy_exact)},
            size={"n_visible": 784, "n_hidden": 20},
            tiny={"n_visible": 64, "n_hidden": 6},
            targets=(Target("numpy", 20),),
            prepare=likelihood.narrow_model,
            check=likelihood.check_log_z,
        ),
        Case(
            "ais",
            "AIS of a 784 x 500 model, 100 chains x 10,000 temperatures; time of a step of all chains",
            {"fastnn": Party(likelihood.fastnn_ais), "torch": Party(likelihood.torch_ais)},
            size={**_MODEL, "n_hidden": 500, "n_chains": 100, "n_betas": 10_000},
            tiny={**_TINY_MODEL, "n_chains": 50, "n_betas": 200},
            targets=(Target("torch", 5),),
            per=lambda size: size["n_betas"],
            prepare=rbm.trained_model,
            check=likelihood.check_log_z,
        ),
        _cross_entropy(4096, 10, (Target("torch", 15), Target("sklearn", 6))),
        _cross_entropy(4096, 1000, (Target("torch", 4),)),
        _in_place(4096, 1000, 1.5),
        _cross_entropy(512, 32_000, (Target("torch", 5),)),
        _in_place(512, 32_000, 1.3),
        Case(
            "linear_cross_entropy",
            "loss and all gradients of a softmax layer 512 -> 32,000 on 4096 rows, against three products",
            {
                "fastnn": Party(networks.fastnn_linear),
                "numpy products": Party(networks.numpy_products),
            },
            size={"n_rows": 4096, "n_inputs": 512, "n_classes": 32_000},
            tiny={"n_rows": 20, "n_inputs": 5, "n_classes": 30},
            targets=(Target("numpy products", 1 / 1.1),),
            prepare=networks.projection,
        ),
        _mlp(
            "mlp_digits",
            (Target("torch", 15), Target("sklearn", 10)),
            n_rows=1797,
            n_visible=64,
            hidden=(100,),
            batch_size=32,
            n_epochs=10,
        ),
        _mlp(
            "mlp_256",
            (Target("torch", 3), Target("sklearn", 4)),
            n_rows=12_000,
            n_visible=784,
            hidden=(256,),
            batch_size=64,
            n_epochs=2,
        ),
        _mlp(
            "mlp_500_500_2000",
            (Target("torch", 1.5), Target("sklearn", 4), Target("sgemm peak", 0.55)),
            n_rows=12_000,
            n_visible=784,
            hidden=(500, 500, 2000),
            batch_size=128,
            n_epochs=1,
        ),
        Case(
            "mlp_loss",
            "training loss of a perceptron 784 x 256 x 10, Adam, batch 64, after so many epochs",
            _loss_curves(),
            size={"n_rows": 12_000, "n_visible": 784, "hidden": (256,), "batch_size": 64, "n_epochs": 8},
            tiny={"n_rows": 60, "n_visible": 20, "hidden": (5,), "batch_size": 20},
            subject="fastnn 8",
            # Weights are drawn as scikit-learn draws them, not as torch does.
            targets=(Target("sklearn 8", 0.97), Target("torch 8", 0.85)),
            measure="value",
            unit="nat",
            fresh=True,
            prepare=networks.labelled_digits,
        ),
        Case(
            "mlp_predict",
            "predict_proba of a perceptron 784 x 256 x 10 on 10,000 rows",
            {
                "fastnn": Party(networks.fastnn_predict),
                "torch": Party(networks.torch_predict),
                "sklearn": Party(networks.sklearn_predict),
                "its products": Party(networks.numpy_forward),
            },
            size={"n_rows": 10_000, "n_visible": 784, "hidden": (256,), "batch_size": 64, "n_epochs": 1},
            tiny={"n_rows": 60, "n_visible": 20, "hidden": (5,), "batch_size": 20, "n_epochs": 1},
            targets=(Target("torch", 1), Target("sklearn", 2)),
            prepare=networks.labelled_digits,
        ),
        _svm("svm_crammer_singer", (Target("sklearn", 50),), n_rows=5000, n_features=100, n_classes=10),
        _svm("svm_crammer_singer_quick", (), n_rows=1000, n_features=30, n_classes=5),
        Case(
            "thread_scaling",
            "a Gibbs step of 784 x 512, batch 512, on all threads of the run and on one",
            {
                "fastnn": Party(rbm.fastnn_gibbs),
                "fastnn 1 thread": Party(rbm.fastnn_gibbs, threads=1),
            },
            size={**_MODEL, **_STEP, "n_rows": 512},
            tiny={**_TINY_MODEL, "n_rows": 16},
            targets=(Target("fastnn 1 thread", 1.8),),
            per=_steps,
            prepare=rbm.trained_model,
            check=rbm.check_states,
        ),
        Case(
            "gibbs_curve",
            "cost of a Gibbs step per connection (2 x rows x visible x hidden); flat = linear",
            _curve(),
            size={**_MODEL, **_STEP, "n_rows": 512, "n_training_rows": 2000},
            tiny={**_TINY_MODEL, "n_rows": 16},
            subject="base",
            per=_connections,
            prepare=rbm.trained_model,
            check=rbm.check_states,
        ),
        Case(
            "fit_memory",
            "peak memory of one fit over its C-ordered data, 40,000 rows of 784, 512 hidden",
            {
                "fastnn float32": Party(system.fastnn_fit_bytes),
                "fastnn bool": Party(system.fastnn_fit_bytes, size={"dtype": "bool"}),
                "fastnn uint8": Party(system.fastnn_fit_bytes, size={"dtype": "uint8"}),
                "fastnn float64": Party(system.fastnn_fit_bytes, size={"dtype": "float64"}),
                "sklearn float32": Party(system.sklearn_fit_bytes),
            },
            size={
                "n_rows": 40_000,
                "n_visible": 784,
                "n_hidden": 512,
                "batch_size": 100,
                "dtype": "float32",
                "binary": True,
            },
            tiny=_TINY_ROWS,
            subject="fastnn float32",
            targets=tuple(
                Target(f"fastnn {dtype}", _memory_limit, "at most", "value")
                for dtype in ("bool", "uint8", "float32", "float64")
            ),
            measure="value",
            unit="B",
            fresh=True,
            prepare=rbm.digit_rows,
        ),
        Case(
            "import_time",
            "import fastnn after numpy, scipy.linalg.blas and sklearn.base, in new processes",
            {"fastnn": Party(system.import_seconds)},
            size={"module": "fastnn"},
            tiny={},
            targets=(Target("fastnn", 0.1, "at most", "value"),),
            measure="value",
            fresh=True,
        ),
        Case(
            "numpy_matmul",
            "NumPy's 256 x 512 x 512 matmul: alone, after fastnn calls, and right between them",
            {
                "numpy alone": Party(system.numpy_alone),
                "numpy after fastnn": Party(system.numpy_after_fastnn),
                "numpy between fastnn calls": Party(system.numpy_between_fastnn),
            },
            size={**_MODEL, "n_rows": 128, "n_matmul_rows": 256, "n_matmul_inner": 512},
            tiny={**_TINY_MODEL, "n_rows": 16, "n_matmul_rows": 16, "n_matmul_inner": 16},
            subject="numpy alone",
            targets=(Target("numpy after fastnn", 1.1, "at most"),),
            measure="value",
            prepare=rbm.trained_model,
        ),
        _anneal("cubic", "3-D +-1 lattice of 16^3", 220, 512, 16, kind="cubic", side=16),
        _anneal("random", "max-cut, 2000 units of degree 20", 90, 64, 8, kind="random", side=2000, width=20),
        _anneal("torus", "torus of 100 x 200, +-1", 120, 64, 8, kind="torus", side=100, width=200),
        _anneal("gauss", "3-D lattice of 16^3, Gaussian", 50, 64, 8, kind="cubic_gauss", side=16),
        _anneal("sk", "all pairs of 1000 units, Gaussian", 25, 64, 8, kind="sk", side=1000),
        _anneal("one_read", "max-cut, 2000 units of degree 20", 3, 1, 1, kind="random", side=2000, width=20),
        Case(
            "hopfield_recall",
            "asynchronous recall until rest, 2000 units, 200 patterns, 256 probes with 10 % of bits wrong",
            {
                "fastnn": Party(hopfield.fastnn_recall),
                "numpy loop": Party(hopfield.numpy_recall),
                "numpy, probes together": Party(hopfield.numpy_recall_together),
            },
            size={"n_units": 2000, "n_patterns": 200, "n_probes": 256},
            tiny={"n_units": 100, "n_patterns": 3, "n_probes": 8},
            targets=(Target("numpy loop", 200),),
            prepare=hopfield.patterns,
            check=hopfield.check_recalled,
        ),
        Case(
            "hopfield_memory",
            "peak memory of learning 1000 patterns of 100,000 units and recalling 64, over the data",
            {"fastnn": Party(hopfield.fastnn_recall_bytes)},
            size={"n_units": 100_000, "n_patterns": 1000, "n_probes": 64},
            tiny={"n_units": 700, "n_patterns": 3, "n_probes": 2},
            targets=(Target("fastnn", 1e9, "at most", "value"),),
            measure="value",
            unit="B",
            fresh=True,
            prepare=hopfield.patterns,
        ),
        _drop_in("random", "max-cut, 2000 units of degree 20", 90, kind="random", side=2000, width=20),
        _drop_in("torus", "torus of 100 x 200, +-1", 120, kind="torus", side=100, width=200),
        Case(
            "anneal_memory",
            "memory of annealing beyond the model: 10^6 units, 512 reads, one bit each",
            {"fastnn": Party(ising.fastnn_anneal_bytes)},
            size={"kind": "cubic", "side": 100, "width": 0, "n_reads": 512, "n_sweeps": 1},
            tiny={"side": 8, "n_reads": 2},
            targets=(Target("fastnn", _packed_limit, "at most", "value"),),
            measure="value",
            unit="B",
            fresh=True,
            prepare=ising.model,
        ),
        _logistic(
            "logistic",
            "logistic regression, 50,000 x 100, ten classes, float64, L-BFGS",
            (Target("sklearn", 20), Target("sklearn newton-cg", 8)),
            n_rows=50_000,
            n_features=100,
            n_classes=10,
        ),
        _logistic(
            "logistic_single",
            "the same in float32",
            (Target("sklearn", 30),),
            n_rows=50_000,
            n_features=100,
            n_classes=10,
            dtype="float32",
        ),
        Case(
            "logistic_adult",
            "logistic regression of two classes, 32,561 sparse rows, 123 features, 14 ones a row",
            {"fastnn": Party(regression.fastnn_logistic), "sklearn": Party(regression.sklearn_logistic)},
            size={"n_rows": 32_561, "n_features": 123, "solver": "lbfgs", "tol": 3e-6},
            tiny={"n_rows": 300, "n_features": 30, "tol": 1e-7},
            targets=(Target("sklearn", 3),),
            prepare=regression.adult,
            check=regression.check_logistic,
        ),
        Case(
            "logistic_l1_path",
            "twenty L1 penalties, 10,000 pictures of 784, two classes; all models within 1e-6 of the optimum",
            {
                "fastnn": Party(regression.fastnn_path),
                "liblinear": Party(regression.liblinear_path),
                "saga": Party(regression.saga_path),
            },
            size={"n_rows": 10_000, "n_features": 784, "n_penalties": 20},
            tiny={"n_rows": 300, "n_features": 20, "n_penalties": 3},
            targets=(Target("liblinear", 3), Target("saga", 3)),
            prepare=regression.two_digits,
            check=regression.check_path,
        ),
        _counts(
            "poisson",
            "Poisson regression, 50,000 x 100, L-BFGS",
            4,
            regression.fastnn_poisson,
            regression.sklearn_poisson,
            regression.check_poisson,
        ),
        _counts(
            "bayesian_ridge",
            "Bayesian ridge regression, 50,000 x 100",
            25,
            regression.fastnn_bayes,
            regression.sklearn_bayes,
            regression.check_evidence,
        ),
    )
)
