"""A pyhf model compiled into dense arrays.

Every cell (sample, bin) expects R = F · (nominal + Σ δ), where δ are the histosys variations and F a product
of factors. Factors come in two kinds: *global* ones are constant within a channel (normfactor, normsys,
lumi), *local* ones belong to a bin (staterror, shapesys, shapefactor). Each use of a parameter is a *slot*;
derivatives are taken with respect to slots and added up by parameter, since HistFactory lets modifiers of
different types share one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyhf

from analysis.inference.interpolation import (
    HISTOSYS_CODES,
    NORMSYS_CODES,
    NormsysFactors,
    histosys_basis,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LINEAR = ("normfactor", "lumi")
LOCAL = ("staterror", "shapesys", "shapefactor")


class UnsupportedModelError(Exception):
    """The model has something that the compiled likelihood does not know; pyhf must evaluate it."""


@dataclass(frozen=True)
class Compiled:
    """The arrays of a model with S samples, B bins, C channels and P parameters.

    Attributes
    ----------
    channel_of_bin : (B,); channel_starts : (C,)
        Channels are contiguous in the bins, in pyhf's order.
    nominal : (S, B)
    shapes : (2, M, S, B)
        X₁ and X₂ of the M histosys slots.
    shape_code
        Their interpolation code.
    norm, norm_slot : (E,), norm_block : (E,)
        Normsys factors; the slot of each entry among the global ones, and its block s·C + c.
    linear_slot, linear_block
        Entries of normfactor and lumi slots.
    n_norm, n_linear
        Numbers of normsys and linear slots; the G global slots are the former, then the latter.
    local_bin : (K,)
        The bin of each local slot.
    pair_slot, pair_cell : (N,)
        Which cells s·B + b a local slot multiplies, sorted by slot.
    local_map : (D, S·B)
        Local slots of each cell, K standing for none.
    slot_param : (M + G + K,)
        Parameter of each slot: histosys, global, local.
    """

    n_params: int
    channel_of_bin: Ints
    channel_starts: Ints
    nominal: Floats
    shapes: Floats
    shape_code: str
    norm: NormsysFactors
    norm_slot: Ints
    norm_block: Ints
    linear_slot: Ints
    linear_block: Ints
    n_norm: int
    n_linear: int
    local_bin: Ints
    pair_slot: Ints
    pair_cell: Ints
    local_map: Ints
    slot_param: Ints

    @property
    def n_shapes(self) -> int:
        """Number of histosys slots M."""
        return int(self.shapes.shape[1])

    @property
    def n_global(self) -> int:
        """Number of global slots G."""
        return self.n_norm + self.n_linear

    @property
    def n_local(self) -> int:
        """Number of local slots K."""
        return len(self.local_bin)


class _Builder:
    """Walks the specification once and collects slots."""

    def __init__(self, model: pyhf.Model) -> None:
        self.config = model.config
        self.n_channels = len(self.config.channels)
        self.n_bins = self.config.nmaindata
        self.shape = (len(self.config.samples), self.n_bins)
        self.nominal = np.zeros(self.shape)
        self.shapes: dict[str, Floats] = {}
        self.norms: dict[tuple[str, int], tuple[float, float]] = {}
        self.linears: set[tuple[str, int]] = set()
        self.locals: dict[tuple[str, str, int], list[tuple[int, int]]] = {}
        settings = self.config.modifier_settings
        self.shape_code = settings.get("histosys", {}).get("interpcode", "code0")
        self.norm_code = settings.get("normsys", {}).get("interpcode", "code1")
        if self.shape_code not in HISTOSYS_CODES or self.norm_code not in NORMSYS_CODES:
            raise UnsupportedModelError(f"interpolation codes {self.shape_code} and {self.norm_code}")

    def sample(self, channel: str, sample: Mapping[str, object], modifiers: object) -> None:
        where = self.config.channel_slices[channel]
        row = self.config.samples.index(sample["name"])
        block = row * self.n_channels + self.config.channels.index(channel)
        self.nominal[row, where] = sample["data"]
        for modifier in modifiers:  # type: ignore[attr-defined]
            kind, name, data = modifier["type"], modifier["name"], modifier["data"]
            if kind == "histosys":
                basis = self.shapes.setdefault(name, np.zeros((2, *self.shape)))
                basis[:, row, where] = histosys_basis(
                    self.shape_code,
                    np.asarray(data["lo_data"], dtype=float),
                    self.nominal[row, where],
                    np.asarray(data["hi_data"], dtype=float),
                )
            elif kind == "normsys":
                self.norms[name, block] = (float(data["lo"]), float(data["hi"]))
            elif kind in LINEAR:
                self.linears.add((name, block))
            elif kind in LOCAL:
                for bin_index in range(where.start, where.stop):
                    key = (kind, name, bin_index)
                    self.locals.setdefault(key, []).append((row, bin_index))
            else:
                raise UnsupportedModelError(f"modifier type '{kind}'")

    def parameter(self, name: str) -> int:
        return int(self.config.par_slice(name).start)

    def local_parameters(self) -> dict[tuple[str, str, int], int]:
        """Return the parameter of each local slot, by pyhf's rules of counting."""
        by_name: dict[tuple[str, str], list[int]] = {}
        for kind, name, bin_index in self.locals:
            by_name.setdefault((kind, name), []).append(bin_index)
        starts = {s.start: s for s in self.config.channel_slices.values()}
        found = {}
        for (kind, name), bins in by_name.items():
            first = self.parameter(name)
            size = self.config.param_set(name).n_parameters
            for position, bin_index in enumerate(sorted(bins)):
                # staterror and shapesys count the bins they touch; shapefactor the bins of a channel.
                if kind == "shapefactor":
                    position = bin_index - max(s for s in starts if s <= bin_index)
                if position >= size:
                    raise UnsupportedModelError(f"{kind} '{name}' has fewer parameters than its channels have bins")
                found[kind, name, bin_index] = first + position
        return found


