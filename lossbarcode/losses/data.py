"""Data sets as tensors.

In: a name. Out: :class:`Data`, inputs and targets for training and for testing. Two sets need no network: scikit-learn's digits, and
numerals written out in several languages. Those of the papers come through Hugging Face's ``datasets``, from local files or, if asked
for, by download.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from .._support.checks import check_count

__all__ = ["Data", "digits", "load", "numerals", "text_windows"]
# name: repository on the hub, configuration, column of images, column of classes
IMAGES = {
    "MNIST": ("ylecun/mnist", None, "image", "label"),
    "FMNIST": ("zalando-datasets/fashion_mnist", None, "image", "label"),
    "CIFAR10": ("uoft-cs/cifar10", None, "img", "label"),
    "CIFAR100": ("uoft-cs/cifar100", None, "img", "fine_label"),
    "SVHN": ("ufldl-stanford/svhn", "cropped_digits", "image", "label"),
}
OSCAR = "hf://datasets/oscar-corpus/OSCAR-2301"  # needs a login; its loading script does not work with datasets 4 and later
LANGUAGES = ("en", "de", "fr", "es", "it", "pl")
UNKNOWN = "\ufffd"


@dataclass(frozen=True, eq=False)
class Data:
    """Inputs and targets.

    Attributes:
        train: inputs ``[n ...]`` and targets ``[n]`` (of texts ``[n context]``, the next token at each place).
        test: the same for testing.
        classes: number of classes, or of tokens.
        name: of the set.
        tokens: of texts, the character of each token.
    """

    train: tuple[Shaped[Tensor, "train ..."], Int[Tensor, "train ..."]]
    test: tuple[Shaped[Tensor, "test ..."], Int[Tensor, "test ..."]]
    classes: int
    name: str
    tokens: str = ""

    def __repr__(self) -> str:
        shape = list(self.train[0].shape[1:])
        return f"Data({self.name}: {len(self.train[0]):,} to train, {len(self.test[0]):,} to test, inputs {shape}, {self.classes} classes)"

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> Data:
        """The same data on another device, images in another dtype."""

        def moved(pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            inputs, targets = pair
            return inputs.to(device, dtype if inputs.is_floating_point() else None), targets.to(device)

        return Data(moved(self.train), moved(self.test), self.classes, self.name, self.tokens)


def digits(*, seed: int = 0) -> Data:
    """Handwritten digits of 8 x 8 pixels, from 0 to 1, which come with scikit-learn. A quarter is for testing.

    Example:
        >>> import lossbarcode as lb
        >>> lb.data.digits()
        Data(digits: 1,347 to train, 450 to test, inputs [1, 8, 8], 10 classes)
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, classes = load_digits(return_X_y=True)
    parts = train_test_split(images, classes, test_size=0.25, random_state=seed, stratify=classes)
    train_images, test_images = (torch.from_numpy(part).float().div(16).view(-1, 1, 8, 8) for part in parts[:2])
    train_classes, test_classes = (torch.from_numpy(part) for part in parts[2:])
    return Data((train_images, train_classes), (test_images, test_classes), 10, "digits")


def numerals(languages: tuple[str, ...] = LANGUAGES, *, limit: int = 1000, context: int = 32, seed: int = 0) -> Data:
    """Numbers written out in several languages, by num2words: a small multilingual text that needs no network.

    Args:
        languages: num2words' codes.
        limit: how many numbers, from 0 on, in random order, each in a random language.
        context: characters per row.
        seed: of order and languages.

    Raises:
        ValueError: if num2words does not know a language.
        ImportError: if num2words is not installed.

    Example:
        >>> import lossbarcode as lb
        >>> lb.data.numerals(("en", "de"), limit=300)
        Data(numerals: 171 to train, 19 to test, inputs [32], 26 classes)
    """
    try:
        from num2words import num2words
    except ImportError as error:
        raise ImportError("numerals: expected the package num2words, got none; pip install 'lossbarcode[datasets]'") from error
    random = np.random.default_rng(seed)
    numbers = random.permutation(check_count(limit, "limit"))
    try:
        words = [num2words(int(number), lang=str(random.choice(languages))) for number in numbers]
    except NotImplementedError as error:
        raise ValueError(f"languages: expected codes that num2words knows, got {languages} ({error})") from error
    return text_windows("\n".join(words), context=context, name="numerals", seed=seed)


