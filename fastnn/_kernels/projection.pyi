import numpy as np

CHUNK_BYTES: int

def linear_loss(
    X: np.ndarray,
    W: np.ndarray,
    b: np.ndarray | None,
    labels: np.ndarray | None,
    targets: np.ndarray | None,
    class_weight: np.ndarray | None,
    row_weight: np.ndarray | None,
    ignore: int,
    scale: float,
    smoothing: float,
    chunk: int,
    losses: np.ndarray,
    gradients: tuple[np.ndarray, np.ndarray, np.ndarray] | None,
    n_threads: int,
) -> tuple[float, int]: ...
