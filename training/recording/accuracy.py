"""How many samples a network names correctly, after each epoch."""

from __future__ import annotations

import torch

from oneway.backends.rate import RateNetwork

from ..data.dataset import Batches, Data
from ..distributed import Processes

EVALUATION_BATCH = 1000
TOP = 5


def accuracies(
    network: RateNetwork, data: Data, dtype: torch.dtype, processes: Processes
) -> dict[str, float]:
    """``test_accuracy``, ``validation_accuracy`` where samples are set aside, and ``test_top5``.

    The last is how often the class is among the five likeliest, of more than five. Samples are
    given in `dtype`; each process names its part of them.
    """
    network.eval()
    tested = data.test_batches(EVALUATION_BATCH, processes.part)
    right, among = _right(network, data, dtype, tested, processes)
    found = {"test_accuracy": right / data.n_test}
    if data.n_validation:
        held = data.validation_batches(EVALUATION_BATCH, processes.part)
        right, _ = _right(network, data, dtype, held, processes)
        found["validation_accuracy"] = right / data.n_validation
    return found | ({"test_top5": among / data.n_test} if data.classes > TOP else {})


@torch.no_grad()
def _right(
    network: RateNetwork, data: Data, dtype: torch.dtype, batches: Batches, processes: Processes
) -> list[int]:
    """Samples whose class is the likeliest, and those where it is among the likeliest five."""
    right = torch.zeros(2, dtype=torch.int64, device=data.mean.device)
    for x, y in batches:
        if not len(y):  # a last batch of fewer samples than processes
            continue
        output = network(data.normalise(x, dtype))
        likeliest = output.topk(min(TOP, data.classes), dim=1).indices
        hits = output.argmax(1) == y, (likeliest == y[:, None]).any(1)
        right += torch.stack(hits).sum(1)
    return processes.total(right).tolist()
