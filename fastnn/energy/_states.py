"""States of a fitted RBM: draws of them, and their energies."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_array

from fastnn._kernels import layers
from fastnn._kernels.core import unit_values
from fastnn._kernels.gibbs import gibbs
from fastnn._kernels.source import pack_mask
from fastnn._threads import single_threaded_blas
from fastnn._validation import check_n_threads, random_key, visible_source


class StatesMixin:
    """Gibbs sampling and energies of a model that has parameters."""

    # --- draws -----------------------------------------------------------------------------------

    def gibbs(self, v, n_steps=1, *, random_state=None, first_chain=0):
        """Alternate draws of the hidden and the visible units, starting from v.

        Parameters
        ----------
        v : array-like of shape (n_samples, n_features)
            States to start from; values between states set the first hidden draw's probabilities.
        n_steps : int, default=1
            Full steps v -> h -> v.
        random_state : int, RandomState instance or None, default=None
            None: the model's own stream, which goes on from call to call.
        first_chain : int, default=0
            The random stream of row r is that of chain ``first_chain + r``: with the same random_state,
            rows sampled in several calls equal those sampled in one.

        Returns
        -------
        v_new : ndarray of shape (n_samples, n_features)
            bool for Bernoulli and Potts units, int8 (-1, +1) for spins, else numbers in the model's dtype.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            The model has no parameters yet.
        ValueError
            v does not fit the visible units, `n_steps` or `first_chain` is negative or no int.
        KeyboardInterrupt
            After Ctrl-C.

        References
        ----------
        S. Geman, D. Geman, "Stochastic relaxation, Gibbs distributions, and the Bayesian restoration of
        images", IEEE Trans. PAMI 6 (1984), 721-741.

        Examples
        --------
        Four chains at once, and the last two of them by themselves:

        >>> from fastnn import RBM
        >>> rbm = RBM.from_parameters([[0.0, 1.0], [2.0, 0.0], [0.0, 0.0]], random_state=0)
        >>> four = rbm.gibbs([[1, 1, 1]] * 4, 10, random_state=0)
        >>> two = rbm.gibbs([[1, 1, 1]] * 2, 10, random_state=0, first_chain=2)
        >>> four.dtype, bool((four[2:] == two).all())
        (dtype('bool'), True)
        """
        self._check_fitted()
        n_threads = check_n_threads(self.n_threads)
        _check_count("n_steps", n_steps, 0)
        _check_count("first_chain", first_chain, 0)
        source = self._visible(self._rows(v), self._levels(), n_threads)
        return self._sample(source, n_steps, random_state, first_chain, None, n_threads)

    def sample(self, n_samples=1, n_steps=1000, *, v_init=None, clamp=None, random_state=None):
        """Draw visible states by Gibbs sampling, one chain a sample.

        Parameters
        ----------
        n_samples : int, default=1
        n_steps : int, default=1000
            Full steps of each chain. Chains need to be long enough to forget where they started.
        v_init : array-like of shape (n_samples, n_features) or (n_features,), default=None
            Where the chains start; None: drawn from the visible biases alone.
        clamp : array-like of bool of shape (n_features,), default=None
            Units held at their value in `v_init`: the rest is sampled given these.
        random_state : int, RandomState instance or None, default=None
            None: the model's own stream, which goes on from call to call.

        Returns
        -------
        v : ndarray of shape (n_samples, n_features)
            bool for Bernoulli and Potts units, int8 (-1, +1) for spins, else numbers in the model's dtype.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            The model has no parameters yet.
        ValueError
            Numbers of samples or steps that count nothing; `clamp` that is no boolean mask of the features or
            comes without `v_init`; `v_init` of another number of rows than n_samples, or of values that the
            visible units cannot take (between states, where units are clamped).
        KeyboardInterrupt
            After Ctrl-C.

        Examples
        --------
        The first and the last unit are held at 1:

        >>> from fastnn import RBM
        >>> rbm = RBM.from_parameters([[0.0, 1.0], [2.0, 0.0], [0.0, 0.0]], random_state=0)
        >>> v = rbm.sample(3, 10, v_init=[1, 0, 1], clamp=[True, False, True], random_state=0)
        >>> v.shape, bool(v[:, [0, 2]].all())
        ((3, 3), True)
        """
        self._check_fitted()
        n_threads = check_n_threads(self.n_threads)
        _check_count("n_samples", n_samples, 1)
        _check_count("n_steps", n_steps, 0)
        mask = None if clamp is None else self._check_clamp(clamp, v_init)
        if v_init is None and self._units()[0] not in ("bernoulli", "spin"):
            source = None
        elif v_init is None:
            low = unit_values()[self._units()[0]][1]
            mean = self._start_means()
            source = visible_source(
                np.broadcast_to(mean, (n_samples, mean.size)),
                self._units()[0],
                "sample",
                strict=False,
                dtype=mean.dtype,
                n_threads=n_threads,
            )
            source.take_as(3 if low else 2, True)
        else:
            if np.ndim(v_init) == 1:
                v_init = np.repeat(np.asarray(v_init)[np.newaxis], n_samples, axis=0)
            source = self._visible(self._rows(v_init), self._levels(), n_threads)
            if source.n_rows != n_samples:
                raise ValueError(f"v_init has {source.n_rows} rows, but n_samples={n_samples}")
            if mask is not None and not source.binary and not self._valued()[0]:
                raise ValueError("clamped units need states in v_init, but it has values between them")
        return self._sample(source, n_steps, random_state, 0, mask, n_threads, n_samples)

    def _start_means(self) -> np.ndarray:
        a = self.intercept_visible_.astype(np.float64)
        mean = np.tanh(a) if self._units()[0] == "spin" else 0.5 * (1 + np.tanh(a / 2))
        return mean.astype(self.components_.dtype)

    def _check_clamp(self, clamp, v_init) -> np.ndarray:
        clamp = np.asarray(clamp)
        n_features = self.components_.shape[1]
        if clamp.dtype != np.bool_ or clamp.shape != (n_features,):
            raise ValueError(
                f"clamp must be a boolean mask of shape ({n_features},), got {clamp.dtype} of shape "
                f"{clamp.shape}"
            )
        if v_init is None:
            raise ValueError("clamp needs v_init: the values at which the units are held")
        return pack_mask(clamp)

    def _sample(self, source, n_steps, random_state, first_chain, mask, n_threads, n_samples=None):
        """source: None for n_samples chains that begin at draws from the biases."""
        if random_state is None:
            key, step = self._key, self._runtime.take_steps(n_steps + 1)
        else:
            key, step = random_key(random_state), 0
        dtypes = {"bernoulli": np.bool_, "potts": np.bool_, "spin": np.int8}
        dtype = dtypes.get(self._units()[0], self.components_.dtype)
        n_rows = n_samples if source is None else source.n_rows
        out = np.empty((n_rows, self.components_.shape[1]), dtype)
        weights = self._weights(n_threads)
        with single_threaded_blas(any(self._valued()) or (source is not None and not source.binary)):
            gibbs(weights, source, n_steps, key, step, first_chain, mask, out, n_threads)
        return out

    # --- energies --------------------------------------------------------------------------------

    def free_energy(self, X):
        """F(v) = -ln sum_h exp(-E(v, h)), in nats; with hidden units that are numbers, an integral over them.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        F : ndarray of shape (n_samples,), float64

        Raises
        ------
        sklearn.exceptions.NotFittedError
            The model has no parameters yet.
        ValueError
            X does not fit the visible units.

        References
        ----------
        Hinton, "A practical guide to training restricted Boltzmann machines", UTML TR 2010-003.

        Examples
        --------
        -ln (1 + e^2) - ln (1 + e):

        >>> from fastnn import RBM
        >>> rbm = RBM.from_parameters([[0.0, 1.0], [2.0, 0.0], [0.0, 0.0]], random_state=0)
        >>> rbm.free_energy([[1, 1, 0]]).round(3)
        array([-3.44])
        """
        self._check_fitted()
        n_threads = check_n_threads(self.n_threads)
        return self._free_energy(self._rows(X), n_threads)

    def _free_energy(self, rows, n_threads: int) -> np.ndarray:
        source = self._visible(rows, self._levels(), n_threads)
        weights = self._weights(n_threads)
        hidden, visible = np.empty(source.n_rows), np.empty(source.n_rows)
        with single_threaded_blas():
            layers.log_partitions(weights, source, hidden, n_threads)
            layers.bias_energies(weights, source, visible, n_threads)
        return self._log_width() - visible - hidden

    def _log_width(self) -> float:
        """sum ln sigma: makes e^-F a density over v rather than over v / sigma."""
        return float(np.log(self.sigma_, dtype=np.float64).sum()) if "sigma_" in self.__dict__ else 0.0

    def energy(self, V, H):
        """E(v, h) = -a.v - b.h - v'Wh less ln of both layers' base measure, for pairs of rows, in nats.

        `fastnn.energy.units` tells each unit's base measure; that of two-valued units is 1.

        Parameters
        ----------
        V : array-like of shape (n_samples, n_features)
        H : array-like of shape (n_samples, n_components)
            States of both layers; their values are not checked.

        Returns
        -------
        E : ndarray of shape (n_samples,), float64

        Raises
        ------
        sklearn.exceptions.NotFittedError
            The model has no parameters yet.
        ValueError
            V and H do not fit each other or the model, or are not finite.

        References
        ----------
        Smolensky, "Information processing in dynamical systems: foundations of harmony theory", in:
        Rumelhart, McClelland, "Parallel distributed processing", volume 1, MIT Press 1986, 194-281.

        Examples
        --------
        >>> from fastnn import RBM
        >>> rbm = RBM.from_parameters([[0.0, 1.0], [2.0, 0.0], [0.0, 0.0]], random_state=0)
        >>> rbm.energy([[1, 1, 0]], [[1, 0]])
        array([-2.])
        """
        self._check_fitted()
        V = check_array(V, dtype=np.float64)
        H = check_array(H, dtype=np.float64)
        expected = (len(V), self.components_.shape[1]), (len(V), self.components_.shape[0])
        if (V.shape, H.shape) != expected:
            raise ValueError(f"V and H must have shapes {expected}, got {V.shape} and {H.shape}")
        if "sigma_" in self.__dict__:
            V = V / self.sigma_
        pairs = np.einsum("ni,ji,nj->n", V, self.components_, H, optimize=True)
        linear = -V @ self.intercept_visible_ - H @ self.intercept_hidden_ - pairs
        if not any(self._valued()):
            return linear
        weights = self._make_weights(*self._parameters(), check_n_threads(self.n_threads), dtype=np.float64)
        base = layers.log_base(weights, False, np.ascontiguousarray(V))
        return self._log_width() + linear - base - layers.log_base(weights, True, np.ascontiguousarray(H))


def _check_count(name: str, value, least: int) -> None:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be an int of at least {least}, got {value!r}")
