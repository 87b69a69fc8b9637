import numpy as np

def stride_for(n_classes: int) -> int: ...

class Rows:
    n_rows: int
    n_features: int
    def __init__(
        self,
        X: np.ndarray | tuple,
        shape: tuple[int, int],
        labels: np.ndarray,
        weight: np.ndarray,
        n_classes: int,
        box: bool,
        delta: float,
        bias: float,
        n_threads: int,
    ) -> None: ...
    def scores(self, weights: np.ndarray, out: np.ndarray) -> np.ndarray: ...
    def step(
        self, scores: np.ndarray, dual: np.ndarray, kappa: float, out: np.ndarray, values: np.ndarray
    ) -> None: ...
    def gradient(
        self, dual: np.ndarray, weights: np.ndarray | None, kappa: float, out: np.ndarray
    ) -> np.ndarray: ...
