"""The activations of layers and their derivatives."""

from __future__ import annotations

import numpy as np

from fastnn._arrays import as_out, as_reals, is_plain, is_ready
from fastnn._kernels.softmax import activate
from fastnn._threads import n_threads_for


def _apply(kind: str, derivative: bool, parameter: float, x, out):
    x = x if type(x) is np.ndarray and is_ready(x, x.ndim) else as_reals(x, "x")
    result = np.empty_like(x) if out is None else as_out(out, x.shape, x.dtype)
    direct = is_plain(result)
    y = result if direct else np.empty_like(x)
    if direct and y is not x and np.may_share_memory(x, y) and y.ctypes.data != x.ctypes.data:
        x = x.copy()
    activate(kind, derivative, parameter, x, y, n_threads_for())
    if not direct:
        result[...] = y
    return result


def _slope(alpha) -> float:
    if not alpha <= 1:
        raise ValueError(f"alpha must be at most 1, got {alpha!r}")
    return float(alpha)


def identity(x, *, out=None):
    """x, itself.

    y = x.

    Parameters
    ----------
    x : array-like of real numbers
    out : ndarray of the shape and dtype of the result, default=None
        Where to write; `x` itself works.

    Returns
    -------
    y : ndarray of the shape of x
        NaN where x is NaN.

    Examples
    --------
    >>> from fastnn.functional import identity
    >>> identity([-2.0, 0.0, 2.0]).round(4)
    array([-2.,  0.,  2.])
    """
    return _apply("identity", False, 0.0, x, out)


def identity_derivative(x, *, out=None):
    """Derivative of the identity.

    1 everywhere.

    Parameters
    ----------
    x : array-like of real numbers
    out : ndarray of the shape and dtype of the result, default=None
        Where to write; `x` itself works.

    Returns
    -------
    y : ndarray of the shape of x
        NaN where x is NaN.

    Examples
    --------
    >>> from fastnn.functional import identity_derivative
    >>> identity_derivative([-2.0, 0.0, 2.0]).round(4)
    array([1., 1., 1.])
    """
    return _apply("identity", True, 0.0, x, out)


def sigmoid(x, *, out=None):
    """The logistic function.

    1 / (1 + e^-x), within 2 units in the last place.

    Parameters
    ----------
    x : array-like of real numbers
    out : ndarray of the shape and dtype of the result, default=None
        Where to write; `x` itself works.

    Returns
    -------
    y : ndarray of the shape of x
        NaN where x is NaN.

    Examples
    --------
    >>> from fastnn.functional import sigmoid
    >>> sigmoid([-2.0, 0.0, 2.0]).round(4)
    array([0.1192, 0.5   , 0.8808])
    """
    return _apply("sigmoid", False, 0.0, x, out)


def sigmoid_derivative(x, *, out=None):
    """Derivative of the logistic function.

    sigmoid(x) sigmoid(-x), which keeps its digits where sigmoid(x) is near 0 or 1.

    Parameters
    ----------
    x : array-like of real numbers
    out : ndarray of the shape and dtype of the result, default=None
        Where to write; `x` itself works.

    Returns
    -------
    y : ndarray of the shape of x
        NaN where x is NaN.

    Examples
    --------
    >>> from fastnn.functional import sigmoid_derivative
    >>> sigmoid_derivative([-2.0, 0.0, 2.0]).round(4)
    array([0.105, 0.25 , 0.105])
    """
    return _apply("sigmoid", True, 0.0, x, out)


def tanh(x, *, out=None):
    """Hyperbolic tangent.

    (e^x - e^-x) / (e^x + e^-x) = 2 sigmoid(2x) - 1, within 2 units in the last place.

    Parameters
    ----------
    x : array-like of real numbers
    out : ndarray of the shape and dtype of the result, default=None
        Where to write; `x` itself works.

    Returns
    -------
    y : ndarray of the shape of x
        NaN where x is NaN.

    Examples
    --------
    >>> from fastnn.functional import tanh
    >>> tanh([-2.0, 0.0, 2.0]).round(4)
    array([-0.964,  0.   ,  0.964])
    """
    return _apply("tanh", False, 0.0, x, out)


def tanh_derivative(x, *, out=None):
    """Derivative of the hyperbolic tangent.

    1 - tanh(x)^2, computed as 4 sigmoid(2x) sigmoid(-2x), which keeps its digits.

    Parameters
    ----------
    x : array-like of real numbers
    out : ndarray of the shape and dtype of the result, default=None
        Where to write; `x` itself works.

    Returns
    -------
    y : ndarray of the shape of x
        NaN where x is NaN.

    Examples
    --------
    >>> from fastnn.functional import tanh_derivative
    >>> tanh_derivative([-2.0, 0.0, 2.0]).round(4)
    array([0.0707, 1.    , 0.0707])
    """
    return _apply("tanh", True, 0.0, x, out)


def relu(x, *, out=None):
    """Rectified linear unit.

    max(x, 0).

    Parameters
    ----------
    x : array-like of real numbers
    out : ndarray of the shape and dtype of the result, default=None
        Where to write; `x` itself works.

    Returns
    -------
    y : ndarray of the shape of x
        NaN where x is NaN.

    Examples
    --------
    >>> from fastnn.functional import relu
    >>> relu([-2.0, 0.0, 2.0]).round(4)
    array([0., 0., 2.])
    """
    return _apply("relu", False, 0.0, x, out)


