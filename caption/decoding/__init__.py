"""Image features and prompts become token sequences: `decode` step by step, `generate` at once,
`decode_together` for several searches in one batch. Imports torch.
"""

from caption.decoding.progress import DecodedSequence, Search, Step
from caption.decoding.run import decode, decode_together, generate

__all__ = ["DecodedSequence", "Search", "Step", "decode", "decode_together", "generate"]
