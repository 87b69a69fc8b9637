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
