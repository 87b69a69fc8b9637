import numpy as np

def sums_of_states(
    weights: np.ndarray, base: np.ndarray, linear: np.ndarray, constant: float, n_threads: int
) -> np.ndarray | None: ...
