"""``python -m projects.coco`` against a local server with a few samples."""

import hashlib
import json
import shutil
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from tiny_run import (
    be_one_of_two,
    free_port,
    in_two_processes,
    save_weights,
    write_config,
    write_data,
)

from dark_codec.cli import UserError
from dark_codec.dumps.reader import HeatmapDump
from projects.coco.__main__ import main
from projects.coco.download import fetch

PEOPLE, IMAGES = 8, 6
ANNOTATIONS = 'annotations/annotations_trainval2017.zip'


class Server(SimpleHTTPRequestHandler):
    """Serves a folder as storage services do: whole files, or the rest."""

    sent: list[tuple[str, str, int]] = []  # method, path, first byte
    cut: dict[str, int] = {}  # connections end after so many bytes
    size: dict[str, int] = {}  # what is claimed

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            return self.send_error(404)
        data, start = path.read_bytes(), 0
        total = self.size.get(path.name, len(data))
        if begin := self.headers.get('Range'):
            start = int(begin.removeprefix('bytes=').removesuffix('-'))
        self.sent.append((self.command, path.name, start))
        self.send_response(206 if start else 200)
        self.send_header('Content-Length', str(total - start))
        self.end_headers()
        if body:
            end = self.cut.pop(path.name, None)
            self.wfile.write(data[start:end])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(site):
    folder, _ = site
    handler = type('OfOneTest', (Server,), dict(sent=[], cut={}, size={}))
    address = ('127.0.0.1', free_port())
    with ThreadingHTTPServer(
        address, lambda *a: handler(*a, directory=folder)
    ) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        handler.url = f'http://127.0.0.1:{address[1]}'
        yield handler
        running.shutdown()


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    """COCO's layout and two published networks; what a user runs with."""
    folder = tmp_path_factory.mktemp('site')
    data = write_data(folder / 'made', PEOPLE)
    coco = json.loads((data / 'people.json').read_text())
    # one image has nobody, and one has nobody whose keypoints are labelled
    coco['annotations'] = coco['annotations'][:-1]
    coco['annotations'][0]['num_keypoints'] = 0
    coco['annotations'][0]['keypoints'] = [0] * 51
    for image in coco['images']:
        name = image['file_name']
        image['coco_url'] = f'http://images.cocodataset.org/val2017/{name}'
    shutil.copytree(data / 'images', folder / 'val2017')
    (folder / 'annotations').mkdir()
    with zipfile.ZipFile(folder / ANNOTATIONS, 'w') as archive:
        archive.writestr(
            'annotations/person_keypoints_val2017.json', json.dumps(coco)
        )
    models = []
    for name, extra in (
        ('plain', ''),
        ('dark', "codec['unbiased'] = True\n"),
    ):
        config = write_config(
            folder / f'{name}.py', data, codec='MSRAHeatmap', extra=extra
        )
        save_weights(config, folder / 'new.pth')
        digest = hashlib.sha256((folder / 'new.pth').read_bytes()).hexdigest()
        weights = f'{name}-{digest[:8]}_20200101.pth'
        (folder / 'new.pth').rename(folder / weights)
        metrics = {'AP': 0.5, 'AP@0.75': 0.25, 'AR': 0.625}
        models.append(
            dict(
                Name=name,
                Config=config.name,
                Weights=f'https://download.openmmlab.com/{weights}',
                Results=[dict(Metrics=metrics)],
            )
        )
    metafile = folder / 'tiny.yml'
    metafile.write_text(yaml.safe_dump(dict(Models=models)))
    return folder, metafile