def relu_derivative(x, *, out=None):
    """Derivative of the rectified linear unit.

    1 where x > 0, else 0: at the kink that of the left side.

    Parameters
    ----------
    x : array-like of real numbers
    out : ndarray of the shape and dtype of the result, default=None
        Where to write; `x` itself works.

    Returns
    -------
    y : ndarray of the shape of x
        NaN where x is NaN.

    Examples
    --------
    >>> from fastnn.functional import relu_derivative
    >>> relu_derivative([-2.0, 0.0, 2.0]).round(4)
    array([0., 0., 1.])
    """
    return _apply("relu", True, 0.0, x, out)


def leaky_relu(x, alpha=0.01, *, out=None):
    """Rectified linear unit with a slope below zero.

    max(x, alpha x).

    Parameters
    ----------
    x : array-like of real numbers
    alpha : float <= 1, default=0.01
        Slope below zero.
    out : ndarray of the shape and dtype of the result, default=None
        Where to write; `x` itself works.

    Returns
    -------
    y : ndarray of the shape of x
        NaN where x is NaN.

    Raises
    ------
    ValueError
        alpha is greater than 1 or not a number: then max(x, alpha x) is no leaky rectifier.

    Examples
    --------
    >>> from fastnn.functional import leaky_relu
    >>> leaky_relu([-2.0, 0.0, 2.0]).round(4)
    array([-0.02,  0.  ,  2.  ])
    """
    return _apply("leaky_relu", False, _slope(alpha), x, out)


def leaky_relu_derivative(x, alpha=0.01, *, out=None):
    """Derivative of leaky_relu.

    1 where x > 0, else alpha: at the kink that of the left side.

    Parameters
    ----------
    x : array-like of real numbers
    alpha : float <= 1, default=0.01
        Slope below zero.
    out : ndarray of the shape and dtype of the result, default=None
        Where to write; `x` itself works.

    Returns
    -------
    y : ndarray of the shape of x
        NaN where x is NaN.

    Raises
    ------
    ValueError
        alpha is greater than 1 or not a number: then max(x, alpha x) is no leaky rectifier.

    Examples
    --------
    >>> from fastnn.functional import leaky_relu_derivative
    >>> leaky_relu_derivative([-2.0, 0.0, 2.0]).round(4)
    array([0.01, 0.01, 1.  ])
    """
    return _apply("leaky_relu", True, _slope(alpha), x, out)


def softplus(x, *, out=None):
    """Smooth rectifier.

    ln(1 + e^x), within 2 units in the last place.

    Parameters
    ----------
    x : array-like of real numbers
    out : ndarray of the shape and dtype of the result, default=None
        Where to write; `x` itself works.

    Returns
    -------
    y : ndarray of the shape of x
        NaN where x is NaN.

    Examples
    --------
    >>> from fastnn.functional import softplus
    >>> softplus([-2.0, 0.0, 2.0]).round(4)
    array([0.1269, 0.6931, 2.1269])
    """
    return _apply("softplus", False, 0.0, x, out)


def softplus_derivative(x, *, out=None):
    """Derivative of the smooth rectifier.

    sigmoid(x).

    Parameters
    ----------
    x : array-like of real numbers
    out : ndarray of the shape and dtype of the result, default=None
        Where to write; `x` itself works.

    Returns
    -------
    y : ndarray of the shape of x
        NaN where x is NaN.

    Examples
    --------
    >>> from fastnn.functional import softplus_derivative
    >>> softplus_derivative([-2.0, 0.0, 2.0]).round(4)
    array([0.1192, 0.5   , 0.8808])
    """
    return _apply("softplus", True, 0.0, x, out)


def threshold(x, at=0.0, *, out=None):
    """The neuron of McCulloch and Pitts.

    1 where x > at, else 0.

    Parameters
    ----------
    x : array-like of real numbers
    at : float, default=0.0
        Where it steps.
    out : ndarray of the shape and dtype of the result, default=None
        Where to write; `x` itself works.

    Returns
    -------
    y : ndarray of the shape of x
        NaN where x is NaN.

    Examples
    --------
    >>> from fastnn.functional import threshold
    >>> threshold([-2.0, 0.0, 2.0]).round(4)
    array([0., 0., 1.])
    """
    return _apply("threshold", False, float(at), x, out)


def threshold_derivative(x, at=0.0, *, out=None):
    """Derivative of threshold.

    0 everywhere; there is none at the step itself, where 0 is returned as well.

    Parameters
    ----------
    x : array-like of real numbers
    at : float, default=0.0
        Where it steps.
    out : ndarray of the shape and dtype of the result, default=None
        Where to write; `x` itself works.

    Returns
    -------
    y : ndarray of the shape of x
        NaN where x is NaN.

    Examples
    --------
    >>> from fastnn.functional import threshold_derivative
    >>> threshold_derivative([-2.0, 0.0, 2.0]).round(4)
    array([0., 0., 0.])
    """
    return _apply("threshold", True, float(at), x, out)
