"""scikit-learn's BernoulliRBM: its signature, defaults and meaning, without its faults."""

from __future__ import annotations

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from fastnn._kernels.source import unpack_states
from fastnn._validation import MAX_THREADS, check_n_threads, spans
from fastnn.energy._fit import stochastic_pseudo_likelihood
from fastnn.energy.rbm import MAX_ROWS, RBM


class BernoulliRBM(RBM):
    """Bernoulli restricted Boltzmann machine, drop-in for ``sklearn.neural_network.BernoulliRBM``.

    Trained by persistent contrastive divergence, batches in the order of the rows. What differs: a
    short last batch is weighted by its own size (there it spoils the step), `partial_fit` returns self,
    keeps float32 and weights batches of any size rightly, data outside [0, 1] draws a warning. For
    momentum, centred gradients, monitors, early stopping and all else see `fastnn.RBM`.

    Parameters
    ----------
    n_components : int, default=256
        Number of hidden units.
    learning_rate : float, default=0.1
    batch_size : int, default=10
        Rows per update, and number of persistent chains.
    n_iter : int, default=10
        Passes over the data.
    verbose : int, default=0
        1: a line with the pseudo-likelihood after each pass.
    random_state : int, RandomState instance or None, default=None
        The same int gives the same model, bit for bit on binary data, for any number of threads and
        instruction set. Draws are not those of scikit-learn.
    n_threads : int, default=None
        None: what OpenMP and threadpoolctl allow.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
    intercept_hidden_ : ndarray of shape (n_components,)
    intercept_visible_ : ndarray of shape (n_features,)
        Read-only: assign new arrays to change them.
    h_samples_ : ndarray of shape (batch_size, n_components)
        Hidden states of the persistent chains.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.

    References
    ----------
    Tieleman, "Training restricted Boltzmann machines using approximations to the likelihood gradient",
    ICML 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import BernoulliRBM
    >>> X = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
    >>> BernoulliRBM(n_components=2).fit(X)
    BernoulliRBM(n_components=2)
    """

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, MAX_ROWS, closed="both")],
        "n_iter": [Interval(Integral, 0, None, closed="left")],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "n_threads": [Interval(Integral, 1, MAX_THREADS, closed="both"), None],
    }
    _strict = False
    _shuffle = False
    _state_dtype = np.float64

    # scikit-learn's choices where RBM leaves one.
    visible = hidden = "bernoulli"
    method = "pcd"
    n_gibbs_steps = 1
    n_chains = None
    optimizer = "sgd"
    momentum = l1 = l2 = 0.0
    max_norm = None
    replace_idle = False
    learning_rate_schedule = "constant"
    sparsity_target = None
    sparsity_cost = 0.0
    centering = False
    init = "normal"
    binarize = None
    sample_visible = None
    sample_last_hidden = False
    early_stopping = False
    monitor = ()
    warm_start = False

    def __init__(
        self,
        n_components=256,
        *,
        learning_rate=0.1,
        batch_size=10,
        n_iter=10,
        verbose=0,
        random_state=None,
        n_threads=None,
    ):
        self.n_components = n_components
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.verbose = verbose
        self.random_state = random_state
        self.n_threads = n_threads

    @property
    def h_samples_(self):
        """Hidden states of the persistent chains, 0 or 1 in the model's dtype."""
        self._check_fitted()
        chains = self._training_state.get("chains")
        if chains is None:
            raise AttributeError("a model from from_parameters has no chains until it is trained")
        return unpack_states(chains, self.components_.shape[0]).astype(self.components_.dtype)

    def score_samples(self, X):
        """Stochastic log pseudo-likelihood of each row: one random unit is flipped, as scikit-learn does.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            States of the visible units.

        Returns
        -------
        pseudo_likelihood : ndarray of shape (n_samples,), float64
            Random unless random_state is an int.
        """
        self._check_fitted()
        n_threads = check_n_threads(self.n_threads)
        rng = check_random_state(self.random_state)
        return stochastic_pseudo_likelihood(self, self._rows(X), rng, n_threads)

    def _check_range(self, X, n_threads: int) -> None:
        least, most = spans(X, np.float64, n_threads)
        if least < 0 or most > 1:
            warnings.warn(
                f"BernoulliRBM takes values in [0, 1], but X spans [{least:g}, {most:g}]: the model has "
                "no meaning for them. Rescale X.",
                UserWarning,
                stacklevel=5,
            )

    def _measured(self, X, monitors, n_threads: int) -> dict[str, float]:
        if not self.verbose:
            return {}
        rng = check_random_state(self.random_state)
        scores = stochastic_pseudo_likelihood(self, X, rng, n_threads)
        return {"pseudo-likelihood": float(scores.mean())}

    def _report(self, epoch: int, seconds: float, found: dict[str, float]) -> None:
        if self.verbose:
            likelihood = found["pseudo-likelihood"]
            print(
                f"[{type(self).__name__}] Iteration {epoch}, pseudo-likelihood = {likelihood:.2f}, "
                f"time = {seconds:.2f}s",
                flush=True,
            )
