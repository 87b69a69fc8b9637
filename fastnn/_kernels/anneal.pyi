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
        first_stream: int,
    ) -> None: ...
    def with_rows(
        self,
        key: int,
        indptr: np.ndarray,
        indices: np.ndarray,
        weights: np.ndarray,
        gains: np.ndarray,
        constant: np.ndarray,
        scale: np.ndarray,
        sites: np.ndarray,
    ) -> Any: ...
    def with_fields(
        self,
        key: int,
        indptr: np.ndarray | None,
        indices: np.ndarray | None,
        gains: np.ndarray | None,
        matrix: np.ndarray | None,
        constant: np.ndarray,
        scale: np.ndarray,
        sites: np.ndarray,
        coupled: np.ndarray,
        n_places: int,
        n_reads: int,
        n_rungs: int,
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

def stages_of(indptr: np.ndarray, indices: np.ndarray, held: np.ndarray, color: bool) -> np.ndarray: ...
def random_states(key: int, first: int, n_blocks: int, n_spins: int, dtype: DTypeLike) -> np.ndarray: ...
