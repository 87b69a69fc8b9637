"""What every RBM can do once it has parameters: means, draws, energies."""

from __future__ import annotations

import threading

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from fastnn._kernels import layers
from fastnn._kernels.core import unit_values
from fastnn._kernels.gibbs import gibbs
from fastnn._kernels.source import pack_mask
from fastnn._kernels.weights import Weights
from fastnn._saving import Savable
from fastnn._threads import single_threaded_blas
from fastnn._validation import (
    check_n_threads,
    check_parameter,
    check_rows,
    random_key,
    real_dtype,
    visible_source,
)
from fastnn.energy._conversions import RBMConversions
from fastnn.energy._likelihood import LikelihoodMixin
from fastnn.energy.diagnostics import RBMChains
from fastnn.energy.units import check_pair, check_sigma, group_ranges, unit_name, why_not_normalisable

_PARAMETERS = ("components_", "intercept_visible_", "intercept_hidden_")


class _Runtime:
    """What a fitted model keeps beside its parameters; it never travels with a copy or a pickle."""

    def __init__(self, step: int = 0):
        # (parameters, the same ready for the loops): one object, so threads see both or neither.
        self.known: tuple[tuple, Weights | None] = ((), None)
        self.step = step
        self._lock = threading.Lock()

    def take_steps(self, n: int) -> int:
        """The first of n steps of the model's random streams that no other call gets."""
        with self._lock:
            self.step += n
            return self.step - n


