from typing import Any

import numpy as np
from numpy.typing import DTypeLike

def pack_mask(mask: np.ndarray) -> np.ndarray: ...
def unpack_states(states: np.ndarray, n_units: int) -> np.ndarray: ...

class Source:
    n_rows: int
    n_features: int
    mode: int
    binary: bool
    def __init__(self, X: Any, mode: int, binary: bool) -> None: ...
    def take_draws(self, mode: int) -> None: ...
    def survey(self, low: int, dtype: DTypeLike, n_threads: int) -> tuple[float, float, bool]: ...

class Weights:
    dtype: np.dtype
    dense: np.ndarray
    visible_bias: np.ndarray
    hidden_bias: np.ndarray
    def __init__(
        self,
        weights: np.ndarray,
        visible_bias: np.ndarray,
        hidden_bias: np.ndarray,
        visible_unit: tuple[int, int, int],
        hidden_unit: tuple[int, int, int],
        n_threads: int,
    ) -> None: ...
    def n_units(self, hidden: bool) -> int: ...
    def unit_range(self, hidden: bool) -> tuple[int, int]: ...
    def load(
        self,
        weights: np.ndarray,
        visible_bias: np.ndarray,
        hidden_bias: np.ndarray,
        n_threads: int,
    ) -> None: ...
    def mean(self, x: Source, hidden: bool, out: np.ndarray, n_threads: int) -> None: ...
    def log_partitions(self, x: Source, out: np.ndarray, n_threads: int) -> None: ...
    def bias_energies(self, x: Source, out: np.ndarray, n_threads: int) -> None: ...
    def log_partitions_of_states(
        self, states: np.ndarray, hidden: bool, out: np.ndarray, n_threads: int
    ) -> None: ...
    def pseudo_log_likelihoods(self, x: Source, out: np.ndarray, n_threads: int) -> None: ...
    def gibbs(
        self,
        x: Source,
        n_steps: int,
        key: int,
        step: int,
        chain0: int,
        clamp: np.ndarray | None,
        out: np.ndarray,
        n_threads: int,
    ) -> None: ...
