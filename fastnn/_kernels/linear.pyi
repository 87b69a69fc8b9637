import numpy as np

GLMS: tuple[str, ...]

class RowLoss:
    n_scores: int
    def __init__(
        self,
        X,
        kind: str,
        y: np.ndarray,
        weights: np.ndarray | None,
        offset: np.ndarray | None,
        n_scores: int,
        power: float,
        n_threads: int,
    ) -> None: ...
    def loss(self, W: np.ndarray) -> float: ...
    def loss_gradient(self, W: np.ndarray) -> tuple[float, np.ndarray]: ...
    def linearize(self, W: np.ndarray) -> tuple[float, np.ndarray]: ...
    def hessian_product(self, V: np.ndarray) -> np.ndarray: ...
    def curvature(self) -> np.ndarray: ...

def descend_rows(
    X,
    order: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray | None,
    rate: float,
    decay: float,
    W: np.ndarray,
) -> None: ...
