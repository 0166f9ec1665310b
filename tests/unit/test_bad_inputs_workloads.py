"""Every bad input of the table gets its sentence, word for word."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.bad_inputs_workloads import BAD_INPUTS, BadInput


@pytest.mark.parametrize("case", BAD_INPUTS, ids=[case.what for case in BAD_INPUTS])
def test_a_bad_input_gets_its_sentence(case: BadInput, tmp_path: Path) -> None:
    with pytest.raises((ValueError, ConnectionError)) as caught:
        case.act(tmp_path)
    assert str(caught.value).replace(str(tmp_path), "FOLDER") == case.sentence
