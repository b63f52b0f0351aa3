"""Which model an endpoint serves. Conservative: a wrong merge is worse than none, and every merge says its rule.

The ids of one source (the reference) name the models. Another source's id joins one of them only by a rule below;
otherwise it stays a model of its own.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from db.catalog.facts import Identity, Native

REFERENCE: Final = "openrouter"

VARIANTS: Final = (
    "free",
    "batch",
    "thinking",
    "extended",
    "nitro",
    "beta",
    "exacto",
    "floor",
    "online",
    "flex",
    "priority",
    "fast",
)
_QUANTIZED: Final = re.compile(r"-(fp4|fp6|fp8|fp16|bf16|fp32|int4|int8|nvfp4|mxfp4|mxfp8|awq|gptq)$", re.IGNORECASE)
_ENCLAVE: Final = re.compile(r"-(tee)$", re.IGNORECASE)
_DATED: Final = re.compile(r"-(20\d{2}-?[01]\d-?[0-3]\d)$")
_DASHED_VERSION: Final = re.compile(r"(?<=[a-z]-)(\d)-(\d{1,2})(?=$|-)")
_PREFIXES: Final = ("hf:", "accounts/fireworks/models/", "@cf/", "~openai/", "models/")

AUTHORS: Final[dict[str, str]] = {
    "alibaba": "qwen",
    "deepseek-ai": "deepseek",
    "meta": "meta-llama",
    "minimaxai": "minimax",
    "mistral": "mistralai",
    "moonshot": "moonshotai",
    "xai": "x-ai",
    "zai": "z-ai",
    "zai-org": "z-ai",
    "zhipuai": "z-ai",
}
"""Other names of an author -> the reference's."""

OWN_API: Final[dict[str, str]] = {
    "ai21": "ai21",
    "alibaba": "qwen",
    "anthropic": "anthropic",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "google-ai-studio": "google",
    "inception": "inception",
    "minimax": "minimax",
    "mistral": "mistralai",
    "moonshotai": "moonshotai",
    "openai": "openai",
    "perplexity": "perplexity",
    "x-ai": "x-ai",
    "z-ai": "z-ai",
}
"""Provider -> the author whose own models it serves under bare names."""

PROVIDERS: Final[dict[str, str]] = {
    "aws": "amazon-bedrock",
    "bedrock": "amazon-bedrock",
    "cloudflare": "cloudflare-workers-ai",
    "fireworks": "fireworks-ai",
    "google": "google-ai-studio",
    "inference": "inference-net",
    "inferencenet": "inference-net",
    "moonshot": "moonshotai",
    "moonshot-ai": "moonshotai",
    "nebius-token-factory": "nebius",
    "novita": "novita-ai",
    "together": "togetherai",
    "vertex": "google-vertex",
    "xai": "x-ai",
    "z.ai": "z-ai",
    "zai": "z-ai",
    "zhipuai": "z-ai",
}
"""Other names of a provider -> the one used here."""


@dataclass(frozen=True)
class Known:
    """The reference's models, ready to be looked up, and the aliases that a user declared."""

    ids: frozenset[str] = frozenset()
    by_hugging_face: Mapping[str, str] = field(default_factory=dict)
    by_permaslug: Mapping[str, str] = field(default_factory=dict)
    by_slug: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)


def known(reference: Iterable[Native], aliases: Mapping[str, str] | None = None) -> Known:
    """The index over the reference's own endpoints. A name that two models share helps no one and is left out."""
    ids: set[str] = set()
    hugging_face: dict[str, set[str]] = {}
    permaslugs: dict[str, set[str]] = {}
    slugs: dict[str, set[str]] = {}
    for native in reference:
        model, _ = split_variant(native.model)
        ids.add(model)
        if native.hugging_face_id:
            hugging_face.setdefault(native.hugging_face_id.lower(), set()).add(model)
        if native.permaslug:
            permaslugs.setdefault(native.permaslug.lower(), set()).add(model)
        if "/" in model and not model.startswith("~"):
            slugs.setdefault(model.split("/", 1)[1], set()).add(model)
    return Known(
        frozenset(ids),
        _unique(hugging_face),
        _unique(permaslugs),
        # A slug without a figure ("auto", "sonar") is too plain a name to tell a model by.
        {slug: model for slug, model in _unique(slugs).items() if any(c.isdigit() for c in slug)},
        {name.lower(): model for name, model in (aliases or {}).items()},
    )


