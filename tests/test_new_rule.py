"""A rule in one file of under 30 lines runs everywhere, with no change anywhere else."""

from pathlib import Path

import pytest
import torch

from oneway.analysis import check_wiring
from oneway.backends.rate import RateNetwork
from oneway.circuits import mlp
from oneway.rules import RULES, parse_rule

RULE_FILE = '''
"""Product-free toy: random feedback whose weights forget, so that errors fade."""

from dataclasses import dataclass

from oneway.circuits import ACTIVITY, Circuit, taught_by
from oneway.rules import Rule, with_feedback_path


@dataclass(frozen=True)
class AntiHebbianFeedback(Rule, name="anti"):
    """dB = -rate * h_l delta_{l+1}^T in the engaged phase, with a rate of its own."""

    rate: float = 0.01

    def wire(self, forward: Circuit) -> Circuit:
        wiring = with_feedback_path(forward, self)
        for w in wiring.learning_drives():
            wiring.learn_from_error(w)
        for pair in wiring.pairs():
            wiring.teach(pair.forward.pre, pair.feedback.post)
            wiring.learn(
                pair.feedback, pre=ACTIVITY, post=taught_by(pair.forward.pre), rate=self.rate
            )
        return wiring.build()
'''


@pytest.fixture
def rule_file(tmp_path: Path):
    assert len(RULE_FILE.strip().splitlines()) < 30
    path = tmp_path / "anti.py"
    path.write_text(RULE_FILE)
    yield path
    RULES.pop("anti", None)


def test_a_rule_from_a_users_file_is_checked_and_trained(rule_file):
    rule = parse_rule(f"{rule_file},rate=0.05,gate=local")
    circuit = rule.wire(mlp((8, 6, 5, 3)))
    verdict = check_wiring(circuit).as_dict(rule=rule.name, gate=rule.gate, norm=rule.norm)
    assert verdict["rule"] == "anti"
    assert verdict["reciprocal_pairs"] == {"papers": 11, "all": 11, "output": 3, "relays_apart": 11}
    net = RateNetwork(circuit)
    optimizer = torch.optim.SGD(net.parameter_groups(), lr=0.5)
    before = net.weight("delta_h2 -> delta_h1").clone()
    net.step(torch.randn(4, 8), torch.tensor([0, 1, 2, 0]))
    change = net.weights["delta_h2 -> delta_h1"].grad.T
    optimizer.step()
    torch.testing.assert_close(net.weight("delta_h2 -> delta_h1"), before - 0.05 * change)
