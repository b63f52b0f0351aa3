"""The registry of probers. One module and one line here adds a prober."""

from typing import Final

from collector.probers import chat, reach
from collector.probers.base import Prober

PROBERS: Final[dict[str, Prober]] = {prober.name: prober for prober in (chat.PROBER, reach.PROBER)}
"""By the name that a target gives in `Target.prober`."""
