"""What a drop-in does not serve itself goes to the scikit-learn class that it stands for.

A drop-in inherits from scikit-learn's class. Where a parameter has a value that fastnn has no kernel for,
its method says so in one line and calls scikit-learn's::

    if self.solver in ("sag", "saga"):
        delegate(self, "solver")
        return super().fit(X, y, sample_weight)

Where the data or scikit-learn's configuration are the reason, delegate_because() says that.

The line goes to the logger "fastnn" at level INFO: ``logging.basicConfig(level="INFO")`` shows it.
"""

from __future__ import annotations

import logging

ARRAY_API = "array_api_dispatch=True (arrays of other libraries) is not served by fastnn"

_log = logging.getLogger("fastnn")


def delegate(estimator, parameter: str) -> None:
    """Log that scikit-learn's own class does the work because of this parameter's value."""
    delegate_because(estimator, f"{parameter}={getattr(estimator, parameter)!r} is not served by fastnn")


def delegate_because(estimator, reason: str) -> None:
    """Log that scikit-learn's own class does the work, and why."""
    name = type(estimator).__name__
    _log.info("%s: %s; scikit-learn's own %s does it", name, reason, name)
