"""Feed-forward networks."""

from fastnn.neural.mlp import MLPClassifier, MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
