"""Fork, threads and the thread pools of other libraries; tests/test_interrupts.py has Ctrl-C."""

import os
import pickle
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from processes import random_model, rows, run_script, seconds_to_interrupt
from sklearn.base import clone
from threadpoolctl import ThreadpoolController, threadpool_limits

from fastnn import RBM, BernoulliRBM
from fastnn._threads import _limit, n_threads_for, single_threaded_blas

BOTH = pytest.mark.parametrize("Model", [RBM, BernoulliRBM])


# --- fork ----------------------------------------------------------------------------------------

BEFORE_FORK = """
    import multiprocessing, os, signal, time, warnings
    import numpy as np
    from fastnn import RBM
    warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: fork and threads
    X = np.random.default_rng(0).random((500, 784)) < 0.2
    grey = X * np.float32(0.5)
    model = RBM(256, n_iter=1, random_state=0, n_threads=2).fit(X)
    means = model.transform(grey)
    draws = model.gibbs(X, 2, random_state=0)
"""


def test_a_forked_child_works():
    script = """
    child = os.fork()
    if child == 0:
        signal.alarm(30)  # a child that hangs is killed
        same = (model.transform(grey) == means).all()
        same = same and (model.gibbs(X, 2, random_state=0) == draws).all()
        twin = RBM(256, n_iter=1, random_state=0, n_threads=2).fit(X)
        same = same and (twin.components_ == model.components_).all()
        grandchild = os.fork()
        if grandchild == 0:
            os._exit(0 if same and (model.transform(grey) == means).all() else 1)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (model.transform(grey) == means).all()  # and so does the parent
    print("done")
    """
    assert run_script(BEFORE_FORK + script) == ["done"]


def test_multiprocessing_by_fork_works():
    script = """
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for result in pool.map_async(model.transform, [grey] * 4).get(30):
            assert (result == means).all()
        fits = pool.map_async(RBM(256, n_iter=1, random_state=0).fit, [X] * 2).get(30)
    assert all((fit.components_ == model.components_).all() for fit in fits)
    print("done")
    """
    assert run_script(BEFORE_FORK + script) == ["done"]


def test_a_fork_while_another_thread_computes_works():
    script = """
    import threading
    from fastnn._threads import _scipy_blas, single_threaded_blas
    for library in _scipy_blas():
        library.set_num_threads(2)
    inside, done = threading.Event(), threading.Event()
    def compute():
        with single_threaded_blas():
            inside.set()
            done.wait()
    thread = threading.Thread(target=compute)
    thread.start()
    inside.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        same = (model.transform(grey) == means).all()
        restored = all(library.get_num_threads() == 2 for library in _scipy_blas())
        os._exit(0 if same and restored else 1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    done.set()
    thread.join()
    assert status == 0, status
    print("done")
    """
    assert run_script(BEFORE_FORK + script) == ["done"]


# --- joblib and threads --------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_joblib(Model, backend):
    X = rows(300, 100)
    models = [Model(32, n_iter=2, random_state=seed) for seed in range(4)]
    serial = [clone(model).fit(X).components_ for model in models]
    with joblib.parallel_config(backend, n_jobs=2):
        fitted = joblib.Parallel()(joblib.delayed(model.fit)(X) for model in models)
        scores = joblib.Parallel()(joblib.delayed(model.free_energy)(X) for model in fitted)
    for model, components, score in zip(fitted, serial, scores, strict=True):
        assert_array_equal(model.components_, components)
        assert_array_equal(model.free_energy(X), score)


AT_ONCE = {
    "transform": lambda m, X: m.transform(X),
    "transform grey": lambda m, X: m.transform(X * np.float32(0.5)),
    "gibbs": lambda m, X: m.gibbs(X, 20, random_state=3),
    "free_energy": lambda m, X: m.free_energy(X),
    "score_samples": lambda m, X: m.score_samples(X[:50]),
}


def four_at_once(task):
    """task(thread number) from four threads that start together."""
    gate = threading.Barrier(4)

    def work(number):
        gate.wait()
        return task(number)

    with ThreadPoolExecutor(4) as pool:
        return [job.result() for job in [pool.submit(work, number) for number in range(4)]]


@pytest.mark.parametrize("n_threads", [1, 2])
def test_four_threads_on_one_fitted_object(n_threads):
    model = RBM(200, n_iter=1, random_state=0, n_threads=n_threads).fit(rows(400, 300))
    X = rows(300, 300, seed=1)
    serial = {name: call(model, X) for name, call in AT_ONCE.items()}

    def task(number):
        names = list(AT_ONCE)[number:] + list(AT_ONCE)[:number]
        return [{name: AT_ONCE[name](model, X) for name in names} for _ in range(4)]

    for results in four_at_once(task):
        for result in results:
            for name, values in result.items():
                assert_array_equal(values, serial[name], err_msg=name)


def test_four_threads_on_a_model_just_loaded():
    """The first call makes the parameters ready for the loops: threads see all of them or none."""
    model = RBM(20, n_iter=1, random_state=0).fit(rows(50, 30))
    X = rows(5, 30, seed=1)
    serial, frozen = model.transform(X), pickle.dumps(model)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(30):
            loaded = pickle.loads(frozen)
            for means in four_at_once(lambda number, model=loaded: model.transform(X)):
                assert_array_equal(means, serial)
    finally:
        sys.setswitchinterval(interval)


def test_threads_take_different_steps_of_the_models_own_stream():
    model = random_model(64, 64)
    draws = four_at_once(lambda number: [model.sample(1, 3).tobytes() for _ in range(5)])
    assert len({draw for results in draws for draw in results}) == 20


