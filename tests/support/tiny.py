"""A tiny random BLIP in the published layout: seconds to make, milliseconds to run."""

from __future__ import annotations

import json
from pathlib import Path

MEAN = [0.48145466, 0.4578275, 0.40821073]
STD = [0.26862954, 0.26130258, 0.27577711]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
WORDS = (
    "the of a an on in with and is there photography photo picture image detailed professional high resolution red "
    "blue ball box dog cat beach field left right"
)


def write_tiny_blip(
    folder: Path, *, seed: int = 0, image_size: int = 32, layers: int = 2, width: int = 32
) -> Path:
    """A random BLIP in the published layout: seconds to make, milliseconds to run. The start token
    lies outside the vocabulary.
    """
    import torch
    from transformers import BlipConfig, BlipForConditionalGeneration

    folder.mkdir(parents=True, exist_ok=True)
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *".,:;!?'-",
        *LETTERS,
        *(f"##{c}" for c in LETTERS),
    ]
    pieces += [word for word in WORDS.split() if word not in pieces]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    config = BlipConfig(
        text_config={
            "vocab_size": len(pieces) + 2, "bos_token_id": len(pieces), "eos_token_id": 2, "sep_token_id": 3,
            "pad_token_id": 0, "hidden_size": width, "encoder_hidden_size": width, "intermediate_size": 2 * width,
            "num_hidden_layers": layers, "num_attention_heads": 4, "max_position_embeddings": 512, "is_decoder": True,
            "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "initializer_range": 0.5,
        },
        vision_config={
            "hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": layers, "num_attention_heads": 4,
            "image_size": image_size, "patch_size": 8, "initializer_range": 0.2,
        },
        projection_dim=width,
        image_text_hidden_size=width,
    )  # fmt: skip
    torch.manual_seed(seed)
    network = BlipForConditionalGeneration(config).eval()
    # Weights of the usual 0.02 give flat logits and ties; wider ones make every choice a clear one.
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.2 if "embeddings" not in name else 0.5)
    network.save_pretrained(folder)
    special = {
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
        "pad_token": "[PAD]",
        "sep_token": "[SEP]",
        "unk_token": "[UNK]",
    }
    settings = {
        "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": MEAN, "image_std": STD, "resample": 3,
        "image_processor_type": "BlipImageProcessor", "processor_class": "BlipProcessor", "rescale_factor": 1 / 255,
        "size": {"height": image_size, "width": image_size},
    }  # fmt: skip
    tokenizer = {
        **special,
        "do_lower_case": True,
        "model_max_length": 512,
        "tokenizer_class": "BertTokenizer",
    }
    for name, content in (
        ("special_tokens_map.json", special),
        ("tokenizer_config.json", tokenizer),
        ("preprocessor_config.json", settings),
    ):
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder
