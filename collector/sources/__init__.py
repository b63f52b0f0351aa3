"""The registry of sources. One module and one line here adds a source."""

from typing import Final

from collector.sources import genai_prices, models_dev, openrouter
from collector.sources.base import Source

SOURCES: Final[dict[str, Source]] = {
    source.name: source for source in (openrouter.SOURCE, models_dev.SOURCE, genai_prices.SOURCE)
}
"""By name, in the order in which a seller's own word is preferred to a list's."""
