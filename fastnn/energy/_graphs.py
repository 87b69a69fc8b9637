"""Pairs of units from lists, dicts and files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.sparse import coo_array, csr_array


def from_pairs(edges: np.ndarray, weights: np.ndarray, n: int) -> csr_array:
    """Symmetric CSR of pairs; repeated ones add up."""
    i, j = edges[:, 0].astype(np.int32), edges[:, 1].astype(np.int32)
    both = np.concatenate([weights, weights]), (np.concatenate([i, j]), np.concatenate([j, i]))
    return csr_array(coo_array(both, shape=(n, n)))


def from_dict(Q: dict) -> coo_array:
    """A square matrix of {(i, j): value}."""
    if not Q:
        return coo_array((0, 0))
    at = np.array(list(Q), dtype=np.int64)
    return coo_array(
        (np.array(list(Q.values()), np.float64), (at[:, 0], at[:, 1])), shape=(at.max() + 1,) * 2
    )


def read_rudy(path) -> tuple[np.ndarray, np.ndarray, int]:
    """(edges from 0, weights, number of units) of a graph file; ValueError if it is none."""
    text = Path(path).read_text(encoding="ascii", errors="replace")
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    try:
        n, m = int(lines[0][0]), int(lines[0][1])
        width = len(lines[1]) if m else 3
        table = np.array(lines[1:], dtype=np.float64).reshape(m, width)
        edges = table[:, :2].astype(np.int64) - 1
        if width not in (2, 3) or (edges != table[:, :2] - 1).any():
            raise ValueError("edges are two ints and a weight")
    except (IndexError, ValueError) as error:
        raise ValueError(f"{path} is not a graph file: 'n m', then m lines 'i j weight' ({error})") from None
    return edges, table[:, 2] if width == 3 else np.ones(m), n
