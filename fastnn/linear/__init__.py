"""Linear models: logistic, generalized linear and Bayesian regression."""

from fastnn.linear.glm import GeneralizedLinearRegressor
from fastnn.linear.logistic import LogisticRegression
from fastnn.linear.poisson import PoissonRegressor

__all__ = ["GeneralizedLinearRegressor", "LogisticRegression", "PoissonRegressor"]
