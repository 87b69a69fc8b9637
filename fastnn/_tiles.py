"""Grids of small images on one axes: the common ground of the pictures in ``fastnn.plot``."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isqrt, sqrt
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array

from fastnn import _axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

_GAP_COLOR = "0.8"
_MIN_TILE_PIXELS = 24  # smaller tiles are enlarged, lest a gap of one pixel look like a road
_TILE_INCHES = 0.62
_MAX_INCHES = 11.0


def positive(value: int, name: str) -> int:
    """`value`, refused unless it counts something."""
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
    return value


def as_array(X: ArrayLike, name: str, *, allow_nan: bool = False, any_shape: bool = False) -> np.ndarray:
    """Validated float array; sparse input becomes dense, pictures being small."""
    return check_array(
        X.toarray() if issparse(X) else X,
        dtype=(np.float64, np.float32),
        ensure_all_finite="allow-nan" if allow_nan else True,
        ensure_2d=not any_shape,
        allow_nd=any_shape,
        input_name=name,
    )


def as_tiles(
    X: ArrayLike, image_shape: tuple[int, int] | None, name: str, *, allow_nan: bool = False
) -> np.ndarray:
    """Rows of `X` as images, (n_images, height, width)."""
    if getattr(X, "ndim", 2) == 3:
        X, image_shape = X.reshape(len(X), -1), image_shape or X.shape[1:]
    X = as_array(X, name, allow_nan=allow_nan)
    n_features = X.shape[1]
    if image_shape is None:
        side = isqrt(n_features)
        if side * side != n_features:
            raise ValueError(f"{name} has {n_features} features, which is not a square: give image_shape")
        image_shape = (side, side)
    height, width = image_shape
    if height < 1 or width < 1 or height * width != n_features:
        raise ValueError(f"image_shape {height} × {width} does not fit {n_features} features")
    return X.reshape(-1, height, width)


def mosaic(tiles: np.ndarray, n_columns: int) -> np.ndarray:
    """The grid as one image with a NaN pixel between tiles, (height, width) of the whole."""
    n, height, width = tiles.shape
    n_rows = ceil(n / n_columns)
    padded = np.full((n_rows * n_columns, height + 1, width + 1), np.nan, dtype=tiles.dtype)
    padded[:n, :height, :width] = tiles
    grid = padded.reshape(n_rows, n_columns, height + 1, width + 1).swapaxes(1, 2)
    return grid.reshape(n_rows * (height + 1), n_columns * (width + 1))[:-1, :-1]


def enlarge(tiles: np.ndarray) -> np.ndarray:
    """Repeat the pixels of small tiles a whole number of times."""
    scale = ceil(_MIN_TILE_PIXELS / max(tiles.shape[1:]))
    return tiles.repeat(scale, axis=1).repeat(scale, axis=2)


def draw(
    tiles: np.ndarray,
    n_columns: int | None,
    limits: tuple[float, float],
    cmap: str,
    ax: Axes | None,
    row_labels: Sequence[str] = (),
) -> Axes:
    """Draw the grid in reading order; ``ax.images[-1]`` holds it afterwards."""
    tiles = enlarge(tiles)
    n, height, width = tiles.shape
    if n_columns is None:
        n_columns = ceil(sqrt(n * (height + 1) / (width + 1)))
    n_columns = min(positive(n_columns, "n_columns"), n)
    grid = mosaic(tiles, n_columns)
    if ax is None:
        ax = _new_axes(grid.shape, n_columns)
    ax.imshow(np.ma.masked_invalid(grid), cmap=cmap, vmin=limits[0], vmax=limits[1])
    ax.set_facecolor(_GAP_COLOR)
    ax.set_xticks([])
    ax.set_yticks([row * (height + 1) + (height - 1) / 2 for row in range(len(row_labels))], row_labels)
    ax.tick_params(length=0)
    ax.spines[:].set(color=_GAP_COLOR)
    return ax


def _new_axes(shape: tuple[int, int], n_columns: int) -> Axes:
    """Axes of a new figure in the proportions of the grid, with room for a title and labels."""
    width = n_columns * _TILE_INCHES
    height = width * shape[0] / shape[1]
    scale = min(1.0, _MAX_INCHES / max(width, height))
    return _axes.one(None, (scale * width + 1.2, scale * height + 0.5))
