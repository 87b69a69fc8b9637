"""Weights, offsets and exposures, checked."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import _check_sample_weight


def check_offset(n_rows: int, dtype, link: str, offset, exposure):
    """offset + ln exposure as a vector of dtype, or None; ValueError says what is wrong with either."""
    total = None
    if offset is not None:
        total = check_array(offset, dtype=np.float64, ensure_2d=False, input_name="offset")
    if exposure is not None:
        if link != "log":
            raise ValueError(
                f"exposure multiplies the mean, which needs link='log', not {link!r}; use offset"
            )
        exposure = check_array(exposure, dtype=np.float64, ensure_2d=False, input_name="exposure")
        if not (exposure > 0).all():
            raise ValueError("exposure must be positive everywhere; leave rows of no exposure out")
        total = np.log(exposure) if total is None else total + np.log(exposure)
    if total is not None and total.shape != (n_rows,):
        raise ValueError(f"offset and exposure must have shape ({n_rows},), got {total.shape}")
    return None if total is None else np.ascontiguousarray(total, dtype)


def check_weights(sample_weight, X):
    """sample_weight in X's dtype or None; ValueError for negative ones or zeros alone."""
    if sample_weight is None:
        return None
    weights = _check_sample_weight(sample_weight, X, dtype=X.dtype)
    if (weights < 0).any():
        raise ValueError(f"sample_weight must not be negative, got {weights.min():g}")
    if not weights.sum() > 0:
        raise ValueError("the weights of all samples are zero: there is nothing to fit")
    return weights
