"""Calls on arrays: softmax, activations and their derivatives, losses and their gradients.

Everything computes in the dtype it is given, float32 or float64 (float16 becomes float32, integers
float64), on arrays of any layout; only C-ordered arrays are read and written without a copy. The names are
those of the package as well: ``fastnn.softmax`` is ``fastnn.functional.softmax``.
"""

from fastnn._functional.activations import (
    identity,
    identity_derivative,
    leaky_relu,
    leaky_relu_derivative,
    relu,
    relu_derivative,
    sigmoid,
    sigmoid_derivative,
    softplus,
    softplus_derivative,
    tanh,
    tanh_derivative,
    threshold,
    threshold_derivative,
)
from fastnn._functional.losses import (
    binary_cross_entropy,
    cross_entropy,
    multiclass_hinge,
    squared_error,
)
from fastnn._functional.projection import linear_cross_entropy
from fastnn._functional.softmax import log_softmax, softmax

__all__ = [
    "binary_cross_entropy",
    "cross_entropy",
    "identity",
    "identity_derivative",
    "leaky_relu",
    "leaky_relu_derivative",
    "linear_cross_entropy",
    "log_softmax",
    "multiclass_hinge",
    "relu",
    "relu_derivative",
    "sigmoid",
    "sigmoid_derivative",
    "softmax",
    "softplus",
    "softplus_derivative",
    "squared_error",
    "tanh",
    "tanh_derivative",
    "threshold",
    "threshold_derivative",
]
