"""A job over many pictures: find them, read ahead, describe several together, write every result
down at once.

`find_pictures` says what a folder, a list or a pattern means; `run_batch` is a generator of
progress that any door may iterate. A batch can be killed at any moment and run again: what the
journal (`caption.jobs.journal`) holds is not done twice.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass

from caption.errors import OptionsError
from caption.jobs.formats import FORMATS
from caption.options import DescribeOptions, check_flag, check_one_of, check_text, check_whole

CATEGORY_PROMPT = "a {} product with "
EXISTING = ("skip", "overwrite", "append")

PICTURES_TOGETHER = 16

PLAIN = DescribeOptions(strategy="plain")


@dataclass(frozen=True)
class BatchOptions:
    """What a batch does. Raises `OptionsError` (bad_param).

    `format`: one of `caption.jobs.formats.FORMATS`. `prefix` and `suffix` stand before and behind
    every caption, as they are. `category`: what the pictures are products of; the captions begin
    with `CATEGORY_PROMPT`.
    `existing`: skip (a picture with a caption is left alone, whatever model or options it came
    from; one that was changed since is described anew) | append (it is described with these options
    too, and both stay; where there is room for one, the newest) | overwrite (everything is
    described anew, and in the end takes the place of what was there).
    `write_metadata`: the caption goes into JPEG, PNG and WebP files as well.
    `batch_size`: pictures that go through the model together; default `PICTURES_TOGETHER` with the
    strategy plain, else 1.
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
        check_one_of("format", self.format, FORMATS)
        check_one_of("existing", self.existing, EXISTING)
        check_flag("recursive", self.recursive)
        check_flag("write_metadata", self.write_metadata)
        for name in ("prefix", "suffix", "category"):
            object.__setattr__(self, name, check_text(name, getattr(self, name)))
        if self.category and self.describe.prompt:
            raise OptionsError("category and prompt both begin the caption", name="category")
        if self.batch_size is not None:
            check_whole("batch_size", self.batch_size, 1, 1024)
            if self.batch_size > 1 and self.describe.strategy != "plain":
                raise OptionsError(
                    "batch_size does nothing without the strategy plain", name="batch_size"
                )
        _ = self.asked  # a category needs the strategy plain

    @property
    def asked(self) -> DescribeOptions:
        """What the describer is asked for."""
        if not self.category:
            return self.describe
        return dataclasses.replace(self.describe, prompt=CATEGORY_PROMPT.format(self.category))

    @property
    def together(self) -> int:
        """Pictures that go through the model together."""
        return self.batch_size or (PICTURES_TOGETHER if self.describe.strategy == "plain" else 1)


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
