"""Linear models: logistic, generalized linear and Bayesian regression."""

from fastnn.linear.bayes import BayesianLinearRegression
from fastnn.linear.bayesian_ridge import BayesianRidge
from fastnn.linear.glm import GeneralizedLinearRegressor
from fastnn.linear.logistic import LogisticRegression
from fastnn.linear.poisson import PoissonRegressor

__all__ = [
    "BayesianLinearRegression",
    "BayesianRidge",
    "GeneralizedLinearRegressor",
    "LogisticRegression",
    "PoissonRegressor",
]
