"""Families of generalized linear models: p(y; eta) = b(y) exp((eta T(y) - a(eta)) / phi), mean = a'(eta)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log1p, logsumexp, softmax, xlogy


@dataclass(frozen=True)
class Link:
    """g with g(mean) = x'w; where its inverse is defined for positive (1), negative (-1) or all (0) x'w."""

    name: str
    domain: int = 0

    def __call__(self, mean):
        mean = np.asarray(mean)
        match self.name:
            case "log":
                return np.log(mean)
            case "logit":
                return np.log(mean) - log1p(-mean)
            case "inverse":
                return -1 / mean
            case "softmax":
                return np.log(mean)
            case _:
                return mean

    def inverse(self, z):
        z = np.asarray(z)
        match self.name:
            case "log":
                return np.exp(z)
            case "logit":
                return expit(z)
            case "inverse":
                return -1 / z
            case "softmax":
                return softmax(z, axis=-1)
            case _:
                return z


class Family(ABC):
    """One family: its statistic T, log-partition a and mean a', links, deviance.

    `links` maps a link's name to the kernel that computes loss and slopes; the first is the default.
    `canonical` is the link at which x'w is eta. `etas` are parameters at which mean = a' is checked.
    """

    name: str
    links: dict[str, str]
    canonical: str
    power = 0.0
    n_scores = 1
    etas: tuple = (-2.0, -0.5, 0.3, 1.7)

    def T(self, y):
        return np.asarray(y)

    @abstractmethod
    def a(self, eta):
        """The log-partition at eta."""

    @abstractmethod
    def mean(self, eta):
        """a'(eta)"""

    @abstractmethod
    def contains(self, y) -> bool:
        """Whether all y are values that the family gives."""

    @abstractmethod
    def deviance(self, y, mean):
        """Of each row: 2 (greatest log-likelihood - log-likelihood) phi."""

    def link(self, name: str) -> Link:
        """ValueError for a link that the family lacks; "auto" is the default, "canonical" that one."""
        name = {"auto": next(iter(self.links)), "canonical": self.canonical}.get(name, name)
        if name not in self.links:
            raise ValueError(f"family {self.name!r} has the links {', '.join(self.links)}; got link={name!r}")
        negative = name == "inverse" or (name == "log" and self.links[name] == "log_odds")
        return Link(name, -1 if negative else 0)


class Normal(Family):
    """T = y, a = eta^2/2; variance phi."""

    name, canonical = "normal", "identity"
    links = {"identity": "square", "log": "power"}

    def a(self, eta):
        return np.square(eta) / 2

    def mean(self, eta):
        return eta

    def contains(self, y):
        return True

    def deviance(self, y, mean):
        return np.square(y - mean)


class Bernoulli(Family):
    """T = y in [0, 1] (shares of successes are welcome), a = ln(1 + e^eta)."""

    name, canonical = "bernoulli", "logit"
    links = {"logit": "logistic", "log": "log_odds"}

    def a(self, eta):
        return np.logaddexp(0, eta)

    def mean(self, eta):
        return expit(eta)

    def contains(self, y):
        return bool(((y >= 0) & (y <= 1)).all())

    def deviance(self, y, mean):
        return 2 * (xlogy(y, y) - xlogy(y, mean) + xlogy(1 - y, 1 - y) - xlogy(1 - y, 1 - mean))


class Poisson(Family):
    """T = y >= 0, a = e^eta."""

    name, canonical, power = "poisson", "log", 1.0
    links = {"log": "power"}

    def a(self, eta):
        return np.exp(eta)

    def mean(self, eta):
        return np.exp(eta)

    def contains(self, y):
        return bool((y >= 0).all())

    def deviance(self, y, mean):
        return 2 * (xlogy(y, y) - xlogy(y, mean) - y + mean)


class Gamma(Family):
    """T = y > 0, a = -ln(-eta), eta = -1/mean < 0; the canonical link easily leaves that domain."""

    name, canonical, power = "gamma", "inverse", 2.0
    links = {"log": "power", "inverse": "inverse"}
    etas = (-3.0, -1.1, -0.4)

    def a(self, eta):
        return -np.log(-np.asarray(eta))

    def mean(self, eta):
        return -1 / np.asarray(eta)

    def contains(self, y):
        return bool((y > 0).all())

    def deviance(self, y, mean):
        return 2 * (np.log(mean / y) + y / mean - 1)


class Tweedie(Family):
    """Variance mean^power: T = y, a = mean^(2-p)/(2-p) at eta = mean^(1-p)/(1-p) (Jorgensen 1987).

    power 0, 1 and 2 are Normal, Poisson and Gamma with log link; between 1 and 2 a Poisson number of gamma
    amounts, with exact zeros; 3 the inverse Gaussian.
    """

    name, canonical = "tweedie", "power"
    links = {"log": "power"}

    def __init__(self, power: float = 1.5):
        if 0 < power < 1 or not np.isfinite(power):
            raise ValueError(f"no distribution has the Tweedie power {power}: use power <= 0 or power >= 1")
        self.power = float(power)
        self.etas = (-3.0, -1.1, -0.4) if power > 1 else (0.4, 1.1, 3.0)

    def a(self, eta):
        p = self.power
        if p == 1:
            return np.exp(eta)
        if p == 2:
            return -np.log(-np.asarray(eta))
        return self.mean(eta) ** (2 - p) / (2 - p)

    def mean(self, eta):
        p = self.power
        return np.exp(eta) if p == 1 else ((1 - p) * np.asarray(eta)) ** (1 / (1 - p))

    def contains(self, y):
        if self.power <= 0:
            return True
        return bool(((y >= 0) if self.power < 2 else (y > 0)).all())

    def deviance(self, y, mean):
        p = self.power
        if p in (0, 1, 2):
            return {0: Normal, 1: Poisson, 2: Gamma}[int(p)]().deviance(y, mean)
        whole = np.maximum(y, 0) ** (2 - p) / ((1 - p) * (2 - p))
        return 2 * (whole - y * mean ** (1 - p) / (1 - p) + mean ** (2 - p) / (2 - p))


class Multinomial(Family):
    """T = [y = k], a = ln sum_k e^eta_k, mean = softmax; y are classes."""

    name, canonical = "multinomial", "softmax"
    links = {"softmax": "softmax"}
    n_scores = 2
    etas = ((0.3, -1.0, 0.5), (2.0, 2.0, -1.0))

    def T(self, y):
        return np.asarray(y)[:, None] == np.unique(y)

    def a(self, eta):
        return logsumexp(eta, axis=-1)

    def mean(self, eta):
        return softmax(eta, axis=-1)

    def contains(self, y):
        return True

    def deviance(self, y, mean):
        """y: numbers of the classes."""
        return -2 * np.log(mean[np.arange(len(y)), y])


FAMILIES = {f.name: f for f in (Normal, Bernoulli, Multinomial, Poisson, Gamma, Tweedie)}


def check_family(family: Family) -> None:
    """ValueError unless mean = a'(eta), by central differences of `a` at the family's `etas`."""
    for eta in family.etas:
        eta = np.asarray(eta, np.float64)
        mean, step = np.asarray(family.mean(eta)), 1e-5
        for k in np.ndindex(eta.shape):
            along = np.zeros(eta.shape)
            along[k] = step
            slope = (family.a(eta + along) - family.a(eta - along)) / (2 * step)
            if not np.isclose(slope, mean[k], rtol=1e-7, atol=1e-9):
                raise ValueError(f"family {family.name!r}: mean({eta}) is {mean[k]}, but a' is {slope}")
