"""A step of the policy's LSTM in NumPy, for sampling. Matrices as small as these are computed faster than
Paddle can be called, above all where it computes on a GPU."""

import numpy as np

from autodl_design.backend.paddle_backend import paddle


class LSTMStep:
    """Paddle's `LSTM` in NumPy, a step a call, from a state of zeros: inputs [B, D] -> outputs [B, H].

    As sigmoid(x) = tanh(x / 2) / 2 + 1 / 2, one tanh serves all gates: i, f and o are computed as halves.
    Everything is computed in place, in arrays and views made once: small as they are, that takes longer
    than to compute them.
    """

    def __init__(self, lstm: paddle.nn.LSTM, batch_size: int):
        B, H = batch_size, lstm.hidden_size
        dtype = lstm.weight_ih_l0.numpy().dtype
        scale = np.repeat(np.array([0.5, 0.5, 1, 0.5], dtype), H)  # i, f, j, o
        self.scale = np.tile(scale, [B, 1])  # of the gates' shape: broadcasting costs a third more
        self.shift = 1 - self.scale
        self.layers = []
        for layer in range(lstm.num_layers):
            names = (f"{name}_l{layer}" for name in ("weight_ih", "weight_hh", "bias_ih"))
            from_input, from_output, bias = (getattr(lstm, name).numpy() for name in names)
            weight = np.concatenate([from_input, from_output], axis=1)
            # [D + H, 4H], contiguous; the product is four times as fast so.
            weight = np.multiply(weight.T, scale, order="C")
            inputs = np.zeros([B, len(weight)], dtype)
            x, output = inputs[:, :-H], inputs[:, -H:]
            gates = np.empty([B, 4 * H], dtype)
            memory, product = np.zeros([B, H], dtype), np.empty([B, H], dtype)
            self.layers.append(
                (weight, np.tile(bias * scale, [B, 1]), inputs, x, gates, np.split(gates, 4, axis=1),
                 memory, product, output)
            )  # fmt: skip

    def __call__(self, x: np.ndarray) -> np.ndarray:
        for weight, bias, inputs, own_x, gates, (i, f, j, o), memory, product, output in self.layers:
            own_x[...] = x
            np.matmul(inputs, weight, out=gates)
            gates += bias
            np.tanh(gates, out=gates)
            gates *= self.scale
            gates += self.shift
            memory *= f
            np.multiply(i, j, out=product)
            memory += product
            np.tanh(memory, out=output)
            output *= o
            x = output
        return x
