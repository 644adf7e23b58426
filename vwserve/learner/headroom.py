"""How large the numbers of one line may be together before they spoil the model that learns it.

VW keeps weights and their state in single precision. What overflows first is the sum of squared gradients of a weight,
to which a line adds importance * (gradient * value)^2 in gradient descent (`pred_per_update_feature`, gd.cc), and the
square of the importance too in the FTRL family (`inner_update_proximal`, ftrl.cc). Once it is infinite the weight
never learns again; under --ftrl it is no number at all. The value is that of the feature as it is learned, namespace
weights and interactions multiplied in. The gradient is at most 1 for logistic, hinge and quantile loss. For squared
loss it is 2 * |prediction - label|, and VW keeps predictions within the labels that it has met: a label counts for
the lines after it, too, which is what `reach` is for.

So importance^power * gradient * value is bounded, by 2^54. Its square is 2^-20 of the largest number: a million lines,
each the worst that is accepted and each as wrong as can be, leave every state finite. Measured with VW 9.11.9: 500
pairs of lines that contradict each other first make a state infinite where label * value * sqrt(importance) is 10^18,
or label * value * importance under --ftrl, whatever the share of each, and never at 10^17. Bounds on each number alone
would have to refuse timestamps as values and revenues as labels, which by themselves do no harm.

Nor may one stray label shut out the lines after it: one with which values of a million (`ROOM`) could not be accepted
is refused itself. What is accepted may still teach the weights that it touches a scale on which ordinary numbers are
small; other weights learn on as if it had not been there.

Some learners bear less:

- --pistol exponentiates the sum of gradients: importance * gradient is at most 32; random extreme lines spoilt nothing
  up to 100.
- --freegrad takes roots of sums that an importance other than 1 makes negative, and the fifth power of gradients.
- --coin and --freegrad divide by powers of gradients and values, so that these may not be too small either
  (`COIN_SMALLEST`, `FREEGRAD_SMALLEST`).
- Under poisson loss the gradient is exp(prediction), which no line tells; only --max_prediction bounds it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from vwserve.learner.bounds import Bounds

PRODUCT = 2.0**54
ROOM = 1e6
PISTOL_GRADIENT = 32.0
FREEGRAD_GRADIENT, FREEGRAD_PRODUCT, FREEGRAD_ROOM = 100.0, 1e4, 10.0
COIN_SMALLEST, FREEGRAD_SMALLEST = 1e-17, 1e-11  # products of a feature's value after interactions


@dataclass(frozen=True, slots=True)
class Caps:
    """Numbers so small that no line within them needs to be looked at: powers of ten, or 0 for none but zero.

    `smallest` is what a value may not be closer to zero than, unless it is zero.
    """

    importance: float = 1.0
    target: float = 1.0
    value: float = 1.0
    weight: float = 1.0
    smallest: float = 0.0


# In which order the caps grow while the worst line within them is accepted.
_GROWTH = (
    *(("value", 10.0**digits) for digits in range(1, 5)),
    *(("target", 10.0**digits) for digits in range(1, 4)),
    *(("importance", 10.0**digits) for digits in range(1, 3)),
    *(("value", 10.0**digits) for digits in range(5, 8)),
    *(("target", 10.0**digits) for digits in range(4, 7)),
    *(("weight", 10.0), ("importance", 1e3), ("target", 1e7), ("weight", 100.0)),
    *(("value", 10.0**digits) for digits in range(8, 19)),
    *(("target", 10.0**digits) for digits in range(8, 19)),
    *(("importance", 10.0**digits) for digits in range(4, 10)),
)


@dataclass(frozen=True, slots=True)
class Headroom:
    """What the product of a line's numbers may be in one model.

    `importance_power` and `slope` follow from the learner and the loss, `degree` is the number of features in the
    longest interaction. `gradient` bounds importance * gradient alone. `reach` is the largest label that the model has
    met.
    """

    product: float = PRODUCT
    gradient: float = math.inf
    room: float = ROOM
    smallest_product: float = 0.0
    unweighted: bool = False  # no importance but 1
    importance_power: float = 0.5
    slope: float = 2.0  # of the gradient, per unit of |prediction - label|; 0 where it is at most 1
    steepest: float = 1.0  # a gradient that the prediction alone can make
    class_weight: float = 1.0
    degree: int = 1
    weighs_target: bool = False  # importance is an inverse propensity, by which some estimators multiply the cost
    reach: float = 0.0

    def strain(self, target: float, importance: float, value: float) -> float:
        """The worst that a line can do, 1 being the most that is accepted.

        It has the label or cost `target`, and `value` is the largest of its features after interactions.
        """
        target = self._seen(target, importance)
        gradient = max(self.steepest, self.slope * (target + max(target, self.reach)))
        importance = max(1.0, importance) * self.class_weight
        product = float(importance**self.importance_power) * gradient * max(1.0, value)
        return max(
            product / self.product,
            importance * gradient / self.gradient,
            self.slope * 2 * target * self.room / self.product,
        )

    def fault(self, target: float, importance: float, value: float) -> str | None:
        """Say why such a line is not accepted, None where it is."""
        if self.unweighted and importance not in (0.0, 1.0):
            return f"importance {importance:g}: --freegrad cannot bear any but 1"
        if self.strain(target, importance, value) <= 1.0:
            return None
        numbers = [f"value {value:g} after interactions"] * (value > 1.0)
        if self.slope:
            numbers.append(f"label {self._seen(target, importance):g}")
            numbers += [f"an earlier label {self.reach:g}"] * (self.reach > target)
        numbers += [f"importance {importance:g}"] * (importance > 1.0)
        return f"{', '.join(numbers)}: too large together for VW's single precision; scale them down"

    def after(self, target: float, importance: float = 1.0) -> Headroom:
        """What there is once such a label has been learned."""
        return self.reaching(self._seen(target, importance))

    def reaching(self, reach: float) -> Headroom:
        """What there is for a model that has met labels up to `reach`."""
        return replace(self, reach=reach) if reach > self.reach and self.slope else self

    def caps(self, bounds: Bounds) -> Caps:
        """The largest caps for this model, as far as they are within `bounds`.

        Within other bounds the very same lines are beyond them, of those that are taken there: what is made of a line
        that comes again, from a journal, must not depend on what the bounds are by then.
        """
        # In whole powers, so that labels that grow little by little do not change the caps each time.
        reach = 10.0 ** math.ceil(math.log10(self.reach)) if self.reach > 0.0 else 0.0
        assumed = replace(self, reach=reach)
        sizes = {"importance": 1.0, "target": 1.0, "value": 1.0, "weight": 1.0}
        for name, size in _GROWTH:
            larger = {**sizes, name: size}
            value = _power(larger["value"] * larger["weight"], self.degree)
            # One after the other: a cap that cannot grow further does not keep the others from it.
            if assumed.strain(larger["target"], larger["importance"], value) <= 1.0:
                sizes = larger
        if self.unweighted:
            sizes["importance"] = 0.0
        most = {"importance": bounds.importance, "target": bounds.magnitude, "value": bounds.magnitude}
        return Caps(**{name: min(size, most.get(name, size)) for name, size in sizes.items()}, smallest=self.smallest)

    @property
    def smallest(self) -> float:
        """What a value or a namespace's weight may not be closer to zero than, unless it is zero."""
        return float(self.smallest_product ** (0.5 / self.degree))

    def _seen(self, target: float, importance: float) -> float:
        return target * max(1.0, importance) if self.weighs_target else target


UNLIMITED = Headroom(product=math.inf)  # of a model that does not learn


def _power(base: float, exponent: int) -> float:
    return math.inf if base > 1.0 and exponent * math.log10(base) > 300.0 else float(base**exponent)
