"""The policy and the child network in PyTorch, as peers to measure ours against.

They compute what ours do (tests/benchmarks/test_torch_peer.py compares them with our policy and with the
reference numbers of the child network) and are written with the same care: the policy samples with LSTM
cells and scores with one fused LSTM and batched heads, the child network runs in channels_last, both
optimisers are fused. This module does without Paddle, so that a process that measures PyTorch holds PyTorch
alone.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autodl_design.policy.layout import Layout, steps_of

# --- Policy -----------------------------------------------------------------------------------------


class Policy(nn.Module):
    """N nodes a cell, K tokens, LSTM of H units and L layers; T steps, actions D wide."""

    def __init__(self, N: int = 10, K: int = 10, H: int = 64, L: int = 2):
        super().__init__()
        self.N, self.K, self.D, self.H = N, K, max(N - 1, K), H
        self.lstm = nn.LSTM(self.D, H, L)
        self.cells = [nn.LSTMCell(self.D if layer == 0 else H, H) for layer in range(L)]
        for layer, cell in enumerate(self.cells):  # the same parameters
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                setattr(cell, name, getattr(self.lstm, f"{name}_l{layer}"))
        steps, D = steps_of(N, K), self.D
        T = len(steps)
        self.head_weight = nn.Parameter(nn.init.trunc_normal_(torch.empty(T, H, D)) * math.sqrt(2 / H))
        self.head_bias = nn.Parameter(torch.zeros(T, 1, D))
        for name, parameter in self.lstm.named_parameters():
            nn.init.zeros_(parameter) if "bias" in name else nn.init.uniform_(parameter, -0.1, 0.1)
            parameter.requires_grad_("bias_hh" not in name)

        layout = Layout(steps, D)
        self.is_token_step = layout.is_token.tolist()
        self.token_positions = torch.from_numpy(layout.token_positions)
        self.edge_positions = torch.from_numpy(layout.edge_positions)
        self.sources = torch.from_numpy(layout.sources.ravel())
        self.one_hot = torch.eye(K, D)
        self.token_step_mask = torch.from_numpy(layout.is_token[:, None, None])
        self.padding_noise = torch.from_numpy(layout.padding_noise[:, None]).float()

    @torch.no_grad()
    def sample(self, B: int) -> tuple[Tensor, Tensor]:
        """tokens int64 [B, 2N], adjvec int64 [B, N(N-1)]."""
        uniform = torch.rand(len(self.is_token_step), B, self.D).clamp_(1e-7, 1 - 1e-7)
        log = uniform.log()
        noise = torch.where(self.token_step_mask, -(-log).log(), log - (-uniform).log1p())
        noise += self.padding_noise
        states = [(torch.zeros(B, self.H), torch.zeros(B, self.H)) for _ in self.cells]
        action = torch.zeros(B, self.D)
        actions = []
        heads = self.head_weight.unbind(), self.head_bias.unbind()
        for is_token, weight, bias, step_noise in zip(
            self.is_token_step, *heads, noise.unbind(), strict=True
        ):
            x = action
            for layer, cell in enumerate(self.cells):
                states[layer] = cell(x, states[layer])
                x = states[layer][0]
            logits = _squash(torch.addmm(bias, x, weight))
            if is_token:
                action = self.one_hot[(logits + step_noise).argmax(-1)]
            else:
                action = (logits > step_noise).float()
            actions.append(action)
        one_hots, edges = self._split(torch.stack(actions))
        return one_hots.argmax(-1), edges.long()

    def score(self, tokens: Tensor, adjvec: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log-probability, token entropy and edge entropy, each [B]."""
        actions = self._join(tokens, adjvec)
        inputs = torch.cat([torch.zeros_like(actions[:1]), actions[:-1]])
        outputs, _ = self.lstm(inputs)
        logits = _squash(torch.baddbmm(self.head_bias, outputs, self.head_weight))
        token_logits, edge_logits = self._split(logits)
        log_probs = token_logits.log_softmax(-1)
        token_log_prob = log_probs.gather(-1, tokens[..., None]).sum((1, 2))
        edge_log_prob = -F.binary_cross_entropy_with_logits(
            edge_logits, adjvec.float(), reduction="none"
        ).sum(1)
        edge_entropy = F.softplus(edge_logits) - edge_logits * edge_logits.sigmoid()
        token_entropy = -(log_probs.exp() * log_probs).sum((1, 2))
        return token_log_prob + edge_log_prob, token_entropy, edge_entropy.sum(1)

    def _split(self, steps: Tensor) -> tuple[Tensor, Tensor]:
        """[T, B, D] -> tokens' part [B, 2N, K], edges' part [B, N(N-1)]."""
        flat = steps.transpose(0, 1).flatten(1)
        tokens = flat[:, self.token_positions].view(-1, 2 * self.N, self.K)
        return tokens, flat[:, self.edge_positions]

    def _join(self, tokens: Tensor, adjvec: Tensor) -> Tensor:
        """tokens, adjvec -> actions [T, B, D]."""
        one_hots = F.one_hot(tokens, self.K).flatten(1)
        packed = torch.cat([one_hots, adjvec, torch.zeros(len(tokens), 1)], dim=1)
        return packed[:, self.sources].view(len(tokens), -1, self.D).transpose(0, 1)


