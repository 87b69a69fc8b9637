"""Simulated annealing behind dimod's face: a drop-in for dwave.samplers.SimulatedAnnealingSampler."""

from __future__ import annotations

import warnings
from numbers import Integral
from time import perf_counter, perf_counter_ns

import numpy as np

try:
    import dimod
except ImportError as error:
    raise ImportError(
        'fastnn.interop.dimod needs dimod; install it with: pip install "fastnn[ising]"'
    ) from error

from fastnn._validation import check_n_threads
from fastnn.energy._checks import check_real
from fastnn.energy._plans import Plan, kept_states
from fastnn.energy._run import Run
from fastnn.energy._schedules import default_beta_range
from fastnn.energy.ising import IsingModel

__all__ = ["SimulatedAnnealingSampler"]

_ACCEPTANCES = {"Metropolis": "metropolis", "Gibbs": "heat_bath"}
# With an interrupt function, reads run in batches of about that time, so that those before an interruption
# are whole; but 64 side by side take hardly longer than one.
_FEWEST_READS, _BATCH_SECONDS = 64, 0.2


class SimulatedAnnealingSampler(dimod.Sampler, dimod.Initialized):
    """Simulated annealing for binary quadratic models, parameters and results as dwave-samplers has them.

    Reads run side by side, on all threads. Variables are updated in one fixed order, groups of uncoupled ones
    after another, unless randomize_order. The same seed gives the same samples for any number of
    threads; they are other samples than dwave-samplers draws.

    Attributes
    ----------
    parameters : dict
        Keyword arguments of `sample`, each with the properties that concern it.
    properties : dict
        "beta_schedule_options".

    Examples
    --------
    >>> from fastnn.interop.dimod import SimulatedAnnealingSampler
    >>> sampler = SimulatedAnnealingSampler()
    >>> J = {("a", "b"): 1.0, ("b", "c"): 1.0, ("a", "c"): 1.0}
    >>> float(sampler.sample_ising({}, J, num_reads=10, seed=1).first.energy)
    -1.0
    """

    parameters = None
    properties = None

    def __init__(self):
        self.parameters = {
            "beta_range": [],
            "num_reads": [],
            "num_sweeps": [],
            "num_sweeps_per_beta": [],
            "beta_schedule_type": ["beta_schedule_options"],
            "beta_schedule": [],
            "seed": [],
            "interrupt_function": [],
            "initial_states": [],
            "initial_states_generator": [],
            "randomize_order": [],
            "proposal_acceptance_criteria": [],
            "num_threads": [],
            "time_limit": [],
        }
        self.properties = {"beta_schedule_options": ("linear", "geometric", "custom")}

    def sample(
        self,
        bqm,
        beta_range=None,
        num_reads=None,
        num_sweeps=None,
        num_sweeps_per_beta=1,
        beta_schedule_type="geometric",
        seed=None,
        interrupt_function=None,
        beta_schedule=None,
        initial_states=None,
        initial_states_generator="random",
        randomize_order=False,
        proposal_acceptance_criteria="Metropolis",
        *,
        num_threads=None,
        time_limit=None,
        **kwargs,
    ):
        """Sample from a binary quadratic model.

        Parameters
        ----------
        bqm : dimod.BinaryQuadraticModel
        beta_range : (float, float), default=None
            First and last inverse temperature; None: from the model's biases.
        num_reads : int, default=None
            None: as many as initial states, or 1.
        num_sweeps : int, default=None
            None: 1000, or the length of the custom schedule.
        num_sweeps_per_beta : int, default=1
        beta_schedule_type : {"geometric", "linear", "custom"}, default="geometric"
        seed : int in [0, 2^31), default=None
        interrupt_function : callable, default=None
            Called without arguments once for each read that is finished and, while reads are under way, at
            least every 0.2 seconds: when it returns true or raises an exception, finished reads are returned
            and the others dropped. 64 reads or more finish together.
        beta_schedule : array-like of float, default=None
            For beta_schedule_type="custom": the inverse temperatures, infinity included.
        initial_states : samples-like, default=None
            One state a read.
        initial_states_generator : {"random", "tile", "none"}, default="random"
            What to do if there are fewer initial states than reads.
        randomize_order : bool, default=False
            Draw the variable of each update, with replacement; reads may share it, never the acceptance.
        proposal_acceptance_criteria : {"Metropolis", "Gibbs"}, default="Metropolis"
        num_threads : int, default=None
            None: what OpenMP and threadpoolctl allow.
        time_limit : float, default=None
            Seconds of sweeping after which reads end as they are.
        **kwargs
            Unknown ones are ignored with a warning.

        Returns
        -------
        dimod.SampleSet
            One row a read, in the order of reads; info: "beta_range", "beta_schedule_type", "timing".

        Raises
        ------
        TypeError, ValueError
            A parameter that will not do; its name is in the message.
        """
        began = perf_counter_ns()
        self.remove_unknown_kwargs(**kwargs)
        seed = _check_seed(seed)
        if interrupt_function and not callable(interrupt_function):
            raise TypeError("'interrupt_function' should be a callable")
        if proposal_acceptance_criteria not in _ACCEPTANCES:
            raise ValueError(f"Unknown proposal_acceptance_criteria: {proposal_acceptance_criteria}")
        check_n_threads(num_threads)
        limit = None if time_limit is None else check_real("time_limit", time_limit)
        states, num_reads = self._initial_states(
            bqm, num_reads, initial_states, initial_states_generator, seed
        )
        model = IsingModel.from_bqm(bqm)
        betas, beta_range = _schedule(
            model, beta_schedule_type, beta_schedule, beta_range, num_sweeps, num_sweeps_per_beta
        )
        reads = _Reads(model, num_reads, states, interrupt_function, limit)
        started = perf_counter_ns()
        reads.run(
            np.repeat(betas, num_sweeps_per_beta).astype(np.float64),
            acceptance=_ACCEPTANCES[proposal_acceptance_criteria],
            order="random" if randomize_order else "color",
            seed=seed,
            n_threads=num_threads,
        )
        ended = perf_counter_ns()
        samples, energies = reads.finished()
        info = {"beta_range": beta_range, "beta_schedule_type": beta_schedule_type}
        response = dimod.SampleSet.from_samples(
            (samples, list(model.labels)), energy=energies, info=info, vartype=bqm.vartype
        )
        response.info["timing"] = {
            "preprocessing_ns": started - began,
            "sampling_ns": ended - started,
            "postprocessing_ns": perf_counter_ns() - ended,
        }
        return response

    def _initial_states(self, bqm, num_reads, initial_states, generator, seed):
        """(states (num_reads, n) in the order of the variables, or None for fair coins; num_reads)."""
        if initial_states is None and generator == "random" and (num_reads is None or _is_count(num_reads)):
            return None, num_reads or 1  # what dimod would draw, drawn by the kernels
        parsed = self.parse_initial_states(
            bqm,
            num_reads=num_reads,
            initial_states=initial_states,
            initial_states_generator=generator,
            seed=seed,
        )
        found = parsed.initial_states
        place = {label: k for k, label in enumerate(found.variables)}
        columns = [place[label] for label in bqm.variables]
        return np.asarray(found.record.sample)[:, columns], parsed.num_reads


