import numpy as np

def packed(
    indptr: np.ndarray,
    indices: np.ndarray,
    rank: np.ndarray,
    kind: np.ndarray,
    width: np.ndarray,
    most: int,
) -> tuple[np.ndarray, np.ndarray]: ...
