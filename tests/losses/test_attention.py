"""Attention, by torch's modules and by models of Hugging Face: second derivatives, which fused kernels do not have."""

import math
import re
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import lossbarcode as lb
from lossbarcode.losses._derivatives import hessian_product

PAGE = Path(__file__).parents[2] / "book" / "your_network.md"
WIDTH, LENGTH = 4, 5


def written_out(query, key, value, is_causal=False):
    """Softmax attention by its formula."""
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    if is_causal:
        scores = scores.masked_fill(torch.ones_like(scores[0], dtype=torch.bool).triu(1), -math.inf)
    return scores.softmax(-1) @ value


class Fused(nn.Module):
    """One head, by the given function."""

    def __init__(self, attention=F.scaled_dot_product_attention, is_causal=False):
        super().__init__()
        self.attention, self.is_causal = attention, is_causal
        self.inward, self.outward = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, 1)

    def forward(self, x):
        return self.outward(self.attention(*self.inward(x).chunk(3, -1), is_causal=self.is_causal)).mean(1)


class Heads(nn.Module):
    """Self-attention of nn.MultiheadAttention, or the same by its formula."""

    def __init__(self, by_formula=False):
        super().__init__()
        self.by_formula = by_formula
        self.attention, self.outward = nn.MultiheadAttention(WIDTH, 2, batch_first=True), nn.Linear(WIDTH, 1)

    def forward(self, x):
        if not self.by_formula:
            return self.outward(self.attention(x, x, x)[0]).mean(1)
        inward = F.linear(x, self.attention.in_proj_weight, self.attention.in_proj_bias)
        heads = written_out(*(part.unflatten(-1, (2, -1)).transpose(1, 2) for part in inward.chunk(3, -1)))
        return self.outward(self.attention.out_proj(heads.transpose(1, 2).flatten(-2))).mean(1)


class Encoder(nn.Module):
    """Layers of an encoder; of a padded row only what is not padding counts."""

    def __init__(self, layers=1, padded=False):
        super().__init__()
        layer = nn.TransformerEncoderLayer(WIDTH, 2, 6, dropout=0.1, batch_first=True)
        self.layers = layer if layers == 1 else nn.TransformerEncoder(layer, layers, enable_nested_tensor=padded)
        self.padded, self.outward = padded, nn.Linear(WIDTH, 1)

    def forward(self, x):
        if not self.padded:
            return self.outward(self.layers(x)).mean(1)
        padding = (x == 0).all(-1)
        return self.outward(self.layers(x, src_key_padding_mask=padding)).masked_fill(padding[..., None], 0).sum(1)


NETWORKS = {
    "scaled_dot_product_attention": Fused,
    "causal": lambda: Fused(is_causal=True),
    "MultiheadAttention": Heads,
    "TransformerEncoderLayer": Encoder,
    "TransformerEncoder": lambda: Encoder(2),
    "TransformerEncoder of padded rows": lambda: Encoder(2, padded=True),
}


