"""Bodies in the shape of OpenRouter's, for tests to change where it matters to them."""

from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]


def model(name: str, /, prompt: str = "0.000001", completion: str = "0.000002", **changes: Any) -> Json:
    """An entry of the list of models; `changes` replace or add fields."""
    body = {
        "id": name,
        "canonical_slug": name,
        "hugging_face_id": None,
        "name": name.title(),
        "created": 1_756_000_000,
        "description": f"What {name} is.",
        "context_length": 131_072,
        "architecture": {
            "modality": "text->text",
            "input_modalities": ["text"],
            "output_modalities": ["text"],
            "tokenizer": "Other",
            "instruct_type": None,
        },
        "pricing": {"prompt": prompt, "completion": completion},
        "top_provider": {"context_length": 131_072, "max_completion_tokens": None, "is_moderated": False},
        "per_request_limits": None,
        "supported_parameters": ["max_tokens", "temperature"],
    }
    return body | changes


def endpoint(tag: str, /, prompt: str = "0.000001", completion: str = "0.000002", **changes: Any) -> Json:
    """One endpoint of a model; `changes` replace or add fields, a field that is `...` is taken out."""
    body = {
        "name": f"{tag.split('/', maxsplit=1)[0].title()} | acme/atlas-1",
        "model_id": "acme/atlas-1",
        "model_name": "Acme: Atlas 1",
        "context_length": 131_072,
        "pricing": {"prompt": prompt, "completion": completion, "discount": 0},
        "provider_name": tag.split("/", maxsplit=1)[0].title(),
        "tag": tag,
        "quantization": "unknown",
        "max_completion_tokens": None,
        "max_prompt_tokens": None,
        "supported_parameters": ["max_tokens"],
        "status": 0,
        "uptime_last_5m": None,
        "uptime_last_30m": None,
        "uptime_last_1d": None,
        "supports_implicit_caching": False,
        "latency_last_30m": None,
        "throughput_last_30m": None,
    }
    return {name: value for name, value in (body | changes).items() if value is not ...}


def endpoints(name: str, of: Iterable[Json]) -> Json:
    """The body of a model's list of endpoints."""
    return {"data": {"id": name, "name": name.title(), "created": 1_756_000_000, "endpoints": list(of)}}


def market(models: Iterable[Json], prefix: str = "/api/v1") -> dict[str, Json]:
    """Path -> body: the list of models, and one endpoint of each at its headline price."""
    listed = list(models)
    bodies: dict[str, Json] = {f"{prefix}/models": {"data": listed}}
    for each in listed:
        own = endpoint("nebius/fp8", **each["pricing"])
        bodies[f"{prefix}/models/{each['id']}/endpoints"] = endpoints(each["id"], [own])
    return bodies
