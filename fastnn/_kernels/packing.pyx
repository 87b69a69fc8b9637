"""Groups of uncoupled units, filled as far as their order allows."""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint8_t

# Units that wait to be moved, among which partners for a group are sought.
cdef enum:
    SEEN = 256
# A unit's partners, of which those with most set a group's cost, against units that must still follow it.
cdef int64_t LIKENESS = 4


cdef struct queue:
    int64_t count
    int32_t *units  # that are free to move, the longest waiting first, roughly


cdef int64_t cost(const int64_t[::1] width, const int64_t[::1] height, int64_t unit, int64_t first) noexcept nogil:
    """How badly a unit goes with the group's first."""
    cdef int64_t apart = width[unit] - width[first]
    return LIKENESS * (apart if apart > 0 else -apart) - height[unit]


cdef int64_t take(queue *q, const int64_t[::1] width, const int64_t[::1] height, int64_t most, int32_t *out) noexcept nogil:
    """The unit that most others wait for, and those that go with it best: at most `most`, removed from q."""
    cdef int64_t seen = min(q.count, SEEN), n, best = 0, i, first
    cdef int64_t[SEEN] room
    cdef int64_t *costs = room
    for i in range(seen):
        if height[q.units[i]] > height[q.units[best]]:
            best = i
    first = q.units[best]
    for i in range(seen):
        costs[i] = cost(width, height, q.units[i], first)
    for n in range(min(most, seen)):
        if n:
            best = 0
            for i in range(seen - n):
                if costs[i] < costs[best]:
                    best = i
        out[n] = q.units[best]
        q.units[best], costs[best] = q.units[0], costs[0]
        q.units += 1
        q.count -= 1
        costs += 1
    return min(most, seen)


def packed(indptr, indices, rank, kind, width, int64_t most):
    """(units, starts): group g of units starts[g] .. starts[g + 1] - 1, at most `most` of one kind.

    rank (n,): the place in the order of units that move, -1 for others; moving group after group is moving
    in that order, as coupled units keep theirs. kind (n,): 0 or 1. width (n,): units of a group are of
    similar width where there is a choice.
    """
    cdef int64_t n = rank.size, i, k, j, at, n_found, done = 0, n_groups = 0, n_moving = int((rank >= 0).sum())
    cdef const int64_t[::1] starts = indptr, place = rank, wide = width
    cdef const int32_t[::1] partners = indices
    cdef const uint8_t[::1] side = kind
    order = np.empty(n, np.int64)
    order[rank[rank >= 0]] = np.flatnonzero(rank >= 0)
    found, bounds = np.empty(max(n_moving, 1), np.int32), np.zeros(n_moving + 1, np.int64)
    waiting, above, free = np.zeros(n, np.int64), np.zeros(n, np.int64), np.empty((2, n), np.int32)
    cdef const int64_t[::1] sorted_units = order
    cdef int64_t[::1] waits = waiting, height = above, ends = bounds
    cdef int32_t[::1] out = found
    cdef int32_t[:, ::1] seats = free
    cdef queue[2] ready
    cdef queue *q
    ready[0].count = ready[1].count = 0
    if n_moving == 0:
        return found[:0], bounds
    ready[0].units, ready[1].units = &seats[0, 0], &seats[1, 0]
    with nogil:
        for at in range(n_moving - 1, -1, -1):
            i = sorted_units[at]
            for k in range(starts[i], starts[i + 1]):
                j = partners[k]
                if place[j] > at:
                    height[i] = max(height[i], height[j] + 1)
                elif place[j] >= 0:
                    waits[i] += 1
        for at in range(n_moving):
            i = sorted_units[at]
            if waits[i] == 0:
                q = &ready[side[i]]
                q.units[q.count] = i
                q.count += 1
        while done < n_moving:
            q = &ready[0] if ready[0].count >= ready[1].count else &ready[1]
            n_found = take(q, wide, height, most, &out[done])
            for at in range(done, done + n_found):
                i = out[at]
                for k in range(starts[i], starts[i + 1]):
                    j = partners[k]
                    if place[j] > place[i]:
                        waits[j] -= 1
                        if waits[j] == 0:
                            q = &ready[side[j]]
                            q.units[q.count] = j
                            q.count += 1
            done += n_found
            n_groups += 1
            ends[n_groups] = done
    return found, bounds[:n_groups + 1]
