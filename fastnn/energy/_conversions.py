"""Restricted and general Boltzmann machines and Ising models into each other: the same energies."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastnn.energy.ising import IsingModel

LOW = {"bernoulli": 0, "spin": -1}
VARTYPE = {"bernoulli": "BINARY", "spin": "SPIN"}
_UNITS = {vartype: units for units, vartype in VARTYPE.items()}


def in_domain(W, b, offset: float, before, after: int):
    """W, b and offset of the same energies when units take other values.

    before (n,), after: the lower value of each unit; the upper one is 1. With s = alpha + gamma t,
    E = offset - b.s - s'Ws/2
      = (offset - b.alpha - alpha'W alpha/2) - gamma (b + W alpha).t - t'(gamma W gamma)t/2,
    W having a zero diagonal. The factors gamma are 1/2, 1 or 2: only sums round.
    """
    before = np.asarray(before)
    if (before == after).all():
        return W, b, offset
    W64, b64 = W.astype(np.float64), b.astype(np.float64)
    gamma = (1 - before) / (1 - after)
    alpha = before - gamma * after
    shift = W64 @ alpha
    offset = offset - float(alpha @ (b64 + shift / 2))
    return gamma[:, None] * W64 * gamma, gamma * (b64 + shift), offset


class RBMConversions:
    """What an RBM can be turned into."""

    def _as_pairs(self, units: str | None):
        """W of all units, visible ones first, b, offset and units, of one kind for both layers."""
        self._check_fitted()
        kinds = self._units()
        for layer, kind in zip(("visible", "hidden"), kinds, strict=True):
            if kind not in LOW:
                raise ValueError(
                    f"{layer} units of kind {kind!r} take more than two values; only 'bernoulli' and 'spin' "
                    "units make a Boltzmann machine or an Ising model"
                )
        if units is None:
            units = kinds[0] if kinds[0] == kinds[1] else "spin"
        if units not in LOW:
            raise ValueError(f"units must be 'bernoulli', 'spin' or None, got {units!r}")
        C = self.components_
        n_hidden, n_visible = C.shape
        W = np.zeros((n_visible + n_hidden,) * 2, C.dtype)
        W[n_visible:, :n_visible], W[:n_visible, n_visible:] = C, C.T
        b = np.concatenate([self.intercept_visible_, self.intercept_hidden_])
        before = np.repeat([LOW[kind] for kind in kinds], [n_visible, n_hidden])
        return *in_domain(W, b, 0.0, before, LOW[units]), units

    def to_boltzmann_machine(self, units=None, **params):
        """The general Boltzmann machine of the same energies, without couplings inside a layer.

        Parameters
        ----------
        units : {"bernoulli", "spin"}, default=None
            Of the machine; where the model has others, a unit's two values stand for the two of the machine.
            None: the model's, or spins where its layers differ.
        **params
            Parameters of BoltzmannMachine, but for `n_hidden` and `units`.

        Returns
        -------
        machine : BoltzmannMachine
            Visible units first; ``machine.offset_`` is what changed values add to every energy.

        Raises
        ------
        ValueError
            Units that take more than two values.

        Examples
        --------
        >>> from fastnn import RBM
        >>> rbm = RBM.from_parameters([[2.0], [1.0]])
        >>> machine = rbm.to_boltzmann_machine(units="spin")
        >>> rbm.energy([[1, 0]], [[1]]), machine.energy([[1, -1]], [[1]])
        (array([-2.]), array([-2.]))
        """
        from fastnn.energy.boltzmann import BoltzmannMachine

        W, b, offset, units = self._as_pairs(units)
        dtype = self.components_.dtype
        machine = BoltzmannMachine.from_parameters(
            W.astype(dtype), b.astype(dtype), self.components_.shape[0], units=units, **params
        )
        machine.offset_ = offset
        return machine

    def to_ising(self, vartype=None) -> IsingModel:
        """The Ising model of the same energies, visible units first.

        Parameters
        ----------
        vartype : {"SPIN", "BINARY"}, default=None
            None: the model's units, or spins where its layers differ.

        Returns
        -------
        model : IsingModel
            At beta = 1 it has the model's distribution.

        Raises
        ------
        ValueError
            Units that take more than two values.
        """
        W, b, offset, units = self._as_pairs(_units_of(vartype))
        return IsingModel(W, b, VARTYPE[units], offset=offset)


class BoltzmannConversions:
    """What a Boltzmann machine can be made of and turned into."""

    @classmethod
    def from_ising(cls, model, n_hidden=0, **params):
        """The machine of an Ising model at beta = 1: the same energies.

        Parameters
        ----------
        model : IsingModel
        n_hidden : int, default=0
            How many of the last units are hidden.
        **params
            Parameters of the constructor, but for `units`, which the model says.

        Returns
        -------
        machine : BoltzmannMachine
        """
        if not isinstance(model, IsingModel):
            raise TypeError(f"model must be an IsingModel, got {type(model).__name__}")
        units = _UNITS[model.vartype]
        machine = cls.from_parameters(model.rows.toarray(), model.bias, n_hidden, units=units, **params)
        machine.offset_ = model.offset
        return machine

    def to_ising(self, vartype=None) -> IsingModel:
        """The Ising model of the same energies, visible units first.

        Parameters
        ----------
        vartype : {"SPIN", "BINARY"}, default=None
            None: the machine's units.

        Returns
        -------
        model : IsingModel
            At beta = 1 it has the machine's distribution.
        """
        check_is_fitted(self)
        units = _units_of(vartype) or self.units
        before = np.full(len(self.bias_), LOW[self.units])
        W, b, offset = in_domain(self.weights_, self.bias_, self.offset_, before, LOW[units])
        return IsingModel(W, b, VARTYPE[units], offset=offset)

    def to_rbm(self, **params):
        """The restricted machine of the same energies.

        Parameters
        ----------
        **params
            Parameters of RBM, but for the units.

        Returns
        -------
        rbm : RBM

        Raises
        ------
        ValueError
            Units of one layer are coupled, there are no hidden units, or energies have an offset.
        """
        from fastnn.energy.rbm import RBM

        check_is_fitted(self)
        v = self.n_features_in_
        W = self.weights_
        if W[:v, :v].any() or W[v:, v:].any() or not self.n_hidden or self.offset_:
            raise ValueError(
                "only a machine with hidden units, no couplings within a layer and no offset is restricted"
            )
        kinds = {"visible": self.units, "hidden": self.units}
        return RBM.from_parameters(W[:v, v:], self.bias_[:v], self.bias_[v:], **kinds, **params)


def _units_of(vartype) -> str | None:
    if vartype is not None and vartype not in _UNITS:
        raise ValueError(f"vartype must be 'SPIN', 'BINARY' or None, got {vartype!r}")
    return None if vartype is None else _UNITS[vartype]
