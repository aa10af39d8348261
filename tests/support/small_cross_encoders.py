"""Cross-encoders small enough to be made in a test, as sentence-transformers saves them, and what they compute."""

import json
import math

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

HIDDEN, LAYERS, HEADS, FORWARD, ROWS = 64, 2, 4, 128, 40
WORDS = "where does tea grow in winter the a river freezes coffee valley mountain cold warm . ?".split()
BERT = {
    "architectures": ["BertForSequenceClassification"],
    "special": ["[PAD]", "[UNK]", "[CLS]", "[SEP]"],
    "ends": ("[CLS]", "[SEP]"),
    "pair": "[CLS] $A [SEP] $B:1 [SEP]:1",
    "pad_token_id": 0,
    "type_vocab_size": 2,
    "prefix": "bert.",
    "head": ("bert.pooler.dense", "classifier"),
    "first_position": 0,
}
ROBERTA = {
    "architectures": ["XLMRobertaForSequenceClassification"],
    "special": ["<s>", "<pad>", "</s>", "<unk>"],
    "ends": ("<s>", "</s>"),
    "pair": "<s> $A </s> </s> $B:1 </s>:1",
    "pad_token_id": 1,
    "type_vocab_size": 1,
    "prefix": "roberta.",
    "head": ("classifier.dense", "classifier.out_proj"),
    "first_position": 2,
}


class SmallCrossEncoder:
    """Files in a folder, and the same computed in plain numpy."""

    def __init__(self, folder, family, *, outputs=1, seed=3, **config):
        self.folder, self.family = folder, family
        folder.mkdir(parents=True, exist_ok=True)
        self.tokenizer = self._tokenizer()
        self.tensors = self._tensors(np.random.default_rng(seed), outputs)
        save_file(self.tensors, folder / "model.safetensors")
        self.tokenizer.save(str(folder / "tokenizer.json"))
        said = {
            "architectures": family["architectures"],
            "hidden_size": HIDDEN,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "layer_norm_eps": 1e-5,
            "hidden_act": "gelu",
            "max_position_embeddings": ROWS,
            "pad_token_id": family["pad_token_id"],
            "type_vocab_size": family["type_vocab_size"],
        }
        (folder / "config.json").write_text(json.dumps(said | config), encoding="utf-8")

    def _tokenizer(self):
        family = self.family
        vocabulary = {word: at for at, word in enumerate(family["special"] + WORDS)}
        unknown = next(word for word in family["special"] if "unk" in word.lower())
        tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        first, last = family["ends"]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{first} $A {last}",
            pair=family["pair"],
            special_tokens=[(one, vocabulary[one]) for one in family["ends"]],
        )
        return tokenizer

    def _tensors(self, generator, outputs):
        def normal(*shape):
            # Rounded, so that 8 bits in groups of 64 hold them to within a thousandth.
            return (generator.integers(-127, 128, shape) * 0.001).astype(np.float32)

        tensors = {
            "embeddings.word_embeddings.weight": normal(len(self.tokenizer.get_vocab()), HIDDEN),
            "embeddings.position_embeddings.weight": normal(ROWS, HIDDEN),
            "embeddings.token_type_embeddings.weight": normal(self.family["type_vocab_size"], HIDDEN),
        }
        dense, norms = {}, ["embeddings.LayerNorm"]
        for number in range(LAYERS):
            layer = f"encoder.layer.{number}."
            for part in ("query", "key", "value"):
                dense[f"{layer}attention.self.{part}"] = (HIDDEN, HIDDEN)
            dense[f"{layer}attention.output.dense"] = (HIDDEN, HIDDEN)
            dense[f"{layer}intermediate.dense"] = (FORWARD, HIDDEN)
            dense[f"{layer}output.dense"] = (HIDDEN, FORWARD)
            norms += [f"{layer}attention.output.LayerNorm", f"{layer}output.LayerNorm"]
        for name in norms:
            tensors[f"{name}.weight"] = 1 + normal(HIDDEN)
            tensors[f"{name}.bias"] = normal(HIDDEN)
        named = {self.family["prefix"] + name: values for name, values in tensors.items()}
        dense = {self.family["prefix"] + name: sizes for name, sizes in dense.items()}
        dense |= dict(zip(self.family["head"], ((HIDDEN, HIDDEN), (outputs, HIDDEN)), strict=True))
        for name, sizes in dense.items():
            named[f"{name}.weight"] = normal(*sizes) * np.float32(2)
            named[f"{name}.bias"] = normal(sizes[0])
        return named

    def score(self, question, text, *, window=ROWS):
        """The score of one pair, cut like the model's own tokenizer cuts it."""
        self.tokenizer.enable_truncation(window, strategy="longest_first")
        pair = self.tokenizer.encode(question, text)
        ids, kinds = np.array(pair.ids), np.array(pair.type_ids) % self.family["type_vocab_size"]
        tensors, prefix = self.tensors, self.family["prefix"]

        def norm(x, name):
            centred = x - x.mean(-1, keepdims=True)
            spread = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
            return centred / spread * tensors[f"{prefix}{name}.weight"] + tensors[f"{prefix}{name}.bias"]

        def dense(x, name):
            return x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]

        positions = self.family["first_position"] + np.arange(len(ids))
        x = tensors[f"{prefix}embeddings.word_embeddings.weight"][ids]
        x = x + tensors[f"{prefix}embeddings.position_embeddings.weight"][positions]
        x = norm(x + tensors[f"{prefix}embeddings.token_type_embeddings.weight"][kinds], "embeddings.LayerNorm")
        for number in range(LAYERS):
            layer = f"encoder.layer.{number}."
            parts = [
                dense(x, f"{prefix}{layer}attention.self.{part}").reshape(len(ids), HEADS, -1).transpose(1, 0, 2)
                for part in ("query", "key", "value")
            ]
            weights = np.exp(parts[0] @ parts[1].transpose(0, 2, 1) / math.sqrt(HIDDEN // HEADS))
            mixed = (weights / weights.sum(-1, keepdims=True)) @ parts[2]
            mixed = dense(mixed.transpose(1, 0, 2).reshape(len(ids), HIDDEN), f"{prefix}{layer}attention.output.dense")
            x = norm(x + mixed, f"{layer}attention.output.LayerNorm")
            middle = dense(x, f"{prefix}{layer}intermediate.dense")
            middle = 0.5 * middle * (1 + np.vectorize(math.erf)(middle / math.sqrt(2)))
            x = norm(x + dense(middle, f"{prefix}{layer}output.dense"), f"{layer}output.LayerNorm")
        first, second = self.family["head"]
        return float(dense(np.tanh(dense(x[0], first)), second)[0])
