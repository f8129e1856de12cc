"""Impacts and the breakdown of the error, against refits with pyhf."""

from __future__ import annotations

import json
import math

import pyhf
import pytest

from analysis.cli import main
from analysis.errors import FitError
from analysis.inference.impacts import impacts
from analysis.inference.results import Impacts


def test_impacts_are_shifts_of_refits(hta):
    found = impacts(hta)
    assert len(found.impacts) == 20
    assert [row.name for row in found.impacts[:1]] == ["mu_bbbar"]
    spec = pyhf.Workspace(hta)
    model = spec.model()
    for row in (found.impacts[0], found.impacts[5]):
        index = model.config.par_names.index(row.name)
        for value, shift in ((row.value + row.error_hi, row.up), (row.value + row.error_lo, row.down)):
            init, fixed = model.config.suggested_init(), model.config.suggested_fixed()
            init[index], fixed[index] = value, True
            pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer(tolerance=1e-12))
            refit = pyhf.infer.mle.fit(spec.data(model), model, init_pars=init, fixed_params=fixed)
            pyhf.set_backend("numpy")
            assert found.value + shift == pytest.approx(refit[model.config.poi_index], abs=1e-3 * found.error)


def test_shares_add_up_to_the_variance(hta):
    found = impacts(hta, groups={"BB": ["mu_bb", "uncorr_bb"]})
    total = sum(math.copysign(share.sigma**2, share.sigma) for share in found.groups)
    assert total == pytest.approx(found.error**2, rel=1e-9)
    by_name = {share.name: share for share in found.groups}
    assert by_name["BB"].parameters == ["mu_bbbar", *(f"uncorr_bbbar[{i}]" for i in range(6))]
    assert by_name["normalisations"].parameters == ["mu_continuum"]
    assert len(by_name["simulation statistics"].parameters) == 12
    assert 0 < by_name["statistical"].sigma < found.error


def test_minos_impacts_follow_the_asymmetry(hta):
    symmetric, asymmetric = impacts(hta), impacts(hta, with_minos=True)
    assert all(row.error_hi == -row.error_lo for row in symmetric.impacts)
    row = asymmetric.impacts[0]
    assert row.error_hi != pytest.approx(-row.error_lo, rel=1e-3)


def test_a_group_that_claims_nothing_is_an_error(hta):
    with pytest.raises(FitError, match="kaon"):
        impacts(hta, groups={"kaon": ["corr_pid"]})


def test_impacts_on_a_bounded_strength_are_refused(hta):
    hta["observations"][0]["data"] = [60.0, 30.0, 20.0, 10.0, 5.0, 0.0]
    hta["measurements"][0]["config"]["parameters"] = [{"name": "mu", "bounds": [[0.0, 30.0]]}]
    with pytest.raises(FitError, match="at its bound") as caught:
        impacts(hta)
    assert "'bounds' under measurements ('knunu') → config → parameters" in caught.value.remedy


def test_the_rule_gives_expected_impacts_where_the_data_end_at_the_bound(hta, tmp_path, caplog):
    hta["observations"][0]["data"] = [60.0, 30.0, 20.0, 10.0, 5.0, 0.0]
    hta["measurements"][0]["config"]["parameters"] = [{"name": "mu", "bounds": [[0.0, 30.0]]}]
    workspace, config, output = (tmp_path / name for name in ("w.json", "c.yaml", "i.json"))
    workspace.write_text(json.dumps(hta))
    config.write_text("name: x\nblinded: false\nsamples: [{name: s, type: signal, files: [x.root]}]\n")
    arguments = ["impacts", "--workspace", str(workspace), "--output", str(output)]
    assert main(arguments) == 1
    assert main([*arguments, "--config", str(config)]) == 0
    assert "The impacts are those expected at μ = 1" in caplog.text
    fallen_back = Impacts.model_validate_json(output.read_text())
    assert fallen_back.asimov == 1.0
    assert main([*arguments, "--asimov", "1"]) == 0
    asked_for = Impacts.model_validate_json(output.read_text())
    assert fallen_back.provenance["settings"] == asked_for.provenance["settings"]
