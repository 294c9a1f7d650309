"""How many steps Python's matcher needs for a pattern and a text: counted, so that no clock and no machine speaks.

A matcher of our own walks the tree that `re` compiles to, in the order in which `re` tries things. It knows what the
patterns of this tree use and raises NotImplementedError for the rest.
"""

import re
from collections.abc import Callable, Iterator
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

Go = Callable[[int], bool]


class TooManySteps(Exception):
    """The search was given up."""


class Search:
    """One search for a pattern in a text, as `Pattern.search` would go about it.

    whole: as `fullmatch`. steps: places of the text that were looked at. most: after so many TooManySteps is raised.
    """

    def __init__(self, pattern: str, flags: int, text: str, *, whole: bool = False, most: int = 10**6) -> None:
        self._tree = list(_parser.parse(pattern, flags))
        self._flags, self._text, self._most = flags, text, most
        self.steps = 0
        starts = [0] if whole else range(len(text) + 1)
        self.found = any(self._sequence(self._tree, 0, at, lambda end: not whole or end == len(text)) for at in starts)

    def _step(self) -> None:
        self.steps += 1
        if self.steps > self._most:
            raise TooManySteps

    def _sequence(self, tree: list[Any], index: int, at: int, go: Go) -> bool:
        if index == len(tree):
            return go(at)
        kind, value = tree[index]

        def rest(end: int) -> bool:
            return self._sequence(tree, index + 1, end, go)

        if kind in (op.MAX_REPEAT, op.MIN_REPEAT):
            least, most, body = value
            return self._repeat(list(body), least, most, at, rest, greedy=kind is op.MAX_REPEAT)
        if kind is op.SUBPATTERN:
            return self._sequence(list(value[3]), 0, at, rest)
        if kind is op.BRANCH:
            return any(self._sequence(list(branch), 0, at, rest) for branch in value[1])
        if kind is op.AT:
            self._step()
            return self._stands(value, at) and rest(at)
        if kind is op.ASSERT_NOT or kind is op.ASSERT:
            seen = self._sequence(list(value[1]), 0, at, lambda end: True)
            return seen is (kind is op.ASSERT) and rest(at)
        self._step()
        return at < len(self._text) and self._fits(kind, value, self._text[at]) and rest(at + 1)

    def _repeat(self, body: list[Any], least: int, most: int, at: int, rest: Go, *, greedy: bool) -> bool:
        if len(body) == 1 and body[0][0] in (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN):
            return self._run(body[0], least, most, at, rest, greedy=greedy)

        def again(end: int) -> bool:
            return end > at and self._repeat(body, max(0, least - 1), most - 1, end, rest, greedy=greedy)

        more = (lambda: most > 0 and self._sequence(body, 0, at, again)) if most else (lambda: False)
        if least > 0:
            return more()
        return (more() or rest(at)) if greedy else (rest(at) or more())

    def _run(self, one: Any, least: int, most: int, at: int, rest: Go, *, greedy: bool) -> bool:
        """Repeats of a single character, without a call for each: texts are longer than Python's stack."""
        ends = self._ends(one, most, at)
        wanted = (end for end in (list(ends)[::-1] if greedy else ends) if end - at >= least)
        return any(rest(end) for end in wanted)

    def _ends(self, one: Any, most: int, at: int) -> Iterator[int]:
        yield at
        while at < len(self._text) and most > 0:
            self._step()
            if not self._fits(*one, self._text[at]):
                return
            at, most = at + 1, most - 1
            yield at

    def _stands(self, where: Any, at: int) -> bool:
        anchored = {op.AT_BEGINNING: at == 0, op.AT_BEGINNING_STRING: at == 0, op.AT_END_STRING: at == len(self._text)}
        if where in anchored:
            return anchored[where]
        if where is op.AT_END:
            return self._text[at:] in ("", "\n")
        if where is op.AT_BOUNDARY:
            sides = [0 <= place < len(self._text) and self._word(self._text[place]) for place in (at - 1, at)]
            return sides[0] != sides[1]
        raise NotImplementedError(where)

    @staticmethod
    def _word(character: str) -> bool:
        return character.isalnum() or character == "_"

    def _fits(self, kind: Any, value: Any, character: str) -> bool:
        if kind is op.LITERAL:
            return ord(character) == value
        if kind is op.NOT_LITERAL:
            return ord(character) != value
        if kind is op.ANY:
            return character != "\n" or bool(self._flags & re.DOTALL)
        if kind is op.IN:
            negated = value[0][0] is op.NEGATE
            return any(self._member(*one, character) for one in value[negated:]) is not negated
        raise NotImplementedError(kind)

    def _member(self, kind: Any, value: Any, character: str) -> bool:
        if kind is op.LITERAL:
            return ord(character) == value
        if kind is op.RANGE:
            return value[0] <= ord(character) <= value[1]
        classes = {op.CATEGORY_SPACE: str.isspace, op.CATEGORY_DIGIT: str.isdigit, op.CATEGORY_WORD: self._word}
        opposite = {op.CATEGORY_NOT_SPACE: str.isspace, op.CATEGORY_NOT_WORD: self._word}
        if kind is op.CATEGORY and value in classes:
            return classes[value](character)
        if kind is op.CATEGORY and value in opposite:
            return not opposite[value](character)
        raise NotImplementedError(kind, value)
