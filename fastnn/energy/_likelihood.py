"""What a fitted RBM can say of its whole distribution: partition function, likelihood, tempered draws."""

from __future__ import annotations

import numpy as np

from fastnn._kernels.annealed import start_states
from fastnn._kernels.source import unpack_states
from fastnn._threads import single_threaded_blas
from fastnn._validation import check_n_threads, random_key
from fastnn.energy import _annealing
from fastnn.energy._checks import check_count
from fastnn.energy._replicas import Replicas, Tempered
from fastnn.energy.partition import MAX_EXACT_UNITS, LogPartition, exact_log_partition


class LikelihoodMixin:
    """ln Z and ln P(v) of a model that has parameters."""

    def log_partition(
        self,
        method="auto",
        X=None,
        *,
        n_chains=100,
        n_betas=10_000,
        betas=None,
        base="data",
        random_state=None,
    ):
        """ln Z, the logarithm of the sum (or integral) of e^-E over all states.

        Parameters
        ----------
        method : {"auto", "exact", "ais", "reverse_ais", "bridge"}, default="auto"
            "exact" sums over all states of a layer of at most 25 bernoulli or spin units, the other layer in
            closed form; between Gaussian units it is a determinant. The others serve units of every kind.
            "ais" anneals chains from independent visible units to the model [1]_: a mean of weights that is
            right on average, and in practice too low where chains miss a part of the space. "reverse_ais"
            leads chains from rows of X back to independent units [2]_, which errs the other way. "bridge"
            does both, the reverse chains having made a tenth of their steps at the model before, joins them
            by Bennett's acceptance ratio [3]_ and warns where they disagree. "auto": "exact" if it can be,
            else "bridge" with X and "ais" without.
        X : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
            States of the visible units from which reverse chains start, n_chains rows of them. Draws of the
            model serve best (``temper(n).samples``): rows that it does not fit pull the reverse estimate
            down, and the bridge with it.
        n_chains : int, default=100
            Chains each way, all at once.
        n_betas : int, default=10000
            Steps in inverse temperature, of equal size. The error falls with n_chains and n_betas, the
            disagreement of both ways with n_betas.
        betas : array-like of shape (n_betas + 1,), default=None
            Inverse temperatures that rise from 0 to 1, in place of equal steps.
        base : {"data", "uniform"} or array-like of shape (n_features,), default="data"
            Biases of the visible units at beta = 0, like `intercept_visible_` (of Gaussian units in units of
            sigma). "data": those of the means met in `fit`; of X where the model has met no data; of the
            model's own draws where there is no X either. "uniform": zeros.
        random_state : int, RandomState instance or None, default=None
            None: the model's own stream, which goes on from call to call.

        Returns
        -------
        log_z : LogPartition
            With its error bars; ``float(log_z)`` is the value.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            The model has no parameters yet.
        ValueError
            "exact" of layers that are too large for it or have no two-valued units; a reverse method without
            X, or X that is not states; parameters out of their range.
        OverflowError
            Rates or numbers of unbounded units leave the range of the model's dtype.
        KeyboardInterrupt
            After Ctrl-C.

        Warns
        -----
        LikelihoodWarning
            Both ways of a bridge are more than a nat apart.

        Notes
        -----
        At beta the fields are beta times the model's plus 1 - beta times the base's, while each unit's own
        law stays: the geometric mean of both ends. By Hoelder's inequality ln Z(beta) is at most
        (1 - beta) ln Z(0) + beta ln Z(1), so every model that can be normalised can be annealed. Where both
        layers are Gaussian or rectified, the weights of chains have a variance only if steps of beta near 1
        are smaller than 1 less the largest singular value of W ([4]_ on heavy tails): take many.

        References
        ----------
        .. [1] Salakhutdinov, Murray, "On the quantitative analysis of deep belief networks", ICML 2008,
           872-879.
        .. [2] Burda, Grosse, Salakhutdinov, "Accurate and conservative estimates of MRF log-likelihood using
           reverse annealing", AISTATS 2015, 102-110.
        .. [3] Bennett, "Efficient estimation of free energy differences from Monte Carlo data", J. Comput.
           Phys. 22 (1976), 245-268.
        .. [4] Neal, "Annealed importance sampling", Statistics and Computing 11 (2001), 125-139.

        Examples
        --------
        ln of 2 [(1 + 1)(1 + 1) + (1 + e)(1 + 1) + (1 + 1)(1 + e^2) + (1 + e)(1 + e^2)]:

        >>> from fastnn import RBM
        >>> rbm = RBM.from_parameters([[0.0, 1.0], [2.0, 0.0], [0.0, 0.0]], random_state=0)
        >>> round(rbm.log_partition().value, 3)
        4.778
        >>> annealed = rbm.log_partition("ais", n_betas=500, base="uniform", random_state=0)
        >>> annealed.lower < 4.778 < annealed.upper
        True

        Counts, from both sides:

        >>> import numpy as np
        >>> counts = np.random.default_rng(0).poisson(3, (200, 20))
        >>> rbm = RBM(30, visible="poisson", n_iter=5, random_state=0).fit(counts)
        >>> log_z = rbm.log_partition("bridge", counts, n_betas=300, random_state=0)
        >>> ais, reverse = log_z.parts["ais"], log_z.parts["reverse_ais"]
        >>> log_z.error < 0.05, ais.lower < log_z.value < reverse.upper
        (True, True)
        """
        self._check_fitted()
        n_threads = check_n_threads(self.n_threads)
        known = ("auto", "exact", *_annealing.METHODS)
        if method not in known:
            raise ValueError(f"method must be one of {known}, got {method!r}")
        n_chains, betas = _annealing.check_schedule(n_chains, n_betas, betas)
        rows = None if X is None else self._rows(X)
        source = None if X is None else self._start_states(rows, n_threads)
        if method == "auto":
            method = "exact" if self._has_exact_sum() else "ais" if X is None else "bridge"
        if method == "exact":
            return self._exact_log_partition(n_threads)
        if method != "ais" and source is None:
            raise ValueError(f"method={method!r} needs X: rows of data from which its reverse chains start")
        reference = _annealing.base_biases(self, base, rows)
        key = self._fresh_key(random_state)
        annealing = _annealing.Annealing(self, reference, betas, key, n_threads)
        if method == "ais":
            return annealing.ais(annealing.forward(n_chains))
        if method == "reverse_ais":
            return annealing.reverse_ais(annealing.backward(source, n_chains, 0))
        backward = annealing.backward(source, n_chains, len(betas) // 10)
        found = annealing.bridge(annealing.forward(n_chains), backward)
        _annealing.warn_of_disagreement(*found.parts.values())
        return found

    def _smaller_layer(self) -> tuple[int, bool, bool] | None:
        """Size of the smaller layer of bernoulli or spin units, whether it is the hidden one, whether both
        are of such units; None where there is none."""
        names, shape = self._units(), self.components_.shape
        layers = [(shape[k], k == 0) for k in (0, 1) if names[1 - k] in ("bernoulli", "spin")]
        return (*min(layers, key=lambda layer: layer[0]), len(layers) == 2) if layers else None

    def _has_exact_sum(self) -> bool:
        layer = self._smaller_layer()
        is_small = layer is not None and layer[0] <= MAX_EXACT_UNITS
        return is_small or self._units() == ("gaussian", "gaussian")

    def _exact_log_partition(self, n_threads: int) -> LogPartition:
        if self._units() == ("gaussian", "gaussian"):
            return self._gaussian_log_partition()
        layer, (n_hidden, n_visible) = self._smaller_layer(), self.components_.shape
        if layer is None:
            raise ValueError(
                "the exact sum needs a layer of bernoulli or spin units, but the layers are "
                f"{self._units()}; use 'ais' or 'bridge'"
            )
        if layer[0] > MAX_EXACT_UNITS:
            raise ValueError(
                f"the exact sum needs a layer of at most {MAX_EXACT_UNITS} bernoulli or spin units, but the "
                f"layers are {n_visible} {self._units()[0]} and {n_hidden} {self._units()[1]} units; use "
                "'ais' or 'bridge'"
            )
        weights = self._make_weights(*self._parameters(), n_threads, dtype=np.float64)
        return exact_log_partition(weights, n_threads, *layer[1:])

    def _gaussian_log_partition(self) -> LogPartition:
        """(n ln 2 pi - ln det P + c'P^-1 c) / 2 with precision P = [[1, -W], [-W', 1]] and c = (a, b)."""
        self._check_normalisable(self.components_)
        W, a, b = (p.astype(np.float64) for p in self._parameters())
        left, s, right = np.linalg.svd(W.T, full_matrices=False)
        a_, b_ = left.T @ a, right @ b
        # Along each pair of singular vectors P is [[1, -s], [-s, 1]]; elsewhere it is 1.
        along = (a_**2 + b_**2 + 2 * s * a_ * b_) / (1 - s**2)
        square = along.sum() + a @ a - a_ @ a_ + b @ b - b_ @ b_
        value = 0.5 * ((a.size + b.size) * np.log(2 * np.pi) - np.log1p(-(s**2)).sum() + square)
        return LogPartition(float(value), float(value), float(value), "exact")

    def _start_states(self, rows, n_threads: int):
        source = self._visible(rows, self._levels(), n_threads)
        if not (source.binary or self._valued()[0]):
            raise ValueError(
                "chains start from states, but X has values between them: draw or threshold them first"
            )
        return source

    def log_likelihood(self, X, log_z=None, **params):
        """ln P(v) = -F(v) - ln Z for each row, in nats.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        log_z : LogPartition or float, default=None
            What `log_partition` gave; None: it is asked now, with the states of X.
        **params
            Of `log_partition`.

        Returns
        -------
        log_p : ndarray of shape (n_samples,), float64

        Warns
        -----
        LikelihoodWarning
            See `log_partition`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            The model has no parameters yet.
        TypeError
            Both `log_z` and parameters of `log_partition` are given.
        ValueError
            X does not fit the visible units; and as in `log_partition`.

        Examples
        --------
        All states together have probability 1:

        >>> import numpy as np
        >>> from fastnn import RBM
        >>> rbm = RBM.from_parameters([[0.0, 1.0], [2.0, 0.0], [0.0, 0.0]])
        >>> states = np.indices((2, 2, 2)).reshape(3, -1).T
        >>> float(np.exp(rbm.log_likelihood(states)).sum().round(6))
        1.0
        """
        if log_z is None:
            self._check_fitted()
            method = params.get("method", "auto")
            if method != "exact" and not (method == "auto" and self._has_exact_sum()):
                params.setdefault("X", X)
            log_z = self.log_partition(**params)
        elif params:
            raise TypeError(f"log_z is given, so {sorted(params)} would change nothing")
        return -self.free_energy(X) - float(log_z)

    def temper(
        self,
        n_samples=1,
        n_steps=1000,
        *,
        betas=10,
        swap_interval=1,
        base="data",
        v_init=None,
        clamp=None,
        random_state=None,
    ):
        """Draw visible states by parallel tempering: for models whose Gibbs chains stay where they are.

        Each sample is the end of a ladder [1]_, [2]_ of replicas between independent units (beta = 0), where
        states change freely, and the model (beta = 1); neighbours exchange their temperatures.

        Parameters
        ----------
        n_samples : int, default=1
            Ladders.
        n_steps : int, default=1000
            Steps v -> h -> v of each replica.
        betas : int or array-like of shape (n_betas,), default=10
            Replicas of a ladder, evenly spaced from 0 to 1; or their inverse temperatures, rising to 1.
        swap_interval : int, default=1
            Steps between exchanges, which take even and odd pairs of neighbours in turn.
        base : {"data", "uniform"} or array-like of shape (n_features,), default="data"
            Biases of the visible units at beta = 0, as in `log_partition`.
        v_init : array-like of shape (n_samples, n_features) or (n_features,), default=None
            Where every replica starts; None: drawn from the base.
        clamp : array-like of bool of shape (n_features,), default=None
            Units held at their value in `v_init`: the rest is sampled given these.
        random_state : int, RandomState instance or None, default=None
            None: the model's own stream, which goes on from call to call.

        Returns
        -------
        found : Tempered
            With `samples`, `betas`, `swap_rates` and `round_trips`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            The model has no parameters yet.
        ValueError
            A ladder that does not rise to 1, rows of `v_init` that are not states or not one for each ladder,
            a clamp without them; parameters out of their range.
        KeyboardInterrupt
            After Ctrl-C.

        References
        ----------
        .. [1] Desjardins, Courville, Bengio, Vincent, Delalleau, "Tempered Markov chain Monte Carlo for
           training of restricted Boltzmann machines", AISTATS 2010, 145-152.
        .. [2] Cho, Raiko, Ilin, "Parallel tempering is efficient for learning restricted Boltzmann machines",
           IJCNN 2010.

        Examples
        --------
        The sum over all states says that the second unit is 1 with probability 0.807:

        >>> from fastnn import RBM
        >>> rbm = RBM.from_parameters([[0.0, 1.0], [2.0, 0.0], [0.0, 0.0]], random_state=0)
        >>> found = rbm.temper(2000, 50, betas=4, base="uniform", random_state=0)
        >>> found.samples.shape, abs(float(found.samples[:, 1].mean()) - 0.807) < 0.03
        ((2000, 3), True)
        """
        self._check_fitted()
        n_threads = check_n_threads(self.n_threads)
        n_samples, n_steps = check_count("n_samples", n_samples, 1), check_count("n_steps", n_steps, 0)
        swap_interval = check_count("swap_interval", swap_interval, 1)
        betas = _annealing.check_ladder(betas)
        mask = None if clamp is None else self._check_clamp(clamp, v_init)
        key = self._fresh_key(random_state)
        reference = _annealing.base_biases(self, base, None)
        weights = self._weights(n_threads)
        states = start_states(weights, None, n_samples * betas.size)
        if v_init is not None:
            rows = self._rows(np.atleast_2d(v_init))
            if rows.shape[0] not in (1, n_samples):
                raise ValueError(f"v_init has {rows.shape[0]} rows, but n_samples={n_samples}")
            start = start_states(weights, self._start_states(rows, n_threads), rows.shape[0])
            states[...] = np.repeat(np.broadcast_to(start, (n_samples, start.shape[1])), betas.size, axis=0)
        replicas = Replicas(weights, states, betas, reference, key, mask, n_threads)
        with single_threaded_blas(any(self._valued())):
            if v_init is None:
                replicas.draw_base()
            replicas.run(n_steps, swap_interval)
        samples = self._states_of(replicas.model_states())
        trips = replicas.arrivals / replicas.rung.size
        return Tempered(samples, betas, replicas.swap_rates(), trips)

    def _states_of(self, states) -> np.ndarray:
        """Rows of `start_states` as the user knows them."""
        if self._valued()[0]:
            return states[:, : self.n_features_in_] * self.__dict__.get("sigma_", states.dtype.type(1))
        bits = unpack_states(states, self.n_features_in_)
        return 2 * bits.astype(np.int8) - 1 if self._units()[0] == "spin" else bits

    def _fresh_key(self, random_state) -> int:
        """Of a call's own random streams."""
        if random_state is not None:
            return random_key(random_state)
        entropy = [self._key, self._runtime.take_steps(1)]
        return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0])
