"""The notebook opens every output of the reduced toy; it is committed without outputs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "walkthrough.ipynb"
EXECUTE = """
import sys
import nbclient, nbformat

notebook = nbformat.read(sys.argv[1], as_version=4)
folder = {"metadata": {"path": sys.argv[2]}}
nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", resources=folder).execute()
nbformat.write(notebook, sys.argv[3])
"""


def test_notebook_is_valid_and_has_no_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)


def test_code_cells_are_short_and_each_section_teaches_first():
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    assert max(len(cell.source.splitlines()) for cell in cells if cell.cell_type == "code") <= 12
    sections = [cell.source for cell in cells if cell.cell_type == "markdown" and cell.source.startswith("## ")]
    assert all(len(text) > 100 for text in sections)


@pytest.mark.workflow
@pytest.mark.slow
@pytest.mark.xdist_group("finished project")
def test_notebook_runs_on_the_reduced_toy(toy_results, tmp_path):
    executed = tmp_path / "executed.ipynb"
    # A process of its own: the kernel's machinery warns of things that are not ours.
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, str(NOTEBOOK), str(NOTEBOOK.parent), str(executed)],
        # The kernel shows figures by its own backend unless the environment names another.
        env={key: value for key, value in os.environ.items() if key != "MPLBACKEND"}
        | {"KNUNU_RESULTS": str(toy_results)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    notebook = nbformat.read(executed, as_version=4)
    printed = {
        cell.id: "".join(output.get("text", "") for output in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code"
    }
    result = json.loads((toy_results / "fit/result.json").read_text())
    assert f"μ = {result['mu']['value']:.2f}" in printed["result"]
    assert "of interest: mu" in printed["workspace"]
    figures = [out for cell in notebook.cells for out in cell.get("outputs", []) if "image/png" in out.get("data", {})]
    assert len(figures) == 3
