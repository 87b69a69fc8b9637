import numpy as np

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
