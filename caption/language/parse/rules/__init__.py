"""What a parser made for written sentences gets wrong in captions, mended in its trees.

`readings` comes before the rules: what the parser gets to read. Then every rule of `RULES` looks
for one construction and changes the `Draft` in place, in this order. A new rule goes to

- `words` where a word is of another class (a noun taken for a verb),
- `names` where nouns of one name, or what describes them, hang wrongly,
- `lists` where "and" or a comma joins something else,
- `participles` where an act or state is somebody else's,
- `dress` where what people wear is read as something else,
- `phrases` where a preposition or a clause hangs on something else,

and to the list below: a rule that reads a word's class stands behind those that mend it.
"""

from __future__ import annotations

from collections.abc import Callable

from caption.language.parse.rules import dress, lists, names, participles, phrases, words
from caption.language.parse.rules.draft import Draft

RULES: tuple[Callable[[Draft], None], ...] = (
    words.auxiliary_has_no_subject,
    words.endings_tell_verbs,
    words.has_is_the_verb,
    words.verb_is_no_name,
    words.noun_that_agrees_is_the_verb,
    dress.clothing_is_no_verb,
    dress.color_is_worn,
    names.thing_is_the_root,
    names.noun_has_no_subject,
    words.spark_is_no_verb,
    names.oven_is_no_verb,
    names.thing_is_no_auxiliary,
    names.thing_behind_a_noun,
    phrases.way_takes_its_noun,
    words.adjective_is_no_noun,
    names.act_names_a_thing,
    names.color_is_an_adjective,
    names.adjective_is_of_the_name,
    names.name_is_described_as_a_whole,
    lists.list_is_a_chain,
    lists.color_is_joined_to_a_color,
    lists.second_subject_is_a_conjunct,
    lists.conjunct_joins_its_kind,
    words.act_is_joined_to_an_act,
    words.thing_is_no_act,
    lists.region_has_no_conjunct,
    lists.second_act_is_an_act,
    phrases.phrase_behind_a_region,
    phrases.what_a_text_says,
    participles.act_behind_an_object,
    participles.act_describes_its_object,
    participles.noun_acts,
    participles.preposition_takes_its_noun,
    participles.state_of_what_one_has,
    participles.act_outside_is_the_actors,
    participles.clause_behind_as,
    participles.infinitive_is_no_main_verb,
    participles.state_without_a_verb,
    participles.noun_phrase_has_a_noun_as_its_root,
    phrases.view_is_looked_through,
    phrases.place_of_what_there_is,
    lists.second_act_is_no_thing,
    participles.object_of_a_noun_acts,
    participles.parked_is_the_vehicle,
    participles.act_goes_to_the_living,
    participles.posture_is_whose_the_act_is,
    dress.last_joined_acts,
    phrases.what_one_holds_is_no_places,
    phrases.place_is_of_who_wears,
)


def mend(draft: Draft) -> None:
    if draft.words:
        for rule in RULES:
            rule(draft)
