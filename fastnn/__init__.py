"""Energy-based and softmax networks at the speed of the machine."""

from fastnn._config import show_config
from fastnn._version import __version__
from fastnn.energy import RBM, BernoulliRBM, HopfieldNetwork
from fastnn.exceptions import DivergenceError

__all__ = ["RBM", "BernoulliRBM", "DivergenceError", "HopfieldNetwork", "__version__", "show_config"]
