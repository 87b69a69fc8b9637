"""The pictures every party works on: MNIST where the user has it, else a stand-in."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

MNIST_VARIABLE = "FASTNN_BENCH_MNIST"
SIDE = 28
_IDX_IMAGES = 0x00000803  # unsigned bytes in three dimensions
_SHIFTS = (0, 1, -1, 2, -2)


class Digits:
    """Pictures of digits, grey levels in [0, 1], from an idx file or from scikit-learn."""

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        given = path or os.environ.get(MNIST_VARIABLE)
        self.path = find_idx(Path(given)) if given else None

    @property
    def note(self) -> str:
        """Say where the pictures come from."""
        if self.path is not None:
            return f"MNIST ({self.path.name})"
        return "digits28, a stand-in for MNIST: scikit-learn's digits enlarged to 28x28 and shifted"

    def rows(self, n_rows: int, n_visible: int = SIDE * SIDE, *, binary: bool = True) -> np.ndarray:
        """Return float32 pictures of shape (n_rows, n_visible), the first ones of the source.

        Fewer pixels are picked evenly; more are the picture repeated side by side.
        """
        import numpy as np

        grey = read_idx(self.path, n_rows) if self.path else _enlarged_digits(n_rows)
        n_pixels = grey.shape[1]
        if n_visible <= n_pixels:
            columns = np.linspace(0, n_pixels - 1, n_visible).round().astype(np.intp)
        else:
            columns = np.arange(n_visible) % n_pixels
        picked = grey[np.ix_(np.arange(n_rows) % len(grey), columns)]
        return (picked > 0.5).astype(np.float32) if binary else picked


def find_idx(path: Path) -> Path:
    """Return the idx file of the training pictures: the path itself, or the one in a directory."""
    if path.is_file():
        return path
    found = sorted(path.glob("train-images*idx3-ubyte*"))
    if not found:
        raise FileNotFoundError(f"no train-images idx file at {path}")
    return found[0]


def read_idx(path: Path, n_rows: int) -> np.ndarray:
    """Read the first pictures of an idx file, gzipped or not, as float32 in [0, 1]."""
    import numpy as np

    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as stream:
        header = np.frombuffer(stream.read(16), dtype=">i4")
        if header.size != 4 or header[0] != _IDX_IMAGES:
            raise ValueError(f"{path.name} is not an idx file of pictures")
        n_pixels = int(header[2]) * int(header[3])
        n_read = min(n_rows, int(header[1]))
        pixels = np.frombuffer(stream.read(n_read * n_pixels), dtype=np.uint8)
    if pixels.size != n_read * n_pixels:
        raise ValueError(f"{path.name} is shorter than its header says")
    return pixels.reshape(n_read, n_pixels).astype(np.float32) / np.float32(255)


def _enlarged_digits(n_rows: int) -> np.ndarray:
    """Enlarge the 8x8 digits to 24x24 in a 28x28 frame; each further copy is shifted.

    Squaring the grey levels leaves as many pixels on as MNIST has, about one in seven.
    """
    import numpy as np
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits

    small = load_digits().images[:n_rows] / 16
    large = np.pad(zoom(small, (1, 3, 3), order=1) ** 2, ((0, 0), (2, 2), (2, 2)))
    shifts = [(down, right) for down in _SHIFTS for right in _SHIFTS]
    n_copies = min(len(shifts), -(-n_rows // len(large)))
    copies = [np.roll(large, shift, axis=(1, 2)) for shift in shifts[:n_copies]]
    return np.concatenate(copies).reshape(-1, SIDE * SIDE).astype(np.float32)
