"""A live model behind the simulator: every request is asked of an OpenAI-compatible endpoint.

So a team's own models get a batch API. Answers are kept on disk as they come,
because asking again costs time or money: a restart asks only for the rest.
"""

from batchline_simulator.upstream.chat import UpstreamFailedError, answer_of, chat_request
from batchline_simulator.upstream.exchange import Reply, Request, Upstream
from batchline_simulator.upstream.feeder import Feeder
from batchline_simulator.upstream.journal import ReplyJournal
from batchline_simulator.upstream.opening import open_upstream

__all__ = [
    "Feeder",
    "Reply",
    "ReplyJournal",
    "Request",
    "Upstream",
    "UpstreamFailedError",
    "answer_of",
    "chat_request",
    "open_upstream",
]
