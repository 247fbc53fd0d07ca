"""A checkpoint as functions: pictures to image embeddings, token ids to logits. Imports torch."""

from caption.model.blip import BlipModel, WordScore
from caption.model.features import ImageFeatures
from caption.model.loading import load_matcher, load_model
from caption.model.matcher import MatchingModel

__all__ = ["BlipModel", "ImageFeatures", "MatchingModel", "WordScore", "load_matcher", "load_model"]
