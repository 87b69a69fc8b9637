import numpy as np
from numpy.typing import DTypeLike

class Chains:
    n_chains: int
    n_units: int
    def __init__(self, n_chains: int, n_units: int, low: int, key: int, dtype: DTypeLike) -> None: ...
    def states(self) -> np.ndarray: ...
    def set_states(self, states: np.ndarray, units: np.ndarray) -> None: ...
    def sweep(
        self,
        weights: np.ndarray,
        bias: np.ndarray,
        order: np.ndarray,
        betas: np.ndarray,
        step: int,
        n_threads: int,
    ) -> None: ...
