"""Energy-based and softmax networks at the speed of the machine."""

from importlib import import_module

from fastnn import energy, exceptions
from fastnn._config import show_config
from fastnn._version import __version__
from fastnn.energy import (
    RBM,
    BernoulliRBM,
    BoltzmannMachine,
    Gaussian,
    HopfieldNetwork,
    IsingModel,
    Potts,
    RBMClassifier,
    Samples,
    anneal,
    gibbs_sample,
    parallel_tempering,
)
from fastnn.exceptions import DivergenceError, LikelihoodWarning, SavedFileError

# Imported when asked for, so that `import fastnn` stays fast.
_LATER = {
    "fastnn": "datasets functional information interop linear neural plot",
    "fastnn._saving": "load",
    "fastnn.functional": """
        binary_cross_entropy cross_entropy identity identity_derivative leaky_relu leaky_relu_derivative
        linear_cross_entropy log_softmax multiclass_hinge relu relu_derivative sigmoid sigmoid_derivative
        softmax softplus softplus_derivative squared_error tanh tanh_derivative threshold threshold_derivative
    """,
    "fastnn.interop.sklearn": "patch_sklearn patched unpatch_sklearn",
    "fastnn.linear": """
        BayesianLinearRegression BayesianRidge GeneralizedLinearRegressor LinearSVC LogisticRegression
        MulticlassSVM PoissonRegressor
    """,
    "fastnn.neural": "DBN MLPClassifier MLPRegressor",
}
_HOMES = {name: module for module, names in _LATER.items() for name in names.split()}

__all__ = [
    "DBN",
    "RBM",
    "BayesianLinearRegression",
    "BayesianRidge",
    "BernoulliRBM",
    "BoltzmannMachine",
    "DivergenceError",
    "Gaussian",
    "GeneralizedLinearRegressor",
    "HopfieldNetwork",
    "IsingModel",
    "LikelihoodWarning",
    "LinearSVC",
    "LogisticRegression",
    "MLPClassifier",
    "MLPRegressor",
    "MulticlassSVM",
    "PoissonRegressor",
    "Potts",
    "RBMClassifier",
    "Samples",
    "SavedFileError",
    "__version__",
    "anneal",
    "binary_cross_entropy",
    "cross_entropy",
    "datasets",
    "energy",
    "exceptions",
    "functional",
    "gibbs_sample",
    "identity",
    "identity_derivative",
    "information",
    "interop",
    "leaky_relu",
    "leaky_relu_derivative",
    "linear",
    "linear_cross_entropy",
    "load",
    "log_softmax",
    "multiclass_hinge",
    "neural",
    "parallel_tempering",
    "patch_sklearn",
    "patched",
    "plot",
    "relu",
    "relu_derivative",
    "show_config",
    "sigmoid",
    "sigmoid_derivative",
    "softmax",
    "softplus",
    "softplus_derivative",
    "squared_error",
    "tanh",
    "tanh_derivative",
    "threshold",
    "threshold_derivative",
    "unpatch_sklearn",
]


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module 'fastnn' has no attribute {name!r}")
    home = _HOMES[name]
    value = import_module(f"fastnn.{name}") if home == "fastnn" else getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_HOMES})
