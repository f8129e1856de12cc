"""What kind of decay the signal-side B is, for the backgrounds that dominate the systematic uncertainties."""

from __future__ import annotations

from enum import IntFlag

import numpy as np

from analysis.simulation.jagged import Array, Bools, Ints, count


class Label(IntFlag):
    """Bits of the column ``Bsig_label``: several may be set.

    ``SEMILEPTONIC`` and ``D_STAR_STAR`` tell B → D(*)ℓν and B → D**ℓν, ``DK`` a kaon made together with charm,
    ``D_TO_KL`` a charmed meson that decays to a K_L, ``TAU`` the long-distance B⁺ → τ⁺(→ K⁺ν̄)ν.
    """

    NONE = 0
    SEMILEPTONIC = 1
    D_STAR_STAR = 2
    DK = 4
    D_TO_KL = 8
    K_KL_KL = 16
    K_KS_KL = 32
    K_NN = 64
    K_STAR_NUNU = 128
    TAU = 256


# Labels of decays that look like signal and are seldom: see `channels.STRATA`
RARE = int(Label.K_KL_KL | Label.K_KS_KL | Label.K_NN | Label.K_STAR_NUNU)

_D_STAR_STAR = (10411, 10421, 10413, 10423, 20413, 20423, 415, 425)
_D_STAR_STAR_S = (10431, 10433, 20433, 435)
_CHARM = (411, 421, 431, 413, 423, 433, 4122, *_D_STAR_STAR, *_D_STAR_STAR_S)


def labels(event: Ints, n: int, code: Array, mother: Ints, first: Ints) -> Ints:
    """Return the labels of decays; entry 1 of each event is the B.

    Parameters
    ----------
    event, code, mother : (k,)
        Event, PDG code and flat index of the mother of every entry of the record.
    n
        Number of events.
    first : (n + 1,) int64
        Offsets of the events.
    """
    kind = np.abs(code)
    b_meson = first[event] + 1
    entry = np.arange(len(code))
    of_b = (mother == b_meson) & (entry != b_meson) & (mother != first[event])
    from_k0 = np.where((kind[mother] == 311) & (kind == 130), mother[mother], mother)

    def number(mask: Bools) -> Ints:
        return count(event, n, of_b & mask)

    products = number(np.ones(len(code), dtype=bool))
    lepton, neutrino = number(np.isin(kind, (11, 13, 15))), number(np.isin(kind, (12, 14, 16)))
    charm = number(np.isin(kind, _CHARM))
    k_plus, k_zero = number(kind == 321), number(kind == 311)
    k_any = k_plus + k_zero + number(np.isin(kind, (313, 323)))
    d_star_star = number(np.isin(kind, _D_STAR_STAR))
    grand_klong = count(event, n, (kind == 130) & (from_k0 == b_meson))
    d_klong = count(event, n, (kind == 130) & np.isin(kind[from_k0], (411, 421, 431)))
    from_tau = (kind[mother] == 15) & (mother[mother] == b_meson)
    of_tau = np.where(count(event, n, from_tau) == 2, count(event, n, from_tau & (kind == 321)), 0)
    k_k0_k0 = (products == 3) & (k_plus == 1) & (k_zero == 2)
    flags = {
        Label.SEMILEPTONIC: (products == 3) & (lepton == 1) & (charm == 1) & (d_star_star == 0),
        Label.D_STAR_STAR: d_star_star > 0,
        Label.DK: (charm > 0) & (k_any > 0),
        Label.D_TO_KL: d_klong > 0,
        Label.K_KL_KL: k_k0_k0 & (grand_klong == 2),
        Label.K_KS_KL: k_k0_k0 & (grand_klong == 1),
        Label.K_NN: (products == 3) & (k_plus == 1) & (number(kind == 2112) == 2),
        Label.K_STAR_NUNU: (neutrino == 2) & (number(np.isin(kind, (313, 323, 311))) == 1) & (products == 3),
        Label.TAU: (products == 2) & (neutrino == 1) & (of_tau > 0),
    }
    result = np.zeros(n, dtype=np.int64)
    for label, mask in flags.items():
        result |= np.where(mask, int(label), 0)
    return result
