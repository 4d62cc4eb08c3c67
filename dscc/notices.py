"""What two devices tell each other directly, sealed under a key of theirs for this alone, with an answer. Pure.

    Notice     kid, question, box "notice question" of what is told
    Noticed    question, "answer" or "refusal", box "notice answer" or "notice refusal"

A box is AES-256-GCM under XL(pair key, label); bound to it are the label, who asks, who answers, and the question's
identifier, 16 random bytes. So a question that is sent back to who asked it opens nowhere, and an answer fits one
question. A question that comes twice is answered twice: what is told has to be idempotent.

A refusal is sealed, too. `Refused` in the clear says that a question was not opened, and no more: anybody can send it.
"""

from __future__ import annotations

from typing import Final

from dscc.agreement import Agreement
from dscc.direct_messages import Notice, Noticed
from dscc.errors import DsccError, Reason
from dscc.messages import Refused
from dscc.primitives import BASE, IV_BYTES, TAG_BYTES, Box, enc
from dscc.wire import decode_as, encode

PURPOSE: Final = "gateway"
"""Of the keys that notices are sealed under."""
MOST_BYTES: Final = 49_152 - IV_BYTES - TAG_BYTES
"""What is told at once, and what an answer has: 48 KiB with what sealing adds."""
QUESTION_BYTES: Final = 16
_ANSWER: Final = "answer"
_REFUSAL: Final = "refusal"
_WORDS_BYTES: Final = 512


def ask(agreement: Agreement, asker: str, question: bytes, body: bytes, iv: bytes) -> Notice:
    """Tell the other one of the two something, under 16 and 12 random bytes. Raises DsccError: it is too long."""
    sealed = _question_box(agreement, asker, question).seal(_checked(body), iv)
    return Notice(agreement.kid, question, sealed)


def read(agreement: Agreement, asker: str, said: Notice) -> bytes:
    """What `asker` tells. Raises DsccError (NOT_AUTHENTIC): somebody else says so, or to somebody else."""
    return _question_box(agreement, asker, said.question).open(said.body)


def answer(agreement: Agreement, asker: str, question: bytes, body: bytes, iv: bytes) -> Noticed:
    """Answer a question, under 12 random bytes. Raises DsccError: it is too long."""
    sealed = _answer_box(agreement, asker, question, _ANSWER).seal(_checked(body), iv)
    return Noticed(question, _ANSWER, sealed)


def refuse(agreement: Agreement, asker: str, question: bytes, error: DsccError, iv: bytes) -> Noticed:
    """Refuse a question, under 12 random bytes: the asker is told the reason and the words."""
    printable = "".join(filter(str.isprintable, error.message))
    words = printable.encode()[:_WORDS_BYTES].decode(errors="ignore")
    plain = encode(Refused(error.reason.value, words))
    return Noticed(question, _REFUSAL, _answer_box(agreement, asker, question, _REFUSAL).seal(plain, iv))


def read_answer(agreement: Agreement, asker: str, question: bytes, said: Noticed) -> bytes | Refused:
    """What the other one answers to this question. Raises DsccError (NOT_AUTHENTIC): it is no answer to it."""
    if said.what not in (_ANSWER, _REFUSAL):
        raise DsccError(Reason.UNSUPPORTED, f"a notice is answered by {_ANSWER} or {_REFUSAL}")
    # Of the question that was asked, not of the one that the answer names.
    plain = _answer_box(agreement, asker, question, said.what).open(said.body)
    return plain if said.what == _ANSWER else decode_as(Refused, plain)


def _question_box(agreement: Agreement, asker: str, question: bytes) -> Box:
    bound = _bound(agreement, asker, "question", question)
    return Box(BASE, agreement.key, "notice question", bound)


def _answer_box(agreement: Agreement, asker: str, question: bytes, what: str) -> Box:
    return Box(BASE, agreement.key, f"notice {what}", _bound(agreement, asker, what, question))


def _bound(agreement: Agreement, asker: str, what: str, question: bytes) -> bytes:
    """What a box is for: it opens for nothing else."""
    other = agreement.responder if asker == agreement.initiator else agreement.initiator
    return enc(what.encode(), asker.encode(), other.encode(), question)


def _checked(body: bytes) -> bytes:
    if len(body) > MOST_BYTES:
        raise DsccError(Reason.MALFORMED, f"a notice has at most {MOST_BYTES} bytes, not {len(body)}")
    return body
