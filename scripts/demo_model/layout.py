"""The files of the demo models' folders but their weights: settings, vocabulary, preprocessing, in
the layout of the published checkpoints.
"""

from __future__ import annotations

import json
from pathlib import Path

from transformers import BlipConfig

from scripts.demo_model.captions import vocabulary_words

IMAGE_SIZE = 128
PATCH = 16
WIDTH = 192
GRID = IMAGE_SIZE // PATCH
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def write_vocabulary(folder: Path) -> int:
    """Write `vocab.txt` of whole words plus every letter, digit and mark as a piece, so that no
    ASCII text becomes [UNK]; the number of pieces.
    """
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    marks = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *marks,
        *letters,
        *(f"##{c}" for c in letters),
    ]
    pieces += sorted(word for word in vocabulary_words() if word not in pieces)
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return len(pieces)


def blip_config(pieces: int) -> BlipConfig:
    """The models' shape for a vocabulary of `pieces`; as in the published checkpoints, the decoder's
    start token lies just outside it.
    """
    return BlipConfig(
        text_config={
            "vocab_size": pieces + 2,
            "bos_token_id": pieces,
            "eos_token_id": 3,
            "sep_token_id": 3,
            "pad_token_id": 0,
            "hidden_size": WIDTH,
            "encoder_hidden_size": WIDTH,
            "intermediate_size": 4 * WIDTH,
            "num_hidden_layers": 4,
            "num_attention_heads": 3,
            "max_position_embeddings": 512,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
            "is_decoder": True,
            "projection_dim": WIDTH,
        },
        vision_config={
            "hidden_size": WIDTH,
            "intermediate_size": 4 * WIDTH,
            "num_hidden_layers": 6,
            "num_attention_heads": 3,
            "image_size": IMAGE_SIZE,
            "patch_size": PATCH,
            "projection_dim": WIDTH,
            # the library's default is 1e-10: weights of nothing, which learn next to nothing
            "initializer_range": 0.02,
        },
        projection_dim=WIDTH,
        image_text_hidden_size=WIDTH,
    )


def write_layout(folder: Path) -> BlipConfig:
    """Write everything but the weights and `config.json`, which come with the trained model."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces = write_vocabulary(folder)
    special = {
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
        "pad_token": "[PAD]",
        "sep_token": "[SEP]",
        "unk_token": "[UNK]",
    }
    tokenizer = {
        **special,
        "do_basic_tokenize": True,
        "do_lower_case": True,
        "model_max_length": 512,
    }
    tokenizer |= {
        "processor_class": "BlipProcessor",
        "tokenizer_class": "BertTokenizer",
        "tokenize_chinese_chars": True,
    }
    processor = {
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": MEAN,
        "image_std": STD,
        "resample": 3,
        "image_processor_type": "BlipImageProcessor",
        "processor_class": "BlipProcessor",
        "rescale_factor": 1 / 255,
        "size": {"height": IMAGE_SIZE, "width": IMAGE_SIZE},
    }
    for name, content in (
        ("special_tokens_map.json", special),
        ("tokenizer_config.json", tokenizer),
        ("preprocessor_config.json", processor),
    ):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return blip_config(pieces)
