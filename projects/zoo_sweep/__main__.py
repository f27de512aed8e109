"""Try DARKCodec with every config of the installed MMPose, and fill the page.

Each config gets the README's two lines. One that predicts Gaussian heatmaps
must work; any other must be refused.
"""

import argparse
import contextlib
import io
import logging
import multiprocessing
import sys
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mmengine.logging import MMLogger

from dark_codec.analysis.report import fill, markdown
from dark_codec.openmmlab.engine.progress import track
from projects.zoo_sweep.checks import ZOO, check_config

PAGE = Path(__file__).with_name('README.md')
MINUTES = 10  # for one config; where it is killed for its memory, no answer


def failure(name: str, reason: str) -> dict:
    """Return the row of a config that failed."""
    return dict(config=name, status='failed', reason=reason, codec='')


def quiet_check(name: str) -> dict:
    """Check a config; what fails becomes a row, what is printed is dropped."""
    warnings.filterwarnings('ignore')
    MMLogger.get_current_instance().setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return check_config(name)
    except Exception as error:
        return failure(name, f'{type(error).__name__}: {error}')


def short_name(config: str) -> str:
    """Leave out what is the same in all names."""
    name = config.replace('_2d_keypoint/topdown_heatmap', '')
    return name.removesuffix('.py').replace('/td-hm_', '/')


def cell(text: str) -> str:
    """Return the beginning of a message, as a table can hold it."""
    text = ' '.join(text.split()).replace('|', '\\|')
    return text if len(text) <= 110 else f'{text[:110]}...'


def tables(rows: list[dict]) -> dict[str, str]:
    """Make the page's tables."""
    passed = [row for row in rows if row['status'] == 'passed']
    counts = Counter(row['codec'] for row in passed)
    refused = Counter(
        ('/'.join(row['config'].split('/')[:2]), cell(row['reason']))
        for row in rows
        if row['status'] == 'refused'
    )
    return dict(
        counts=markdown(
            ['replaced codec', 'configs passed'],
            [
                *([codec, str(counts[codec])] for codec in sorted(counts)),
                ['all', str(len(passed))],
            ],
        ),
        others=markdown(
            ['config', 'status', 'reason'],
            [
                [short_name(r['config']), r['status'], cell(r['reason'])]
                for r in rows
                if r['status'] in ('failed', 'skipped')
            ],
            text=(0, 1, 2),
        ),
        passed=markdown(
            ['config', 'replaced', 'backbone, head', 'input', 'K', 'note'],
            [
                [
                    short_name(row['config']),
                    row['codec'].removesuffix('Heatmap'),
                    row['network'],
                    row['input_size'],
                    str(row['keypoints']),
                    row['note'],
                ]
                for row in passed
            ],
            text=(0, 1, 2, 3, 5),
        ),
        refused=markdown(
            ['family', 'configs', 'message'],
            [
                [family, str(number), reason]
                for (family, reason), number in sorted(refused.items())
            ],
            text=(0, 2),
        ),
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Check the configs, and fill the page if they are all."""
    parser = argparse.ArgumentParser(
        prog='python -m projects.zoo_sweep',
        description=__doc__.splitlines()[0],
    )
    parser.add_argument(
        'parts',
        nargs='*',
        metavar='PART',
        help='check only configs with one of these in their path, and leave '
        'the page as it is',
    )
    args = parser.parse_args(argv)
    names = [
        path.relative_to(ZOO).as_posix()
        for path in sorted(ZOO.rglob('*.py'))
        if '_base_' not in path.parts
    ]
    if args.parts:
        names = [n for n in names if any(part in n for part in args.parts)]
    if not names:
        parser.error(f'no config of MMPose has one of {args.parts}')
    rows = []
    # one process per config, forked: the imports take longer than most
    context = multiprocessing.get_context('fork')
    with context.Pool(1, maxtasksperchild=1) as pool:
        for name in track(names, 'Sweeping'):
            try:
                answer = pool.apply_async(quiet_check, (name,))
                row = answer.get(60 * MINUTES)
            except multiprocessing.TimeoutError:
                row = failure(name, f'no answer in {MINUTES} minutes')
            rows.append(row)
            if row['status'] in ('failed', 'skipped'):
                print(f'{row["status"]} {name}: {cell(row["reason"])}')
    if not args.parts:
        PAGE.write_text(fill(PAGE.read_text(), tables(rows)))
    counts = Counter(row['status'] for row in rows)
    print(', '.join(f'{counts[status]} {status}' for status in sorted(counts)))
    sys.exit(1 if counts['failed'] else 0)


if __name__ == '__main__':
    main()
