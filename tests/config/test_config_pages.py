"""The pages and metafiles beside the configs."""

import re
from pathlib import Path

import yaml
from config_files import CONFIGS, FILES, ROOT, TOPDOWN, rows

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


# AP of the paper, of MMPose: baseline and DARK each
PUBLISHED = {
    'hourglass-4stack 128x96': '66.2 | 69.6 | - | -',
    'hourglass-8stack 128x96': '67.6 | 70.8 | - | -',
    'res50 128x96': '59.3 | 62.6 | - | -',
    'res50 256x192': '- | - | 71.8 | 72.4',
    'res50 384x288': '- | - | 73.1 | 73.5',
    'res101 128x96': '58.8 | 63.2 | - | -',
    'res101 256x192': '- | - | 72.8 | 73.3',
    'res101 384x288': '- | - | 74.9 | 74.9',
    'res152 128x96': '60.7 | 63.1 | - | -',
    'res152 256x192': '- | - | 73.6 | 74.3',
    'res152 384x288': '- | - | 75.0 | 75.5',
    'hrnet-w32 128x96': '66.9 | 70.7 | - | -',
    'hrnet-w32 256x192': '74.4 | 75.6 | 74.9 | 75.7',
    'hrnet-w32 384x288': '75.8 | 76.6 | 76.1 | 76.6',
    'hrnet-w48 128x96': '68.0 | 71.9 | - | -',
    'hrnet-w48 256x192': '- | - | 75.6 | 76.4',
    'hrnet-w48 384x288': '76.3 | 76.8 | 76.7 | 77.2',
}
# the paper's tables 1 to 4: AP, AP50, AP75, APM, APL, AR
ABLATION_SCORES = {
    'biased-argmax 128x96': '61.2 | 88.1 | 72.3 | 59.0 | 66.3 | 68.7',
    'biased-shift 128x96': '66.9 | 88.7 | 76.3 | 64.6 | 72.3 | 73.7',
    'biased-taylor 128x96': '68.4 | 88.6 | 77.4 | 66.0 | 74.0 | 74.9',
    'biased-taylor-unmodulated 128x96': (
        '68.1 | 88.5 | 77.1 | 65.8 | 73.7 | 74.8'
    ),
    'unbiased-shift 128x96': '68.0 | 88.9 | 77.0 | 65.4 | 73.7 | 74.5',
    'unbiased-taylor 128x96': '70.7 | 88.9 | 78.4 | 67.9 | 76.6 | 76.7',
    'biased-shift 256x192': '74.4 | 90.5 | 81.9 | 70.8 | 81.0 | 79.8',
    'unbiased-taylor 256x192': '75.6 | 90.5 | 82.1 | 71.8 | 82.8 | 80.8',
    'biased-shift 384x288': '75.8 | 90.6 | 82.5 | 72.0 | 82.7 | 80.9',
    'unbiased-taylor 384x288': '76.6 | 90.7 | 82.8 | 72.7 | 83.9 | 81.5',
}


def test_published_numbers_are_copied_rightly():
    for key, scores in PUBLISHED.items():
        backbone, size = key.split()
        (row,) = rows(f'{TOPDOWN}/coco', backbone, 'dark', size)
        assert f'| {scores} |' in row, key
    for key, scores in ABLATION_SCORES.items():
        found = rows('ablation', 'hrnet-w32', *key.split())
        assert found
        assert all(f'| {scores} |' in row for row in found), key
    (row,) = rows(f'{TOPDOWN}/mpii', 'hrnet-w32', 'dark', '256x256')
    # PCKh@0.5 and PCKh@0.1; MMPose's PCKh@0.5 is its metafiles'
    assert '| 90.3 | 90.6 | 37.7 | 42.0 | 90.0 | 90.4 | 33.4 | 35.4 |' in row
    for page in PAGES:
        assert 'published' in page.read_text()