def compile_model(model: pyhf.Model) -> Compiled:
    """Compile a pyhf model.

    Raises
    ------
    UnsupportedModelError
        The model has a modifier, an interpolation code or an option that is not known here.
    """
    if model.batch_size is not None:
        raise UnsupportedModelError("a batched pyhf model")
    main = model.main_model
    if main.clip_bin_data not in (None, 0.0) or main.clip_sample_data is not None:
        raise UnsupportedModelError("expectations clipped by sample, or elsewhere than at 0")
    builder = _Builder(model)
    for channel in model.spec["channels"]:
        for sample in channel["samples"]:
            # Of two modifiers with one type and name pyhf keeps the last.
            unique = {(m["type"], m["name"]): m for m in sample["modifiers"]}
            builder.sample(channel["name"], sample, unique.values())
    return _assemble(builder)


def _assemble(builder: _Builder) -> Compiled:
    config = builder.config
    n_samples, n_bins = builder.shape
    starts = np.array([config.channel_slices[c].start for c in config.channels], dtype=np.int64)
    shape_names = sorted(builder.shapes)
    norm_names = sorted({name for name, _ in builder.norms})
    linear_names = sorted({name for name, _ in builder.linears})
    norms, linears = sorted(builder.norms), sorted(builder.linears)
    local_params = builder.local_parameters()
    keys = sorted(builder.locals, key=lambda key: (key[2], local_params[key]))
    pairs = [(k, r * n_bins + b) for k, key in enumerate(keys) for r, b in builder.locals[key]]
    pair_slot = np.array([k for k, _ in pairs], dtype=np.int64)
    pair_cell = np.array([cell for _, cell in pairs], dtype=np.int64)
    slots = [builder.parameter(name) for name in (*shape_names, *norm_names, *linear_names)]
    return Compiled(
        n_params=config.npars,
        channel_of_bin=np.repeat(np.arange(len(starts)), np.diff(np.append(starts, n_bins))).astype(np.int64),
        channel_starts=starts,
        nominal=builder.nominal,
        shapes=np.stack([builder.shapes[name] for name in shape_names], axis=1)
        if shape_names
        else np.zeros((2, 0, n_samples, n_bins)),
        shape_code=builder.shape_code,
        norm=NormsysFactors(
            builder.norm_code,
            np.array([builder.norms[key][0] for key in norms]),
            np.array([builder.norms[key][1] for key in norms]),
        ),
        norm_slot=np.array([norm_names.index(name) for name, _ in norms], dtype=np.int64),
        norm_block=np.array([block for _, block in norms], dtype=np.int64),
        linear_slot=np.array([linear_names.index(name) for name, _ in linears], dtype=np.int64) + len(norm_names),
        linear_block=np.array([block for _, block in linears], dtype=np.int64),
        n_norm=len(norm_names),
        n_linear=len(linear_names),
        local_bin=np.array([key[2] for key in keys], dtype=np.int64),
        pair_slot=pair_slot,
        pair_cell=pair_cell,
        local_map=_local_map(pair_slot, pair_cell, n_samples * n_bins, len(keys)),
        slot_param=np.array([*slots, *(local_params[key] for key in keys)], dtype=np.int64),
    )


def _local_map(pair_slot: Ints, pair_cell: Ints, n_cells: int, n_slots: int) -> Ints:
    """Return the local slots of each cell, filled up with ``n_slots``; (D, n_cells)."""
    depth = np.bincount(pair_cell, minlength=n_cells).max(initial=0)
    table = np.full((depth, n_cells), n_slots, dtype=np.int64)
    used = np.zeros(n_cells, dtype=np.int64)
    for slot, cell in zip(pair_slot, pair_cell, strict=True):
        table[used[cell], cell] = slot
        used[cell] += 1
    return table


def couples(model: Compiled) -> tuple[Ints, Ints, tuple[Ints, Ints]]:
    """Return pairs of local slots in one bin, and the cells that distinct ones share.

    Returns
    -------
    first, other : (N,)
        All ordered pairs in the same bin, a slot with itself included.
    shared : tuple of (n,)
        Which of these pairs, and the cell both multiply.
    """
    by_bin: dict[int, list[int]] = {}
    for slot, bin_index in enumerate(model.local_bin.tolist()):
        by_bin.setdefault(bin_index, []).append(slot)
    pairs = [(a, b) for slots in by_bin.values() for a in slots for b in slots]
    cells: dict[int, set[int]] = {}
    for slot, cell in zip(model.pair_slot.tolist(), model.pair_cell.tolist(), strict=True):
        cells.setdefault(slot, set()).add(cell)
    shared = [(which, cell) for which, (a, b) in enumerate(pairs) if a != b for cell in sorted(cells[a] & cells[b])]
    table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    common = np.array(shared, dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1], (common[:, 0], common[:, 1])