def sequences(n=6, padded=False):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, LENGTH, WIDTH, generator=generator, dtype=torch.float64)
    if padded:
        x[: n // 2, 3:] = 0
    return x, torch.randn(n, 1, generator=generator, dtype=torch.float64)


def switches():
    """How torch is set to compute attention."""
    cuda = torch.backends.cuda
    return torch.backends.mha.get_fastpath_enabled(), cuda.flash_sdp_enabled(), cuda.mem_efficient_sdp_enabled(), cuda.math_sdp_enabled()


def check_hessian_products(loss, points):
    """Against differences of gradients, along vectors that are drawn."""
    vectors = torch.randn(points.shape, dtype=points.dtype, generator=torch.Generator().manual_seed(0))
    step = 1e-6 * vectors
    expected = (loss.value_and_gradient(points + step)[1] - loss.value_and_gradient(points - step)[1]) / 2e-6
    torch.testing.assert_close(loss.hessian_product(points, vectors), expected, rtol=1e-5, atol=1e-6)


def check_all_the_way(loss, points):
    """A few steps from starts to minima to paths; whether they arrive is not the question."""
    minima = lb.find_minima(loss, points, max_steps=3, lowest_eigenvalue=True)
    assert minima.lowest_eigenvalue.isfinite().all()
    paths = lb.connect(loss, minima, initial_images=3, steps_per_round=2, max_rounds=1)
    assert torch.isfinite(paths.graph.heights).all()


@pytest.mark.parametrize(
    ("fused", "by_formula"),
    [
        (Fused, lambda: Fused(written_out)),
        (lambda: Fused(is_causal=True), lambda: Fused(written_out, is_causal=True)),
        (Heads, lambda: Heads(by_formula=True)),
    ],
    ids=["scaled_dot_product_attention", "causal", "MultiheadAttention"],
)
def test_derivatives_are_those_of_the_formula(fused, by_formula):
    data = sequences()
    loss, expected = (lb.networks.network_loss(make().double(), data, F.mse_loss) for make in (fused, by_formula))
    points = loss.initial_parameters(3)
    vectors = torch.randn(points.shape, dtype=points.dtype, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(loss(points), expected(points))
    torch.testing.assert_close(loss.value_and_gradient(points), expected.value_and_gradient(points))
    torch.testing.assert_close(loss.hessian_product(points, vectors), expected.hessian_product(points, vectors))


@pytest.mark.parametrize("name", NETWORKS)
def test_attention_from_starts_to_paths(name):
    inputs, targets = sequences(padded="padded" in name)
    module = NETWORKS[name]().double()
    loss = lb.networks.network_loss(module, (inputs, targets), F.mse_loss, l2=1e-2)
    assert loss.uses_vmap
    points = loss.initial_parameters(3)
    before = switches()
    check_hessian_products(loss, points)
    check_all_the_way(loss, points)
    assert switches() == before
    values, gradients = loss.value_and_gradient(points)
    assert torch.equal(loss(points), values)
    again = loss.to_module(points[1])
    value = F.mse_loss(again(inputs), targets) + 1e-2 * sum(p.square().sum() for p in again.parameters())
    torch.testing.assert_close(values[1], value.detach())
    gradient = torch.autograd.grad(value, list(again.parameters()))
    torch.testing.assert_close(gradients[1], torch.cat([part.flatten() for part in gradient]))
    x = points.clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss(x).sum(), x, create_graph=True)  # as the Morse route does
    torch.testing.assert_close(torch.autograd.grad(slope.square().sum() / 2, x)[0], loss.hessian_product(points, gradients))


def test_a_plain_loss_may_hold_attention():
    inputs, targets = sequences()

    def loss(points):
        query, key, value = (inputs * part[:, None, None] for part in points.view(-1, 3, WIDTH).unbind(1))
        return (F.scaled_dot_product_attention(query, key, value).mean((2, 3)) - targets[:, 0]).square().mean(1)

    points = torch.randn(3, 3 * WIDTH, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    exact = torch.stack([torch.autograd.functional.hessian(partial(by_formula, inputs, targets), point) for point in points])
    before = switches()
    torch.testing.assert_close(hessian_product(loss, points, points), (exact @ points[..., None]).squeeze(-1))
    assert switches() == before
    check_all_the_way(loss, points)


def by_formula(inputs, targets, point):
    query, key, value = (inputs * part for part in point.view(3, WIDTH))
    return (written_out(query, key, value).mean((1, 2)) - targets[:, 0]).square().mean()


def test_starts_of_attention_are_those_of_torch():
    """nn.MultiheadAttention initialises itself after its parts: biases are zero, also that of its output."""
    loss = lb.networks.network_loss(Heads().double(), sequences(), F.mse_loss)
    first, again, other = (loss.initial_parameters(2, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    parameters = loss.parameters(first[0])
    assert not parameters["attention.in_proj_bias"].any()
    assert not parameters["attention.out_proj.bias"].any()
    limit = math.sqrt(6 / (WIDTH + 3 * WIDTH))  # Xavier's uniform weights
    assert 0.8 * limit < parameters["attention.in_proj_weight"].abs().max() <= limit


# --- models of Hugging Face ----------------------------------------------------------------------------------------


def small_model(name):
    transformers = pytest.importorskip("transformers")
    size = dict(vocab_size=11, num_attention_heads=2, num_hidden_layers=1, hidden_size=8, bos_token_id=1, eos_token_id=2)
    if name == "GPT-2":
        return transformers.GPT2LMHeadModel(transformers.GPT2Config(**size, max_position_embeddings=8))
    if name == "Llama":
        return transformers.LlamaForCausalLM(transformers.LlamaConfig(**size, intermediate_size=12, max_position_embeddings=8))
    config = transformers.BertConfig(**size, intermediate_size=12, max_position_embeddings=8, num_labels=3)
    return transformers.BertForSequenceClassification(config)


def tokens(name, padded):
    """Rows of tokens, some of them padded, with labels as the model takes them. Zero is the token of padding."""
    generator = torch.Generator().manual_seed(0)
    batch = {"input_ids": torch.randint(1, 11, (6, 5), generator=generator)}
    batch["labels"] = torch.randint(0, 3, (6,), generator=generator) if name == "BERT" else batch["input_ids"].clone()
    if padded:
        batch["attention_mask"] = torch.ones(6, 5, dtype=torch.long)
        for part, empty in (("attention_mask", 0), ("input_ids", 0), ("labels", -100)):
            if part != "labels" or name != "BERT":
                batch[part][:3, 3:] = empty
    return batch


def own_loss(outputs, batch):
    """As the model's own, but in the precision of its parameters."""
    logits, labels = outputs.logits, batch["labels"]
    return F.cross_entropy(logits, labels) if labels.ndim == 1 else F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())


@pytest.mark.slow
@pytest.mark.parametrize("padded", [False, True], ids=["full rows", "padded rows"])
@pytest.mark.parametrize("name", ["GPT-2", "Llama", "BERT"])
def test_models_of_hugging_face_from_starts_to_paths(name, padded):
    torch.manual_seed(0)
    models = [small_model(name).double() for _ in range(3)]
    batch = tokens(name, padded)
    loss = lb.networks.network_loss(models[0], batch, own_loss, l2=1e-2)
    assert loss.uses_vmap
    points = torch.stack([loss.to_vector(model) for model in models])
    penalty = 1e-2 * points.square().sum(1)
    expected = torch.stack([model.eval()(**batch).loss.detach().double() for model in models])
    torch.testing.assert_close(loss(points) - penalty, expected, rtol=1e-6, atol=1e-6)
    assert torch.equal(torch.stack([loss.to_vector(model.state_dict()) for model in models]), points)
    if name != "Llama":  # its norms round to float32 inside
        check_hessian_products(loss, points)
    check_all_the_way(loss, points)


@pytest.mark.slow
def test_losses_of_models_that_round():
    """Language models of Hugging Face compute their own loss in float32, whatever the parameters are in."""
    torch.manual_seed(0)
    model, batch = small_model("GPT-2"), tokens("GPT-2", True)
    loss = lb.networks.network_loss(model, batch, None)
    torch.testing.assert_close(loss(loss.to_vector(model)[None])[0], model.eval()(**batch).loss.detach())
    with pytest.warns(
        UserWarning, match=r"the loss of GPT2LMHeadModel is computed in torch.float32 though its parameters are in torch.float64"
    ):
        loss = lb.networks.network_loss(model.double(), batch, None)
    assert loss(loss.to_vector(model)[None]).dtype == torch.float64


@pytest.mark.slow
def test_the_transformer_of_the_page_runs(capsys):
    pytest.importorskip("transformers")
    blocks = [block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S) if "transformers" in block]
    assert blocks
    for block in blocks:
        exec(block, {})
    assert "lowest_eigenvalue" in capsys.readouterr().out
