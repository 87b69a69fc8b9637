"""Blocks of chains, and the layers that are drawn for them."""

from libc.stdint cimport int64_t, uint64_t

from .core cimport fnn_layer
from .weights cimport Weights, layer_side


cdef struct layer_rows:
    # The block of chains of one layer, as states or as values, and what is needed to draw them.
    uint64_t *states  # (n_rows, n_tiles), or NULL
    char *values      # real (n_rows, width), or NULL
    char *field       # real (n_rows, width): where values of the other layer are multiplied, or groups drawn


cdef layer_rows room(Weights weights, layer_side side, int64_t rows, bint field, list held, states=*)
cdef fnn_layer drawn(Weights weights, bint hidden, layer_rows own, layer_rows other)
