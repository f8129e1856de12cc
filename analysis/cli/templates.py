"""Histogram every sample in the bins of the likelihood, as it is and under every systematic variation."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import JsonValue

from analysis import config, io, provenance
from analysis.basf2 import SampleType
from analysis.columns import CHANGED, VARIATION
from analysis.config.models import Sample, Templates
from analysis.errors import ConfigurationError, InputError
from analysis.log import logger
from analysis.systematics import Family, Source, sources
from analysis.templates.build import build, needed_columns
from analysis.templates.fill import SampleTable
from analysis.weights.kaon_id import KaonIdTable

HELP = "tables of all samples -> templates of the likelihood, nominal and varied"

SETTINGS = ("blinded", "dataset", "samples", "weights", "templates", "systematics")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--config", metavar="YAML", required=True, help="configuration file")
    parser.add_argument("--output", metavar="JSON", required=True, help="templates to write")
    parser.add_argument("--varied", metavar="PARQUET", nargs="*", default=[], help="varied tables of simulated samples")
    parser.add_argument("tables", metavar="PARQUET", nargs="+", help="one table per sample, with weights and η")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    settings = config.load(args.config)
    templates = channels_of(settings, args.config)
    varied = declared_sources(settings)
    files = table_files(args.tables, settings.samples)
    alternatives = varied_files(args.varied, settings.samples)
    result = build(
        functools.partial(
            read_tables, files, settings.samples, templates, varied, blinded=settings.blinded, alternatives=alternatives
        ),
        templates,
        varied,
        blinded=settings.blinded,
        provenance=collected("templates", config.settings(settings, *SETTINGS), [*args.tables, *args.varied], settings),
    )
    io.write_json(args.output, result.model_dump(mode="json"))
    logger.info("written: %s", args.output)


def channels_of(settings: config.Config, path: str) -> Templates:
    """Return the channels of a configuration; an error names the file if there are none."""
    if settings.templates is None:
        raise ConfigurationError(
            "The configuration has no channels.",
            file=path,
            where="templates",
            remedy="give `templates: channels:`",
        )
    return settings.templates


def declared_sources(settings: config.Config) -> tuple[Source | Family, ...]:
    """Return the systematic sources of a configuration, with the tables that it names."""
    kaon_id = settings.weights.kaon_id
    return sources(
        settings.dataset,
        settings.weights,
        settings.systematics,
        KaonIdTable.read(kaon_id) if kaon_id else None,
    )


def collected(command: str, used: JsonValue, tables: Sequence[str], settings: config.Config) -> JsonValue:
    """Return the provenance of what was made from the tables of samples and the configured calibration tables."""
    kaon_id = settings.weights.kaon_id
    return provenance.collect(
        command,
        used,
        inputs=[*tables, *([kaon_id] if kaon_id else [])],
        conditions=provenance.conditions_of(tables),
    )


def read_tables(
    files: Mapping[str, str],
    samples: Sequence[Sample],
    templates: Templates,
    varied: Sequence[Source | Family],
    *,
    blinded: bool,
    alternatives: Mapping[str, str] | None = None,
) -> Iterator[SampleTable]:
    """Yield the samples in the order of the configuration, with the columns that the templates need."""
    for sample in samples:
        needed = needed_columns(sample.type, templates, varied, blinded=blinded, beams=sample.beam_energy)
        wanted = needed.required | (needed.optional & set(pq.read_schema(files[sample.name]).names))
        columns = io.read_table(files[sample.name], sorted(wanted)).columns if wanted else {}
        path = (alternatives or {}).get(sample.name)
        alternative = {} if path is None else _varied(path, sample, templates, blinded)
        yield SampleTable(sample.name, sample.type, columns, alternative, sample.beam_energy)


def _varied(path: str, sample: Sample, templates: Templates, blinded: bool) -> dict[str, dict[str, NDArray[Any]]]:
    """Return the varied tables of a simulated sample, by variation."""
    if not io.read_table(path, columns=[]).metadata["variations"]:
        return {}  # the ntuples have no alternative columns: a table without columns
    needed = needed_columns(sample.type, templates, (), blinded=blinded, beams=sample.beam_energy)
    present = set(pq.read_schema(path).names)
    table = io.read_table(path, sorted(needed.required | {VARIATION, CHANGED} | (needed.optional & present)))
    number = table.columns[VARIATION]
    return {
        name: {column: values[number == i] for column, values in table.columns.items() if column != VARIATION}
        for i, name in enumerate(table.metadata["variations"])
    }


def varied_files(paths: Sequence[str], samples: Sequence[Sample]) -> dict[str, str]:
    """Return sample -> file of its varied tables; samples need not have any."""
    simulated = [sample for sample in samples if not sample.type.is_data]
    found: dict[str, str] = {}
    for path in paths:
        metadata = io.read_table(path, columns=[]).metadata
        if metadata.get("sample") not in {sample.name for sample in simulated} or "variations" not in metadata:
            raise InputError(
                "This is not the varied table of a simulated sample.",
                file=path,
                where="--varied",
                found=f"{metadata.get('stage', 'another')} table of sample {metadata.get('sample')}",
                expected="what `apply-bdt --varied-output` writes",
                remedy="give those, or leave --varied out",
            )
        found[str(metadata["sample"])] = path
    return found


def table_files(paths: Sequence[str], samples: Sequence[Sample]) -> dict[str, str]:
    """Return sample -> table; every sample has exactly one."""
    found: dict[str, str] = {}
    known = {sample.name: sample.type for sample in samples}
    for path in paths:
        metadata = io.read_table(path, columns=[]).metadata
        name = str(metadata.get("sample"))
        if name not in known:
            raise InputError(
                "A table belongs to no sample of the configuration.",
                file=path,
                found=name,
                expected=", ".join(known),
                remedy="remove the file, or rerun the stages before with this configuration",
            )
        if SampleType(metadata["type"]) is not known[name]:
            raise InputError(
                "A table was made when its sample had another type.",
                file=path,
                where=f"sample {name}",
                found=metadata["type"],
                expected=known[name].value,
                remedy="delete it and rerun",
            )
        if name in found:
            raise InputError(
                "Two tables hold the same sample.",
                file=f"{found[name]} and {path}",
                where=name,
                expected="one table for every sample",
                remedy="give one of them only",
            )
        found[name] = path
    missing = [name for name in known if name not in found]
    if missing:
        raise InputError(
            "Samples of the configuration have no table.",
            where=", ".join(missing),
            remedy="give the tables of all samples",
        )
    return found
