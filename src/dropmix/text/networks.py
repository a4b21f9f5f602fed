"""Networks over token ids, with stages between which Manifold Mixup mixes: embedding, encoder, head.

All take ids (B, L) or (B, 1, 1, L), 0 for padding, to logits (B, K). The embedding of padding is exactly zero, and
later stages recognise padding by this: a place is padding if its whole vector is zero. A mixture of two texts therefore
covers the places of both.
"""

import math

import torch
from torch import Tensor, nn

from dropmix.text.network_names import check_text_network, encoder_folder

SCALE = 0.1
"""Deviation of fresh embeddings; at torch's 1.0, rare words keep their initial noise."""


class TextNetwork(nn.Module):
    """Stages in order: ids (B, L) -> vectors (B, L, D) -> sentence (B, E) -> logits (B, K)."""

    reads_tokens = True

    def __init__(self, embedding: nn.Module, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.stages = nn.ModuleList([embedding, encoder, head])

    def forward(self, x: Tensor) -> Tensor:
        h = x.flatten(1)
        for stage in self.stages:
            h = stage(h)
        return h


class Words(nn.Module):
    """Embedding of word ids; zero for padding."""

    first = 0
    """Position of the first token in the output."""

    def __init__(self, words: int, dim: int) -> None:
        super().__init__()
        self.table = nn.Embedding(words, dim, padding_idx=0)
        with torch.no_grad():
            self.table.weight.mul_(SCALE)

    def forward(self, ids: Tensor) -> Tensor:
        return self.table(ids)


class Convolutions(nn.Module):
    """Convolutions of several widths, ReLU, max over the places that are not padding (Kim 2014, arXiv 1408.5882)."""

    def __init__(self, dim: int, channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv1d(dim, channels, width, padding=width // 2) for width in widths)

    def forward(self, h: Tensor) -> Tensor:
        real = is_real(h)[:, None].to(h.dtype)
        h = h.transpose(1, 2)
        return torch.cat([(layer(h).relu() * real).amax(2) for layer in self.convolutions], 1)


class Attention(nn.Module):
    """A pre-norm transformer encoder with sinusoidal positions; mean over places that are not padding."""

    def __init__(self, dim: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(dim, heads, 2 * dim, dropout, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, nn.LayerNorm(dim), enable_nested_tensor=False)

    def forward(self, h: Tensor) -> Tensor:
        real = is_real(h)
        h = self.layers(h + places(h), src_key_padding_mask=~real)
        return mean_over(h, real)


class Pretrained(nn.Module):
    """Word embedding of a Hugging Face encoder, with its special tokens around each text; ids are its own plus one."""

    first = 1

    def __init__(self, table: nn.Module, start: int | None, end: int | None) -> None:
        super().__init__()
        self.table, self.start, self.end = table, start, end
        self.first = 0 if start is None else 1

    def forward(self, ids: Tensor) -> Tensor:
        if self.start is not None:
            ids = torch.cat([torch.full_like(ids[:, :1], self.start + 1), ids], 1)
        if self.end is not None:
            lengths = (ids > 0).sum(1, keepdim=True)
            ids = torch.cat([ids, torch.zeros_like(ids[:, :1])], 1).scatter(1, lengths, self.end + 1)
        return self.table((ids - 1).clamp(min=0)) * (ids > 0)[..., None]


class PretrainedBody(nn.Module):
    """The rest of a Hugging Face encoder, on embeddings; mean over places that are not padding."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, h: Tensor) -> Tensor:
        real = is_real(h)
        return mean_over(self.model(inputs_embeds=h, attention_mask=real.long()).last_hidden_state, real)


def is_real(h: Tensor) -> Tensor:
    """Whether places of vectors (B, L, D) are not padding: bool (B, L)."""
    return (h != 0).any(2)


def mean_over(h: Tensor, real: Tensor) -> Tensor:
    """Mean of vectors (B, L, D) over real places: (B, D)."""
    weight = real.to(h.dtype)[..., None]
    return (h * weight).sum(1) / weight.sum(1).clamp(min=1)


def places(h: Tensor) -> Tensor:
    """Sines and cosines of the places of vectors (B, L, D): (L, D) (Vaswani et al. 2017)."""
    length, dim = h.shape[1:]
    angle = torch.arange(length, device=h.device)[:, None] * torch.exp(
        torch.arange(0, dim, 2, device=h.device) * (-math.log(10_000.0) / dim)
    )
    return torch.stack([angle.sin(), angle.cos()], 2).flatten(1).to(h.dtype)


def build_text(network: str, num_classes: int, words: int) -> TextNetwork:
    """Make a network for text with fresh weights, from torch's global generator.

    Args:
        network: see `TEXT_NETWORKS`.
        num_classes: K.
        words: size of the vocabulary, padding included; not used for an encoder from a folder.
    Example:
        >>> build_text("textcnn", 3, 50)(torch.tensor([[4, 7, 0]])).shape
        torch.Size([1, 3])
    """
    check_text_network(network)
    folder = encoder_folder(network)
    if folder is not None:
        from transformers import AutoModel, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModel.from_pretrained(folder, local_files_only=True)
        start, end = tokenizer.cls_token_id, tokenizer.sep_token_id
        embedding = Pretrained(model.get_input_embeddings(), start, end)
        head = nn.Sequential(nn.Dropout(0.1), nn.Linear(model.config.hidden_size, num_classes))
        return TextNetwork(embedding, PretrainedBody(model), head)
    dim, channels, widths = 128, 128, (1, 3, 5)
    if network == "textcnn":
        encoder, out, dropout = Convolutions(dim, channels, widths), channels * len(widths), 0.5
    else:
        encoder, out, dropout = Attention(dim, layers=2, heads=4, dropout=0.1), dim, 0.1
    return TextNetwork(Words(words, dim), encoder, nn.Sequential(nn.Dropout(dropout), nn.Linear(out, num_classes)))
