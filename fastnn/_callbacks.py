"""scikit-learn's callbacks, told of a fit and of each of its steps."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Steps:
    """What a fit calls after each step."""

    def __init__(self, model: Any, context: Any, shown: dict, name: str):
        self._model, self._context, self._shown, self._name = model, context, shown, name

    def __call__(self, attributes: Callable[[], dict] | None = None) -> bool:
        """Tell of a step; attributes() are those of a model that stops here. Whether to stop."""
        if not hasattr(self._model, "_skl_callbacks"):
            return False
        step = self._context.subcontext(task_name=self._name)
        step.call_on_fit_task_begin(estimator=self._model, **self._shown)
        return bool(
            step.call_on_fit_task_end(
                estimator=self._model, **self._shown, reconstruction_attributes=attributes
            )
        )

    def for_solver(self, attributes: Callable[[Any], dict]) -> Callable[[Any], None] | None:
        """What a solver calls with its coefficients after each iteration; StopIteration ends it.

        None where nobody listens: solvers then save the call.
        """
        if not hasattr(self._model, "_skl_callbacks"):
            return None

        def after(coef):
            now = coef.copy()
            if self(lambda: attributes(now)):
                raise StopIteration

        return after


def stopped(after: Callable[[Any], None] | None, coef: Any) -> bool:
    """Tell what Steps.for_solver() gave; whether it stops the solver."""
    try:
        if after is not None:
            after(coef)
    except StopIteration:
        return True
    return False


def rows_shown(X: Any, y: Any, sample_weight: Any = None) -> dict:
    """What callbacks may look at."""
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    return {"X": X, "y": y, "metadata": metadata}


@contextmanager
def fit_told(model: Any, max_steps: int, shown: dict, name: str = "iteration") -> Iterator[Steps]:
    """A fit of at most max_steps steps (0: it has none); shown: see rows_shown()."""
    context = model._init_callback_context(max_subtasks=max_steps)
    context.call_on_fit_task_begin(estimator=model, **shown)
    yield Steps(model, context, shown, name)
    context.call_on_fit_task_end(estimator=model, **shown)


def fit_as(Parent: type, model: Any, *args: Any) -> Any:
    """Parent's fit without the set-up around it, which would end the callbacks of the fit that calls it."""
    return inspect.unwrap(Parent.fit)(model, *args)
