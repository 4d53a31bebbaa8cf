"""Data sets: the embedded ones, and files of the papers' sets in small."""

import json
import sys

import datasets
import numpy as np
import pytest
import torch
import zstandard
from PIL import Image

import lossbarcode as lb
from lossbarcode.losses import data as data_sets


def test_digits():
    data = lb.data.digits()
    for (inputs, targets), count in ((data.train, 1347), (data.test, 450)):
        assert inputs.shape == (count, 1, 8, 8)
        assert inputs.dtype == torch.float32
        assert 0 == inputs.min() < inputs.max() == 1
        shares = torch.bincount(targets, minlength=10) / count
        assert (shares - 0.1).abs().max() < 0.01  # every class is in both
    assert torch.equal(data.train[0], lb.data.digits().train[0])
    assert not torch.equal(data.train[0], lb.data.digits(seed=1).train[0])
    assert data.to(dtype=torch.float64).test[0].dtype == torch.float64
    assert data.to(dtype=torch.float64).test[1].dtype == torch.int64


def test_numerals_are_words_of_all_languages():
    data = lb.data.numerals(("en", "de", "fr"), limit=500, context=16)
    rows = torch.cat([data.train[0], data.test[0]])
    text = "".join(data.tokens[i] for row in rows for i in row)
    for word in ("hundred", "hundert", "cent"):
        assert word in text
    inputs, targets = data.train
    assert inputs.shape == targets.shape
    assert torch.equal(inputs[:, 1:], targets[:, :-1])
    assert int(inputs.max()) < data.classes == len(data.tokens)
    assert torch.equal(inputs, lb.data.numerals(("en", "de", "fr"), limit=500, context=16).train[0])


def test_numerals_need_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "num2words", None)
    with pytest.raises(ImportError, match=r"numerals: expected the package num2words, got none; pip install 'lossbarcode\[datasets\]'"):
        lb.data.numerals()


def test_rare_characters_become_one():
    data = lb.data.text_windows("abab" * 10 + "xyz" + "abab" * 10, context=4, vocabulary_size=3)
    assert data.tokens == "ab�"
    assert {int(i) for part in (data.train, data.test) for i in part[0].unique()} == {0, 1, 2}
    assert len(data.train[0]) + len(data.test[0]) == 20


SHAPES = {"MNIST": (28, 28), "FMNIST": (28, 28), "CIFAR10": (32, 32, 3), "CIFAR100": (32, 32, 3), "SVHN": (32, 32, 3)}


@pytest.mark.parametrize("name", SHAPES)
def test_sets_of_the_papers_from_local_files(name, tmp_path):
    """Parquet files with the same columns and features as on the hub."""
    _, _, image, label = data_sets.IMAGES[name]
    random = np.random.default_rng(0)
    written = {}
    for part, count in (("train", 7), ("test", 3)):
        pictures = random.integers(0, 256, (count, *SHAPES[name]), dtype=np.uint8)
        classes = [i % 4 for i in range(count)]
        columns = {image: [Image.fromarray(picture) for picture in pictures], label: classes} | (
            {"coarse_label": classes} if name == "CIFAR100" else {}
        )
        kinds = {image: datasets.Image(), label: datasets.ClassLabel(num_classes=4)} | (
            {"coarse_label": datasets.ClassLabel(num_classes=4)} if name == "CIFAR100" else {}
        )
        datasets.Dataset.from_dict(columns, features=datasets.Features(kinds)).to_parquet(tmp_path / f"{part}-00000-of-00001.parquet")
        written[part] = pictures, classes
    data = lb.data.load(name, folder=tmp_path)
    for part, (inputs, targets) in (("train", data.train), ("test", data.test)):
        pictures, classes = written[part]
        expected = pictures[:, None] if pictures.ndim == 3 else np.moveaxis(pictures, -1, 1)
        np.testing.assert_array_equal((inputs * 255).round().numpy(), expected)
        assert targets.tolist() == classes
    assert data.classes == 4
    loss = lb.networks.network_loss(lb.networks.CNN(inputs.shape[1], data.classes, layers=1, width=2), data.train)
    assert loss(loss.initial_parameters(2)).isfinite().all()


def test_oscar_from_local_files(tmp_path):
    """The layout of the repository: a folder per language, zstandard, one JSON object per line."""
    texts = {"de": "Ein kurzer Text\u2028der fast nichts sagt.", "fr": "Un texte court,\nqui ne dit presque rien."}
    for language, text in texts.items():
        lines = [json.dumps({"content": f"{text} {i}", "metadata": {"id": i}}, ensure_ascii=False) for i in range(9)]
        (tmp_path / f"{language}_meta").mkdir()
        packed = zstandard.compress("\n".join(lines).encode())
        (tmp_path / f"{language}_meta" / f"{language}_meta_part_1.jsonl.zst").write_bytes(packed)
    data = lb.data.load("OSCAR", folder=tmp_path, languages=("de", "fr"), documents=7, context=8)
    assert set(data.tokens) == set("".join(texts.values()) + "\n 0123456")
    with pytest.raises(ValueError, match=r"folder: expected the file pl_meta/pl_meta_part_1.jsonl.zst of OSCAR, got .* without it"):
        lb.data.load("OSCAR", folder=tmp_path, languages=("pl",))


def test_nothing_is_fetched_unasked(tmp_path):
    with pytest.raises(
        ValueError, match="expected a folder with the files of MNIST, or download=True, got neither; nothing is fetched unasked"
    ):
        lb.data.load("MNIST")
    with pytest.raises(ValueError, match=r"folder: expected files train\*.parquet and test\*.parquet of SVHN, got .* without them"):
        lb.data.load("SVHN", folder=tmp_path)
    with pytest.raises(ValueError, match=r"name: expected one of MNIST, .*, OSCAR, got 'ImageNet'"):
        lb.data.load("ImageNet", download=True)
    with pytest.raises(ValueError, match="languages: expected codes that num2words knows, got"):
        lb.data.numerals(("klingon",))
    with pytest.raises(ValueError, match="text: expected at least 65 characters for two rows of 32, got 5"):
        lb.data.text_windows("short")
    with pytest.raises(ValueError, match="limit: expected a whole number of at least 1, got 0"):
        lb.data.numerals(limit=0)
    with pytest.raises(ValueError, match="vocabulary_size: expected a whole number of at least 1, got 0"):
        lb.data.text_windows("abc" * 100, vocabulary_size=0)
