"""The process that does blocks of jobs for `Processes`, until nobody asks any more.

Both sides are this program, with the same plug-ins: the messages are pickled, on standard input and output. What
plug-ins print goes to standard error.
"""

from __future__ import annotations

import os
import pickle
import threading
from typing import TYPE_CHECKING, Any

from facesr_bench.evaluation.executors.serving import serve
from facesr_bench.evaluation.isolation.child import own_streams, watch

if TYPE_CHECKING:
    from facesr_bench.evaluation.job import Job


def main(parent: int) -> None:
    """Serve until the stream ends.

    Args:
        parent: the process that started this one; this one ends with it.
    """
    asked, answers = own_streams()
    threading.Thread(target=watch, args=(parent,), daemon=True).start()
    jobs, profile_time = pickle.load(asked)  # noqa: S301 - from the run itself

    def read() -> Job | None:
        try:
            job: Job | None = pickle.load(asked)  # noqa: S301 - from the run itself
        except EOFError:
            return None
        return job

    def say(name: str, *arguments: Any) -> None:
        pickle.dump((name, arguments), answers)
        answers.flush()

    serve(jobs, read, say, profile_time=profile_time)
    os._exit(0)  # whatever threads plug-ins have left
