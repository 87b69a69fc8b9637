from typing import Any

import numpy as np

from .source import Source
from .weights import Weights

class Trainer:
    weights: Weights
    arrays: dict[str, np.ndarray]
    n_updates: int
    def __init__(
        self,
        weights: Weights,
        *,
        batch_size: int,
        n_chains: int,
        n_steps: int,
        sample_visible: bool,
        sample_last_hidden: bool,
        optimizer: str,
        momentum: float,
        l1: float,
        l2: float,
        max_norm: float | None,
        centering: bool,
        sparsity_target: float | None,
        sparsity_cost: float,
        key: int,
        n_threads: int,
        binary_data: bool,
        sigma_bounds: tuple[np.ndarray, np.ndarray] | None,
        state: dict[str, Any],
    ) -> None: ...
    def state(self) -> dict[str, Any]: ...
    def start_offsets(self, visible_mean: np.ndarray | float, hidden_mean: np.ndarray | float) -> None: ...
    def forget_units(self, units: np.ndarray, hidden_mean: float) -> None: ...
    def epoch(self, x: Source, order: np.ndarray | None, rates: np.ndarray, batch_size: int) -> int: ...