class RBMModel(
    Savable,
    RBMChains,
    RBMConversions,
    LikelihoodMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Methods of fitted RBMs. Subclasses say what their units are and how strict they are.

    Fitted arrays are read-only, so that the fixed-point copy of the weights, made once, stays true:
    assign a new array to change a parameter.
    """

    _strict = True
    _state_dtype = np.float32
    _binarize: str | None = None

    # --- parameters ------------------------------------------------------------------------------

    visible: object = "bernoulli"
    hidden: object = "bernoulli"

    def _units(self) -> tuple[str, str]:
        """Names of the units of both layers."""
        return unit_name(self.visible), unit_name(self.hidden)

    def _valued(self) -> tuple[bool, bool]:
        """Whether the states of each layer are numbers rather than two values."""
        return tuple(unit_values()[unit][2] == 0 for unit in self._units())

    def _groups(self, hidden: bool) -> np.ndarray | None:
        n_hidden, n_visible = self.components_.shape
        if hidden:
            return group_ranges(self.hidden, n_hidden, "hidden")
        return group_ranges(self.visible, n_visible, "visible")

    def _check_normalisable(self, components) -> None:
        """ValueError, with the reason, if e^-E of these weights has no finite sum."""
        check_pair(*self._units(), learning=False)
        reason = why_not_normalisable(components.T, *self._units())
        if reason:
            raise ValueError(f"{self._units()[0]} and {self._units()[1]} units with these weights: {reason}")

    def _adopt(self, weights: Weights, key: int) -> None:
        """Show the parameters in `weights` as fitted attributes, without copying them."""
        n_visible, n_hidden = weights.n_units(False), weights.n_units(True)
        self.components_ = weights.dense[:, :n_hidden].T
        self.intercept_visible_ = weights.visible_bias[:n_visible]
        self.intercept_hidden_ = weights.hidden_bias[:n_hidden]
        if weights.sigma is not None:
            self.sigma_ = weights.sigma[:n_visible]
        elif hasattr(self, "sigma_"):
            del self.sigma_
        self._n_features_out = n_hidden
        self._key = key
        self._freeze()
        if not hasattr(self, "_runtime"):
            self._runtime = _Runtime()
        self._runtime.known = (self._held(), weights)

    def _freeze(self) -> None:
        for name in (*_PARAMETERS, "sigma_"):
            if name in self.__dict__:
                setattr(self, name, getattr(self, name)[...])
                getattr(self, name).flags.writeable = False

    def _parameters(self) -> tuple[np.ndarray, ...]:
        return tuple(getattr(self, name) for name in _PARAMETERS)

    def _held(self) -> tuple[np.ndarray, ...]:
        """All that `_weights` is made from."""
        return (*self._parameters(), *([self.sigma_] if "sigma_" in self.__dict__ else []))

    def _known_weights(self) -> Weights | None:
        """The parameters ready for the loops, unless others have been assigned since."""
        known, weights = self._runtime.known
        now = self._held()
        same = len(known) == len(now) and all(a is b for a, b in zip(now, known, strict=True))
        return weights if same else None

    def _check_fitted(self) -> None:
        """Raise NotFittedError, or what is wrong with parameters assigned to a fitted model."""
        if not self.__sklearn_is_fitted__():  # scikit-learn's own check costs more than a small call
            check_is_fitted(self)
        if self._known_weights() is not None:
            return
        for name in _PARAMETERS:
            value = getattr(self, name)
            checked = check_parameter(name, value)
            if checked is not value:
                setattr(self, name, checked)
        if self.components_.shape[-1:] != (self.n_features_in_,):
            raise ValueError(
                f"components_ has shape {self.components_.shape}, but the model was made for "
                f"{self.n_features_in_} features"
            )
        if "sigma_" in self.__dict__:
            self.sigma_ = check_sigma(self.sigma_, self.n_features_in_)

    def _weights(self, n_threads: int) -> Weights:
        """The parameters ready for the loops: made once, unless someone holds them writeable."""
        weights = self._known_weights() if self.__sklearn_is_fitted__() else None
        if weights is None:
            self._check_fitted()
            held = self._held()
            weights = self._make_weights(*self._parameters(), n_threads)
            self._check_normalisable(self.components_)
            if not any(array.flags.writeable for array in held):
                self._runtime.known = (held, weights)
        return weights

    def _make_weights(self, components, a, b, n_threads: int, dtype=None, sigma=None) -> Weights:
        """sigma: None for that of the fitted model, if it has one."""
        dtype = dtype or real_dtype(components, np.float64)
        shapes = {n: v.shape for n, v in zip(_PARAMETERS, (components, a, b), strict=True)}
        if 0 in components.shape or components.shape != b.shape + a.shape or components.ndim != 2:
            raise ValueError(f"parameters do not fit together: shapes {shapes}")
        visible, hidden = (unit_values()[unit] for unit in self._units())
        if sigma is None and self._units()[0] == "gaussian":
            sigma = self.sigma_
        return Weights(
            components.T.astype(dtype, copy=False),
            a.astype(dtype, copy=False),
            b.astype(dtype, copy=False),
            visible,
            hidden,
            n_threads,
            sigma=sigma,
            visible_groups=group_ranges(self.visible, a.size, "visible"),
            hidden_groups=group_ranges(self.hidden, b.size, "hidden"),
        )

    def __getstate__(self):
        state = dict(super().__getstate__())
        runtime = state.pop("_runtime", None)
        if runtime is not None:
            state["_step"] = runtime.step
        return state

    def __setstate__(self, state):
        state = dict(state)
        step = state.pop("_step", None)
        super().__setstate__(state)
        if step is not None:
            self._runtime = _Runtime(step)
            self._freeze()

    def __sklearn_is_fitted__(self) -> bool:
        return "components_" in self.__dict__ and "_runtime" in self.__dict__

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    # --- inputs ----------------------------------------------------------------------------------

    def _rows(self, X):
        return check_rows(self, X, reset=False, state_dtype=self._state_dtype)

    def _visible(self, X, binarize, n_threads: int, strict: bool | None = None):
        """Checked rows as a source in the model's precision."""
        dtype = self.components_.dtype
        strict = self._strict if strict is None else strict
        return visible_source(
            X,
            self._units()[0],
            binarize,
            strict=strict,
            dtype=dtype,
            n_threads=n_threads,
            groups=self._groups(False),
        )

    def _levels(self) -> str | None:
        """How rows that are not states are taken outside of fit: thresholded, or as they are."""
        return "threshold" if self._binarize == "threshold" else None

    # --- one layer given the other ---------------------------------------------------------------

    def transform(self, X):
        """Means of the hidden units, E[h | v = X].

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            States of the visible units, or values between them.

        Returns
        -------
        H : ndarray of shape (n_samples, n_components)
            For Bernoulli and Potts units the probabilities P(h = 1 | v); float32 for float32 input.
        """
        self._check_fitted()
        n_threads = check_n_threads(self.n_threads)
        return self._hidden_means(self._rows(X), n_threads)

    def _hidden_means(self, rows, n_threads: int) -> np.ndarray:
        dtype = real_dtype(rows, self._state_dtype)
        out = np.empty((rows.shape[0], self.components_.shape[0]), dtype)
        self._mean(rows, True, out, n_threads)
        return out

    def inverse_transform(self, H):
        """Means of the visible units, E[v | h = H].

        Parameters
        ----------
        H : array-like of shape (n_samples, n_components)
            States of the hidden units, or values between them, such as `transform` gives.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
        """
        self._check_fitted()
        n_threads = check_n_threads(self.n_threads)
        dtype = self.components_.dtype
        H = np.ascontiguousarray(check_array(H, dtype=[dtype, np.uint8, np.int8, np.bool_]))
        if H.shape[1] != self.components_.shape[0]:
            raise ValueError(
                f"H has {H.shape[1]} columns, but the model has {self.components_.shape[0]} hidden units"
            )
        return self._visible_means(H, n_threads)

    def _visible_means(self, H, n_threads: int) -> np.ndarray:
        out = np.empty((H.shape[0], self.components_.shape[1]), self.components_.dtype)
        self._mean(H, False, out, n_threads)
        return out

    def _mean(self, X, hidden: bool, out, n_threads: int) -> None:
        dtype = self.components_.dtype
        weights = self._weights(n_threads)
        if hidden:
            source = self._visible(X, self._levels(), n_threads)
        else:
            source = visible_source(X, self._units()[1], None, strict=False, dtype=dtype, n_threads=n_threads)
        means = out if out.dtype == dtype else np.empty(out.shape, dtype)
        with single_threaded_blas(not source.binary):
            layers.mean(weights, source, hidden, means, n_threads)
        if means is not out:
            out[...] = means

    def reconstruct(self, X):
        """E[v | h = E[h | v = X]]: down and up again through the means.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        X_reconstructed : ndarray of shape (n_samples, n_features)
        """
        self._check_fitted()
        n_threads = check_n_threads(self.n_threads)
        return self._reconstruct(self._rows(X), n_threads)

    def _reconstruct(self, rows, n_threads: int) -> np.ndarray:
        means = self._hidden_means(rows, n_threads)
        return self._visible_means(means.astype(self.components_.dtype, copy=False), n_threads)

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

        Returns
        -------
        E : ndarray of shape (n_samples,), float64
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
