"""Exceptions of fastnn's own; everything else is ValueError, TypeError or scikit-learn's."""


class DivergenceError(ArithmeticError):
    """Training left the range of numbers; the model keeps the parameters from before that epoch."""


class LikelihoodWarning(UserWarning):
    """Two estimates of a partition function disagree: neither can be trusted to their distance."""
