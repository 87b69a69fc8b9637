"""Class labels on the way into a network and out of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import unique_labels

from fastnn.neural._base import MLP, check_training_data

# Losses of one label a sample with a score a class, and what the loops call them.
LABEL_LOSSES = {"hinge": "weston_watkins", "crammer_singer": "crammer_singer"}


class Labelled(MLP):
    """Base of MLPClassifier: everything about labels."""

    def _set_classes(self, y) -> None:
        from sklearn.preprocessing import LabelBinarizer

        self._binarizer = LabelBinarizer().fit(y)
        self.classes_ = self._binarizer.classes_

    def _checked(self, X, y, incremental: bool, reset: bool):
        X, y = check_training_data(self, X, y, reset=reset, numeric=False)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or (not self.warm_start and not incremental):
            self._set_classes(y)
        else:
            self._check_classes(unique_labels(y), incremental)
        several = self._several_labels()
        if several and self.loss in LABEL_LOSSES:
            raise ValueError(f"loss={self.loss!r} takes one label a sample, but y is an indicator matrix")
        if several != (y.ndim == 2):
            raise ValueError(f"y has shape {y.shape}, which is not what the model was fitted with")
        n_classes = len(self.classes_)
        self.n_outputs_ = n_classes if several or n_classes > 2 or self.loss in LABEL_LOSSES else 1
        return X, y

    def _check_classes(self, found, incremental: bool) -> None:
        if self.warm_start and not incremental and set(found) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {found}"
            )
        if len(np.setdiff1d(found, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. "
                f"'y' has {found}."
            )

    def _several_labels(self) -> bool:
        return self._binarizer.y_type_.startswith("multilabel")

    def _loss_kind(self) -> str:
        if self.loss == "log_loss":
            return (
                "cross_entropy"
                if self.n_outputs_ > 1 and not self._several_labels()
                else "binary_cross_entropy"
            )
        return {"bernoulli": "binary_cross_entropy", **LABEL_LOSSES}.get(self.loss, self.loss)

    def _out_activation(self) -> str:
        return {"cross_entropy": "softmax", "binary_cross_entropy": "logistic"}.get(
            self._loss_kind(), "identity"
        )

    def _encoded(self, y, dtype):
        """Labels, or targets (n, n_outputs)."""
        if self._loss_kind() in ("cross_entropy", *LABEL_LOSSES.values()):
            return np.searchsorted(self.classes_, y).astype(np.int64), None
        return None, np.require(self._binarizer.transform(y), dtype, "CA")

    def _class_weighted(self, y, weights):
        if self.class_weight is None:
            return weights
        from sklearn.utils.class_weight import compute_sample_weight

        if isinstance(self.class_weight, Mapping) and self._several_labels():
            raise ValueError("class_weight for an indicator matrix is ambiguous; give sample_weight")
        by_class = compute_sample_weight(self.class_weight, y)
        return by_class.astype(np.float64 if weights is None else weights.dtype) * (
            1 if weights is None else weights
        )

    def _strata(self, problem):
        return problem.targets if self.n_outputs_ == 1 else None

    def _labels(self, z):
        """Classes that the output layer's scores speak for."""
        if self._several_labels():
            cut = 0.5 if self.out_activation_ == "identity" else 0.0
            return (z > cut).astype(np.int64)
        if len(self.classes_) == 1:
            return np.repeat(self.classes_, len(z))
        if self.n_outputs_ == 1:
            cut = 0.5 if self.out_activation_ == "identity" else 0.0
            return self.classes_[(z.ravel() > cut).astype(np.intp)]
        return self.classes_[z.argmax(axis=1)]

    def _score_rows(self, X, y, weights) -> float:
        from sklearn.metrics import accuracy_score

        return accuracy_score(y, self._labels(self._scores(X)), sample_weight=weights)
