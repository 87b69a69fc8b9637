"""Which rooms run, on how many threads, and whether the user pressed Ctrl-C."""

import os

import numpy as np
from joblib import cpu_count

from libc.stdint cimport int64_t, uint32_t, uint64_t
from openmp cimport omp_get_max_threads, omp_get_wtime


cdef extern from "fastnn.h" nogil:
    const fnn_rooms *fnn_rooms_for(int64_t real_bytes, const char *isa)
    const char *fnn_isa_name(int64_t k)
    int fnn_isa_runs(int64_t k)

cdef extern from "Python.h":
    int check_signals "PyErr_CheckSignals"() noexcept

cdef const fnn_rooms *single_rooms = NULL
cdef const fnn_rooms *double_rooms = NULL
cdef bint is_forked_child = False
cdef int known_cpus = 0
cdef double known_since = 0


def _instruction_sets():
    """Names of the instruction sets that were built, weakest first, and whether each runs here."""
    found = {}
    cdef int64_t k = 0
    while fnn_isa_name(k) != NULL:
        found[fnn_isa_name(k).decode()] = bool(fnn_isa_runs(k))
        k += 1
    return found


def _choose_rooms():
    """Take the best instruction set, or the one that the environment variable FASTNN_ISA names."""
    global single_rooms, double_rooms
    wanted = os.environ.get("FASTNN_ISA", "")
    known = _instruction_sets()
    if wanted and not known.get(wanted, False):
        usable = ", ".join(name for name, runs in known.items() if runs)
        reason = "does not run on this machine" if wanted in known else "was not built"
        raise ImportError(
            f"FASTNN_ISA={wanted!r} {reason}; set it to one of: {usable}, or leave it unset"
        )
    name = wanted.encode()
    single_rooms = fnn_rooms_for(4, <const char *>name if wanted else NULL)
    double_rooms = fnn_rooms_for(8, <const char *>name if wanted else NULL)


_choose_rooms()


cdef const fnn_rooms *rooms_for(object dtype) except NULL:
    kind = np.dtype(dtype)
    if kind not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise TypeError(f"rooms are for float32 and float64, not for {kind}")
    return single_rooms if kind.itemsize == 4 else double_rooms


cdef fnn_watch watch_begin() noexcept nogil:
    cdef fnn_watch watch
    watch.last, watch.stop = omp_get_wtime(), False
    return watch


cdef bint watch_interrupted(fnn_watch *watch) noexcept nogil:
    """Whether the call should end; takes the GIL at most every 20 ms. For the calling thread alone.

    The exception stays pending in that thread's state: no Python may run in it before watch_check().
    """
    cdef double now = omp_get_wtime()
    if not watch.stop and now - watch.last > 0.02:
        watch.last = now
        with gil:
            watch.stop = check_signals() != 0
    return watch.stop


cdef int watch_check(fnn_watch *watch) except -1:
    """Raise what watch_interrupted() saw, if anything."""
    return -1 if watch.stop else 0


def _note_fork():
    # A child of fork() has the parent's OpenMP state but none of its threads: a parallel region there
    # would wait for them for ever, one thread never does.
    global is_forked_child
    is_forked_child = True


os.register_at_fork(after_in_child=_note_fork)


cdef int usable_cpus() except -1:
    """joblib's cpu_count, asked once a second: it reads files, which takes longer than a short call."""
    global known_cpus, known_since
    cdef double now = omp_get_wtime()
    if known_cpus == 0 or now - known_since > 1.0:
        known_cpus, known_since = cpu_count(), now
    return known_cpus


def n_threads_for(n_threads=None):
    """Number of OpenMP threads a call may use.

    An explicit number is obeyed. None: what OpenMP allows here (OMP_NUM_THREADS,
    threadpoolctl.threadpool_limits), but no more than the CPUs this process may use unless
    OMP_NUM_THREADS says so: OpenMP's runtime does not see container quotas. One in a forked child.
    """
    if is_forked_child:
        return 1
    if n_threads is not None:
        return n_threads
    if os.environ.get("OMP_NUM_THREADS"):
        return omp_get_max_threads()
    return min(omp_get_max_threads(), usable_cpus())


def isa():
    """Name of the instruction set in use and, per instruction set built, whether it runs here."""
    return single_rooms.isa.decode(), _instruction_sets()


cdef dict _unit_values = {
    single_rooms.unit_values[k].name.decode():
        (k, single_rooms.unit_values[k].low, single_rooms.unit_values[k].step)
    for k in range(FNN_N_UNITS)
}


def unit_values():
    """{unit name: (index, low, step)} of every registered unit: its state is low + step * bit.

    step 0: its states are numbers.
    """
    return _unit_values


def unit_domains():
    """{unit name: (least, most)}: the bounds of every registered unit's states."""
    return {
        single_rooms.unit_values[k].name.decode(): (single_rooms.unit_values[k].least, single_rooms.unit_values[k].most)
        for k in range(FNN_N_UNITS)
    }


def map_array(int64_t op, x, out):
    """out = op(x) for C-ordered arrays of one real dtype: 0 exp, 1 log, 2 sigmoid, 3 softplus, 4 tanh."""
    cdef const fnn_rooms *rooms = rooms_for(x.dtype)
    cdef size_t source = x.ctypes.data, target = out.ctypes.data
    cdef int64_t n = x.size
    with nogil:
        rooms.map(op, <const void *>source, <void *>target, n)
    return out


def philox(uint64_t key, counter):
    """The four random words of one Philox4x32-10 block: key (k0 | k1 << 32), counter of four words."""
    cdef uint32_t[4] words
    for w in range(4):
        words[w] = counter[w]
    single_rooms.philox_block(key, words)
    return [words[w] for w in range(4)]


def uniforms(dtype, uint64_t key, uint64_t step, uint64_t chain, int64_t stream, int64_t n_tiles):
    """Uniforms in (0, 1) of units 0 .. 64 n_tiles - 1 of one row."""
    cdef const fnn_rooms *rooms = rooms_for(dtype)
    out = np.empty((n_tiles, FNN_TILE), dtype=dtype)
    cdef size_t target = out.ctypes.data
    cdef int64_t t, row_bytes = out.strides[0]
    for t in range(n_tiles):
        rooms.uniforms(key, step, chain, stream, t, <void *>(target + t * row_bytes))
    return out.ravel()
