"""Where to go when the endpoint in use fails. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from db.meters import PER_MILLION
from db.quality.compare import ranked, switch
from db.quality.facts import Compared, Switch

DOWN: Final = -5
"""Sources report 0 for healthy and the worse the lower: from here on nobody answers."""


@dataclass(frozen=True, slots=True)
class Failover:
    """The next best endpoint. `keeps_parameters`: whether it supports all that the one in use does; None: unknown."""

    change: Switch
    keeps_parameters: bool | None

    @property
    def usd_per_mtok(self) -> Decimal | None:
        """What 1M tokens cost more there; less where it is negative, None where a price is unknown."""
        saving = self.change.saving_usd_per_mtok
        return -saving if saving is not None else None

    def usd_per_hour(self, tokens: int) -> Decimal | None:
        """What an hour with so many tokens costs more there."""
        extra = self.usd_per_mtok
        return extra * tokens / PER_MILLION if extra is not None else None


def failover(rows: Sequence[Compared], used: Compared) -> Failover | None:
    """The next best provider for `used`: not reported down, not dominated by another that is left, with the same
    parameters if that can be.

    Among these the one of the same variant and quantization comes first, then the cheapest. None where there is none
    with a known price.
    """
    left = ranked(
        [
            row
            for row in rows
            if row.endpoint.provider != used.endpoint.provider
            # A lister's own price is no provider: behind it may be the very one that failed.
            and not row.endpoint.is_headline
            and row.effective is not None
            and (row.status is None or row.status > DOWN)
        ]
    )
    others = [switch(used, row) for row in left if row.dominated_by is None]
    best = min(others, key=_order, default=None)
    if best is None:
        return None
    return Failover(best, None if best.lost_parameters is None else not best.lost_parameters)


def _order(change: Switch) -> tuple[object, ...]:
    after, before = change.after, change.before
    return (
        change.lost_parameters is None or bool(change.lost_parameters),
        after.endpoint.variant != before.endpoint.variant,
        before.quantization is not None and after.quantization != before.quantization,
        after.effective.usd_per_mtok if after.effective else Decimal("Infinity"),
        after.endpoint.name,
    )