def _squash(x: Tensor) -> Tensor:
    return 2.5 * torch.tanh(x / 5)


class Agent:
    """One REINFORCE update a call, as our agent's `sample` and `learn` make it."""

    def __init__(self, learning_rate: float, bl_decay: float):
        self.policy = Policy()
        self.parameters = [p for p in self.policy.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(self.parameters, learning_rate, fused=True)
        self.bl_decay = bl_decay
        self.baseline: float | None = None

    def update(self, reward_of: Callable[[np.ndarray], np.ndarray], batch_size: int) -> list[float]:
        """reward_of: tokens [B, 2N] -> rewards [B]. Returns loss, entropies and gradient norm."""
        tokens, adjvec = self.policy.sample(batch_size)
        reward = torch.from_numpy(reward_of(tokens.numpy())).float()
        mean = reward.mean().item()
        decay = self.bl_decay
        self.baseline = mean if self.baseline is None else decay * self.baseline + (1 - decay) * mean
        log_prob, token_entropy, edge_entropy = self.policy.score(tokens, adjvec)
        loss = (-log_prob * (reward - self.baseline)).mean()
        self.optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.get_total_norm([p.grad for p in self.parameters])
        seen = torch.stack([loss.detach(), token_entropy.mean(), edge_entropy.mean(), norm]).tolist()
        self.optimizer.step()
        return seen


# --- Child network ----------------------------------------------------------------------------------


def _same(kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """TensorFlow's "SAME" padding where the stride divides the size, as it does here: 32, 16, 8, ..."""
    total = max((kernel - 1) * dilation + 1 - stride, 0)
    return total // 2, total - total // 2


class _Padded(nn.Module):
    """`layer`, which takes (kernel, padding), under "SAME" padding: its own where that is symmetric."""

    def __init__(self, layer, kernel, stride=(1, 1), dilation=1, value=0.0, own=True):
        super().__init__()
        (top, bottom), (left, right) = (_same(k, s, dilation) for k, s in zip(kernel, stride, strict=True))
        own = own and top == bottom and left == right
        self.outside = None if own else (left, right, top, bottom)
        self.value = value
        self.layer = layer((top, left) if own else 0)

    def forward(self, x: Tensor) -> Tensor:
        if self.outside:
            x = F.pad(x, self.outside, value=self.value)
        return self.layer(x)


def _conv(c_in, c_out, kernel, stride=(1, 1), dilation=1) -> nn.Module:
    def layer(padding):
        return nn.Conv2d(c_in, c_out, kernel, stride, padding, dilation, bias=False)

    return _Padded(layer, kernel, stride, dilation)


def _pool(kind: str, kernel: int, stride: int) -> nn.Module:
    if kind == "maxpool":
        layer, value = functools.partial(nn.MaxPool2d, kernel, stride), -math.inf
    else:
        layer, value = functools.partial(nn.AvgPool2d, kernel, stride, count_include_pad=False), 0.0
    return _Padded(layer, (kernel, kernel), (stride, stride), value=value, own=stride == 1)


def _operation(name: str, C: int, stride: int) -> nn.Module:
    parts = name.split("_")
    kind, k = parts[0], int(parts[1].split("x")[-1])
    if name.startswith(("conv_1x3", "conv_1x5")):
        pair = [_conv(C, C, (1, k), (1, stride)), _conv(C, C, (k, 1), (stride, 1))]
        return nn.Sequential(*pair, *([_conv(C, 2 * C, (1, 1))] if stride == 2 else []))
    if kind in ("conv", "dilated"):
        dilation = 2 if kind == "dilated" and stride == 1 else 1
        return _conv(C, stride * C, (k, k), (stride, stride), dilation)
    pool = _pool(kind, k, stride)
    return nn.Sequential(pool, _conv(C, 2 * C, (1, 1))) if stride == 2 else pool


def _bn_relu(C: int, config: Any) -> nn.Module:
    bn = nn.BatchNorm2d(C, eps=1e-3, momentum=1 - config.bn_decay)
    nn.init.constant_(bn.bias, config.bn_shift)
    return nn.Sequential(bn, nn.ReLU(inplace=True))


class Cell(nn.Module):
    def __init__(self, operations, inputs, C: int, stride: int, config: Any):
        super().__init__()
        self.inputs = inputs
        d = C // config.ratio
        self.nodes = nn.ModuleList()
        for name, sources in zip(operations, inputs, strict=True):
            if sources:
                node = nn.Sequential(_bn_relu(stride * d, config), _operation(name, stride * d, 1))
            else:
                source = [_bn_relu(C, config), _conv(C, d, (1, 1)), _bn_relu(d, config)]
                node = nn.Sequential(*source, _operation(name, d, stride))
            self.nodes.append(node)
        used = {j for sources in inputs for j in sources}
        self.leaves = [i for i in range(len(operations)) if i not in used]
        self.close = _conv(len(self.leaves) * stride * d, stride * C, (1, 1))
        self.shortcut = config.shortcut and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        outputs: list[Tensor] = []
        for node, sources in zip(self.nodes, self.inputs, strict=True):
            total = functools.reduce(torch.add, [outputs[j] for j in sources]) if sources else x
            outputs.append(node(total))
        y = self.close(torch.cat([outputs[i] for i in self.leaves], dim=1))
        return x + y if self.shortcut else y


class ChildNetwork(nn.Module):
    """cells: (operations, inputs) of the normal cell and of the reduction cell, as search_space.cells.Cell
    has them; config: with the attributes of search_space.child.ChildSettings."""

    def __init__(self, cells: Sequence[tuple], config: Any):
        super().__init__()
        normal, reduction = cells
        C = config.width
        layers = [_conv(3, C, (3, 3))]
        for stage in range(config.num_stages):
            for index in range(config.num_cells):
                if stage > 0 and index == 0:
                    layers.append(Cell(*reduction, C, 2, config))
                    C *= 2
                else:
                    layers.append(Cell(*normal, C, 1, config))
        self.body = nn.Sequential(*layers, _bn_relu(C, config))
        nn.init.zeros_(self.body[-1][0].bias)
        self.dropout = nn.Dropout(config.dropout_rate)
        self.classifier = nn.Linear(C, 10)
        nn.init.zeros_(self.classifier.bias)
        for parameter in self.parameters():
            if parameter.ndim >= 2:
                nn.init.trunc_normal_(parameter)
                parameter.data *= math.sqrt(2 / math.prod(parameter.shape[1:]))

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.dropout(self.body(images).mean((2, 3))))


def train_child(
    cells: Sequence[tuple],
    config: Any,
    batches: Sequence[tuple[np.ndarray, np.ndarray]],
    on_epoch: Callable[[int, float, float], None],
    compiled: bool = False,
) -> None:
    """Train for config.epochs epochs on batches (images [B, 3, 32, 32], labels [B]), which are
    the same in every epoch: this peer is spared the augmentation of images. On a GPU if there is one; in
    mixed precision if config.amp: float16 on a GPU, bfloat16 on CPUs. on_epoch is as in
    nn_paddle.train_child. compiled: by torch.compile, during the first update; needs a C++ compiler."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    half = torch.float16 if device == "cuda" else torch.bfloat16
    model = ChildNetwork(cells, config).to(device, memory_format=torch.channels_last).train()
    forward = torch.compile(model) if compiled else model
    scaler = torch.amp.GradScaler(device, enabled=config.amp and half is torch.float16)
    optimizer = torch.optim.SGD(
        model.parameters(),
        config.lr_max,
        config.momentum,
        weight_decay=config.weight_decay,
        nesterov=True,
        fused=True,
    )
    tensors = [
        (torch.from_numpy(x).to(device, memory_format=torch.channels_last), torch.from_numpy(y).to(device))
        for x, y in batches
    ]
    for epoch in range(1, config.epochs + 1):
        loss_sum, correct_sum = torch.zeros((), device=device), torch.zeros((), device=device)
        for images, labels in tensors:
            with torch.autocast(device, half, enabled=config.amp):
                logits = forward(images)
                loss = F.cross_entropy(logits, labels)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            loss_sum += loss.detach()
            correct_sum += (logits.detach().argmax(1) == labels).float().mean()
        on_epoch(epoch, loss_sum.item() / len(tensors), correct_sum.item() / len(tensors))
