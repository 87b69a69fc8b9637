"""Feed-forward networks."""

from fastnn.neural.classifier import MLPClassifier
from fastnn.neural.dbn import DBN
from fastnn.neural.regressor import MLPRegressor

__all__ = ["DBN", "MLPClassifier", "MLPRegressor"]
