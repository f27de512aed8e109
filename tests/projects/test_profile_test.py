"""projects/benchmarks/profile_test.py, as a subprocess."""

import json

import pytest
import tiny_run

TOOL = '../projects/benchmarks/profile_test.py'


def test_both_codecs_are_profiled(tmp_path):
    data = tiny_run.write_data(tmp_path / 'data')
    config = tiny_run.write_config(tmp_path / 'tiny.py', data)
    out = tmp_path / 'profile.json'
    result = tiny_run.call(
        TOOL, config, '--turns', 1, '--out', out, cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    rows = [r.split('|')[1:-1] for r in result.stdout.splitlines() if '|' in r]
    header = next(i for i, r in enumerate(rows) if r[0].strip() == 'stage')
    assert 'DARKCodec' in rows[header][1] and 'MSRAHeatmap' in rows[header][3]
    stages = [[float(x) for x in r[1:]] for r in rows[header + 2 :]]
    for column in (1, 3):
        total = sum(r[column] for r in stages)
        assert total == pytest.approx(100, abs=0.1)
    for seconds in json.loads(out.read_text())['seconds'].values():
        assert seconds['decoding'] > 0


def test_missing_config_is_a_user_error(tmp_path):
    result = tiny_run.call(TOOL, tmp_path / 'no.py', cwd=tmp_path)
    assert 'does not exist' in tiny_run.refused(result)


def test_no_turns_is_a_user_error(tmp_path):
    result = tiny_run.call(TOOL, 'any.py', '--turns', 0, cwd=tmp_path)
    assert '--turns' in tiny_run.refused(result)
