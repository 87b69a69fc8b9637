from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

class Network:
    weights: list[np.ndarray]
    biases: list[np.ndarray]
    dtype: np.dtype
    n_updates: int
    def __init__(
        self,
        sizes: Sequence[int],
        dtype: DTypeLike,
        activation: str,
        parameter: float,
        loss: str,
        dropout: Sequence[float],
        max_rows: int,
        key: int,
        n_threads: int,
    ) -> None: ...
    def start(
        self,
        solver: str,
        momentum: float,
        nesterov: bool,
        beta2: float,
        epsilon: float,
        state: dict,
    ) -> None: ...
    def state(self) -> dict: ...
    def epoch(
        self,
        X,
        labels: np.ndarray | None,
        targets: np.ndarray | None,
        row_weight: np.ndarray | None,
        order: np.ndarray | None,
        batch_size: int,
        rate: float,
        alpha: float,
        factor: float,
    ) -> tuple[float, bool]: ...
    def gradient(
        self,
        X,
        labels: np.ndarray | None,
        targets: np.ndarray | None,
        row_weight: np.ndarray | None,
        weight: float,
    ) -> tuple[float, list[np.ndarray], list[np.ndarray]]: ...
