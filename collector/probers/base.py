"""What a prober is: it speaks one protocol once. Timing, bounds and the verdict are `measure`'s, storing is a job's."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal

from collector.probers.wire import Wire
from db.probes.facts import Prompt, Target

Speak = Callable[[Wire, Target, Prompt | None, str], Awaitable[None]]
"""(wire, target, prompt, nonce): asks and listens once, writing on the wire's record what it sees and when.

Returns where all is well, raises ProbeError where the answer is not what it should be, and lets every other error
pass. The nonce is new for each probe, so that no cache can answer it.
"""

Estimate = Callable[[Target, Prompt | None, Decimal, Decimal], Decimal]
"""(target, prompt, prompt rate, completion rate, in USD per token): what one probe can cost at most, in USD."""


@dataclass(frozen=True)
class Prober:
    """A protocol that probes speak.

    `sends_prompts`: each probe sends one of the target's prompts, which costs money and may need a key; without, a
    probe is free and shows no key. `fresh`: each probe opens a connection of its own.
    """

    name: str
    title: str
    sends_prompts: bool
    fresh: bool
    speak: Speak
    estimate: Estimate
