import numpy as np

from .source import Source
from .weights import Weights

def gibbs(
    weights: Weights,
    source: Source | None,
    n_steps: int,
    key: int,
    step: int,
    chain0: int,
    clamp: np.ndarray | None,
    out: np.ndarray,
    n_threads: int,
) -> None: ...
