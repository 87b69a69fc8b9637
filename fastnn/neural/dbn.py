"""The deep belief network: RBMs trained one on top of the other."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from scipy.special import expit
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
    clone,
)
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from fastnn._saving import Savable
from fastnn.energy import RBM
from fastnn.energy.units import unit_name
from fastnn.neural.classifier import MLPClassifier

# What a network calls the mean of a hidden unit given its field; and that mean.
_ACTIVATIONS = {
    "bernoulli": ("logistic", expit),
    "spin": ("tanh", np.tanh),
    "gaussian": ("identity", lambda z: z),
}
# Units whose states are 0 and 1, or -1 and +1: their means say how to draw them.
_LOWEST = {"bernoulli": 0, "spin": -1}


def _unit(rbm, layer: str) -> str:
    return unit_name(getattr(rbm, layer, "bernoulli"))


class DBN(Savable, CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Deep belief network: restricted Boltzmann machines stacked greedily.

    The first RBM learns the data, each further one the hidden means of the one below [1]_. The two top
    layers are an RBM that is sampled; from there down each layer is drawn given the one above. Layers
    learned so make a good start for a classifier, above all where few of many rows have labels.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int, or int, default=(256, 256)
        Hidden units of each RBM, from the data up.
    rbm : RBM, BernoulliRBM, sequence of them or None, default=None
        What each layer is a copy of, but for n_components and random_state. None: ``RBM()``, which
        draws grey levels afresh at every visit (binarize="sample"). Of a single one, the layers above the
        first take the hidden units of the layer below for their visible ones, and draw them afresh.
    random_state : int, RandomState instance or None, default=None
        The layers' seeds are drawn from it; an int gives the same network for any number of threads.

    Attributes
    ----------
    rbms_ : list of RBM
        Fitted, from the data up.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.

    References
    ----------
    .. [1] Hinton, Osindero, Teh, "A fast learning algorithm for deep belief nets", Neural Computation 18
       (2006), 1527-1554.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from fastnn import DBN, RBM
    >>> X, y = load_digits(return_X_y=True)
    >>> dbn = DBN((48, 24), RBM(n_iter=5, binarize="sample"), random_state=0).fit(X / 16)
    >>> dbn.transform(X / 16).shape
    (1797, 24)
    >>> model = dbn.to_classifier(max_iter=30, learning_rate_init=0.01, random_state=0).fit(X / 16, y)
    >>> bool(model.score(X / 16, y) > 0.9)
    True
    """

    _parameter_constraints: dict = {
        "hidden_layer_sizes": ["array-like", Integral],
        "rbm": [RBM, list, tuple, None],
        "random_state": ["random_state"],
    }

    def __init__(self, hidden_layer_sizes=(256, 256), rbm=None, *, random_state=None):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.rbm = rbm
        self.random_state = random_state

    # --- learning ------------------------------------------------------------------------------------

    def _sizes(self) -> list[int]:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        if not sizes or any(not isinstance(size, Integral) or size < 1 for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be one or more ints of at least 1, got {sizes}")
        return [int(size) for size in sizes]

    def _layers(self, sizes: list[int], rng) -> list:
        """RBMs to be fitted, from the data up."""
        given = self.rbm
        alike = not isinstance(given, list | tuple)
        if alike:
            given = [RBM(binarize="sample") if given is None else given] * len(sizes)
        elif len(given) != len(sizes):
            raise ValueError(f"rbm holds {len(given)} machines, but hidden_layer_sizes {len(sizes)} layers")
        layers: list = []
        for size, rbm in zip(sizes, given, strict=True):
            if not isinstance(rbm, RBM):
                raise TypeError(f"rbm must hold RBMs, got {type(rbm).__name__}")
            layer = clone(rbm).set_params(n_components=size, random_state=int(rng.randint(2**31)))
            if layers:
                self._fit_on_top(layer, layers[-1], alike)
            layers.append(layer)
        return layers

    @staticmethod
    def _fit_on_top(layer, below, alike: bool) -> None:
        """See to it that the units between two layers are of one kind."""
        unit = _unit(below, "hidden")
        if alike and "visible" in layer.get_params():
            layer.set_params(visible=below.hidden, binarize="sample" if unit in _LOWEST else None)
        if _unit(layer, "visible") != unit:
            raise ValueError(
                f"a layer's {_unit(layer, 'visible')} visible units are to be the {unit} hidden units below"
            )

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Train the layers one after the other.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            As the first RBM takes it.
        y : ignored

        Returns
        -------
        self : DBN

        Raises
        ------
        ValueError
            What the data or the parameters lack.
        DivergenceError
            Training of a layer diverged; the layers below are kept.
        KeyboardInterrupt
            After Ctrl-C; the layers that were finished are kept.
        """
        layers = self._layers(self._sizes(), check_random_state(self.random_state))
        context = self._init_callback_context(max_subtasks=len(layers))
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        finished: list = []
        values = X
        for layer in layers:
            step = context.subcontext(task_name="layer")
            with step.propagate_callback_context(layer):
                step.call_on_fit_task_begin(estimator=self, X=X, y=y)
                layer.fit(values)
                finished.append(layer)
                self._adopt(finished, X)
                stop = step.call_on_fit_task_end(estimator=self, X=X, y=y)
            if stop:
                break
            if layer is not layers[-1]:
                values = layer.transform(values)
        context.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    def _adopt(self, layers: list, X) -> None:
        if len(layers) == 1:
            validate_data(self, X, skip_check_array=True)
            self.n_features_in_ = layers[0].n_features_in_
            self.rbms_ = layers
        self._n_features_out = layers[-1].components_.shape[0]

    # --- using ---------------------------------------------------------------------------------------

    def _checked(self, X):
        """X, if it has the features that the fit had; which values it may have, the first layer says."""
        check_is_fitted(self)
        return validate_data(self, X, reset=False, accept_sparse=True)

    def transform(self, X):
        """Means of the top layer's units, each layer given the means of the one below.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        H : ndarray of shape (n_samples, hidden_layer_sizes[-1])
        """
        H = self._checked(X)
        for rbm in self.rbms_:
            H = rbm.transform(H)
        return H

    def inverse_transform(self, H):
        """Means of the visible units, each layer given the means of the one above.

        Parameters
        ----------
        H : array-like of shape (n_samples, hidden_layer_sizes[-1])

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        for rbm in reversed(self.rbms_):
            H = rbm.inverse_transform(H)
        return H

    def sample(self, n_samples=1, n_steps=1000, *, means=False, random_state=None):
        """Draw visible states: Gibbs sampling of the top RBM, then one draw of each layer going down.

        Parameters
        ----------
        n_samples : int, default=1
        n_steps : int, default=1000
            Full steps of each chain of the top RBM.
        means : bool, default=False
            Return the means of the visible units given the drawn layer above instead of a draw.
        random_state : int, RandomState instance or None, default=None

        Returns
        -------
        v : ndarray of shape (n_samples, n_features)
            bool for Bernoulli units, int8 (-1, +1) for spins; real numbers for means and for units of
            any other kind, whose means are returned.
        """
        check_is_fitted(self)
        rng = check_random_state(random_state)
        top, *below = reversed(self.rbms_)
        states = top.sample(n_samples, n_steps, random_state=rng.randint(2**31))
        if means and not below:
            return top.reconstruct(states)
        for rbm in below:
            states = rbm.inverse_transform(states)
            if not (means and rbm is self.rbms_[0]):
                states = _draw(states, _unit(rbm, "visible"), rng)
        return states

    def to_classifier(self, **params):
        """A classifier whose hidden layers start from this network's, for fine-tuning by backpropagation.

        Parameters
        ----------
        **params
            Parameters of MLPClassifier, except hidden_layer_sizes, activation and initial_layers.

        Returns
        -------
        model : MLPClassifier
            Not fitted: `fit` adds an output layer for the classes it finds and trains all layers. It may
            be cloned, as any estimator.

        Raises
        ------
        ValueError
            The hidden means are no function that a network's layer computes.
        """
        check_is_fitted(self)
        kinds = {_unit(rbm, "hidden") for rbm in self.rbms_}
        if len(kinds) > 1 or not kinds <= set(_ACTIVATIONS):
            raise ValueError(
                f"hidden units are {sorted(kinds)}, but a network's are of one kind, among "
                f"{sorted(_ACTIVATIONS)}"
            )
        name, mean = _ACTIVATIONS[kinds.pop()]
        layers = [_affine(rbm) for rbm in self.rbms_]
        for rbm, (W, b) in zip(self.rbms_, layers, strict=True):
            rows = rbm.sample(4, 1, random_state=0).astype(W.dtype)
            if not np.allclose(rbm.transform(rows), mean(rows @ W + b), rtol=1e-3, atol=1e-3):
                raise ValueError(
                    f"the hidden means of {_unit(rbm, 'visible')} visible units are not {name}(v W + b)"
                )
        sizes = tuple(len(b) for _, b in layers)
        return MLPClassifier(sizes, name, initial_layers=layers, **params)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "rbms_")


def _affine(rbm) -> tuple[np.ndarray, np.ndarray]:
    """W and b of the hidden fields v W + b: visible units act by v / sigma where they have a sigma."""
    W = rbm.components_.T
    sigma = getattr(rbm, "sigma_", None)
    W = W.copy() if sigma is None else (W / np.asarray(sigma)[:, None]).astype(W.dtype)
    return W, rbm.intercept_hidden_.copy()


def _draw(mean: np.ndarray, unit: str, rng) -> np.ndarray:
    """States with these means; the means themselves for units of more than two states."""
    if unit not in _LOWEST:
        return mean
    low = _LOWEST[unit]
    ones = rng.random_sample(mean.shape) * (1 - low) + low < mean
    return ones if low == 0 else np.where(ones, 1, -1).astype(np.int8)
