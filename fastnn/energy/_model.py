"""What every RBM can do once it has parameters; draws and energies are in ``_states.py``."""

from __future__ import annotations

import threading

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from fastnn._kernels import layers
from fastnn._kernels.core import unit_values
from fastnn._kernels.weights import Weights
from fastnn._saving import Savable
from fastnn._threads import single_threaded_blas
from fastnn._validation import (
    check_n_threads,
    check_parameter,
    check_rows,
    real_dtype,
    visible_source,
)
from fastnn.energy._conversions import RBMConversions
from fastnn.energy._likelihood import LikelihoodMixin
from fastnn.energy._states import StatesMixin
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
    StatesMixin,
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

        Raises
        ------
        sklearn.exceptions.NotFittedError
            The model has no parameters yet.
        ValueError
            X has another number of features than the model, is not finite, or has values that its visible
            units cannot take (`BernoulliRBM` takes those outside [0, 1] with a warning).

        Examples
        --------
        1 / (1 + e^-2) and 1 / (1 + e^-1):

        >>> from fastnn import RBM
        >>> rbm = RBM.from_parameters([[0.0, 1.0], [2.0, 0.0], [0.0, 0.0]], random_state=0)
        >>> rbm.transform([[1, 1, 0]]).round(3)
        array([[0.881, 0.731]], dtype=float32)
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
            In the model's dtype, float32 or float64.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            The model has no parameters yet.
        ValueError
            H is not finite, or has another number of columns than the model has hidden units.

        Examples
        --------
        >>> from fastnn import RBM
        >>> rbm = RBM.from_parameters([[0.0, 1.0], [2.0, 0.0], [0.0, 0.0]], random_state=0)
        >>> rbm.inverse_transform([[1, 1]]).round(3)
        array([[0.731, 0.881, 0.5  ]])
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
            As `transform` takes it.

        Returns
        -------
        X_reconstructed : ndarray of shape (n_samples, n_features)
            In the model's dtype, float32 or float64.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            The model has no parameters yet.
        ValueError
            As in `transform`.

        Examples
        --------
        >>> from fastnn import RBM
        >>> rbm = RBM.from_parameters([[9.0], [9.0]], a=[-4.5, -4.5], b=[-9.0])
        >>> rbm.reconstruct([[1, 1], [0, 0]]).round()
        array([[1., 1.],
               [0., 0.]])
        """
        self._check_fitted()
        n_threads = check_n_threads(self.n_threads)
        return self._reconstruct(self._rows(X), n_threads)

    def _reconstruct(self, rows, n_threads: int) -> np.ndarray:
        means = self._hidden_means(rows, n_threads)
        return self._visible_means(means.astype(self.components_.dtype, copy=False), n_threads)
