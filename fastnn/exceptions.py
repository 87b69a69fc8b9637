"""Exceptions of fastnn's own; everything else is ValueError, TypeError or scikit-learn's."""


class DivergenceError(ArithmeticError):
    """Training left the range of numbers; the model keeps the parameters from before that epoch."""


class SavedFileError(ValueError):
    """A file that `fastnn.load` cannot read: cut short, damaged, not fastnn's, or of a newer format."""


class LikelihoodWarning(UserWarning):
    """Two estimates of a partition function disagree: neither can be trusted to their distance."""
