"""Energy-based models: E(v, h) = -a.v - b.h - v'Wh, and E(s) = -b.s - 1/2 s'Ws."""

from fastnn.energy._enumerate import Enumeration
from fastnn.energy._replicas import Tempered
from fastnn.energy.bernoulli_rbm import BernoulliRBM
from fastnn.energy.boltzmann import BoltzmannMachine
from fastnn.energy.classifier import RBMClassifier
from fastnn.energy.gibbs import Moments, gibbs_sample
from fastnn.energy.hopfield import HopfieldNetwork
from fastnn.energy.ising import IsingModel
from fastnn.energy.partition import LogPartition
from fastnn.energy.rbm import RBM
from fastnn.energy.samples import Samples
from fastnn.energy.sampling import anneal
from fastnn.energy.tempering import Tempering, parallel_tempering
from fastnn.energy.units import Gaussian, Potts

__all__ = [
    "RBM",
    "BernoulliRBM",
    "BoltzmannMachine",
    "Enumeration",
    "Gaussian",
    "HopfieldNetwork",
    "IsingModel",
    "LogPartition",
    "Moments",
    "Potts",
    "RBMClassifier",
    "Samples",
    "Tempered",
    "Tempering",
    "anneal",
    "gibbs_sample",
    "parallel_tempering",
]
