"""The endpoints that batches can be run on, by path."""

from batchline_simulator.openai.chat import ChatCompletions
from batchline_simulator.openai.embeddings import Embeddings
from batchline_simulator.openai.endpoint import Endpoint
from batchline_simulator.openai.responses import Responses


def all_endpoints() -> dict[str, Endpoint]:
    """Make one of each."""
    made: tuple[Endpoint, ...] = (ChatCompletions(), Responses(), Embeddings())
    return {endpoint.path: endpoint for endpoint in made}
