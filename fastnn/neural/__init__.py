"""Feed-forward networks."""

from fastnn.neural.classifier import MLPClassifier
from fastnn.neural.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
