"""Usage as lots: roll-up cells summed as far as one rate still applies to all of a lot. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from db.usage.cells import MINUTE_US, Cells
from db.usage.exact import Bools, Ints
from db.usage.pricing import ANY_LENGTH

KEYS: Final = ("day", "subject_id", "label_id", "price_id", "band", "slot", "shape", "priced")


@dataclass(frozen=True)
class Lots:
    """Columns. `day`: since 1970 (UTC; 0 where days are not told apart); `slot`: the minute of the day from which on
    the same daily windows hold; without a price `price_id`, `priced` and `cost_nano` are 0; `units`: of used meters."""

    day: Ints
    subject_id: Ints
    label_id: Ints
    price_id: Ints
    band: Ints
    slot: Ints
    shape: Ints
    priced: Ints
    requests: Ints
    cost_nano: Ints
    units: Mapping[str, Ints]

    def __len__(self) -> int:
        return len(self.requests)

    def chosen(self, which: Bools | Ints) -> "Lots":
        """Some of the lots."""
        columns = {name: getattr(self, name)[which] for name in (*KEYS, "requests", "cost_nano")}
        return Lots(**columns, units={meter: column[which] for meter, column in self.units.items()})

    def cells(self) -> Cells:
        """As cells for re-costing at prices that do not change over time: each at the mean length of its prompts."""
        start = self.slot * MINUTE_US
        high = np.full(len(self), ANY_LENGTH, np.int64)
        return Cells(start, start + MINUTE_US, self.band, high, self.shape, self.requests, self.units)
