"""Max-cut: into which two halves does a graph fall, so that most edges run between them?

    python maxcut.py [--graph FILE] [--reads 64] [--sweeps 1000]

Writes ``maxcut.png``: cuts that annealing finds in rising numbers of sweeps, and the time it takes, beside
dwave-samplers where it is installed. A cut is minus an energy of spins whose couplings want them apart. FILE
is in the format of G-set and rudy; without one, a random graph of 800 vertices is drawn.
"""

import argparse
import time

import matplotlib.pyplot as plt
import numpy as np

from fastnn import IsingModel, anneal

parser = argparse.ArgumentParser()
parser.add_argument("--graph")
parser.add_argument("--reads", type=int, default=64)
parser.add_argument("--sweeps", type=int, default=1000)
parser.add_argument("--vertices", type=int, default=800)
parser.add_argument("--tiny", action="store_true", help="seconds: only to see that it runs")
options = parser.parse_args()
if options.tiny:
    options.reads, options.sweeps, options.vertices = 4, 50, 60

if options.graph:
    model = IsingModel.from_file(options.graph)
else:
    rng = np.random.default_rng(0)
    pairs = np.stack(np.triu_indices(options.vertices, 1), axis=1)
    edges = pairs[rng.random(len(pairs)) < min(1.0, 12 / options.vertices)]
    model = IsingModel.from_edges(edges, -0.5, n=options.vertices, offset=-0.5 * len(edges))


def ours(n_sweeps):
    return -anneal(model, num_reads=options.reads, num_sweeps=n_sweeps, seed=0).energies


def dwave(n_sweeps):
    found = sampler.sample(bqm, num_reads=options.reads, num_sweeps=n_sweeps, seed=0)
    return -found.record.energy


parties = {"fastnn": ours}
try:
    import dimod
    from dwave.samplers import SimulatedAnnealingSampler

    rows = model.rows.tocoo()
    once = rows.row < rows.col
    couplings = rows.row[once], rows.col[once], -rows.data[once]
    bqm = dimod.BinaryQuadraticModel.from_numpy_vectors(-model.bias, couplings, model.offset, "SPIN")
    sampler = SimulatedAnnealingSampler()
    parties["dwave-samplers"] = dwave
except ImportError:
    print("dwave-samplers is not installed: fastnn alone")

steps = np.unique(np.geomspace(max(options.sweeps // 32, 1), options.sweeps, 6).astype(int))
figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for color, (name, party) in zip(("tab:blue", "tab:orange"), parties.items(), strict=False):
    best, mean, seconds = [], [], []
    for n_sweeps in steps:
        began = time.perf_counter()
        cuts = party(int(n_sweeps))
        seconds.append(time.perf_counter() - began)
        best.append(cuts.max())
        mean.append(cuts.mean())
        print(f"{name}, {n_sweeps} sweeps: best cut {best[-1]:g}, mean {mean[-1]:.1f}, {seconds[-1]:.3f} s")
    axes[0].plot(steps, best, "o-", color=color, label=f"{name}, best of {options.reads}")
    axes[0].plot(steps, mean, "o--", color=color, label=f"{name}, mean", fillstyle="none")
    axes[1].plot(seconds, mean, "o-", color=color, label=name)
axes[0].set(xlabel="sweeps", ylabel="cut", xscale="log", title="Slower cooling finds greater cuts")
axes[1].set(
    xlabel=f"seconds for {options.reads} reads", ylabel="mean cut", xscale="log", title="What it takes"
)
for ax in axes:
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
figure.savefig("maxcut.png", dpi=150)
print("maxcut.png written")
