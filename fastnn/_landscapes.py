"""Pictures of energies: surfaces, courses and transitions; public through ``fastnn.plot``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _axes, _tiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike


def energy_trace(
    energies: Any, *, n_traces: int = 50, ax: Axes | None = None, title: str | None = None
) -> Axes:
    """Draw energies sweep by sweep, a line for each probe or read.

    Parameters
    ----------
    energies : Recalled, Samples or array-like of shape (n_traces, n_steps)
        What ``HopfieldNetwork.recall`` returned, samples with the observable "energy", or the energies.
    n_traces : int, default=50
        At most so many lines are drawn, the first ones.
    ax : matplotlib.axes.Axes, default=None
        Where to draw; None makes a new figure.
    title : str, default=None

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        matplotlib is not installed.
    ValueError
        There are no energies, or they are not finite.

    Examples
    --------
    >>> from fastnn import HopfieldNetwork, plot
    >>> network = HopfieldNetwork().fit([[1, 1, 1, 1], [1, 1, -1, -1]])
    >>> ax = plot.energy_trace(network.recall([[1, 1, 1, -1], [-1, 1, -1, -1]]))
    >>> ax.get_ylabel()
    'energy'
    """
    found = getattr(energies, "energies", energies)
    if hasattr(energies, "observables"):
        found = energies.observables.get("energy")
    if found is None:
        raise ValueError("no energies were recorded: nothing to draw")
    traces = _tiles.as_array(found, "energies")[: _tiles.positive(n_traces, "n_traces")]
    ax = _axes.one(ax, (5.2, 3.4))
    alpha = max(0.15, min(1.0, 4 / len(traces)))
    ax.plot(np.arange(traces.shape[1]), traces.T, color=_axes.INK, alpha=alpha, linewidth=1.2)
    ax.set(xlabel="sweep", ylabel="energy")
    _axes.hide(ax, "top", "right")
    if title is not None:
        ax.set_title(title)
    return ax


def energy_landscape(
    network: Any,
    patterns: ArrayLike | None = None,
    *,
    n_steps: int = 41,
    cmap: str = "viridis",
    ax: Axes | None = None,
    random_state: int = 0,
) -> Axes:
    """Draw the energy of a Hopfield network over the overlaps with two patterns.

    A state with a given pair of overlaps agrees with both patterns, or with one of them, at so many units
    drawn at random; its energy is drawn. Attractors are hollows: the patterns are marked by dots, their
    opposites by circles. Patterns that resemble each other too much share one hollow.

    Parameters
    ----------
    network : fitted HopfieldNetwork
    patterns : array-like of shape (2, n_features), default=None
        None: the first two that were learned.
    n_steps : int, default=41
        States along each axis.
    cmap : str, default="viridis"
    ax : matplotlib.axes.Axes, default=None
        Where to draw; None makes a new figure.
    random_state : int, default=0
        For the choice of units.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        matplotlib is not installed.
    ValueError
        Not two different patterns, one not the opposite of the other.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import HopfieldNetwork, plot
    >>> patterns = np.random.default_rng(0).choice([-1, 1], (2, 100))
    >>> ax = plot.energy_landscape(HopfieldNetwork().fit(patterns), n_steps=11)
    >>> ax.get_xlabel()
    'overlap with the first pattern'
    """
    chosen = network.patterns_[:2] if patterns is None else np.asarray(patterns)
    if len(chosen) != 2:
        raise ValueError(f"a landscape needs two patterns, got {len(chosen)}")
    first, second = chosen
    same = first == second
    if same.all() or not same.any():
        raise ValueError("the two patterns are equal or opposite: they span no plane")
    agree, differ = _ladders(same, _tiles.positive(n_steps, "n_steps"), random_state)
    # every rung of one ladder with every rung of the other: factors -1 or +1 of the first pattern
    states = first * (agree[:, None, :] * differ[None, :, :]).reshape(-1, len(first))
    overlaps = network.overlap(states, chosen)
    ax = _axes.one(ax, (5.4, 4.4))
    drawn = ax.tricontourf(*overlaps.T, network.energy(states), levels=24, cmap=cmap)
    _axes.bar(ax, drawn, "energy")
    marks = network.overlap(chosen, chosen)
    ax.plot(*marks.T, "o", color="white", markeredgecolor="black", clip_on=False)
    ax.plot(*-marks.T, "o", color="none", markeredgecolor="0.5", clip_on=False)
    ax.set(xlabel="overlap with the first pattern", ylabel="overlap with the second pattern", aspect="equal")
    return ax


def _ladders(same: np.ndarray, n_steps: int, random_state: int) -> tuple[np.ndarray, np.ndarray]:
    """Factors (n_steps, n): from all -1 to all +1 where patterns agree, and likewise where they differ."""
    rng = np.random.default_rng(random_state)
    ladders = []
    for among in (same, ~same):
        rank = np.full(len(same), -1.0)
        rank[among] = rng.permutation(among.sum())
        heights = np.linspace(0, among.sum(), n_steps)
        ladders.append(np.where(among & (rank >= heights[:, None]), -1, 1))
    return ladders[0], ladders[1]


def transition_probability(
    betas: Sequence[float],
    *,
    acceptance: str = "heat_bath",
    limit: float = 6.0,
    cmap: str = "plasma",
    ax: Axes | None = None,
) -> Axes:
    """Draw the probability to take a step against its change of energy, at several temperatures.

    Hot, any step is taken, uphill or not; cold, only those that do not raise the energy: the walk then
    stays in the few states of lowest energy.

    Parameters
    ----------
    betas : sequence of float
        Inverse temperatures, such as those of a schedule.
    acceptance : {"heat_bath", "metropolis"}, default="heat_bath"
        1 / (1 + e^(beta dE)), or min(1, e^(-beta dE)).
    limit : float, default=6.0
        Changes of energy from -limit to limit.
    cmap : str, default="plasma"
        Cold to hot, its palest end left out.
    ax : matplotlib.axes.Axes, default=None
        Where to draw; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        matplotlib is not installed.
    ValueError
        An unknown acceptance, no betas, negative or infinite ones.

    Examples
    --------
    >>> from fastnn import plot
    >>> ax = plot.transition_probability([0.1, 1, 5])
    >>> len(ax.lines)
    3
    """
    if acceptance not in ("heat_bath", "metropolis"):
        raise ValueError(f"acceptance must be 'heat_bath' or 'metropolis', got {acceptance!r}")
    betas = np.atleast_1d(np.asarray(betas, dtype=np.float64))
    if betas.ndim != 1 or not len(betas) or not ((betas >= 0) & np.isfinite(betas)).all():
        raise ValueError("betas must be finite numbers that are not negative, at least one")
    plt = _axes.pyplot()
    change = np.linspace(-limit, limit, 401)
    exponents = betas[:, None] * change
    if acceptance == "heat_bath":
        curves = 0.5 * (1 - np.tanh(exponents / 2))
    else:
        curves = np.exp(-np.maximum(exponents, 0))
    ax = _axes.one(ax, (5.2, 3.4))
    colors = plt.get_cmap(cmap)(np.linspace(0, 0.8, len(betas)))
    for rank, k in enumerate(np.argsort(-betas, kind="stable")):
        ax.plot(change, curves[k], color=colors[rank], label=f"β = {betas[k]:.3g}")
    ax.set(xlabel="change of energy", ylabel="probability of the step", ylim=(-0.02, 1.02))
    _axes.hide(ax, "top", "right")
    if len(betas) <= 8:
        ax.legend(frameon=False)
    return ax
