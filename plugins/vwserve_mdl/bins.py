"""What an artifact of `mdl` holds: for each feature its cuts, and what was found on the way to them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from vwserve.transforms import TransformError

MOST_FEATURES = 1000


@dataclass(frozen=True, slots=True)
class Bins:
    """The bins of one feature.

    `cuts` ascend; a value belongs to the bin before a cut if it is below it. `gain` is what the bins tell about the
    class, in bits an example that has the feature, `entropy` what there is to tell. `missing` is the share of examples
    without a number. `complete` is false where the cap on bins left cuts out. Where `dropped_bits` is not 0, values
    that agree but for so many last bits of a double were taken together.
    """

    input: str
    name: str
    cuts: tuple[float, ...]
    entropy: float
    gain: float
    missing: float
    complete: bool
    dropped_bits: int

    @property
    def tells(self) -> bool:
        """Whether anything is derived from the feature: a number that tells nothing may still be missing."""
        return bool(self.cuts) or self.missing > 0


def stored(bins: Bins) -> dict[str, Any]:
    """Bins in the types of JSON. Cuts keep every bit; what is for people has nine digits."""
    rounded = {name: float(f"{getattr(bins, name):.9g}") for name in ("entropy", "gain", "missing")}
    return {**asdict(bins), **rounded, "cuts": list(bins.cuts)}


def read_bins(content: Mapping[str, Any]) -> list[Bins]:
    """The bins in an artifact; raises TransformError where it is not one that `fit` could have made."""
    features = content.get("features")
    if not isinstance(features, list):
        raise TransformError("the artifact has no list 'features'; make it again with `vwserve fit`")
    if len(features) > MOST_FEATURES:
        raise TransformError(f"the artifact has {len(features)} features; {MOST_FEATURES} is the most")
    bins = [_bins(number, each) for number, each in enumerate(features)]
    seen: set[tuple[str, str]] = set()
    for number, each in enumerate(bins):
        if (each.input, each.name) in seen:
            raise _fault(number, f"{each.name!r} of {each.input!r} stands there twice")
        seen.add((each.input, each.name))
    return bins


def _bins(number: int, feature: object) -> Bins:
    if not isinstance(feature, dict):
        raise _fault(number, "is not an object")
    cuts = feature.get("cuts")
    if not isinstance(cuts, list) or not all(map(_is_number, cuts)):
        raise _fault(number, "cuts: not a list of finite numbers")
    if not _ascends(cuts):
        raise _fault(number, "cuts: they do not ascend")
    for name in ("input", "name"):
        if not is_word(feature.get(name)):
            raise _fault(
                number, f"{name}: {feature.get(name)!r} is not a word without space, control character, '|' and ':'"
            )
    for name in ("entropy", "gain", "missing"):
        if not _is_number(feature.get(name)) or feature[name] < 0:
            raise _fault(number, f"{name}: {feature.get(name)!r} is not a number from 0")
    if not isinstance(feature.get("complete"), bool):
        raise _fault(number, f"complete: {feature.get('complete')!r} is not true or false")
    dropped = feature.get("dropped_bits")
    if isinstance(dropped, bool) or not isinstance(dropped, int) or not 0 <= dropped < 64:
        raise _fault(number, f"dropped_bits: {dropped!r} is not a whole number from 0 to 63")
    return Bins(
        feature["input"],
        feature["name"],
        tuple(map(float, cuts)),
        float(feature["entropy"]),
        float(feature["gain"]),
        float(feature["missing"]),
        feature["complete"],
        dropped,
    )


def _fault(number: int, what: str) -> TransformError:
    return TransformError(f"the artifact's features[{number}] {what}; make it again with `vwserve fit`")


def _is_number(value: object) -> bool:
    # A whole number beyond the range of a double would not be one.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def is_word(value: object) -> bool:
    """Whether a value can be the name of a feature in a line, and of the bins made of it."""
    return isinstance(value, str) and value != "" and not any(c <= " " or c in "\x7f|:" or c.isspace() for c in value)


def _ascends(cuts: Iterable[float]) -> bool:
    numbers = list(map(float, cuts))
    return all(low < high for low, high in pairwise(numbers))
