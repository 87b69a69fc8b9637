"""Boolean functions as networks."""

from __future__ import annotations

from itertools import product

import numpy as np

# Distance of the output's score from its threshold: a probability of 1 - 2e-9.
_SCORE = 20.0


def minterm_network(table):
    """Inputs (2^n, n), the table as an array of bool, weights and biases of the two layers."""
    table = np.asarray(table)
    n_inputs = int(table.shape[0]).bit_length() - 1 if table.ndim in (1, 2) else 0
    if table.ndim not in (1, 2) or table.shape[0] != 2**n_inputs or n_inputs < 1:
        raise ValueError(f"a truth table has 2^n rows, n >= 1; got an array of shape {table.shape}")
    if table.ndim == 2 and table.shape[1] < 2:
        raise ValueError("a table with a single output is a vector of shape (2^n,)")
    if not np.isin(table, (0, 1)).all():
        raise ValueError("a truth table holds 0 and 1 only")
    table = table.astype(bool)
    inputs = np.array(list(product((0.0, 1.0), repeat=n_inputs)))
    columns = table.reshape(len(table), -1)
    complement = table.ndim == 1 and columns.sum() > len(table) / 2
    if complement:
        columns = ~columns
    used = np.flatnonzero(columns.any(axis=1))
    if used.size == 0:  # a constant: one unit that nothing listens to
        used = np.array([0])
    bits = inputs[used]
    sign = -_SCORE if complement else _SCORE
    coefs = [(2 * bits - 1).T.copy(), 2 * sign * columns[used].astype(np.float64)]
    intercepts = [1 - bits.sum(axis=1), np.full(columns.shape[1], -sign)]
    return inputs, table, coefs, intercepts


class TruthTable:
    """What MLPClassifier inherits to be made from a truth table."""

    @classmethod
    def from_truth_table(cls, table, **params):
        """A network of two layers that computes a Boolean function exactly.

        One hidden relu unit for each row of the table that is true (or false, if those are fewer):
        relu(sum_i (2 b_i - 1) x_i - sum_i b_i + 1) is 1 at the row's bits b and 0 at all others. The
        output tells whether some of them is on [1]_. In the worst case this takes 2^(n - 1) units.

        Parameters
        ----------
        table : array-like of shape (2^n,) or (2^n, n_outputs)
            0 or 1 for the inputs 0...00, 0...01, 0...10, ... in this order.
        **params
            Parameters of the estimator, except hidden_layer_sizes, activation and loss.

        Returns
        -------
        model : MLPClassifier
            Fitted; `partial_fit` and warm starts train it further.

        Raises
        ------
        ValueError
            The table's length is no power of two, or it holds anything but 0 and 1.

        References
        ----------
        .. [1] McCulloch, Pitts, "A logical calculus of the ideas immanent in nervous activity", Bulletin
           of Mathematical Biophysics 5 (1943), 115-133.

        Examples
        --------
        >>> from fastnn import MLPClassifier
        >>> xor = MLPClassifier.from_truth_table([0, 1, 1, 0])
        >>> xor.predict([[0, 0], [0, 1], [1, 0], [1, 1]])
        array([0, 1, 1, 0])
        """
        inputs, table, coefs, intercepts = minterm_network(table)
        model = cls((coefs[0].shape[1],), "relu", **params)
        model._validate_params()
        model._set_classes(np.array([0, 1]) if table.ndim == 1 else table.astype(int))
        model.n_features_in_ = inputs.shape[1]
        model.n_outputs_ = 1 if table.ndim == 1 else table.shape[1]
        sizes = [inputs.shape[1], coefs[0].shape[1], model.n_outputs_]
        model._initialize(sizes, np.float64, np.random.RandomState(0))
        model.coefs_, model.intercepts_ = coefs, intercepts
        return model
