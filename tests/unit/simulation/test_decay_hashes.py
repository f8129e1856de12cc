"""Decay strings name the true decay; equal chains have equal hashes, those of basf2."""

import re
from pathlib import Path

import numpy as np
import pytest
import uproot

from analysis.basf2 import SampleType
from analysis.simulation import bbbar, charm, continuum
from analysis.simulation.decay_hashes import TREE, as_floats, hash_bits, hashtable, reconstructed, told
from analysis.simulation.histories import History
from analysis.simulation.ntuple import write_ntuple
from analysis.simulation.rows import Rows
from analysis.simulation.truth import Label

SIGNAL = " ^300553 (--> 521 (--> 321 12 -12) -521 (--> 421 (--> -321 211) 11 -12))"


def test_hashes_are_those_of_the_gnu_library() -> None:
    """Printed by a C++ program, (uint32_t) std::hash<std::string>{}(text), GCC 12 on x86-64."""
    texts = ["", "a", "12345678", SIGNAL, " 300553 (-->)|x"]
    assert hash_bits(texts).tolist() == [507914862, 2294410603, 973397157, 4051912753, 2932487734]
    assert hash_bits([]).shape == (0,)


def test_hashes_are_kept_as_the_bits_of_a_float() -> None:
    bits = np.array([0, 1, 0x3F800000, 4051912753, 0x7FC00001], dtype=np.uint32)
    values = as_floats(bits)
    assert np.array_equal(values.astype(np.float32).view(np.uint32), bits)
    assert values[2] == 1.0
    assert np.isnan(values[4])


def test_history_passes_over_quarks_copies_and_beams() -> None:
    """e⁺e⁻ → Z → τ⁺τ⁻ γ and s s̄ → K⁺ φ(→ K_S K_L), as PYTHIA writes them; the K_S is final."""
    pdg = np.array(
        [90, 11, -11, 11, -11, 23, 15, -15, 15, 22, 16, -211, -16, 211, 3, -3, 321, 333, 310, 130, 211, -211]
    )
    mother = np.array([0, 0, 0, 1, 2, 3, 5, 5, 6, 6, 8, 8, 7, 7, 5, 5, 14, 14, 17, 17, 18, 18])
    text = History.of(np.array([len(pdg)]), pdg, mother).text(0, 1)
    assert text == " -15 (--> -16 211) 15 (--> 16 -211) 22 321 333 (--> 310 130)"
    turned = History.of(np.array([len(pdg)]), pdg, mother).text(0, -1)
    assert turned == " 15 (--> 16 -211) -15 (--> -16 211) 22 -321 333 (--> 310 130)"


def test_reconstructed_candidates() -> None:
    assert reconstructed(1, -1, 0, -1) == " 300553 (--> -521 (--> 421 (--> -321 211) 13) 521 (--> 321))"
    assert reconstructed(0, -1, 3, 1) == " 300553 (--> 521 (--> -421 (--> 321 -211 -211 211) -11) -521 (--> -321))"
    star = " 300553 (--> -521 (--> 423 (--> 421 (--> -321 211 111 (--> 22 22)) 22) 11) 521 (--> 321))"
    assert reconstructed(2, 1, 1, -1) == star
    pion = " 300553 (--> -521 (--> 413 (--> 421 (--> -321 211) 211) -211 13) 521 (--> 321))"
    assert reconstructed(7, 0, 0, -1) == pion


@pytest.fixture(scope="module")
def charged() -> Rows:
    pytest.importorskip("pythia8mc", reason="the extra `toy` is not installed")
    return bbbar.simulate(SampleType.CHARGED, 4000, 60, 1, np.random.default_rng(1))


def test_strings_name_the_true_decay(charged: Rows) -> None:
    pytest.importorskip("pythia8mc", reason="the extra `toy` is not installed")
    signal = bbbar.simulate(SampleType.SIGNAL, 400, 60, 1, np.random.default_rng(1))
    assert all(re.search(r" 521 \(--> 321 12 -12\)| -521 \(--> -321 -12 12\)", text) for text in told(signal.decay))
    assert all(text.startswith(" ^300553 (-->") and text.count(" 521") == text.count(" -521") == 1
               for text in told(charged.decay))  # fmt: skip
    # the kaon's own code and its mother's stand in the string; with B⁺ and B⁻ swapped they could not, all of them
    text = told(charged.decay)
    for column in ("K_mcPDG", "K_genMotherPDG", "Btag_l_mcPDG"):
        known = np.flatnonzero(np.isfinite(charged.columns[column]))
        assert all(f" {int(charged.columns[column][i])}" in text[i] for i in known)
    label = charged.columns["Bsig_label"]
    for bit, codes in (
        (Label.D_STAR_STAR, "10411|10421|10413|10423|20413|20423|415|425"), (Label.D_TO_KL, "130"),
    ):  # fmt: skip
        named = np.array([bool(re.search(rf" -?({codes})\b", text)) for text in told(charged.decay)])
        assert np.all(named[(label & bit) > 0])
        assert 0 < np.sum((label & bit) > 0) < np.sum(~named)


def test_continuum_hangs_below_the_virtual_photon() -> None:
    pytest.importorskip("pythia8mc", reason="the extra `toy` is not installed")
    ccbar = charm.simulate(1500, 60, np.arange(2) + 1, np.random.default_rng(1))
    ssbar = continuum.simulate(SampleType.SSBAR, 2000, 60, 1, np.random.default_rng(1))
    for text in (*told(ccbar.decay), *told(ssbar.decay)):
        assert text.startswith(" ^10022 (--> ")
        assert not re.match(r" \^10022 \(--> -?11 -?11 ", text), "no beams"
        assert text.count("(") == text.count(")")
    # charmed hadrons are decayed, by their own pools
    assert all(re.search(r"-?4(21|11|31|122) \(--> ", text) for text in told(ccbar.decay))
    assert not any(re.search(r"-?4(21|11|31|122) \(-->\)", text) for text in told(ccbar.decay))


def test_equal_chains_have_equal_hashes_and_the_tree_tells_them(charged: Rows, tmp_path: Path) -> None:
    made = hashtable(charged.decay, charged.columns)
    columns = charged.columns | made.columns
    write_ntuple(tmp_path / "a.root", columns, identity="a", beside={TREE: made.branches})
    with uproot.open(tmp_path / "a.root") as file:
        rows = file["variables"].arrays(library="np")
        table = file[TREE].arrays(library="np")
    bits = [
        rows[f"extraInfo__bo{n}__bc"].astype(np.float32).view(np.uint32) for n in ("DecayHash", "DecayHashExtended")
    ]
    keys = [table[n].view(np.uint32).tolist() for n in ("decayHash", "decayHashExtended")]
    text = dict(zip(zip(*keys, strict=True), table["decayString"], strict=True))
    named = [text[key] for key in zip(bits[0].tolist(), bits[1].tolist(), strict=True)]
    assert [each.partition(" | ")[2] for each in named] == told(charged.decay)
    assert len(set(bits[0].tolist())) == len(set(told(charged.decay)))
    assert len(text) == len(set(named))
    rank = np.unique(charged.event, return_counts=True)[1]
    assert rank.max() > 1, "some events have several candidates, which share the first hash"
