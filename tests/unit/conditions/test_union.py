import json

import pytest

from analysis.errors import ConditionsError
from analysis.provenance import conditions_of


def test_union_of_conditions(tmp_path):
    def made(name, **digests):
        (tmp_path / name).write_text(json.dumps({"provenance": {"conditions": digests}}))
        return tmp_path / name

    model = made("model.json", charged="a" * 64, mixed="b" * 64)
    table = made("table.json", charged="a" * 64, data="c" * 64)
    assert conditions_of([model, table]) == {"charged": "a" * 64, "mixed": "b" * 64, "data": "c" * 64}
    other = made("other.json", mixed="d" * 64)
    with pytest.raises(ConditionsError, match="different conditions of the sample 'mixed'") as caught:
        conditions_of([model, table, other])
    assert "model.json" in str(caught.value)
    assert "other.json" in str(caught.value)
