"""Poisson-Bernoulli restricted Boltzmann machine: counts of words, and what goes together in them.

Prints held-out log-likelihoods, exact, beside those of independent Poisson counts, and draws the words that
each hidden unit raises most. ``--data FILE`` reads a bag of words in the format of the UCI repository
(docword.*.txt.gz), ``--words FILE`` its vocabulary (vocab.*.txt); else documents of a few topics are made up.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import scipy.sparse as sp
from scipy.special import gammaln
from sklearn.model_selection import train_test_split

import fastnn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--data", type=Path)
parser.add_argument("--words", type=Path, help="a word a line, in the order of their numbers in --data")
parser.add_argument("--hidden", type=int, default=10)
parser.add_argument("--epochs", type=int, default=60)
parser.add_argument("--tiny", action="store_true", help="seconds: only to see that it runs")
options = parser.parse_args()
if options.tiny:
    options.epochs = 2

if options.data:
    document, word, count = np.loadtxt(options.data, skiprows=3, dtype=np.int64).T
    X = sp.csr_array((count.astype(np.float32), (document - 1, word - 1)))
else:
    rng = np.random.default_rng(0)
    topics = rng.dirichlet(np.full(300, 0.05), 8)
    shares = rng.dirichlet(np.full(8, 0.2), 1500)
    X = sp.csr_array(rng.poisson(40 * shares @ topics).astype(np.float32))
train, test = train_test_split(X, test_size=0.2, random_state=0)
print(f"{X.shape[0]} documents, {X.shape[1]} words, {X.nnz / np.prod(X.shape):.1%} of the counts not zero")

# The matrix stays sparse: only the rows of a minibatch are ever written out.
rbm = fastnn.RBM(options.hidden, visible="poisson", n_iter=options.epochs, batch_size=50, random_state=0)
rbm.fit(train)

rates = (np.asarray(train.sum(axis=0)).ravel() + 0.1) / train.shape[0]
constant = np.array([gammaln(row.data + 1).sum() for row in (test[[i]] for i in range(test.shape[0]))])
independent = test @ np.log(rates) - rates.sum() - constant
learned = rbm.log_likelihood(test)
n_words = test.sum()
for name, log_p in (("independent Poisson", independent), ("RBM", learned)):
    print(f"{name:20s} {log_p.mean():10.2f} nats a document, {-log_p.sum() / n_words:.3f} a word")

words = options.words.read_text().split() if options.words else [f"word {k}" for k in range(X.shape[1])]
n_units = min(options.hidden, 8)
columns = min(n_units, 4)
figure, axes = plt.subplots(
    -(-n_units // columns), columns, figsize=(3 * columns, 2.9 * -(-n_units // columns)), squeeze=False,
    sharex=True, layout="constrained",
)  # fmt: skip
for j, ax in enumerate(axes.flat):
    if j >= n_units:
        ax.axis("off")
        continue
    best = np.argsort(-rbm.components_[j])[:8]
    print(f"unit {j}: {', '.join(words[k] for k in best)}")
    # A unit that is on multiplies the expected count of a word by e^weight.
    ax.barh([words[k] for k in best[::-1]], np.exp(rbm.components_[j][best[::-1]]), color="#1f4e79")
    ax.axvline(1, color="#d1495b", linewidth=0.8)
    ax.set(title=f"unit {j}", xlabel="factor on the count")
figure.savefig("rbm_words.png", dpi=110)
print("rbm_words.png written")
