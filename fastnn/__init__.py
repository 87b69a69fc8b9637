"""Energy-based and softmax networks at the speed of the machine."""

from fastnn._config import show_config
from fastnn._version import __version__
from fastnn.energy import (
    RBM,
    BernoulliRBM,
    BoltzmannMachine,
    HopfieldNetwork,
    IsingModel,
    Samples,
    anneal,
    gibbs_sample,
    parallel_tempering,
)
from fastnn.exceptions import DivergenceError

__all__ = [
    "RBM",
    "BernoulliRBM",
    "BoltzmannMachine",
    "DivergenceError",
    "HopfieldNetwork",
    "IsingModel",
    "Samples",
    "__version__",
    "anneal",
    "gibbs_sample",
    "parallel_tempering",
    "show_config",
]
