"""requirements/ and setup.cfg: every version in one place, and installed."""

import configparser
import re
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def pins(name):
    lines = (ROOT / 'requirements' / name).read_text().splitlines()
    return [Requirement(x) for x in lines if x and not x.startswith('#')]


def normalised(name):
    return re.sub(r'[-_.]+', '-', name).lower()


FILES = sorted(path.name for path in (ROOT / 'requirements').glob('*.txt'))


def test_every_version_is_pinned_once():
    everything = [pin for name in FILES for pin in pins(name)]
    assert len(everything) > 60
    names = [normalised(pin.name) for pin in everything]
    assert sorted(set(names)) == sorted(names)
    for pin in everything:
        assert re.fullmatch(r'==[\w.]+', str(pin.specifier)), pin


@pytest.mark.skipif(
    not Path(sys.prefix, '.dark_codec_env').exists(),
    reason='runs in an environment that tools/setup_env.sh made',
)
@pytest.mark.parametrize(
    'name',
    ['build.txt', 'runtime.txt', 'tests.txt', 'docs.txt', 'no_deps.txt'],
)
def test_what_is_installed_is_what_is_pinned(name):
    """torch, and what it needs in its turn, may be the user's own."""
    asked = [p for p in pins(name) if not p.marker or p.marker.evaluate()]
    installed = {pin.name: version(pin.name) for pin in asked}
    wanted = {pin.name: str(pin.specifier)[2:] for pin in asked}
    assert installed == wanted


def test_the_package_pins_nothing():
    """An exact or an upper bound could break a user's working stack."""
    config = configparser.ConfigParser()
    config.read(ROOT / 'setup.cfg')
    listed = config['options']['install_requires'].split()
    requirements = [Requirement(line) for line in listed]
    assert {r.name for r in requirements} == {'numpy', 'torch'}
    operators = {s.operator for r in requirements for s in r.specifier}
    assert operators <= {'>='}
