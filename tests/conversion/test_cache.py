"""The conversion cache returns exactly the conversion that was verified, or nothing at all."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runoff.conversion import DEFAULT_OPSET, ConversionCache, OnnxModel, convert, convert_file
from runoff.files.cache_folder import CACHE_DIR_VARIABLE
from runoff.models import go_json_writer
from runoff.models.mlp import Mlp
from tests.support.models import random_mlp

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cache(tmp_path: Path) -> ConversionCache:
    return ConversionCache(tmp_path / "cache")


@pytest.fixture
def kept(cache: ConversionCache) -> tuple[Mlp, OnnxModel, Path]:
    """A network, its conversion, and the path of its cache entry."""
    mlp = random_mlp()
    model = convert(mlp, cache=cache)
    return mlp, model, entry_of(cache, model)


def entry_of(cache: ConversionCache, model: OnnxModel) -> Path:
    """Return the path of the cache entry that contains a conversion."""
    return next(path for path in cache.folder.iterdir() if path.read_bytes().endswith(model.onnx))


def test_hit_is_what_was_stored(cache: ConversionCache, kept: tuple[Mlp, OnnxModel, Path]) -> None:
    """A cached conversion is not verified again, so it must equal the stored one, including its parity report."""
    mlp, model, _ = kept
    assert model == convert(mlp, cache=cache)


def test_another_network_is_a_miss(cache: ConversionCache, kept: tuple[Mlp, OnnxModel, Path]) -> None:
    """Networks with different weights must not share a cache entry."""
    assert cache.load(random_mlp(seed=1).digest, DEFAULT_OPSET) is None


def test_another_opset_is_a_miss(cache: ConversionCache, kept: tuple[Mlp, OnnxModel, Path]) -> None:
    """Conversions of one network to different opsets are different files, so each opset needs its own cache entry."""
    assert cache.load(kept[0].digest, DEFAULT_OPSET + 1) is None


def test_another_version_of_a_converter_part_is_a_miss(
    cache: ConversionCache, kept: tuple[Mlp, OnnxModel, Path]
) -> None:
    """After an update of PyTorch or ONNX Runtime, a network must be converted and verified again."""
    newer = ConversionCache(cache.folder.parent, versions={"torch": "torch 99"})
    assert newer.load(kept[0].digest, DEFAULT_OPSET) is None


def truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip_last_bit(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def change_report(content: bytes) -> bytes:
    return content.replace(b'"worst_error":', b'"worst_error":1', 1)


DAMAGES = [
    pytest.param(truncate, id="truncated"),
    pytest.param(flip_last_bit, id="one-bit-flipped"),
    pytest.param(change_report, id="report-edited"),
    pytest.param(lambda _: b"", id="empty"),
    pytest.param(lambda _: b"<html>", id="foreign"),
    pytest.param(lambda _: b"runoff-cache-1 ", id="header-only"),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_entry_is_logged_and_replaced(
    damage: Callable[[bytes], bytes],
    cache: ConversionCache,
    kept: tuple[Mlp, OnnxModel, Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """If a damaged cache entry were returned, the user would get a network that was never verified."""
    mlp, model, path = kept
    sound = path.read_bytes()
    path.write_bytes(damage(sound))
    assert model == convert(mlp, cache=cache)
    assert [str(path) in record.message for record in caplog.records] == [True]
    assert sound == path.read_bytes()


def test_entry_under_the_name_of_another_network_is_a_miss(
    cache: ConversionCache, kept: tuple[Mlp, OnnxModel, Path], caplog: pytest.LogCaptureFixture
) -> None:
    """An entry copied to the wrong file name is intact but contains a different network, so it must not be used."""
    other = convert(random_mlp(seed=1), cache=cache)
    entry_of(cache, other).write_bytes(kept[2].read_bytes())
    assert cache.load(other.digest, DEFAULT_OPSET) is None
    assert "another key" in caplog.text


def test_folder_in_place_of_an_entry_does_not_prevent_the_conversion(
    cache: ConversionCache, kept: tuple[Mlp, OnnxModel, Path], caplog: pytest.LogCaptureFixture
) -> None:
    """Unexpected files in the cache folder may make a conversion slower, but must not make it fail."""
    kept[2].unlink()
    kept[2].mkdir()
    assert kept[1] == convert(kept[0], cache=cache)
    assert "cannot be written" in caplog.text


def test_conversion_works_if_the_cache_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """If the home folder is read-only, the cache cannot be written, but conversions must still succeed."""
    (tmp_path / "file").write_text("in the way")
    cache = ConversionCache(tmp_path / "file")
    with caplog.at_level(logging.WARNING):
        assert convert(random_mlp()).onnx == convert(random_mlp(), cache=cache).onnx
    assert 1 == caplog.text.count("cannot be written")


def test_unchanged_file_is_not_parsed_again(cache: ConversionCache, tmp_path: Path) -> None:
    """Parsing a model file is the slowest part of loading a cached conversion, so a cache hit must skip it."""
    path = tmp_path / "net.model"
    path.write_bytes(go_json_writer.encode(random_mlp()))
    first, second = convert_file(path, cache=cache), convert_file(path, cache=cache)
    assert (first.onnx, first.accuracy, first.description) == (second.onnx, second.accuracy, second.description)
    assert first.mlp is not None
    assert second.mlp is None


def test_changed_file_is_converted_again(cache: ConversionCache, tmp_path: Path) -> None:
    """After retraining, the cache must not return the conversion of the old network that had the same file name."""
    path = tmp_path / "net.model"
    path.write_bytes(go_json_writer.encode(random_mlp()))
    convert_file(path, cache=cache)
    path.write_bytes(go_json_writer.encode(random_mlp(seed=1)))
    assert random_mlp(seed=1).digest == convert_file(path, cache=cache).digest


def test_hit_imports_no_framework(cache: ConversionCache, tmp_path: Path) -> None:
    """Importing PyTorch takes longer than loading 294 conversions from the cache, so a cache hit must not import it."""
    path = tmp_path / "net.model"
    path.write_bytes(go_json_writer.encode(random_mlp()))
    convert_file(path, cache=cache)
    script = (
        "import sys; from pathlib import Path; from runoff.conversion import *;"
        "convert_file(Path(sys.argv[1]), cache=ConversionCache(Path(sys.argv[2])));"
        "print({'torch', 'onnx', 'onnxruntime', 'onnxscript'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", script, str(path), str(cache.folder.parent)]
    assert "set()" == subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_several_processes_may_convert_the_same_models_at_once(cache: ConversionCache, tmp_path: Path) -> None:
    """Parallel processes share the user's cache, so no process may read an entry that another has half written."""
    models = tmp_path / "models"
    models.mkdir()
    for seed in range(8):
        (models / f"net_{seed}.model").write_bytes(go_json_writer.encode(random_mlp(seed=seed)))
    convert(random_mlp(seed=99), cache=cache)  # Fill the cache, so that no process has to import torch.
    command = [sys.executable, "-W", "error", "-m", "runoff", "convert", str(models), "-o", str(tmp_path / "out")]
    environment = os.environ | {CACHE_DIR_VARIABLE: str(cache.folder.parent)}
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    complaints = [process.communicate()[1] for process in processes]
    assert [(0, "")] * 4 == [(process.returncode, text) for process, text in zip(processes, complaints, strict=True)]
    for seed in range(8):
        assert convert(random_mlp(seed=seed)).onnx == (tmp_path / "out" / f"net_{seed}.onnx").read_bytes()
    assert not [path for path in cache.folder.iterdir() if path.suffix != ".entry"]
