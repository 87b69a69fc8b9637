"""Linear models: logistic, generalized linear and Bayesian regression."""

from fastnn.linear.logistic import LogisticRegression

__all__ = ["LogisticRegression"]
