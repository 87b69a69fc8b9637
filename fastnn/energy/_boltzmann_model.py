"""What every Boltzmann machine can do once it has parameters: draws, energies, likelihoods."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from fastnn._kernels.boltzmann import Chains
from fastnn._saving import Savable
from fastnn._validation import check_n_threads, random_key, real_dtype
from fastnn.energy._boltzmann import Machine, annealed_log_partition
from fastnn.energy._conversions import LOW
from fastnn.energy._phases import coins
from fastnn.energy.diagnostics import Diagnosed
from fastnn.energy.partition import LogPartition

# Draws after the fit take another key than those during it.
_SAMPLING = 0x9E3779B97F4A7C15


class BoltzmannModel(Savable, Diagnosed, BaseEstimator):
    """Base of BoltzmannMachine: what needs parameters and no data to learn from."""

    @property
    def _low(self) -> int:
        return LOW[self.units]

    def _states(self, X, *, reset: bool, n_units: int | None = None, name: str = "X") -> np.ndarray:
        """Rows of states as real numbers; n_units: of hidden or all units instead of the visible ones."""
        if n_units is None:
            X = validate_data(self, X, reset=reset, dtype="numeric")
        else:
            X = check_array(X, dtype="numeric", input_name=name)
            if X.shape[1] != n_units:
                raise ValueError(f"{name} has {X.shape[1]} columns, but {n_units} units are meant")
        dtype = real_dtype(X, np.float64).newbyteorder("=")
        if not reset:
            dtype = self.weights_.dtype
        if X.dtype == np.bool_:
            return np.where(X, 1, self._low).astype(dtype)
        if not np.isin(X, (self._low, 1)).all():
            raise ValueError(f"{self.units} units take the values {self._low} and 1, but {name} has others")
        return X.astype(dtype)

    def _machine(self) -> Machine:
        check_is_fitted(self)
        parameters = (np.ascontiguousarray(x) for x in (self.weights_, self.bias_))
        return Machine(*parameters, self.n_features_in_, self._low)

    # --- draws -----------------------------------------------------------------------------------

    def sample(self, n_samples=1, n_steps=100, *, v_init=None, clamp=None, random_state=None):
        """Gibbs sampling, one chain a sample, with any units held fixed.

        Parameters
        ----------
        n_samples : int, default=1
        n_steps : int, default=100
            Sweeps over the units that are not held.
        v_init : array-like of shape (n_samples, n), (1, n) or (n,), default=None
            Where chains begin: n = n_features, or all units. None, and units not given: fair coins.
        clamp : array-like of bool of shape (n,), default=None
            Which of the units of v_init are held at their values there.
        random_state : int, RandomState instance or None, default=None
            None: the machine's own random_state.

        Returns
        -------
        S : ndarray of shape (n_samples, n)
            Visible units; all of them if v_init gave all.
        """
        check_is_fitted(self)
        for name, value, least in (("n_samples", n_samples, 1), ("n_steps", n_steps, 0)):
            if not isinstance(value, Integral) or value < least:
                raise ValueError(f"{name} must be an int of at least {least}, got {value!r}")
        n, key = len(self.bias_), random_key(self.random_state if random_state is None else random_state)
        start = coins((n_samples, n), self._low, key, 2)
        given = self._given(v_init, n_samples)
        wide = self.n_features_in_ if given is None else given.shape[1]
        if given is not None:
            start[:, :wide] = given
        free = np.ones(n, np.bool_)
        if clamp is not None:
            clamp = np.asarray(clamp)
            if clamp.dtype != np.bool_ or given is None or clamp.shape != (wide,):
                raise ValueError("clamp must be booleans, one for each unit of v_init, which it needs")
            free[:wide] = ~clamp
        chains = Chains(n_samples, n, self._low, key ^ _SAMPLING, self.weights_.dtype)
        chains.set_states(start, np.arange(n))
        order = np.flatnonzero(free)
        if len(order) and n_steps:
            machine, n_threads = self._machine(), check_n_threads(self.n_threads)
            chains.sweep(machine.weights, machine.bias, order, np.ones(n_steps), 0, n_threads)
        return np.ascontiguousarray(chains.states()[:, :wide])

    def _given(self, v_init, n_samples: int):
        if v_init is None:
            return None
        rows = np.atleast_2d(v_init)
        n = len(self.bias_) if rows.shape[1] == len(self.bias_) else self.n_features_in_
        rows = self._states(rows, reset=False, n_units=n, name="v_init")
        if len(rows) not in (1, n_samples):
            raise ValueError(f"v_init has {len(rows)} rows, but {n_samples} samples are wanted")
        return rows

    def _chains_begun(self, n_chains: int, n_steps: int, seed: int):
        check_is_fitted(self)
        start = coins((n_chains, len(self.bias_)), self._low, seed)
        return self.sample(n_chains, n_steps, v_init=start, random_state=seed)

    def _chains_moved(self, states, n_steps: int, seed: int):
        return self.sample(len(states), n_steps, v_init=states, random_state=seed)

    def _chains_observed(self, states):
        return self.offset_ + self._machine().energy(states)

    # --- measures --------------------------------------------------------------------------------

    def energy(self, V, H=None):
        """Energy of joint states.

        Parameters
        ----------
        V : array-like of shape (n_samples, n_features)
        H : array-like of shape (n_samples, n_hidden), default=None
            Needed if there are hidden units.

        Returns
        -------
        energies : ndarray of shape (n_samples,), float64
        """
        machine = self._machine()
        V = self._states(V, reset=False)
        if (H is None) != (self.n_hidden == 0):
            raise ValueError(f"the machine has {self.n_hidden} hidden units: H must say their states")
        if H is not None:
            H = self._states(H, reset=False, n_units=self.n_hidden, name="H")
            if len(H) != len(V):
                raise ValueError(f"V has {len(V)} rows and H has {len(H)}")
            V = np.concatenate([V, H], axis=1)
        return self.offset_ + machine.energy(V)

    def free_energy(self, X):
        """F(v) = -ln sum_h e^(-E(v, h)).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        F : ndarray of shape (n_samples,), float64

        Raises
        ------
        ValueError
            More than 20 hidden units that are coupled to each other.
        """
        return self.offset_ + self._machine().free_energy(self._states(X, reset=False))

    def score_samples(self, X):
        """Pseudo-log-likelihood, sum_i ln P(v_i given the other visible units), exact.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        scores : ndarray of shape (n_samples,), float64
        """
        return self._machine().pseudo_log_likelihood(self._states(X, reset=False))

    def log_partition(self, method="auto", *, n_chains=256, n_betas=1000):
        """ln Z.

        Parameters
        ----------
        method : {"auto", "exact", "ais"}, default="auto"
            Over all states, for up to 25 units, or annealed importance sampling. "auto": exact if it can be.
        n_chains, n_betas : int
            Of annealed importance sampling.

        Returns
        -------
        log_z : LogPartition
            With `value`, `lower` and `upper`: three standard errors where it was sampled.
        """
        if method not in ("auto", "exact", "ais"):
            raise ValueError(f"method must be 'auto', 'exact' or 'ais', got {method!r}")
        for name, value in (("n_chains", n_chains), ("n_betas", n_betas)):
            if not isinstance(value, Integral) or value < 2:
                raise ValueError(f"{name} must be an int of at least 2, got {value!r}")
        machine = self._machine()
        if method == "exact" or (method == "auto" and len(self.bias_) <= 25):
            value = self.to_ising().enumerate().log_partition
            return LogPartition(value, value, value, "exact")
        key = random_key(self.random_state) ^ _SAMPLING
        found = annealed_log_partition(machine, n_chains, n_betas, key, check_n_threads(self.n_threads))
        shifted = (x - self.offset_ for x in (found.value, found.lower, found.upper))
        return LogPartition(*shifted, "ais")

    def log_likelihood(self, X, **params):
        """ln P(v) of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        **params
            Of `log_partition`.

        Returns
        -------
        log_p : ndarray of shape (n_samples,), float64
        """
        return -self.free_energy(X) - float(self.log_partition(**params))
