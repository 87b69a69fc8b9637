import numpy as np
from numpy.typing import DTypeLike

KERNELS: dict[str, tuple[int, np.dtype]]

class Walk:
    states: np.ndarray
    def __init__(
        self,
        kernel: str,
        real: DTypeLike,
        rows: tuple[np.ndarray, ...],
        sites: np.ndarray,
        states: np.ndarray,
        key: int,
        *,
        random_order: bool,
        heat_bath: bool,
        blocks_per_rung: int,
    ) -> None: ...
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
    def energies(self, states: np.ndarray, n_threads: int) -> np.ndarray: ...
    def ups(self, states: np.ndarray) -> np.ndarray: ...
    def add_moments(
        self, states: np.ndarray, masks: np.ndarray, ups: np.ndarray, equal: np.ndarray
    ) -> None: ...

def random_states(key: int, n_blocks: int, n_spins: int, dtype: DTypeLike) -> np.ndarray: ...
def swap_reads(x: np.ndarray, y: np.ndarray, mask: int) -> None: ...
