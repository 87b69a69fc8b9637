"""fastnn's estimators in the place of scikit-learn's, so that programs need no change."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module

__all__ = ["patch_sklearn", "patched", "unpatch_sklearn"]

# Estimator: where scikit-learn's users import it from, where fastnn's is. Scikit-learn's private modules keep
# the originals: by these, pickles find their classes.
_TABLE = {
    "BernoulliRBM": ("sklearn.neural_network", "fastnn.energy"),
    "MLPClassifier": ("sklearn.neural_network", "fastnn.neural"),
    "MLPRegressor": ("sklearn.neural_network", "fastnn.neural"),
    "LogisticRegression": ("sklearn.linear_model", "fastnn.linear"),
    "BayesianRidge": ("sklearn.linear_model", "fastnn.linear"),
    "PoissonRegressor": ("sklearn.linear_model", "fastnn.linear"),
    "LinearSVC": ("sklearn.svm", "fastnn.linear"),
}

_lock = threading.RLock()
_originals: dict[str, type] = {}


class _Layer:
    """What one call of patch_sklearn, or one block of patched, asks for."""

    def __init__(self, names: frozenset[str], is_block: bool):
        self.names, self.is_block = names, is_block


_layers: list[_Layer] = []


def _replacements() -> dict[str, type]:
    """The estimators that this fastnn has; the rest of the table is for others."""
    found = {name: getattr(import_module(own), name, None) for name, (_, own) in _TABLE.items()}
    return {name: value for name, value in found.items() if value is not None}


def _chosen(names: str | Iterable[str] | None, known: Iterable[str]) -> frozenset[str]:
    if names is None:
        return frozenset(known)
    names = frozenset([names] if isinstance(names, str) else names)
    unknown = sorted(map(repr, names - set(known)))
    if unknown:
        raise ValueError(f"fastnn has no drop-in for {', '.join(unknown)}; it has {', '.join(sorted(known))}")
    return names


def _apply(layers: list[_Layer]) -> None:
    """Make scikit-learn as these layers want it, or leave everything as it was."""
    wanted = frozenset().union(*(layer.names for layer in layers))
    own = _replacements() if wanted else {}
    changes = []
    for name in sorted(wanted - set(_originals)):
        module = import_module(_TABLE[name][0])
        changes.append((module, name, getattr(module, name), own[name]))
    for name in sorted(set(_originals) - wanted):
        module = import_module(_TABLE[name][0])
        changes.append((module, name, getattr(module, name), _originals[name]))
    done = []
    try:
        for module, name, before, after in changes:
            done.append((module, name, before))
            setattr(module, name, after)
    except BaseException:
        for module, name, before in done:
            setattr(module, name, before)
        raise
    for _, name, before, _ in changes:
        if name in wanted:
            _originals[name] = before
        else:
            del _originals[name]
    _layers[:] = layers


def patch_sklearn(names: str | Iterable[str] | None = None) -> list[str]:
    """Put fastnn's estimators in the place of scikit-learn's.

    From then on ``from sklearn.linear_model import LogisticRegression`` and the like give fastnn's class.
    It has scikit-learn's signature; values that fastnn does not serve are left to scikit-learn's own class,
    with a line on the logger "fastnn".

    Parameters
    ----------
    names : str, iterable of str or None, default=None
        Estimators; None: all that fastnn has.

    Returns
    -------
    names : list of str
        The estimators that this call asked for.

    Raises
    ------
    ValueError
        fastnn has no such drop-in. Nothing is patched then, nor if an import fails.

    See Also
    --------
    unpatch_sklearn, patched

    Notes
    -----
    - There are BayesianRidge, BernoulliRBM, LinearSVC, LogisticRegression, MLPClassifier, MLPRegressor and
      PoissonRegressor. Of LinearSVC the Crammer-Singer machine is fastnn's; one against the rest, its
      default, remains scikit-learn's.
    - Calls nest: each is taken back by one `unpatch_sklearn`.
    - Names that modules imported before keep scikit-learn's classes; so do scikit-learn's own defaults,
      such as the last estimator of `StackingClassifier`.
    - ``isinstance(model, sklearn.neural_network.MLPClassifier)`` asks for the class that is there at the
      moment: models made before patching are not instances of what stands there afterwards. Those of
      `sklearn.linear_model` and `sklearn.svm` are instances of scikit-learn's classes, too.
    - Pickles name the class that made them, and load whether scikit-learn is patched or not, fastnn's
      wherever fastnn is installed. `sklearn.base.clone` keeps the class.
    - The patch holds for the process, all its threads included; patching from several threads is safe.

    Examples
    --------
    >>> import fastnn
    >>> names = fastnn.patch_sklearn()
    >>> from sklearn.neural_network import MLPClassifier
    >>> MLPClassifier is fastnn.MLPClassifier
    True
    >>> fastnn.unpatch_sklearn() == names
    True
    """
    with _lock:
        chosen = _chosen(names, _replacements())
        _apply([*_layers, _Layer(chosen, False)])
        return sorted(chosen)


def unpatch_sklearn() -> list[str]:
    """Take the latest `patch_sklearn` back; without one, do nothing.

    Returns
    -------
    names : list of str
        The estimators that call had asked for. One that an earlier call, or a block of `patched`, asks
        for as well stays in place.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.unpatch_sklearn()
    []
    """
    with _lock:
        for k in reversed(range(len(_layers))):
            if not _layers[k].is_block:
                names = sorted(_layers[k].names)
                _apply(_layers[:k] + _layers[k + 1 :])
                return names
        return []


@contextmanager
def patched(names: str | Iterable[str] | None = None) -> Iterator[list[str]]:
    """A block within which `patch_sklearn` holds; blocks and calls may be nested in any order.

    Parameters
    ----------
    names : str, iterable of str or None, default=None
        Estimators; None: all that fastnn has.

    Returns
    -------
    block : context manager
        Gives the list of estimators.

    Raises
    ------
    ValueError
        fastnn has no such drop-in.

    Examples
    --------
    >>> import fastnn
    >>> with fastnn.patched("BernoulliRBM"):
    ...     from sklearn.neural_network import BernoulliRBM
    >>> BernoulliRBM is fastnn.BernoulliRBM
    True
    """
    with _lock:
        layer = _Layer(_chosen(names, _replacements()), True)
        _apply([*_layers, layer])
    try:
        yield sorted(layer.names)
    finally:
        with _lock:
            _apply([each for each in _layers if each is not layer])
