import pytest
import torch
from typer.testing import CliRunner

from dropmix.cli import app
from dropmix.text import check_text_network
from dropmix.text.networks import build_text

OURS = ("textcnn", "transformer")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A tiny BERT of random weights, saved as users save theirs."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "money", "train", "again"]
    transformers.BertTokenizerFast(vocab={word: k for k, word in enumerate(words)}).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=40,
    )
    torch.manual_seed(0)
    transformers.BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("network", OURS)
def test_logits_do_not_depend_on_how_far_a_text_is_padded(network):
    torch.manual_seed(0)
    net = build_text(network, 5, 30).eval()
    x = torch.tensor([[3, 4, 5, 0], [7, 0, 0, 0]])
    wide = torch.nn.functional.pad(x, (0, 9))
    torch.testing.assert_close(net(x), net(wide))
    torch.testing.assert_close(net(x)[1:], net(x[1:, :1]))


@pytest.mark.parametrize("network", OURS)
def test_the_embedding_of_padding_stays_zero_while_others_train(network):
    net = build_text(network, 3, 30)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        net(torch.tensor([[3, 4, 0], [5, 0, 0]])).square().sum().backward()
        optimizer.step()
    assert (net.stages[0](torch.zeros(1, 2, dtype=torch.int64)) == 0).all()


def test_an_encoder_from_a_folder_gives_what_transformers_gives(encoder):
    from transformers import AutoModel, AutoTokenizer

    from dropmix.text.load import tokenise

    texts = ["money again train", "train"]
    net = build_text(f"transformers:{encoder}", 2, 0).eval()
    own = torch.from_numpy(tokenise(texts, encoder, None)).long()
    assert own.tolist() == [[6, 8, 7], [7, 0, 0]]  # the tokeniser's ids plus one
    found = net.stages[1](net.stages[0](own))
    inputs = AutoTokenizer.from_pretrained(encoder)(texts, padding=True, return_tensors="pt")
    hidden = AutoModel.from_pretrained(encoder).eval()(**inputs).last_hidden_state
    mask = inputs["attention_mask"][..., None]
    torch.testing.assert_close(found, (hidden * mask).sum(1) / mask.sum(1))


def test_unknown_names_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(ValueError, match="expected one of textcnn"):
        check_text_network("wrn28-2")
    with pytest.raises(ValueError, match=r"config.json"):
        check_text_network(f"transformers:{tmp_path}")


def test_texts_longer_than_an_encoder_takes_stop_the_grid_before_it_starts(encoder, tmp_path):
    lines = [f"{'money again train ' * 20}{k},{'ab'[k % 2]}" for k in range(16)]
    (tmp_path / "texts.csv").write_text("\n".join(["text,label", *lines]))
    settings = [
        "--seeds",
        "1",
        "--out",
        str(tmp_path / "runs"),
        "--set",
        f"network=transformers:{encoder}",
        "--dry-run",
    ]
    run = ["run", "text", "--data", str(tmp_path / "texts.csv"), *settings]
    for tokens, longest in ((128, 61), (39, 39)):
        refused = CliRunner().invoke(app, [*run, "--set", f"data.tokens={tokens}"]).exception
        assert isinstance(refused, ValueError)
        assert f"to take texts of {longest} tokens beside its own" in str(refused)
        assert "Lower data.tokens" in str(refused)
    assert CliRunner().invoke(app, [*run, "--set", "data.tokens=38"]).exit_code == 0


def test_weights_for_a_network_for_texts_are_refused(tmp_path):
    (tmp_path / "texts.csv").write_text("text,label\n" + "".join(f"word {k},{'ab'[k % 2]}\n" for k in range(16)))
    torch.save(build_text("textcnn", 2, 30).state_dict(), tmp_path / "weights.pt")
    asked = ["--data", str(tmp_path / "texts.csv"), "--set", f"weights={tmp_path / 'weights.pt'}"]
    refused = CliRunner().invoke(app, ["run", "text", *asked, "--out", str(tmp_path / "runs")]).exception
    assert "weights: expected none for texts" in str(refused)
    assert not (tmp_path / "runs").exists()
