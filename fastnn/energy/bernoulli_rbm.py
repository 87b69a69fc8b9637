"""scikit-learn's BernoulliRBM: its signature, defaults and meaning, without its faults."""

from __future__ import annotations

import warnings
from numbers import Real

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from fastnn._kernels.source import unpack_states
from fastnn._validation import check_n_threads, spans
from fastnn.energy._monitors import stochastic_pseudo_likelihood
from fastnn.energy.rbm import RBM


class BernoulliRBM(RBM):
    """Bernoulli restricted Boltzmann machine, drop-in for ``sklearn.neural_network.BernoulliRBM``.

    Trained by persistent contrastive divergence, batches in the order of the rows. What differs: a
    short last batch is weighted by its own size (there it spoils the step), `partial_fit` returns self,
    keeps float32 and weights batches of any size rightly, data outside [0, 1] draws a warning. Beyond
    scikit-learn's parameters it takes those of `fastnn.RBM`, which describes them, by keyword; their
    defaults here are what scikit-learn's class does.

    Parameters
    ----------
    n_components : int, default=256
        Number of hidden units.
    learning_rate : float, default=0.1
    batch_size : int or "auto", default=10
        Rows per update, and number of persistent chains unless n_chains says otherwise.
    n_iter : int, default=10
        Passes over the data.
    verbose : int, default=0
        1: a line with the pseudo-likelihood after each pass.
    random_state : int, RandomState instance or None, default=None
        The same int gives the same model, bit for bit on binary data, for any number of threads and
        instruction set. Draws are not those of scikit-learn.
    method, n_gibbs_steps, n_chains : default="pcd", 1, None
    learning_rate_schedule : default="constant"
    optimizer, momentum : default="sgd", 0.0
    l1, l2, max_norm : default=0.0, 0.0, None
    replace_idle : default=False
    sparsity_target, sparsity_cost : default=None, 0.1
    centering : default=False
    init : default="normal"
    binarize, sample_visible, sample_last_hidden : default=None, None, False
    early_stopping, validation_fraction, n_iter_no_change, tol : default=False, 0.1, 5, 0.0
    monitor : default=()
    warm_start : default=False
        As in `fastnn.RBM`.
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
        **{k: v for k, v in RBM._parameter_constraints.items() if k not in ("visible", "hidden")},
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
    }
    _strict = False
    _shuffle = False
    _judged = False
    _state_dtype = np.float64
    visible = hidden = "bernoulli"

    def __init__(
        self,
        n_components=256,
        *,
        learning_rate=0.1,
        batch_size=10,
        n_iter=10,
        verbose=0,
        random_state=None,
        method="pcd",
        n_gibbs_steps=1,
        n_chains=None,
        learning_rate_schedule="constant",
        optimizer="sgd",
        momentum=0.0,
        l1=0.0,
        l2=0.0,
        max_norm=None,
        replace_idle=False,
        sparsity_target=None,
        sparsity_cost=0.1,
        centering=False,
        init="normal",
        binarize=None,
        sample_visible=None,
        sample_last_hidden=False,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=5,
        tol=0.0,
        monitor=(),
        warm_start=False,
        n_threads=None,
    ):
        super().__init__(
            n_components,
            method=method,
            n_gibbs_steps=n_gibbs_steps,
            learning_rate=learning_rate,
            learning_rate_schedule=learning_rate_schedule,
            batch_size=batch_size,
            n_iter=n_iter,
            n_chains=n_chains,
            optimizer=optimizer,
            momentum=momentum,
            l1=l1,
            l2=l2,
            max_norm=max_norm,
            replace_idle=replace_idle,
            sparsity_target=sparsity_target,
            sparsity_cost=sparsity_cost,
            centering=centering,
            init=init,
            binarize=binarize,
            sample_visible=sample_visible,
            sample_last_hidden=sample_last_hidden,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            monitor=monitor,
            warm_start=warm_start,
            verbose=verbose,
            n_threads=n_threads,
            random_state=random_state,
        )

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
        found = monitors.measure(self)
        if self.verbose:
            rng = check_random_state(self.random_state)
            scores = stochastic_pseudo_likelihood(self, X, rng, n_threads)
            found["pseudo-likelihood"] = float(scores.mean())
        return found

    def _report(self, epoch: int, seconds: float, found: dict[str, float]) -> None:
        if self.verbose:
            likelihood = found["pseudo-likelihood"]
            print(
                f"[{type(self).__name__}] Iteration {epoch}, pseudo-likelihood = {likelihood:.2f}, "
                f"time = {seconds:.2f}s",
                flush=True,
            )
