"""The process that lists the algorithms for ``Catalogue``: a question on its input, the answer on its output."""

from __future__ import annotations

import os
import sys

import msgspec

from palaver.analytics.catalogue import (
    Catalogued,
    Listed,
    Pictures,
    Question,
    Sound,
    Unusable,
    readable,
)
from palaver.analytics.found import Algorithm, search
from palaver.analytics.plugin import BadAnalyzer, BadParameters
from palaver.media.pipelines.confinement import Confinement, Limits, confine


def listed(algorithm: Algorithm) -> Listed:
    """An algorithm as it is shown."""
    kind = algorithm.kind
    schema = msgspec.json.schema(kind.shape())
    described = schema["$defs"][kind.shape().__name__]
    others = {name: one for name, one in schema["$defs"].items() if name != kind.shape().__name__}
    pictures, sound = kind.wants_video, kind.wants_audio
    return Listed(
        name=kind.name,
        doc=algorithm.doc,
        origin=algorithm.origin,
        parameters=described | ({"$defs": others} if others else {}),
        video=Pictures(fps=pictures.fps, pixels=pictures.pixels, size=pictures.size) if pictures else None,
        audio=Sound(rate=sound.rate, channels=sound.channels) if sound else None,
    )


def answered(question: Question) -> Catalogued:
    """What there is, and whether the parameters in question fit."""
    found, broken = search(question.paths)
    refusal = ""
    if question.algorithm is not None and (asked := found.get(question.algorithm)):
        try:
            asked.kind.made(question.parameters)
        except (BadParameters, BadAnalyzer) as error:
            refusal = str(error)
    return Catalogued(
        algorithms=[listed(found[name]) for name in sorted(found)],
        broken=[Unusable(origin=one.origin, error=one.error) for one in broken],
        refusal=refusal,
    )


def main() -> None:
    """Answer one question. What plugins print is nobody's business: it goes nowhere."""
    question = msgspec.json.decode(sys.stdin.buffer.read(), type=Question)
    out = os.dup(1)
    os.dup2(2, 1)
    confine(Confinement(readable=readable(question.paths)), Limits())
    with os.fdopen(out, "wb") as answer:
        answer.write(msgspec.json.encode(answered(question)))
        answer.flush()
        os._exit(0)


if __name__ == "__main__":
    main()
