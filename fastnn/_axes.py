"""Axes: given by the caller or made here, and what all pictures of ``fastnn.plot`` have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#1f4e79"


def pyplot():
    """matplotlib.pyplot, or an error that says how to get it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            'fastnn.plot needs matplotlib; install it with: pip install "fastnn[plot]"'
        ) from error
    return plt


def one(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """The axes given, or those of a new figure of `size` inches."""
    return pyplot().subplots(figsize=size, layout="constrained")[1] if ax is None else ax


def panels(ax: Axes | Sequence[Axes] | None, n_panels: int) -> np.ndarray:
    """One axes a panel, given or new."""
    if n_panels == 0:
        raise ValueError("nothing to draw")
    if ax is None:
        _, axes = pyplot().subplots(
            1, n_panels, figsize=(3.2 * n_panels, 2.8), squeeze=False, layout="constrained"
        )
        return axes[0]
    axes = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
    if len(axes) != n_panels:
        raise ValueError(f"{n_panels} panels need {n_panels} axes, got {len(axes)}")
    return axes


def hide(ax: Axes, *sides: str) -> None:
    """Take frame lines away."""
    ax.spines[list(sides)].set_visible(False)


def bar(ax: Axes, drawn: Any, label: str = "", extend: str = "neither") -> None:
    """A colour bar exactly as high as the axes, whatever their proportions."""
    made = ax.figure.colorbar(drawn, cax=ax.inset_axes((1.02, 0.0, 0.025, 1.0)), extend=extend, label=label)
    made.outline.set_visible(False)
    made.ax.tick_params(labelsize="small", length=2)
