import numpy as np

class Weights:
    dtype: np.dtype
    dense: np.ndarray
    visible_bias: np.ndarray
    hidden_bias: np.ndarray
    sigma: np.ndarray | None
    def __init__(
        self,
        weights: np.ndarray,
        visible_bias: np.ndarray,
        hidden_bias: np.ndarray,
        visible_unit: tuple[int, int, int],
        hidden_unit: tuple[int, int, int],
        n_threads: int,
        *,
        sigma: np.ndarray | None = None,
        visible_groups: np.ndarray | None = None,
        hidden_groups: np.ndarray | None = None,
    ) -> None: ...
    def n_units(self, hidden: bool) -> int: ...
    def unit_range(self, hidden: bool) -> tuple[int, int]: ...
    def load(
        self,
        weights: np.ndarray,
        visible_bias: np.ndarray,
        hidden_bias: np.ndarray,
        sigma: np.ndarray | None,
        n_threads: int,
    ) -> None: ...
