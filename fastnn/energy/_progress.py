"""A sampler's progress, told to a function or to scikit-learn's callbacks."""

from __future__ import annotations

from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin, with_callbacks

_STEPS = 100  # of a bar


class Sampler(CallbackSupportMixin, BaseEstimator):
    """What scikit-learn's callbacks hang on while a sampler walks."""

    @with_callbacks
    def fit(self, X, y=None, *, walk):
        """walk(tell): tell(share of the sweeps done) -> whether to stop."""
        context = self._init_callback_context(max_subtasks=_STEPS)
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        told = 0

        def tell(share):
            nonlocal told
            stop = False
            while told < int(share * _STEPS):
                step = context.subcontext(task_name="sweeps")
                step.call_on_fit_task_begin(estimator=self, X=X, y=y)
                stop |= bool(step.call_on_fit_task_end(estimator=self, X=X, y=y))
                told += 1
            return stop

        walk(tell)
        context.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self


def told(callback, name, walk):
    """walk(look): look(sweeps_done, sweeps) -> whether to stop, or None if nobody wants to know."""
    if callback is None:
        return walk(None)
    if not hasattr(callback, "on_fit_task_begin"):
        if not callable(callback):
            raise TypeError(f"callback must be a function or a scikit-learn callback, got {callback!r}")
        return walk(lambda done, total: bool(callback(done, total)))
    found = []
    bar = type(name, (Sampler,), {})().set_callbacks(callback)
    bar.fit(None, walk=lambda tell: found.append(walk(lambda done, total: tell(done / max(total, 1)))))
    return found[0]
