from __future__ import annotations

import numpy as np
import pytest

from analysis.bdt import inputs
from analysis.errors import InputError


def test_matrix_keeps_the_order_of_the_inputs():
    columns = {"R2": np.array([0.1, 0.2]), "roeNTracks": np.array([1, 2]), "flag": np.array([True, False])}
    matrix = inputs.matrix(columns, ["flag", "roeNTracks", "R2"], sample="s")
    assert matrix.dtype == np.float32
    assert matrix.tolist() == [[1, 1, np.float32(0.1)], [0, 2, np.float32(0.2)]]


def test_nan_is_missing_where_the_data_model_gives_it_a_meaning():
    assert inputs.nan_allowed("K_D0vetoM")
    matrix = inputs.matrix({"K_D0vetoM": np.array([1.8, np.nan])}, ["K_D0vetoM"], sample="s")
    assert np.isnan(matrix[1, 0])


@pytest.mark.parametrize("name", ["R2", "own_variable"])
def test_nan_elsewhere_is_an_error_with_sample_column_and_rows(name):
    values = np.array([0.1, np.nan, 0.3, np.nan])
    with pytest.raises(InputError, match=rf"(?s)is NaN.*'charged', column '{name}'.*2 of 4 rows, the first are 1, 3"):
        inputs.matrix({name: values}, [name], sample="charged")


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39])
@pytest.mark.parametrize("name", ["R2", "K_D0vetoM"])
def test_infinities_are_refused(name, value):
    with pytest.raises(InputError, match="infinite"):
        inputs.matrix({name: np.array([0.5, value])}, [name], sample="s")


def test_missing_input_is_named_with_its_neighbour():
    with pytest.raises(InputError, match=r"(?s)roeEextr\b.*'roeEextra'"):
        inputs.matrix({"roeEextra": np.ones(2)}, ["roeEextr"], sample="s")


def test_text_is_refused():
    with pytest.raises(InputError, match="not numeric"):
        inputs.matrix({"name": np.array(["a"])}, ["name"], sample="s")