def text_windows(text: str, *, context: int = 32, vocabulary_size: int = 256, name: str = "text", seed: int = 0) -> Data:
    """A text as rows of characters, each with the next one as its target. A tenth of the rows is for testing.

    Args:
        text: at least two rows long.
        context: characters per row.
        vocabulary_size: most different characters; those that are rarer are replaced by one that stands for all of them.
        name: of the set.
        seed: of the choice of rows for testing.

    Raises:
        ValueError: if the text is too short.
    """
    tokens = sorted(token for token, _ in Counter(text).most_common(check_count(vocabulary_size, "vocabulary_size") - 1))
    number = {token: i for i, token in enumerate(tokens)}
    rare = len(tokens)
    codes = torch.tensor([number.get(token, rare) for token in text])
    count = (len(codes) - 1) // check_count(context, "context")
    if count < 2:
        raise ValueError(f"text: expected at least {2 * context + 1} characters for two rows of {context}, got {len(text)}")
    inputs, targets = codes[: count * context].view(count, context), codes[1 : count * context + 1].view(count, context)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    test, train = order.split([max(1, count // 10), count - max(1, count // 10)])
    tokens = "".join(tokens) + UNKNOWN * (rare in codes)
    return Data((inputs[train], targets[train]), (inputs[test], targets[test]), len(tokens), name, tokens)


def load(
    name: str,
    *,
    folder: str | os.PathLike[str] | None = None,
    download: bool = False,
    languages: tuple[str, ...] = LANGUAGES,
    documents: int = 1000,
    context: int = 32,
) -> Data:
    """A set of the papers through Hugging Face's ``datasets`` (extra ``datasets``).

    Args:
        name: MNIST, FMNIST, CIFAR10, CIFAR100, SVHN or OSCAR.
        folder: where its files are, as on the hub: ``train*.parquet`` and ``test*.parquet``; of OSCAR
            ``de_meta/de_meta_part_1.jsonl.zst`` for each language.
        download: fetch the files (or take them from the cache of ``datasets``), if there is no folder.
        languages: of OSCAR.
        documents: of OSCAR, in each language.
        context: of OSCAR, characters per row.

    Returns:
        Images ``[n c h w]`` from 0 to 1, or text in rows.

    Raises:
        ValueError: if the name is unknown, if there is neither a folder nor leave to download, or if the folder lacks the files.
    """
    if name not in (*IMAGES, "OSCAR"):
        raise ValueError(f"name: expected one of {', '.join((*IMAGES, 'OSCAR'))}, got {name!r}")
    if folder is None and not download:
        raise ValueError(f"load: expected a folder with the files of {name}, or download=True, got neither; nothing is fetched unasked")
    if name == "OSCAR":
        return text_windows("\n".join(oscar(folder, languages, documents)), context=context, name=name)
    import datasets

    repository, configuration, image, label = IMAGES[name]
    if folder is None:
        parts = datasets.load_dataset(repository, configuration)
    else:
        files = {part: sorted(map(str, Path(folder).glob(f"{part}*.parquet"))) for part in ("train", "test")}
        if not all(files.values()):
            raise ValueError(f"folder: expected files train*.parquet and test*.parquet of {name}, got {folder} without them")
        parts = datasets.load_dataset("parquet", data_files=files)

    def tensors(part):
        rows = part.with_format("numpy", columns=[image, label])[:]
        images = torch.from_numpy(np.stack(list(rows[image]))).float().div(255)
        images = images[:, None] if images.ndim == 3 else images.movedim(-1, 1)
        return images, torch.from_numpy(np.asarray(rows[label], dtype=np.int64))

    train, test = tensors(parts["train"]), tensors(parts["test"])
    classes = 1 + int(max(train[1].max(), test[1].max()))
    return Data(train, test, classes, name)


def oscar(folder: str | os.PathLike[str] | None, languages: tuple[str, ...], documents: int) -> list[str]:
    """The first documents of each language: one JSON object per line, in the files of the repository."""
    import fsspec

    texts = []
    for language in languages:
        file = f"{language}_meta/{language}_meta_part_1.jsonl.zst"
        if folder is not None and not (Path(folder) / file).exists():
            raise ValueError(f"folder: expected the file {file} of OSCAR, got {folder} without it")
        with fsspec.open(
            f"{OSCAR if folder is None else folder}/{file}", "rt", encoding="utf-8", compression="zstd", newline="\n"
        ) as lines:
            texts += [json.loads(line)["content"] for line in islice(lines, documents)]
    return texts
