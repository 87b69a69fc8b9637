import numpy as np

LOSSES: tuple[str, ...]
ACTIVATIONS: tuple[str, ...]

def survey_labels(labels: np.ndarray, n_classes: int, ignore: int) -> tuple[int, int]: ...
def loss_of_rows(
    kind: str,
    scores: np.ndarray,
    grad: np.ndarray | None,
    labels: np.ndarray | None,
    targets: np.ndarray | None,
    class_weight: np.ndarray | None,
    row_weight: np.ndarray | None,
    ignore: int,
    scale: float,
    smoothing: float,
    delta: float,
    losses: np.ndarray,
    n_threads: int,
) -> tuple[float, int]: ...
def softmax_of_rows(logits: np.ndarray, out: np.ndarray, logarithm: bool, n_threads: int) -> int: ...
def activate(
    kind: str, derivative: bool, parameter: float, x: np.ndarray, out: np.ndarray, n_threads: int
) -> np.ndarray: ...
