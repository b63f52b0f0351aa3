"""The prompts that probes send: made here, of plain words, and never twice the same."""

from hashlib import shake_256
from typing import Final

from db.probes.facts import Prompt

WORDS: Final[dict[Prompt, int]] = {Prompt.SHORT: 40, Prompt.LONG: 9_900}
"""How many of the words below each prompt lists. Each is about one token; what surrounds the list is about sixty."""

_LIST: Final = """
time year people way day man thing woman life child world school state family student group country problem hand
part place case week company system program question work number night point home water room mother area money story
fact month lot right study book eye job word business issue side kind head house service friend father power hour
game line end member law car city
""".split()  # noqa: SIM905

_LONGEST_NONCE_TOKENS: Final = 64
_FRAME_TOKENS: Final = 64
"""What a server's own chat template may add around a message."""


def text(prompt: Prompt, nonce: str) -> str:
    """A prompt that no cache knows: the nonce stands first and orders the words. Asks for a long, dull answer."""
    order = shake_256(nonce.encode()).digest(WORDS[prompt])
    words = " ".join(_LIST[byte % len(_LIST)] for byte in order)
    return (
        f"Request {nonce}. Here is a list of words in no order: {words}. Do not think about the list, and do not"
        " repeat it. Write the whole numbers from one to one hundred as words, in order, and nothing else."
    )


def tokens_at_most(prompt: Prompt) -> int:
    """How many tokens a prompt can come to: no tokenizer in use cuts so common a word into more than two."""
    return 2 * len(text(prompt, "0").split()) + _LONGEST_NONCE_TOKENS + _FRAME_TOKENS
