"""Energy-based and softmax networks at the speed of the machine."""

from importlib import import_module

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
    "BayesianLinearRegression": "fastnn.linear",
    "BayesianRidge": "fastnn.linear",
    "GeneralizedLinearRegressor": "fastnn.linear",
    "PoissonRegressor": "fastnn.linear",
    "LinearSVC": "fastnn.linear",
    "LogisticRegression": "fastnn.linear",
    "DBN": "fastnn.neural",
    "MLPClassifier": "fastnn.neural",
    "MLPRegressor": "fastnn.neural",
    "MulticlassSVM": "fastnn.linear",
    "functional": "",
    "load": "fastnn._saving",
    "information": "",
    "linear": "",
    "patch_sklearn": "fastnn.interop.sklearn",
    "patched": "fastnn.interop.sklearn",
    "unpatch_sklearn": "fastnn.interop.sklearn",
}

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
    "functional",
    "gibbs_sample",
    "information",
    "linear",
    "load",
    "parallel_tempering",
    "patch_sklearn",
    "patched",
    "show_config",
    "unpatch_sklearn",
]


def __getattr__(name):
    if name not in _LATER:
        raise AttributeError(f"module 'fastnn' has no attribute {name!r}")
    value = getattr(import_module(_LATER[name]), name) if _LATER[name] else import_module(f"fastnn.{name}")
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_LATER})
