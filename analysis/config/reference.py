"""The configuration described: JSON Schema for editors, Markdown for people; both made from the models."""

from __future__ import annotations

import json
import types
import typing
from enum import Enum
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from analysis.basf2 import SampleType
from analysis.config.models import Config
from analysis.config.models.base import nested_models


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a configuration file; ``extends`` is resolved before the models see it."""
    result = Config.model_json_schema(mode="validation")
    result["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    result["properties"]["extends"] = {
        "type": "string",
        "description": "A configuration file underneath this one, relative to it: mappings are merged, lists replaced.",
    }
    # With `extends`, what is mandatory may stand in the file underneath: top-level keys and those of sections, but not
    # those of the items of lists, which are replaced as a whole.
    required = result.pop("required")
    result["anyOf"] = [{"required": ["extends"]}, {"required": required}]
    for field in Config.model_fields.values():
        if typing.get_origin(field.annotation) is not tuple:
            for model in nested_models(field.annotation):
                result["$defs"][model.__name__].pop("required", None)
    return result


def _type_name(annotation: Any) -> str:
    if annotation is type(None):
        return "null"
    if annotation is Ellipsis:
        return "…"
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _type_name(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type_name(part) for part in typing.get_args(annotation))
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in typing.get_args(annotation))
    if origin is tuple:
        parts = typing.get_args(annotation)
        if parts[-1] is Ellipsis:
            return f"list of {_type_name(parts[0])}"
        return "[" + ", ".join(_type_name(part) for part in parts) + "]"
    if origin is dict:
        key, value = typing.get_args(annotation)
        return f"{_type_name(key)} → {_type_name(value)}"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "sample type" if annotation is SampleType else " or ".join(f"`{item.value}`" for item in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    return {"str": "text", "float": "number", "int": "integer", "bool": "true/false"}.get(
        annotation.__name__, str(annotation.__name__)
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "**required**"
    if isinstance(field.default, BaseModel):
        return "see below"
    return f"`{json.dumps(_plain(field.default), ensure_ascii=False)}`"


def _section(model: type[BaseModel], title: str) -> list[str]:
    lines = [f"## {title}", "", (model.__doc__ or "").strip(), ""]
    lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
    nested: list[str] = []
    for name, field in model.model_fields.items():
        kind = _type_name(field.annotation).replace("|", "\\|")
        meaning = (field.description or "").replace("\n", " ").replace("|", "\\|")
        lines.append(f"| `{name}` | {kind} | {_default(field)} | {meaning} |")
        for inner in nested_models(field.annotation):
            path = name if title == "Top level" else f"{title}.{name}".replace("`", "")
            several = typing.get_origin(field.annotation) is tuple or "list of" in kind
            nested += ["", *_section(inner, f"`{path}{'[]' if several else ''}`")]
    return lines + nested


INTRODUCTION = """# Configuration

<!-- Made by `make schemas`; a test keeps it in step with the models. -->

A configuration file stands alone: `snakemake --configfile config/mine.yaml` *replaces* the default, it is not merged
into it. To build upon another file say so with `extends: other.yaml` (relative to the file): mappings are merged, lists
are replaced. Unknown keys are errors; all mistakes are reported at once. `config/config.yaml` is the toy,
`config/ci.yaml` its reduced form, `config/belle2.example.yaml` a start for your own samples.

Expressions (`cut`) use the names of `analysis/columns.py` or of any branch, comparisons that may be chained, `and`,
`or`, `not`, arithmetic and functions such as `abs`: `0.9 < K_kaonID and abs(K_dz) < 3`.

No key may stand twice in a mapping. Anchors (`&a`, `*a`) and merge keys (`<<: *a`) work. Paths are relative to the
working directory, `extends` to its file.

## The kaon-identification table

`weights.kaon_id` names a CSV file of data/simulation ratios for the selection's cut on `K_kaonID`, one bin a line;
lines that start with `#` are comments. `config/tables/kaon_id.csv` is the toy's: ratios of one, assumed uncertainties.
Replace it by your performance group's for real data; without the key no event is corrected and `corr_pid` is left out.
Its columns:

- `particle`: true species behind the candidate: `kaon`, `pion`, `electron`, `muon`, `proton`, `other`, or `unmatched`
  (no truth)
- `charge`: 1, -1, or 0 for both
- `p_min`, `p_max`: laboratory momentum, GeV/c; the upper edge is excluded
- `theta_min`, `theta_max`: laboratory polar angle, rad; the upper edge is excluded
- `ratio`: efficiency (fake rate) in data over that in simulation
- `stat_up`, `stat_down`: absolute uncertainty of the ratio, independent from bin to bin
- `syst_up`, `syst_down`: absolute uncertainty of the ratio, the same for all bins together

Bins of one species may not overlap. A candidate outside all bins gets the ratio 1 with twice the largest uncertainties
of its species; the log and the table count them.

## Off-resonance data

Data taken below the Υ(4S) hold continuum alone; in a likelihood with a channel of theirs they constrain the
normalisations of continuum (`mu_bkg_ccbar` …), which all channels share. It takes:

- `dataset: off_resonance_luminosity:`, and `off_resonance_sqrt_s:` if it is not 60 MeV below the Υ(4S)
- the data, `type: offres`, and continuum simulated at their energy, `beam_energy: 4S_offres`, of every type that there
  is on resonance
- a channel with `beam_energy: 4S_offres`. It holds these samples and no others; its data are never blinded

Their q²_rec is that of their energy, cross sections are scaled as 1/s, and `corr_contD` (`systematics:
off_resonance:`) stands for what may differ between the energies. The BDT is trained on resonance and applied to both.
Without such a channel off-resonance data are skimmed and selected, and left out of the likelihood.

    samples:
      - {name: ccbar_off, type: ccbar, beam_energy: 4S_offres, files: [...]}
      - {name: offres, type: offres, files: [...]}
    templates:
      channels:
        - {name: OFFRES, beam_energy: 4S_offres, axes: [{column: q2_rec, edges: [-1, 25]}]}
"""


def markdown() -> str:
    """Return the reference of all keys: type, default, meaning with unit."""
    return "\n".join([INTRODUCTION, *_section(Config, "Top level")]) + "\n"
