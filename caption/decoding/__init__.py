"""Image features and prompts become token sequences. Imports torch."""

from caption.decoding.progress import DecodedSequence, Search, Step
from caption.decoding.run import decode, decode_together, generate

__all__ = ["DecodedSequence", "Search", "Step", "decode", "decode_together", "generate"]
