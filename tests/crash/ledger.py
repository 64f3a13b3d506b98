"""What was promised, against what the server took and what the store says: the judgement after some kills."""

from collections import Counter
from dataclasses import dataclass, field, fields

from mailwright.model.outbox import MessageState, UncertainPolicy
from mailwright.store.schema import Work
from tests.crash.ground import Ground, Letter, Row, Seen, addresses_of
from tests.crash.node import SESSIONS

#: messages of one session that are marked at once: the one at its dot; with `resend` the next one too, whose envelope
#: is on its way already
WINDOW = {UncertainPolicy.HOLD: 1, UncertainPolicy.RESEND: 2}


@dataclass
class Tally:
    kills: int = 0
    accepted: int = 0
    #: accepted, and neither taken by the server nor visible as uncertain
    lost: int = 0
    twice_resend: int = 0
    twice_hold: int = 0
    flagged: int = 0
    #: flagged, and its session never came so far that anything could have left
    wrongly_flagged: int = 0
    #: the most that one kill left marked, by policy
    most_hold: int = 0
    most_resend: int = 0
    #: everything else that must not be
    wrong: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        for part in fields(Tally):
            mine, more = getattr(self, part.name), getattr(other, part.name)
            setattr(self, part.name, max(mine, more) if part.name.startswith("most") else mine + more)

    def problems(self) -> list[str]:
        counted = {"lost": self.lost, "sent twice": self.twice_hold, "wrongly flagged": self.wrongly_flagged}
        found = [*self.wrong, *(f"{what}: {count}" for what, count in counted.items() if count)]
        for policy, most in ((UncertainPolicy.HOLD, self.most_hold), (UncertainPolicy.RESEND, self.most_resend)):
            if most > SESSIONS * WINDOW[policy]:
                found.append(f"one kill left {most} messages of policy {policy} marked")
        return found


def judge(ground: Ground) -> Tally:
    """Of a ground where nothing waits any more."""
    seen, rows = ground.seen, ground.store.rows()
    flagged = ground.store.flagged()
    taken = ground.sink.messages()
    copies = Counter(to for one in taken for to in one.recipients)
    tally = Tally(kills=len(seen.kills), accepted=len(seen.accepted), flagged=flagged.total())
    _judge_marks(tally, seen, flagged)
    by_address = addresses_of(rows)
    for letter in seen.letters.values():
        _judge_letter(tally, letter, by_address.get(letter.address, []), copies[letter.address], flagged, seen)
    sizes = {row.address: row.size for row in rows}
    for one in taken:
        if [sizes.get(to) for to in one.recipients] != [one.size]:
            tally.wrong.append(f"the server took something else: {one}")
    return tally


def _judge_marks(tally: Tally, seen: Seen, flagged: Counter[str]) -> None:
    marks = Counter(mark.id for kill in seen.kills for mark in kill)
    for id_, times in flagged.items():
        if times > marks[id_]:
            tally.wrongly_flagged += 1
    for kill in seen.kills:
        of_policy = Counter(mark.policy for mark in kill)
        tally.most_hold = max(tally.most_hold, of_policy[UncertainPolicy.HOLD])
        tally.most_resend = max(tally.most_resend, of_policy[UncertainPolicy.RESEND])
        for mark in kill:
            so_far = seen.at_the_dot if mark.policy == UncertainPolicy.HOLD else seen.begun
            tally.wrongly_flagged += (mark.id, str(mark.token)) not in so_far


def _judge_letter(
    tally: Tally, letter: Letter, rows: list[Row], copies: int, flagged: Counter[str], seen: Seen
) -> None:
    promised = seen.accepted.get(letter.address)
    if not rows:
        # Never accepted, or lost.
        tally.lost += promised is not None
        if copies:
            tally.wrong.append(f"{letter} was sent and is not in the store")
        return
    row = rows[0]
    if len(rows) > 1 or (promised is not None and promised != row.id):
        tally.wrong.append(f"{letter} was accepted more than once: {rows}")
    if row.policy == UncertainPolicy.HOLD:
        tally.twice_hold += copies > 1
        uncertain = row.state == MessageState.UNCERTAIN and row.work == Work.HELD
    else:
        tally.twice_resend += copies > 1
        uncertain = False
        if copies > 1 + flagged[row.id]:
            tally.wrong.append(f"{letter} was sent {copies} times and flagged {flagged[row.id]} times")
    if uncertain:
        if not flagged[row.id]:
            tally.wrong.append(f"{letter} is uncertain and no event says so")
    elif row.state != MessageState.SENT or row.work != Work.DONE:
        tally.lost += 1
        tally.wrong.append(f"{letter} ended as {row}")
    elif not copies:
        tally.lost += 1
        tally.wrong.append(f"{letter} is shown as sent, and the server never took it")
