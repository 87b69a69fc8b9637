import numpy as np

from .source import Source
from .weights import Weights

def start_states(weights: Weights, source: Source | None, n_rows: int) -> np.ndarray: ...
def anneal(
    weights: Weights,
    source: Source | None,
    order: np.ndarray | None,
    path: np.ndarray,
    reference: np.ndarray,
    key: int,
    out: np.ndarray,
    n_threads: int,
) -> None: ...
def walk(
    weights: Weights,
    states: np.ndarray,
    betas: np.ndarray,
    reference: np.ndarray,
    n_steps: int,
    key: int,
    step: int,
    clamp: np.ndarray | None,
    n_threads: int,
) -> None: ...
def rises(
    weights: Weights,
    states: np.ndarray,
    before: np.ndarray,
    betas: np.ndarray,
    reference: np.ndarray,
    out: np.ndarray,
    n_threads: int,
) -> None: ...