def _unique(names: Mapping[str, set[str]]) -> dict[str, str]:
    return {name: next(iter(models)) for name, models in names.items() if len(models) == 1}


def identify(native: Native, index: Known) -> Identity:
    """Which model `native` is, by the first rule that applies."""
    full = f"{native.provider}/{native.model}".lower()
    for name in (full, native.model.lower()):
        if name in index.aliases:
            return Identity(index.aliases[name], None, native.quantization, "alias table")
    text, variant = split_variant(native.model)
    if native.source == REFERENCE:
        return Identity(text, variant, native.quantization, "reference id")
    for prefix in _PREFIXES:
        text = text.removeprefix(prefix)
    quantization = native.quantization
    # Each step takes one suffix off; what was taken off is kept as the variant.
    for _ in range(4):
        if found := _match(text, native, index):
            model, rule = found
            return Identity(model, variant, quantization, rule)
        if cut := _QUANTIZED.search(text):
            quantization = quantization or cut[1].lower()
        elif (cut := _ENCLAVE.search(text)) or (cut := _DATED.search(text)):
            variant = f"{cut[1]} {variant}" if variant else cut[1]
        else:
            break
        text = text[: cut.start()]
    return _own(native)


def _match(text: str, native: Native, index: Known) -> tuple[str, str] | None:
    for name, rule in _candidates(text, native.provider):
        dotted = _DASHED_VERSION.sub(r"\1.\2", name)
        if name in index.ids:
            return name, rule
        if dotted in index.ids:
            return dotted, f"{rule}, version written with a dash"
    for names, by_name, rule in (
        (((native.hugging_face_id or "").lower(), text), index.by_hugging_face, "Hugging Face id"),
        ((text,), index.by_permaslug, "permanent slug"),
        (_bare(text, native.provider), index.by_slug, "name that only one author uses"),
    ):
        for name in names:
            if name in by_name:
                return by_name[name], rule
    return None


def _candidates(text: str, provider: str) -> Iterator[tuple[str, str]]:
    """What the reference may call it, each with the rule."""
    yield text, "same id"
    author, slash, slug = text.rpartition("/")
    if author in AUTHORS:
        yield f"{AUTHORS[author]}/{slug}", "author's other name"
    if not slash and provider in OWN_API:
        yield f"{OWN_API[provider]}/{text}", "author's own API"


def _bare(text: str, provider: str) -> tuple[str, ...]:
    """Spellings of a name without an author, at a provider that serves many authors."""
    if "/" in text or provider in OWN_API:
        return ()
    return text, _DASHED_VERSION.sub(r"\1.\2", text)


def _own(native: Native) -> Identity:
    text, variant = split_variant(native.model)
    quantization = native.quantization
    if cut := _QUANTIZED.search(text):
        quantization = quantization or cut[1].lower()
    author = OWN_API.get(native.provider, native.provider)
    return Identity(text if "/" in text else f"{author}/{text}", variant, quantization, "own id")


@lru_cache(maxsize=20_000)
def split_variant(name: str) -> tuple[str, str | None]:
    """`author/model:free` -> (`author/model`, `free`), in lower case; an unknown suffix stays in the name."""
    base, _, suffix = name.lower().rpartition(":")
    return (base, suffix) if base and suffix in VARIANTS else (name.lower(), None)


def author_of(model: str) -> str:
    """`nousresearch/hermes-4-405b` -> `nousresearch`."""
    return model.partition("/")[0].removeprefix("~")


def provider_slug(name: str) -> str:
    """One spelling for each provider: `Nebius Token Factory` -> `nebius`."""
    slug = re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-")
    return PROVIDERS.get(slug, slug) or name.lower()