def test_four_threads_fit_models_of_their_own():
    X = rows(200, 100)
    serial = [RBM(30, n_iter=2, random_state=seed).fit(X).components_ for seed in range(4)]
    at_once = four_at_once(lambda seed: RBM(30, n_iter=2, random_state=seed).fit(X).components_)
    for one, two in zip(serial, at_once, strict=True):
        assert_array_equal(one, two)


# --- one pool ------------------------------------------------------------------------------------


def scipy_blas():
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    return [library for library in found if "scipy.libs" in library.filepath] or found


@pytest.fixture
def blas_at_two_threads():
    libraries = scipy_blas()
    assert libraries
    before = [library.get_num_threads() for library in libraries]
    for library in libraries:
        _limit(library, 2)
    yield lambda: {library.get_num_threads() for library in libraries}
    for library, n_threads in zip(libraries, before, strict=True):
        _limit(library, n_threads)


def test_overlapping_holders_of_blas_restore_it(blas_at_two_threads):
    counts = blas_at_two_threads
    with single_threaded_blas():
        with single_threaded_blas():
            assert counts() == {1}
        assert counts() == {1}
    assert counts() == {2}
    gates = [threading.Barrier(4) for _ in range(2)]

    def hold(number):
        seen = []
        with single_threaded_blas():
            gates[0].wait()  # all four are inside
            seen.append(counts())
        gates[1].wait()  # all four have left
        for repeat in range(300):
            with single_threaded_blas():
                if repeat % 50 == number:
                    seen.append(counts())
        return seen

    for seen in four_at_once(hold):
        assert all(count == {1} for count in seen)
        assert len(seen) > 5
    assert counts() == {2}


def test_the_last_holder_restores_blas_whichever_thread_it_is(blas_at_two_threads):
    counts = blas_at_two_threads
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with single_threaded_blas():
            inside.set()
            leave.wait()

    other = threading.Thread(target=hold)
    with single_threaded_blas():
        other.start()
        inside.wait()
    assert counts() == {1}
    leave.set()
    other.join()
    assert counts() == {2}
    with threadpool_limits(1):  # nor are others kept from setting limits afterwards
        assert counts() == {1}
    assert counts() == {2}


def test_numpys_own_blas_is_left_alone():
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    numpys = [library for library in found if "numpy.libs" in library.filepath]
    if not numpys:
        pytest.skip("NumPy and SciPy share a BLAS here")
    before = numpys[0].get_num_threads()
    _limit(numpys[0], 2)
    try:
        with single_threaded_blas():
            assert numpys[0].get_num_threads() == 2
    finally:
        _limit(numpys[0], before)


def test_blas_is_restored_after_an_error_and_after_ctrl_c(blas_at_two_threads):
    counts = blas_at_two_threads
    with pytest.raises(RuntimeError), single_threaded_blas():
        raise RuntimeError
    assert counts() == {2}
    seconds_to_interrupt(lambda: random_model(784, 512).gibbs(rows(1000, 784), 10_000))
    assert counts() == {2}


def test_numpys_own_products_are_as_fast_after_as_before():
    """A bound for tests; bench/ measures the ratio."""
    A = np.random.default_rng(0).random((400, 400), dtype=np.float32)
    model = random_model(784, 256)
    grey = rows(200, 784) * np.float32(0.5)

    def median_seconds():
        times = []
        for _ in range(31):
            began = time.perf_counter()
            A @ A
            times.append(time.perf_counter() - began)
        return np.median(times)

    ratios = []
    while len(ratios) < 5 and min(ratios, default=np.inf) >= 1.5:
        before = median_seconds()
        model.transform(grey)
        model.gibbs(grey > 0, 5)
        RBM(64, n_iter=1).fit(grey)
        ratios.append(median_seconds() / before)
    assert min(ratios) < 1.5


# --- number of threads ---------------------------------------------------------------------------


def test_threadpoolctl_is_obeyed():
    free = n_threads_for()
    with threadpool_limits(1):
        assert n_threads_for() == 1
        assert n_threads_for(2) == 2  # asked for by name
    assert n_threads_for() == free


@pytest.mark.parametrize("n", ["1", "3"])
def test_omp_num_threads_is_obeyed(n):
    script = "from fastnn._threads import n_threads_for; print(n_threads_for(), n_threads_for(5))"
    assert run_script(script, OMP_NUM_THREADS=n) == [n, "5"]


def test_no_more_threads_than_cpus_unless_asked():
    script = """
    import os
    os.environ.pop("OMP_NUM_THREADS", None)
    from joblib import cpu_count
    from fastnn._threads import n_threads_for
    assert 1 <= n_threads_for() <= cpu_count()
    print("done")
    """
    assert run_script(script, LOKY_MAX_CPU_COUNT="1") == ["done"]


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts threads in /proc")
@pytest.mark.parametrize("n_threads", [1, 3])
def test_one_thread_is_no_thread_more(n_threads):
    script = f"""
    import os
    import numpy as np
    from fastnn import RBM
    X = np.random.default_rng(0).random((1000, 784)) < 0.2
    grey = X * np.float32(0.5)
    before = len(os.listdir("/proc/self/task"))
    model = RBM(256, n_iter=1, n_threads={n_threads}).fit(X)
    model.fit(grey).gibbs(X)
    model.transform(grey)
    model.free_energy(X)
    model.score_samples(X[:20])
    print(len(os.listdir("/proc/self/task")) - before)
    """
    assert run_script(script) == [str(n_threads - 1)]


def test_a_forked_child_takes_one_thread():
    script = """
    import os
    from fastnn._threads import n_threads_for
    child = os.fork()
    if child == 0:
        os._exit(n_threads_for(7))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert run_script(script) == ["1"]
