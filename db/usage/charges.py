"""Usage as charges in the words of FOCUS, the FinOps Open Cost and Usage Specification. Pure.

Column names and meanings: FOCUS 1.2 (focus.finops.org/focus-specification/v1-2). Where it wants a cost and there is
none, because the requests are unpriced, the cost is left empty: unknown is not 0. Columns of our own begin with `x_`,
as the specification asks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from db.catalog.identity import author_of
from db.meters import decimal_text
from db.usage.exact import usd
from db.usage.facts import COUNTED
from db.usage.keys import Subject
from db.usage.rollup import Label
from db.usage.summary import TOKENS
from db.usage.tags import canonical, tags_of

_OWN: Final = {meter: "x_" + "".join(map(str.capitalize, meter.split("_"))) for meter in COUNTED}

COLUMNS: Final = (
    "BilledCost",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "EffectiveCost",
    "ListCost",
    "ProviderName",
    "PublisherName",
    "ResourceId",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "SkuId",
    "SkuMeter",
    "SubAccountId",
    "SubAccountName",
    "Tags",
    "x_Requests",
    "x_UnpricedRequests",
    "x_LoggedCost",
    *_OWN.values(),
)


@dataclass(frozen=True, slots=True)
class Charge:
    """Requests of one subject and label in [start, end): all of them priced, or none.

    Money in 1e-9 USD: `cost_nano` None is unpriced, `logged_nano` None is not logged. `corrected_at`: when a
    restatement was made; the figures are then what it moved, else None.
    """

    start: datetime
    end: datetime
    subject: Subject
    label: Label
    requests: int
    unpriced_requests: int
    cost_nano: int | None
    logged_nano: int | None = None
    units: Mapping[str, int] = field(default_factory=dict)
    corrected_at: datetime | None = None


def focus(charge: Charge) -> dict[str, str | None]:
    """One row, in the order of COLUMNS; None is null. A correction has no quantity, as the specification allows."""
    subject, (project, api_key, user, tags) = charge.subject, charge.label
    model = subject.as_model or subject.model
    provider = subject.as_provider or subject.provider
    cost = None if charge.cost_nano is None else decimal_text(usd(charge.cost_nano))
    correction = charge.corrected_at is not None
    month = charge.start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    quantity, counted = _quantity(charge)
    variant = f":{subject.variant}" if subject.variant else ""
    own = {"project": project, "api_key": api_key, "user": user}
    row: dict[str, Any] = {
        **dict.fromkeys(("BilledCost", "ContractedCost", "EffectiveCost", "ListCost"), cost),
        "BillingCurrency": "USD",
        "BillingPeriodStart": _time(month),
        "BillingPeriodEnd": _time((month + timedelta(days=32)).replace(day=1)),
        "ChargeCategory": "Usage",
        "ChargeClass": "Correction" if correction else None,
        "ChargeDescription": _description(charge, subject.name or model),
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": _time(charge.start),
        "ChargePeriodEnd": _time(charge.end),
        "ConsumedQuantity": None if correction else str(quantity),
        "ConsumedUnit": None if correction else counted,
        "ProviderName": provider,
        "PublisherName": author_of(model) if "/" in model else None,
        "ResourceId": model,
        "ResourceType": "Model" if model else None,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": "Model inference",
        "SkuId": f"{model}@{provider}{variant}",
        "SkuMeter": None if correction else counted,
        "SubAccountId": project,
        "SubAccountName": project,
        "Tags": canonical({**tags_of(tags), **{name: value for name, value in own.items() if value}}),
        "x_Requests": None if correction else str(charge.requests),
        "x_UnpricedRequests": str(charge.unpriced_requests),
        "x_LoggedCost": None if charge.logged_nano is None else decimal_text(usd(charge.logged_nano)),
        **{name: None if correction else str(charge.units.get(meter, 0)) for meter, name in _OWN.items()},
    }
    return {column: row[column] or None for column in COLUMNS}


def _quantity(charge: Charge) -> tuple[int, str]:
    """All tokens; the requests where none were used."""
    tokens = sum(charge.units.get(meter, 0) for meter in TOKENS)
    return (tokens, "Tokens") if tokens else (charge.requests, "Requests")


def _description(charge: Charge, name: str) -> str:
    if charge.corrected_at is not None:
        return f"Restated on {charge.corrected_at.date().isoformat()}: {name}"
    unpriced = ", unpriced" if charge.cost_nano is None else ""
    return f"{charge.requests} requests to {name}{unpriced}"


def _time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
