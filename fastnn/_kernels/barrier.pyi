import numpy as np

MODES: tuple[str, ...]

class Barrier:
    def __init__(
        self,
        X,
        labels: np.ndarray,
        weight: np.ndarray,
        n_classes: int,
        stride: int,
        box: bool,
        bias: float,
        n_threads: int,
    ) -> None: ...
    def aim(
        self,
        state: tuple,
        move: tuple,
        out: np.ndarray,
        mode: str,
        target: float = 0,
        reach: float = 0,
        low: float = 0,
        high: float = 0,
    ) -> None: ...
    def go(self, state: tuple, move: tuple, scores: np.ndarray) -> tuple[float, float, float]: ...
    def curvature(self, state: tuple, least: float, out: np.ndarray, scratch: np.ndarray) -> None: ...