class _Reads:
    """Reads of one call, in batches that finish together; where batches begin does not show in them."""

    def __init__(self, model, num_reads, states, interrupt, limit):
        self.model, self.states, self.interrupt = model, states, interrupt
        self.num_reads, self.limit = num_reads, limit
        self.done: list[tuple[np.ndarray, np.ndarray]] = []

    def asked_to_stop(self) -> bool:
        try:
            return bool(self.interrupt())
        except Exception:  # as dwave-samplers: an error of the function's stops, and that is all
            return True

    def run(self, betas, *, acceptance, order, seed, n_threads) -> None:
        """All reads, or those that finish before the interrupt function stops them."""
        plan = Plan(
            self.model, kernel="auto", num_reads=self.num_reads, order=order, acceptance=acceptance,
            clamp=None, beta=betas[np.isfinite(betas)].max(initial=0.0), error=None,
        )  # fmt: skip
        first, size = 0, _FEWEST_READS if self.interrupt else self.num_reads
        began = perf_counter()
        while first < self.num_reads:
            n = min(size, self.num_reads - first)
            run = Run(
                self.model, num_reads=n, beta=None, error=None, kernel="auto", order=order,
                acceptance=acceptance, clamp=None, seed=seed, n_threads=n_threads,
                initial_states=None if self.states is None else self.states[first : first + n],
                first_read=first, plan=plan,
            )  # fmt: skip
            batch_began = perf_counter()
            kept, stopped = self._finish(run, betas, began)
            self.done.append((kept_states(run.words, kept, self.model.low), run.energies()[:kept]))
            if stopped:
                return
            first += n
            if perf_counter() - batch_began < _BATCH_SECONDS / 2:
                size *= 2

    def _finish(self, run, betas, began) -> tuple[int, bool]:
        """(how many of the run's reads count, whether they are the last ones)."""
        stopped = False

        def look(sweeps_done):
            nonlocal stopped
            stopped = bool(self.interrupt) and sweeps_done < betas.size and self.asked_to_stop()
            return stopped or (self.limit is not None and perf_counter() - began > self.limit)

        run.sweep(betas[None], look if self.interrupt or self.limit is not None else None)
        if stopped:
            return 0, True
        if self.interrupt:
            for k in range(1, run.num_reads + 1):
                if self.asked_to_stop():
                    return k, True
        return run.num_reads, False

    def finished(self):
        """States (n, n_variables) int8 and energies (n,) of the finished reads."""
        none = np.empty((0, self.model.n), np.int8), np.empty(0)
        states, energies = zip(none, *self.done, strict=True)
        return np.concatenate(states), np.concatenate(energies)


