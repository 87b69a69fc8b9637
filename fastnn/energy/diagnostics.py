"""How well chains mix: effective sample size, R-hat and autocorrelation, all by ArviZ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.utils import check_random_state

from fastnn.energy._checks import check_count

# For chains that never move there is no variance to divide by; NaN or inf says so.
_constant_chains = np.errstate(divide="ignore", invalid="ignore")


@_constant_chains
def effective_sample_size(draws: np.ndarray) -> float:
    """Independent draws that those of (n_chains, n_draws) are worth."""
    return float(_arviz().ess(draws))


@_constant_chains
def r_hat(draws: np.ndarray) -> float:
    """Rank-normalised split R-hat of (n_chains, n_draws)."""
    return float(_arviz().rhat(draws))


@_constant_chains
def autocorrelation(draws: np.ndarray) -> np.ndarray:
    """By lag, from 1 at lag 0; the mean over the chains of (n_chains, n_draws)."""
    return np.mean(_arviz().autocorr(draws, axis=1), axis=0)


def _arviz():
    try:
        import arviz
    except ImportError as error:
        raise ImportError(
            'chain diagnostics need ArviZ; install it with: pip install "fastnn[diagnostics]"'
        ) from error
    return arviz


@dataclass(frozen=True)
class ChainDiagnostics:
    """What chains of a model told of their mixing.

    Attributes
    ----------
    effective_sample_size : float
        Independent draws that all draws together are worth.
    r_hat : float
        Near 1 if the chains agree with each other and with themselves later on; above 1.01 they have not
        run for long enough [1]_.
    autocorrelation : ndarray of shape (n_draws,)
        By lag, the mean over chains.
    draws : ndarray of shape (n_chains, n_draws)
        The observable.

    References
    ----------
    .. [1] Vehtari, Gelman, Simpson, Carpenter, Bürkner, "Rank-normalization, folding, and localization: an
       improved R-hat for assessing convergence of MCMC", Bayesian Analysis 16 (2021), 667-718.
    """

    effective_sample_size: float
    r_hat: float
    autocorrelation: np.ndarray
    draws: np.ndarray


class Diagnosed:
    """Gives a model with chains `diagnose`."""

    def diagnose(
        self, n_chains=8, n_draws=1000, *, n_steps=1, burn_in=100, observable=None, random_state=None
    ) -> ChainDiagnostics:
        """Run fresh chains and tell how well they mix; needs ArviZ.

        Parameters
        ----------
        n_chains : int, default=8
        n_draws : int, default=1000
            Of each chain; at least 4.
        n_steps : int, default=1
            Gibbs steps from one draw to the next.
        burn_in : int, default=100
            Steps before the first draw.
        observable : callable, default=None
            observable(states) -> one number a row; states of the visible units of an RBM, of all units of
            a Boltzmann machine. None: their free energy, or energy.
        random_state : int, RandomState instance or None, default=None

        Returns
        -------
        diagnostics : ChainDiagnostics

        Raises
        ------
        ImportError
            ArviZ is not installed.
        ValueError
            Numbers that will not do, or an observable that does not give one finite number a row.

        Notes
        -----
        Chains that all sit in one mode look perfect: begin with several, and look at an observable that
        differs between modes.

        Examples
        --------
        >>> from fastnn import RBM
        >>> rbm = RBM.from_parameters([[0.5, 0.2], [0.1, -0.3]])
        >>> found = rbm.diagnose(4, 200, random_state=0)
        >>> found.r_hat < 1.05
        True
        """
        counts = {"n_chains": (n_chains, 1), "n_draws": (n_draws, 4), "n_steps": (n_steps, 1)}
        for name, (value, least) in {**counts, "burn_in": (burn_in, 0)}.items():
            check_count(name, value, least)
        _arviz()
        rng = check_random_state(random_state)
        states = self._chains_begun(n_chains, burn_in, int(rng.randint(2**31)))
        observe: Callable = self._chains_observed if observable is None else observable
        draws = np.empty((n_chains, n_draws))
        for t in range(n_draws):
            states = self._chains_moved(states, n_steps, int(rng.randint(2**31)))
            values = np.asarray(observe(states), dtype=np.float64)
            if values.shape != (n_chains,) or not np.isfinite(values).all():
                raise ValueError(
                    f"the observable must give one finite number for each of {n_chains} rows, got an array "
                    f"of shape {values.shape}" + (" with others" if values.shape == (n_chains,) else "")
                )
            draws[:, t] = values
        return ChainDiagnostics(effective_sample_size(draws), r_hat(draws), autocorrelation(draws), draws)


class RBMChains(Diagnosed):
    """Chains of an RBM as `diagnose` runs them."""

    def _chains_begun(self, n_chains: int, n_steps: int, seed: int):
        if self._units()[0] not in ("bernoulli", "spin"):
            return self.sample(n_chains, n_steps, random_state=seed)
        # From anywhere at all: chains that begin alike would agree without having mixed.
        low = self._unit_low()
        starts = np.random.default_rng(seed).integers(2, size=(n_chains, self.n_features_in_))
        return self.sample(n_chains, n_steps, v_init=low + (1 - low) * starts, random_state=seed)

    def _chains_moved(self, states, n_steps: int, seed: int):
        return self.gibbs(states, n_steps, random_state=seed)

    def _chains_observed(self, states):
        return self.free_energy(states)
