"""What a drop-in does not serve itself goes to the scikit-learn class that it stands for.

A drop-in inherits from scikit-learn's class. Where a parameter has a value that fastnn has no kernel for,
its method says so in one line and calls scikit-learn's::

    if self.solver in ("sag", "saga"):
        delegate(self, "solver")
        return super().fit(X, y, sample_weight)

The line goes to the logger "fastnn" at level INFO: ``logging.basicConfig(level="INFO")`` shows it.
"""

from __future__ import annotations

import logging

_log = logging.getLogger("fastnn")


def delegate(estimator, parameter: str) -> None:
    """Log that scikit-learn's own class does the work because of this parameter's value."""
    name, value = type(estimator).__name__, getattr(estimator, parameter)
    _log.info(
        "%s: %s=%r is not served by fastnn; scikit-learn's own %s does it", name, parameter, value, name
    )
