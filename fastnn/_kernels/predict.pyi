from collections.abc import Sequence

import numpy as np

def predict(
    X,
    coefs: Sequence[np.ndarray],
    intercepts: Sequence[np.ndarray],
    activation: str,
    parameter: float,
    n_threads: int,
) -> tuple[np.ndarray, bool]: ...
