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
    def take_as(self, mode: int, binary: bool) -> None: ...
    def survey(
        self, low: int, dtype: DTypeLike, n_threads: int, keep: bool = False
    ) -> tuple[float, float, bool]: ...
