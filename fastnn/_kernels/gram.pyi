import numpy as np

def gram(
    X,
    columns: np.ndarray | None,
    root: np.ndarray | None,
    shift: np.ndarray,
    y: np.ndarray | None,
    y_shift: float,
    intercept: bool,
    n_threads: int,
) -> np.ndarray: ...
def descend_coordinates(
    H: np.ndarray, gradient: np.ndarray, l1: np.ndarray, w: np.ndarray, tol: float, sweeps: int
) -> np.ndarray: ...
