"""REINFORCE with a moving-average baseline, for a policy that scores whole samples.

R. J. Williams 1992, "Simple statistical gradient-following algorithms for connectionist reinforcement
learning": the update is that of its equation 11, with Adam in the place of plain ascent.
"""

import math

from autodl_design.agents.agent import LearnResult
from autodl_design.backend.paddle_backend import paddle
from autodl_design.backend.parl_backend import parl
from policy_model import PolicyModel

Tensor = paddle.Tensor


class LearningError(ArithmeticError):
    """An update whose loss or gradients are not finite; the text is for the user."""


def reinforce_loss(log_prob: Tensor, advantage: Tensor) -> Tensor:
    """mean(-log p(a) * advantage) over a batch; both [B]; the advantage is taken as constant."""
    assert log_prob.ndim == 1 and log_prob.shape == advantage.shape, (log_prob, advantage)
    return (-log_prob * advantage.detach()).mean()


def moving_average(average: float | None, value: float, decay: float) -> float:
    """The average after `value`; None before the first one, which starts it."""
    return value if average is None else decay * average + (1 - decay) * value


class ReinforcePolicyGradient(parl.Algorithm):
    """advantage = (reward - baseline) ** advantage_power, an odd power so that the sign stays.

    entropy_weight: how much of the policy's entropy, in nats an architecture, is taken off the loss, which
        keeps it exploring (Williams & Peng 1991).
    """

    def __init__(
        self,
        model: PolicyModel,
        learning_rate: float,
        bl_decay: float,
        advantage_power: int,
        entropy_weight: float = 0.0,
    ):
        super().__init__(model)
        if advantage_power % 2 != 1:
            raise ValueError(f"advantage_power {advantage_power} is not odd")
        self.bl_decay = bl_decay
        self.advantage_power = advantage_power
        self.entropy_weight = entropy_weight
        self.updates = 0
        self.baseline: float | None = None
        self.parameters = model.trainable_parameters()
        self.optimizer = paddle.optimizer.Adam(
            learning_rate, parameters=self.parameters, use_multi_tensor=True
        )

    def create_moments(self) -> None:
        """Makes Adam's moments, which otherwise come with the first update, by a step along gradients
        of zero, which moves nothing. Saved ones can then be written into them."""
        paddle.add_n([(0 * parameter).sum() for parameter in self.parameters]).backward()
        self.optimizer.step()
        self.model.clear_gradients()

    def learn(self, tokens: Tensor, adjvec: Tensor, reward: Tensor) -> LearnResult:
        """One update on sampled architectures and the rewards [B] they earned. The baseline takes in
        this batch's rewards before it is used.

        Raises LearningError where no weight would be finite after it, and leaves the policy as it was."""
        baseline = moving_average(self.baseline, float(reward.mean()), self.bl_decay)
        advantage = (reward - baseline) ** self.advantage_power
        score = self.model.score(tokens, adjvec)
        loss = reinforce_loss(score.log_prob, advantage)
        if self.entropy_weight:
            loss -= self.entropy_weight * (score.token_entropy + score.edge_entropy).mean()
        loss.backward()
        with paddle.no_grad():
            gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
            seen = [loss, score.token_entropy.mean(), score.edge_entropy.mean()]
            seen.append(paddle.add_n([gradient.square().sum() for gradient in gradients]).sqrt())
            numbers = paddle.stack(seen).numpy()  # read back at once
        learned = LearnResult(baseline, *map(float, numbers))
        if not all(map(math.isfinite, learned)):
            self.model.clear_gradients()
            raise LearningError(
                f"the policy's update {self.updates} left the finite numbers (loss {learned.loss:g}, "
                f"gradient {learned.gradient_norm:g}) and was not made: search with smaller rewards, or a "
                "smaller --entropy_weight or --advantage_power"
            )
        self.optimizer.step()
        self.model.clear_gradients()
        self.updates += 1
        self.baseline = baseline
        return learned
