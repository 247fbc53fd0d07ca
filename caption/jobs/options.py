"""What a batch is asked for: `BatchOptions`, frozen and checked here only, and the digest by which
the journal tells apart captions that were asked for in different ways.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass

from caption.errors import OptionsError
from caption.jobs.formats import FORMATS
from caption.options import (
    DescribeOptions,
    check_flag,
    check_one_of,
    check_strategy,
    check_text,
    check_whole,
)
from caption.strategies import STRATEGIES

CATEGORY_PROMPT = "a {} product with "
EXISTING = ("skip", "overwrite", "append")

PICTURES_TOGETHER = 16

PLAIN = DescribeOptions(strategy="plain")


@dataclass(frozen=True)
class BatchOptions:
    """What a batch does. Raises `OptionsError` (bad_param); where an option needs another strategy,
    its `details` name the option and the `strategy`.

    `format`: one of `caption.jobs.formats.FORMATS`. `prefix` and `suffix` stand before and behind
    every caption, as they are. `category`: what the pictures are products of; the captions begin
    with `CATEGORY_PROMPT`.
    `existing`: skip (a picture with a caption is left alone, whatever model or options it came
    from; one that was changed since is described anew) | append (it is described with these options
    too, and both stay; where there is room for one, the newest) | overwrite (everything is
    described anew, and in the end takes the place of what was there).
    `write_metadata`: the caption goes into JPEG, PNG and WebP files as well.
    `batch_size`: pictures that go through the model together, with the strategy plain only; default
    `PICTURES_TOGETHER`. Other strategies take one at a time.
    """

    describe: DescribeOptions = PLAIN
    format: str = "jsonl"
    existing: str = "skip"
    recursive: bool = False
    prefix: str = ""
    suffix: str = ""
    category: str = ""
    write_metadata: bool = False
    batch_size: int | None = None

    def __post_init__(self) -> None:
        check_one_of("format", self.format, tuple(FORMATS))
        check_one_of("existing", self.existing, EXISTING)
        check_flag("recursive", self.recursive)
        check_flag("write_metadata", self.write_metadata)
        for name in ("prefix", "suffix", "category"):
            object.__setattr__(self, name, check_text(name, getattr(self, name)))
        if self.category:
            check_strategy("category", self.describe.strategy, "plain")
            if self.describe.prompt:
                raise OptionsError(
                    "category and prompt both begin the caption", name="category", strategy="plain"
                )
        if self.batch_size is not None:
            check_whole("batch_size", self.batch_size, 1, 1024)
            check_strategy("batch_size", self.describe.strategy, "plain")
        _ = self.asked  # a category makes the prompt longer, which may be too long

    @property
    def asked(self) -> DescribeOptions:
        """What the describer is asked for: `describe`, with the category as its prompt."""
        if not self.category:
            return self.describe
        return dataclasses.replace(self.describe, prompt=CATEGORY_PROMPT.format(self.category))

    @property
    def together(self) -> int:
        """Pictures that go through the model together."""
        if STRATEGIES[self.describe.strategy].describe_together is None:
            return 1
        return self.batch_size or PICTURES_TOGETHER


def options_key(options: BatchOptions) -> str:
    """16 hex digits that tell apart what a caption was asked for with."""
    asked = options.asked
    if asked.strategy == "plain":  # these do nothing there
        usual = DescribeOptions()
        asked = dataclasses.replace(
            asked, detail=usual.detail, multi_round=usual.multi_round, seed=usual.seed
        )
    chosen = dataclasses.asdict(asked) | {"prefix": options.prefix, "suffix": options.suffix}
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:16]
