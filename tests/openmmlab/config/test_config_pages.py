"""The pages and metafiles beside the configs."""

import re
from pathlib import Path

import yaml
from config_files import CONFIGS, FILES, ROOT

PAGES = sorted(CONFIGS.rglob('*.md'))
METAFILES = sorted(CONFIGS.rglob('*.yml'))


def test_each_config_has_a_place_in_a_page_and_in_a_metafile():
    assert [p.with_suffix('') for p in PAGES] == [
        p.with_suffix('') for p in METAFILES
    ]
    for page, metafile in zip(PAGES, METAFILES, strict=True):
        linked = re.findall(r'\]\((td-hm[^)]+\.py)\)', page.read_text())
        models = yaml.safe_load(metafile.read_text())['Models']
        folder = page.parent.relative_to(ROOT)
        assert sorted({str(folder / name) for name in linked}) == sorted(
            model['Config'] for model in models
        )
    models = [
        model
        for metafile in METAFILES
        for model in yaml.safe_load(metafile.read_text())['Models']
    ]
    for model in models:
        assert (ROOT / model['Config']).is_file()
        assert model['Name'] == Path(model['Config']).stem
        assert 'Results' not in model  # nothing has been trained
    assert sorted(model['Config'] for model in models) == sorted(
        f'configs/{file}' for file in FILES
    )