@pytest.fixture
def arguments(site, server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chosen = [f'--metafiles={site[1]}', f'--mirror={server.url}', '--draws=3']
    return [*chosen, '--networks', 'plain', 'dark']


def weights_of(site, name):
    return next(site[0].glob(f'{name}-*.pth'))


def test_from_nothing_to_the_table(site, server, arguments, capsys):
    large = weights_of(site, 'dark').name
    server.cut[large] = 1000
    with pytest.raises(UserError, match='ended after 1000 of .* continues'):
        main(arguments)
    assert not Path('work_dirs/coco/dumps').exists()
    server.sent.clear()
    main(arguments)
    # what had come was not fetched again, and the rest from where it ended
    assert ('GET', large, 1000) in server.sent
    assert not any('zip' in name for _, name, _ in server.sent)
    text = capsys.readouterr().out
    page = Path('work_dirs/coco/coco.md').read_text()
    assert page in text
    assert f'{IMAGES} people in {IMAGES} images: about' in text
    record = json.loads(Path('work_dirs/coco/coco.json').read_text())
    for name, own in (('plain', 'shift'), ('dark', 'dark-max')):
        rows = record['networks'][name]['rows']
        assert len(rows) == 2 * 7
        assert [rows[i]['flip_test'] for i in (0, 7)] == [True, False]
        assert [rows[i]['decoder'] for i in (0, 7)] == [own, own]
        assert rows[0]['difference'] == dict(value=0, low=0, high=0)
        assert rows[0]['interval']['value'] == rows[0]['metrics']['AP']
        assert record['networks'][name]['published']['AP'] == 0.5
    assert ' - 0.500 = ' in page and ' - 0.625 = ' in page
    dump = HeatmapDump('work_dirs/coco/dumps/plain_flip')
    assert dump.info.flip_test and len(dump) == IMAGES
    # all is there: nothing is fetched or predicted
    server.sent.clear()
    before = {p: p.stat().st_mtime_ns for p in Path('.').rglob('shard_*')}
    main(arguments)
    assert not server.sent
    assert 'minutes' not in capsys.readouterr().out
    after = {p: p.stat().st_mtime_ns for p in Path('.').rglob('shard_*')}
    assert after == before


def _of_two(rank, port, arguments):
    be_one_of_two(rank, port)
    main([*arguments, '--launcher=pytorch'])


def test_two_processes_equal_one(arguments):
    main(arguments)
    in_two_processes(_of_two, free_port(), [*arguments, '--out=two'])
    one, two = (
        json.loads(Path(folder, 'coco.json').read_text())['networks']
        for folder in ('work_dirs/coco', 'two')
    )
    assert one == two


def test_some_images_and_detections(site, server, arguments, capsys):
    boxes = [
        dict(image_id=n, category_id=1, bbox=[5, 10, 85, 105], score=0.9)
        for n in range(1, PEOPLE + 1)
    ]
    Path('boxes.json').write_text(json.dumps(boxes * 2))
    main([*arguments[:-1], '--images=3', '--detections=boxes.json'])
    assert '6 people in 3 images' in capsys.readouterr().out
    assert '6 detected boxes' in Path('work_dirs/coco/coco.md').read_text()
    fetched = [name for method, name, _ in server.sent if method == 'GET']
    assert sum(name.endswith('.jpg') for name in fetched) == 3
    # another choice needs another folder, and says so before it predicts
    with pytest.raises(UserError, match='holds another dump'):
        main([*arguments[:-1], '--images=4', '--detections=boxes.json'])


def test_wrong_checksum(site, server, arguments):
    weights = weights_of(site, 'plain')
    path = Path('checkpoints') / weights.name
    path.parent.mkdir()
    path.write_bytes(b'another file')
    with pytest.raises(UserError, match='another SHA-256 than its name'):
        main(arguments)
    assert not path.exists()


def test_no_network(arguments):
    dead = f'--mirror=http://127.0.0.1:{free_port()}'
    with pytest.raises(UserError, match='cannot reach http.*refused'):
        main([*arguments, dead])


def test_progress_of_a_large_file(site, server, tmp_path, capsys):
    (site[0] / 'large.bin').write_bytes(bytes(40 << 20))
    fetch(f'{server.url}/large.bin', tmp_path / 'large.bin')
    assert (tmp_path / 'large.bin').stat().st_size == 40 << 20
    assert f'large.bin {40 << 20}/{40 << 20}' in capsys.readouterr().err
    assert [method for method, _, _ in server.sent] == ['GET']


def test_not_there(site, server, tmp_path):
    with pytest.raises(UserError, match='404'):
        fetch(f'{server.url}/nothing.pth', tmp_path / 'nothing.pth')
    assert not list(tmp_path.iterdir())


def test_full_disk(site, server, arguments):
    server.size[weights_of(site, 'plain').name] = 10**16
    with pytest.raises(UserError, match=r'10000000\.0 GB are needed in'):
        main(arguments)
    assert all(method == 'HEAD' for method, _, _ in server.sent)


def test_damaged_archive(server, arguments):
    archive = Path('data/coco') / Path(ANNOTATIONS).name
    archive.parent.mkdir(parents=True)
    archive.write_bytes(b'no archive')
    with pytest.raises(UserError, match='is damaged .*removed'):
        main(arguments)
    assert not archive.exists()


@pytest.mark.parametrize(
    'options, message',
    [
        (['--networks', 'plian'], 'plian: unknown; near to it: plain'),
        (['--metafiles', 'none.yml'], 'none.yml does not exist'),
        (['--detections', 'none.json'], 'none.json does not exist'),
    ],
)
def test_refused_before_any_work(server, arguments, options, message):
    with pytest.raises(UserError, match=message):
        main([*arguments, *options])
    assert not server.sent
