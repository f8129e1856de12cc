"""What all sections share: the base of the models, and kinds of values."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from analysis.errors import ConfigurationError
from analysis.ntuples.expression import Expression

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]


def _parsed(cut: str) -> str:
    if cut:
        try:
            Expression.parse(cut)
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
    return cut


CutText = Annotated[str, AfterValidator(_parsed)]
"""Expression over columns or branches; empty keeps everything."""


def nested_models(annotation: Any) -> list[type[BaseModel]]:
    """Return the models inside a type annotation, such as that of a tuple's items."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in nested_models(part)]


class Model(BaseModel):
    """Base of all models: frozen, unknown keys refused, attribute docstrings become descriptions."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True)
