"""The plan of a text: the lead, what others add about its thing, where things are, what else there
is, the weather.
"""

from __future__ import annotations

from collections.abc import Sequence

from caption.language.tell.adding import about_another, about_main, other_things, weather
from caption.language.tell.ground import on_its_ground
from caption.language.tell.lead import document_frequencies, lead_of
from caption.language.tell.leading import lead_sentence
from caption.language.tell.placing import where_others_are
from caption.language.tell.settling import contradicted
from caption.language.tell.sources import Source
from caption.language.tell.telling import Telling, says_nothing
from caption.language.tell.words import Words, finished, own, spaced

MOST_SENTENCES = 5


def paragraph(sources: Sequence[Source], *, settle: bool) -> list[Words]:
    """The sentences that sources make. `settle`: of two that contradict each other the better
    supported counts, else the one that leads.
    """
    telling = _settled(list(sources), settle=settle)
    if telling is None:
        return []
    lead = telling.lead
    sentences = [lead_sentence(telling)]
    if not says_nothing(lead) and (telling.sides or telling.is_sentence):
        if telling.main is not None:
            sentences.append(about_main(telling, telling.main))
        sentences.append(about_another(telling))
        sentences += where_others_are(telling)
        sentences.append(other_things(telling))
        sentences[0] = on_its_ground(telling, sentences)
    sentences += weather(telling)
    return [finished(words) for words in _joined([words for words in sentences if words])]


def _settled(sources: list[Source], *, settle: bool) -> Telling | None:
    """The telling whose lead says nothing that something better supported contradicts; None where
    nothing can lead. Every turn cuts something, so that there is an end.
    """
    while True:
        lead = lead_of(sources, document_frequencies(sources))
        if lead is None:
            return None
        telling = Telling(sources, lead, settle=settle)
        wrong = contradicted(telling)
        if not wrong:
            return telling
        rest = lead.without(wrong)
        sources = [source for source in sources if source is not lead]
        if rest is not None and all(rest.text != source.text for source in sources):
            sources.append(rest)
            sources.sort(key=lambda source: (source.text, source.is_whole))


def _joined(sentences: list[Words]) -> list[Words]:
    """No more than `MOST_SENTENCES`: the last are joined two by two."""
    while len(sentences) > MOST_SENTENCES:
        *rest, second, last = sentences
        joined = (*second, *own(", and"), *spaced(last))
        sentences = [*rest, joined]
    return sentences
