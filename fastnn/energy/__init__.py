"""Energy-based models: E(v, h) = -a.v - b.h - v'Wh."""

from fastnn.energy.bernoulli_rbm import BernoulliRBM
from fastnn.energy.hopfield import HopfieldNetwork
from fastnn.energy.partition import LogPartition
from fastnn.energy.rbm import RBM

__all__ = ["RBM", "BernoulliRBM", "HopfieldNetwork", "LogPartition"]
