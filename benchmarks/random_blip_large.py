"""Write a checkpoint with the exact shape of Salesforce/blip-image-captioning-large and random
weights.

    python -m benchmarks.random_blip_large FOLDER [--seed N] [--layers-vision N] [--layers-text N]
    [--dtype float32|float16]

For measuring speed, memory and loading where the published weights aren't at hand. Its captions are
noise: nothing about quality can be told from it. 447 M parameters, 1.8 GB in float32.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from caption.prompts import DEFAULT_TABLES

SPECIAL = {
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
    "pad_token": "[PAD]",
    "sep_token": "[SEP]",
    "unk_token": "[UNK]",
}
# The published text and vision settings; whatever isn't named is the library's default. The start
# token, 30522, lies outside the tokenizer's 30,522 pieces.
TEXT = {
    "vocab_size": 30524,
    "hidden_size": 768,
    "encoder_hidden_size": 1024,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "max_position_embeddings": 512,
    "bos_token_id": 30522,
    "eos_token_id": 2,
    "sep_token_id": 102,
    "pad_token_id": 0,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "is_decoder": True,
    "projection_dim": 768,
}
VISION = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "image_size": 384,
    "patch_size": 16,
    "projection_dim": 512,
}


def prompt_words() -> list[str]:
    """The words of this project's prompts and questions, each of which is one piece of
    bert-base-uncased.
    """
    texts = [
        *DEFAULT_TABLES.prompts,
        *DEFAULT_TABLES.grounded_prompts,
        *DEFAULT_TABLES.instructions,
        *DEFAULT_TABLES.open_questions,
        *DEFAULT_TABLES.leading_questions,
        DEFAULT_TABLES.more_things,
        "the are",  # what `caption.strategies.questions.questions_about` adds
    ]
    return sorted({word.strip(",:").lower() for text in texts for word in text.split()} - {"a"})


def vocabulary() -> list[str]:
    """30,522 pieces with the special tokens where bert-base-uncased has them; letters and the
    prompts' words are real, the others made up.

    What bert-base-uncased keeps free ("[unused7]") is a word here too: random weights write it as
    often as any, and such a caption would be read as three times as many pieces as it was written
    with.
    """
    # Words of three syllables, so that captions are printable noise.
    syllables = [c + v for c in "bcdfghjklmnprstvwz" for v in "aeiou"]
    pieces = [a + b + c for a in syllables for b in syllables for c in syllables[:4]][:30522]
    for index, piece in (
        (0, "[PAD]"),
        (100, "[UNK]"),
        (101, "[CLS]"),
        (102, "[SEP]"),
        (103, "[MASK]"),
    ):
        pieces[index] = piece
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    known = [*".,:;!?'-", *letters, *(f"##{c}" for c in letters), *prompt_words()]
    pieces[999 : 999 + len(known)] = known
    return pieces


def write_checkpoint(
    folder: Path,
    *,
    seed: int = 0,
    layers_vision: int = 24,
    layers_text: int = 12,
    dtype: str = "float32",
) -> Path:
    """Write the folder and return it."""
    import torch
    from transformers import BlipConfig, BlipForConditionalGeneration

    folder.mkdir(parents=True, exist_ok=True)
    config = BlipConfig(
        text_config=TEXT | {"num_hidden_layers": layers_text},
        vision_config=VISION | {"num_hidden_layers": layers_vision},
        projection_dim=512,
        image_text_hidden_size=256,
    )
    torch.manual_seed(seed)
    BlipForConditionalGeneration(config).to(getattr(torch, dtype)).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")
    tokenizer = {
        **SPECIAL,
        "do_lower_case": True,
        "model_max_length": 512,
        "tokenizer_class": "BertTokenizer",
    }
    processor = {
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "resample": 3,
        "rescale_factor": 1 / 255,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "image_processor_type": "BlipImageProcessor",
        "processor_class": "BlipProcessor",
        "size": {"height": 384, "width": 384},
    }
    for name, content in (
        ("special_tokens_map.json", SPECIAL),
        ("tokenizer_config.json", tokenizer),
        ("preprocessor_config.json", processor),
    ):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Write a BLIP-large-shaped checkpoint of random weights."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--layers-vision", type=int, default=24, help="fewer for a quick test")
    parser.add_argument("--layers-text", type=int, default=12, help="fewer for a quick test")
    parser.add_argument("--dtype", choices=("float32", "float16"), default="float32")
    args = parser.parse_args()
    write_checkpoint(
        args.folder,
        seed=args.seed,
        layers_vision=args.layers_vision,
        layers_text=args.layers_text,
        dtype=args.dtype,
    )
    print(f"{args.folder}: random weights, {args.dtype}, seed {args.seed}")


if __name__ == "__main__":
    main()
