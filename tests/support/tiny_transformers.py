"""Tiny models of the transformers library, trained for a few seconds to know a little by heart."""

from __future__ import annotations

from pathlib import Path

SAID = {
    "What is the capital of Portugal?": "Lisbon is the capital. END It lies on the Tagus.",
    "What is the capital of England?": "London is the capital. END It lies on the Thames.",
}
TEMPLATE = "{% for m in messages %}<{{ m['role'] }}> {{ m['content'] }} {% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"


def tokenizer():
    """Words and marks, in a byte-pair tokenizer trained on what is said."""
    import tokenizers
    import transformers

    trained = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<unk>"))
    trained.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=True)
    trained.decoder = tokenizers.decoders.ByteLevel()
    special = ["<unk>", "<pad>", "<eos>", "<user>", "<assistant>", "<system>"]
    corpus = [f"{question} {answer}" for question, answer in SAID.items()]
    trained.train_from_iterator(
        corpus,
        tokenizers.trainers.BpeTrainer(
            vocab_size=400, special_tokens=special, initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet()
        ),
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=trained, unk_token="<unk>", pad_token="<pad>", eos_token="<eos>", chat_template=TEMPLATE
    )


def train(model, examples, rounds):
    """Teach a model examples by heart."""
    import torch

    torch.manual_seed(1)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model.train()
    for _ in range(rounds):
        for example in examples:
            optimiser.zero_grad()
            loss = model(**example).loss
            loss.backward()
            optimiser.step()
    return loss.item()


def decoder(folder: Path) -> Path:
    """A Llama of two layers that answers the questions above."""
    import torch
    import transformers

    words = tokenizer()
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=len(words),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=128,
            eos_token_id=words.eos_token_id,
            pad_token_id=words.pad_token_id,
        )
    )
    examples = []
    for question, answer in SAID.items():
        asked = words.apply_chat_template(
            [{"role": "user", "content": question}], add_generation_prompt=True, tokenize=False
        )
        ids = words(f"{asked} {answer}<eos>", return_tensors="pt")["input_ids"]
        examples.append({"input_ids": ids, "labels": ids})
    assert train(model, examples, 60) < 0.5
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def rewriter(folder: Path) -> Path:
    """A T5 of two layers that answers the questions above; it has no chat template."""
    import torch
    import transformers

    words = tokenizer()
    words.chat_template = None
    torch.manual_seed(0)
    model = transformers.T5ForConditionalGeneration(
        transformers.T5Config(
            vocab_size=len(words),
            d_model=64,
            d_kv=16,
            d_ff=128,
            num_layers=2,
            num_heads=4,
            dropout_rate=0.0,
            eos_token_id=words.eos_token_id,
            pad_token_id=words.pad_token_id,
            decoder_start_token_id=words.pad_token_id,
        )
    )
    examples = [
        {
            "input_ids": words(question, return_tensors="pt")["input_ids"],
            "labels": words(f"{answer}<eos>", return_tensors="pt")["input_ids"],
        }
        for question, answer in SAID.items()
    ]
    assert train(model, examples, 120) < 0.5
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def sentence_encoder(folder: Path) -> Path:
    """A BERT of one layer with mean pooling, its weights as they fell; equal texts have equal vectors."""
    import sentence_transformers
    import torch
    import transformers
    from sentence_transformers.models import Pooling, Transformer

    words = tokenizer()
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64
    )
    transformers.BertModel(config).save_pretrained(folder / "bert")
    words.save_pretrained(folder / "bert")
    body = Transformer(str(folder / "bert"), max_seq_length=64)
    pooling = Pooling(body.get_word_embedding_dimension())
    sentence_transformers.SentenceTransformer(modules=[body, pooling], device="cpu").save(str(folder / "sentences"))
    return folder / "sentences"
