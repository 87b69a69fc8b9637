from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

KERNELS: dict[str, tuple[int, np.dtype]]
GROUP: np.dtype
LIMITS: dict[str, int]
ROWS: dict[str, int]

class Walk:
    states: np.ndarray
    n_steps: int
    def __init__(
        self,
        kernel: str,
        real: DTypeLike,
        states: np.ndarray,
        *,
        random_order: bool,
        heat_bath: bool,
        n_rungs: int,
    ) -> None: ...
    def with_rows(
        self,
        key: int,
        indptr: np.ndarray,
        indices: np.ndarray,
        weights: np.ndarray,
        constant: np.ndarray,
        scale: np.ndarray,
        sites: np.ndarray,
    ) -> Any: ...
    def with_groups(
        self,
        key: int,
        groups: np.ndarray,
        stages: np.ndarray,
        slots: np.ndarray,
        signs: np.ndarray,
        n_levels: int,
        thresholds: Callable[[np.ndarray], np.ndarray],
    ) -> Any: ...
    def advance(self, betas: np.ndarray, t0: int, t1: int, seconds: float, n_threads: int) -> int: ...

class Pairs:
    def __init__(
        self,
        indptr: np.ndarray,
        indices: np.ndarray,
        weights: np.ndarray,
        constant: np.ndarray,
        binary: bool,
    ) -> None: ...
    def coordinates(self) -> tuple[np.ndarray, np.ndarray]: ...
    def energies(self, states: np.ndarray, n_threads: int) -> np.ndarray: ...
    def ups(self, states: np.ndarray) -> np.ndarray: ...
    def add_moments(
        self, states: np.ndarray, masks: np.ndarray, ups: np.ndarray, equal: np.ndarray
    ) -> None: ...

def stages_of(indptr: np.ndarray, indices: np.ndarray, held: np.ndarray, color: bool) -> np.ndarray: ...
def random_states(key: int, n_blocks: int, n_spins: int, dtype: DTypeLike) -> np.ndarray: ...
