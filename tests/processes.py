"""Processes of their own and Ctrl-C in this one: what tests of threads, memory and interrupts share."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

from fastnn import RBM


def rows(n_rows, n_features, seed=0):
    return np.random.default_rng(seed).random((n_rows, n_features)) < 0.2


def random_model(n_features, n_components, Model=RBM, dtype=np.float32):
    W = np.random.default_rng(0).normal(0, 0.1, (n_features, n_components)).astype(dtype)
    return Model.from_parameters(W, random_state=0)


def run_script(script, timeout=60, **environment):
    """Run Python code in a process of its own; what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split()


LATENCY = 0.2


@contextmanager
def ctrl_c(after):
    """Press Ctrl-C that many seconds into the block, which fails if over by then; [when it was pressed]."""
    pressed, early = [], False

    def press():
        time.sleep(after)
        pressed.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    finger = threading.Thread(target=press)
    finger.start()
    try:
        yield pressed
        early = not pressed
        finger.join()
        time.sleep(0.1)  # Ctrl-C has come by now, and must not end the tests
    except KeyboardInterrupt:
        finger.join()
        if not early:
            raise
    if early:
        pytest.fail("the call came to its end before Ctrl-C")


def seconds_to_interrupt(call):
    """Press Ctrl-C 0.3 s into the call; how long it goes on."""
    with pytest.raises(KeyboardInterrupt), ctrl_c(0.3) as pressed:
        call()
    return time.perf_counter() - pressed[0]


def assert_quick_to_interrupt(call):
    """The best of three tries: a busy machine may be late, code that looks too rarely always is."""
    tries = []
    while len(tries) < 3 and min(tries, default=np.inf) >= LATENCY:
        tries.append(seconds_to_interrupt(call))
    assert min(tries) < LATENCY