def _is_count(value) -> bool:
    return isinstance(value, Integral) and value >= 1


def _check_seed(seed) -> int:
    """A seed below 2^31, drawn if None."""
    if seed is None:
        return int(np.random.randint(2**31))  # noqa: NPY002 - numpy.random.seed decides, as in dwave-samplers
    if not isinstance(seed, Integral):
        raise TypeError(f"'seed' should be None or an integer between 0 and 2^31 - 1: value = {seed}")
    if not 0 <= seed < 2**31:
        raise ValueError(f"'seed' should be an integer between 0 and 2^31 - 1: value = {seed}")
    return int(seed)


def _schedule(model, kind, betas, beta_range, num_sweeps, per_beta):
    """(betas, the beta_range to report), with dwave-samplers' conditions."""
    if not isinstance(per_beta, Integral):
        raise TypeError(f"'num_sweeps_per_beta' should be a positive integer: value = {per_beta}")
    if per_beta < 1:
        raise ValueError(f"'num_sweeps_per_beta' should be a positive integer: value = {per_beta}")
    if kind == "custom":
        return _custom(betas, beta_range, num_sweeps, per_beta), beta_range
    if betas is not None:
        raise ValueError("'beta_schedule' must be set to None for 'beta_schedule_type' not equal to 'custom'")
    num_sweeps = 1000 if num_sweeps is None else num_sweeps
    if not isinstance(num_sweeps, Integral) or num_sweeps < 0 or num_sweeps % per_beta:
        raise ValueError("'num_sweeps' must be a non-negative value divisible by 'num_sweeps_per_beta'.")
    if beta_range is None:
        if not model.bias.any() and not model.rows.nnz:
            warnings.warn(
                "All bqm biases are zero (all energies are zero), this is likely a value error. Temperature "
                "range is set arbitrarily to [0.1,1].",
                stacklevel=3,
            )
        beta_range = list(default_beta_range(model))
    elif len(beta_range) != 2 or not min(beta_range) >= 0 or not np.isfinite(beta_range).all():
        raise ValueError(
            "'beta_range' should be a 2-tuple, or 2 element list of positive numbers. The latter value is "
            "the target value."
        )
    if kind not in ("linear", "geometric"):
        raise ValueError(f"Beta schedule type {kind} not implemented")
    n = num_sweeps // per_beta
    if n == 1:
        return np.array([beta_range[-1]], dtype=float), beta_range
    if kind == "linear":
        return np.linspace(*beta_range, num=n), beta_range
    if min(beta_range) <= 0:
        raise ValueError("'beta_range' must contain non-zero values for 'beta_schedule_type' = 'geometric'")
    return np.geomspace(*beta_range, num=n), beta_range


def _custom(betas, beta_range, num_sweeps, per_beta) -> np.ndarray:
    if betas is None:
        raise ValueError("'beta_schedule' must be provided for beta_schedule_type = 'custom': value is None")
    try:
        betas = np.array(betas, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError("beta_schedule cannot be cast as a numpy array of dtype=float") from error
    if betas.ndim != 1 or betas.size == 0:
        raise ValueError("'beta_schedule' must be a sequence of at least one number")
    if num_sweeps is not None and num_sweeps != len(betas) * per_beta:
        raise ValueError(
            "'num_sweeps' should be set to None, or a value consistent with 'beta_schedule' and "
            f"'num_sweeps_per_beta' for 'beta_schedule_type' = 'custom': value = {num_sweeps}"
        )
    if beta_range is not None and (beta_range[0] != betas[0] or beta_range[-1] != betas[-1]):
        raise ValueError(
            "'beta_range' should be set to None, or a value consistent with 'beta_schedule', for "
            "'beta_schedule_type'='custom'."
        )
    if not betas.min() >= 0:
        raise ValueError("'beta_schedule' cannot include negative values.")
    return betas
