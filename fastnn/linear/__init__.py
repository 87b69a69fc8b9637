"""Linear and kernel models: logistic, generalized linear, Bayesian regression, support vector machines."""

from fastnn.linear.bayes import BayesianLinearRegression
from fastnn.linear.bayesian_ridge import BayesianRidge
from fastnn.linear.glm import GeneralizedLinearRegressor
from fastnn.linear.kernels import is_positive_semidefinite
from fastnn.linear.linear_svc import LinearSVC
from fastnn.linear.logistic import LogisticRegression
from fastnn.linear.poisson import PoissonRegressor
from fastnn.linear.svm import MulticlassSVM

__all__ = [
    "BayesianLinearRegression",
    "BayesianRidge",
    "GeneralizedLinearRegressor",
    "LinearSVC",
    "LogisticRegression",
    "MulticlassSVM",
    "PoissonRegressor",
    "is_positive_semidefinite",
]
