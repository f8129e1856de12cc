from __future__ import annotations

import pytest
from pydantic import ValidationError

from analysis.config.models import Bdt


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (("R2", "weight"), "'weight' is a key or a weight"),
        (("R2", "w_form_factor"), "'w_form_factor' is a key or a weight"),
        (("__event__",), "'__event__' is a key or a weight"),
        (("R2", "roeEextra", "R2"), "'R2' is given twice"),
        (("R2", "eta"), "made by the BDT itself"),
        (("K_mcPDG",), "is truth"),
    ],
)
def test_inputs_that_cannot_be(inputs, message):
    with pytest.raises(ValidationError, match=message):
        Bdt(inputs=inputs)


def test_reconstructed_q2_may_be_an_input():
    assert Bdt(inputs=("q2_rec", "R2")).inputs == ("q2_rec", "R2")
