"""The report of the reduced toy: every figure is there, says where it comes from, and comes out the same again."""

import json
import re
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.workflow.conftest import ROOT, Project

pytestmark = [pytest.mark.workflow, pytest.mark.slow, pytest.mark.xdist_group("finished project")]

CI = ("--configfile", "config/ci.yaml")


def provenance_of(path: Path) -> dict:
    text = path.read_text()
    if path.suffix == ".svg":
        return json.loads(unescape(re.search(r"<dc:description>(.*?)</dc:description>", text, re.DOTALL).group(1)))
    return json.loads(re.search(r'id="provenance">(.*?)</script>', text).group(1))


def test_figures_are_vector_graphics_that_carry_their_provenance(toy_results):
    figures = sorted((toy_results / "report").glob("*.svg"))
    assert len(figures) > 20
    for figure in figures:
        root = ElementTree.parse(figure).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        provenance = provenance_of(figure)
        assert provenance["command"] == "figures"
        assert provenance["conditions"]
        assert all(str(path).startswith("results/ci/") for path in provenance["inputs"])


def test_pages_and_summary_tell_the_result(toy_results):
    result = json.loads((toy_results / "fit/result.json").read_text())
    summary = json.loads((toy_results / "report/summary.json").read_text())
    assert summary["mu"] == result["mu"]
    assert summary["upper_limit"] == result["upper_limit"]
    page = (toy_results / "report/result.html").read_text()
    assert f"{result['mu']['value']:.2f}".replace("-", "−") in page
    ledger = json.loads((toy_results / "conditions/ledger.json").read_text())
    assert ledger["digest"] in (toy_results / "report/conditions.html").read_text()
    for page in (toy_results / "report").glob("*.html"):
        assert page.name == "report.html" or provenance_of(page)["command"] == "figures"


def test_figures_come_out_the_same_again(project: Project, toy_results, tmp_path):
    names = {"templates": "templates/templates.json", "workspace": "fit/workspace.json", "result": "fit/result.json"}
    arguments = [text for option, name in names.items() for text in (f"--{option}", f"results/ci/{name}")]
    project.run(
        "analysis", "figures", "templates", "--config", "results/ci/config.json", "--output", str(tmp_path), *arguments
    )
    written = sorted(tmp_path.iterdir())
    assert {"after_SR.svg", "yields.html"} <= {path.name for path in written}
    for path in written:
        assert path.read_bytes() == (toy_results / "report" / path.name).read_bytes(), path.name


def test_snakemake_makes_its_report(project: Project, tmp_path):
    report = tmp_path / "report.html"
    project.snakemake(*CI, "--report", str(report), cores=1)
    text = report.read_text()
    for name in ("scan.svg", "cut_flow.svg", "after_SR.svg", "result.html", "provenance.html"):
        assert name in text
    assert "Profile likelihood" in text  # a caption


def test_another_signal_as_the_readme_tells(project: Project, toy_results):
    """Twice the rate at every q²: half of μ̂, and the same likelihood."""
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (project.root / "reinterpret.py").write_text(block.replace("results/toy", "results/ci"), encoding="utf-8")
    project.run("reinterpret")
    project.run("analysis", "fit", "--workspace", "mine.json", "--output", "mine_result.json")
    found = json.loads((project.root / "mine_result.json").read_text())
    before = json.loads((toy_results / "fit/result.json").read_text())
    assert found["mu"]["value"] == pytest.approx(before["mu"]["value"] / 2, rel=1e-5)
    assert found["nll"] == pytest.approx(before["nll"], abs=1e-6)


def test_the_toy_is_checked_and_its_systematics_are_varied_events(toy_results):
    checks = json.loads((toy_results / "validation/simulation.json").read_text())["checks"]
    groups = {check["group"] for check in checks}
    assert {"q² of the signal", "pools against whole events, signal", "kaon identification", "D and D* mass"} <= groups
    assert [check for check in checks if check["group"] == "unphysical values" and not check["passed"]] == []
    assert "Validation of the toy samples" in (toy_results / "report/validation.html").read_text()
    templates = json.loads((toy_results / "templates/templates.json").read_text())
    assert templates["left_out"] == []
    (unmatched,) = (each for each in templates["variations"] if each["name"] == "corr_neutralUnmatched_c1")
    assert "signal" in unmatched["processes"]
