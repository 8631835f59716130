"""Ahead: the checkpoint that the slider reaches next is evaluated while this one is looked at."""

from concurrent.futures import Future, ThreadPoolExecutor

from grokinterp.evaluation.processor import give_way
from grokinterp.explorer.page import panels, text
from grokinterp.explorer.session import Session
from grokinterp.explorer.state import State


class Ahead:
    """What a step of the slider draws first, found before it is asked for, in a thread that gives way."""

    def __init__(self, session: Session):
        self._session = session
        self._pool = ThreadPoolExecutor(1, "grokinterp ahead", initializer=give_way)
        self.next: Future[None] | None = None

    def follow(self, before: State, now: State) -> None:
        """Begin with the checkpoint beyond `now` on the way from `before`, where that is a way along one run."""
        steps = self._session.steps(now.run or "")
        if before.run != now.run or before.step == now.step or before.step not in steps:
            return
        at = steps.index(now.step or 0)
        beyond = at + (1 if at > steps.index(before.step) else -1)
        if self.next is not None:
            self.next.cancel()
        if 0 <= beyond < len(steps):
            self.next = self._pool.submit(self._prepare, now.change(step=steps[beyond]))

    def _prepare(self, state: State) -> None:
        checkpoint = self._session.checkpoint_of(state)
        before, after = self._session.scores(state)
        text.tiles(before, after)
        panels.table(checkpoint, after, state)
        panels.spectrum(checkpoint, after)
