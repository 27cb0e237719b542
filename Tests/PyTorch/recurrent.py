#!/usr/bin/env python3
"""Writes recurrent.json: what PyTorch's recurrent layers give in float64, forward and backward, for small arrays.

    python3 Tests/PyTorch/recurrent.py > Tests/PyTorch/recurrent.json

Weights are written in the layout of Apus (and Keras): kernels [features, gates * units], gates of a GRU in the order
z, r, n. The loss is sum(output * outputWeights) + sum(state * stateWeights). All numbers that go in are exact in
float32.
"""

import json

import torch

torch.set_default_dtype(torch.float64)


def draw(*shape, scale=1.0):
    """Numbers of few bits."""
    return torch.round((torch.rand(*shape) * 2 - 1) * scale * 256) / 256


def entry(tensor):
    return {"shape": list(tensor.shape), "values": [float(f"{value:.9g}") for value in tensor.detach().flatten()]}


def apus_layout(kind, weights):
    """[gates * units, ...] as [..., gates * units], a GRU's r, z, n as z, r, n."""
    if kind == "gru":
        reset, update, candidate = weights.chunk(3)
        weights = torch.cat([update, reset, candidate])
    return weights.t() if weights.dim() == 2 else weights


def hard_sigmoid(x):
    return torch.clamp(0.2 * x + 0.5, 0, 1)


def hard_gated(kind, x, state, weights):
    """An LSTM or a GRU step by step with hard sigmoids, which PyTorch's layers lack; PyTorch's layout."""
    w, r, b, c = weights
    h, outputs = state[0], []
    cells = state[1] if kind == "lstm" else None
    for step in range(x.shape[1]):
        from_input, from_state = x[:, step] @ w.t() + b, h @ r.t() + c
        if kind == "lstm":
            i, f, g, o = (from_input + from_state).chunk(4, 1)
            cells = hard_sigmoid(f) * cells + hard_sigmoid(i) * torch.tanh(g)
            h = hard_sigmoid(o) * torch.tanh(cells)
        else:
            (reset, update, candidate), parts = from_input.chunk(3, 1), from_state.chunk(3, 1)
            update = hard_sigmoid(update + parts[1])
            h = update * h + (1 - update) * torch.tanh(candidate + hard_sigmoid(reset + parts[0]) * parts[2])
        outputs.append(h)
    return torch.stack(outputs, 1), [h, cells] if kind == "lstm" else [h]


def case(name, kind, batch, steps, features, units, bidirectional=False, lengths=None, hard=False, relu=False):
    gates = {"simple": 1, "gru": 3, "lstm": 4}[kind]
    directions = 2 if bidirectional else 1
    scale = units ** -0.5
    make = {"simple": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[kind]
    settings = {"nonlinearity": "relu"} if relu else {}
    module = make(features, units, batch_first=True, bidirectional=bidirectional, **settings)
    for parameter in module.parameters():
        parameter.data = draw(*parameter.shape, scale=scale)
    if kind != "gru":  # Apus has one bias where PyTorch has two.
        for parameter in [value for key, value in module.named_parameters() if key.startswith("bias_hh")]:
            parameter.data.zero_()
    x = draw(batch, steps, features).requires_grad_()
    states = [draw(directions, batch, units, scale=0.5).requires_grad_() for _ in range(2 if kind == "lstm" else 1)]

    mask = None
    if hard:
        weights = [module.weight_ih_l0, module.weight_hh_l0, module.bias_ih_l0, module.bias_hh_l0]
        output, last = hard_gated(kind, x, [state[0] for state in states], weights)
        last = [state[None] for state in last]
    else:
        given = x
        if lengths:
            given = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            mask = torch.tensor([[1.0 if step < length else 0.0 for step in range(steps)] for length in lengths])
        output, last = module(given, tuple(states) if kind == "lstm" else states[0])
        if lengths:
            output, _ = torch.nn.utils.rnn.pad_packed_sequence(output, batch_first=True, total_length=steps)
        last = list(last) if kind == "lstm" else [last]
    output_weights = draw(*output.shape)
    if mask is not None:  # PyTorch has zeros at the steps left out, Apus the states before.
        output_weights = output_weights * mask[..., None]
        output = output * mask[..., None]
    state_weights = [draw(*state.shape) for state in last]
    loss = (output * output_weights).sum() + sum((a * b).sum() for a, b in zip(last, state_weights))
    loss.backward()

    variables = []
    for direction in ["", "_reverse"][:directions]:
        names = [("kernel", "weight_ih"), ("recurrentKernel", "weight_hh"), ("bias", "bias_ih")]
        if kind == "gru":
            names.append(("recurrentBias", "bias_hh"))
        for own, theirs in names:
            parameter = getattr(module, f"{theirs}_l0{direction}")
            variables.append({
                "name": own, "value": entry(apus_layout(kind, parameter)),
                "gradient": entry(apus_layout(kind, parameter.grad))})

    def by_direction(tensors):
        return [entry(tensor[direction]) for direction in range(directions) for tensor in tensors]

    return {
        "name": name, "cell": kind, "units": units, "isBidirectional": bidirectional, "isHard": hard, "isReLU": relu,
        "input": entry(x), "inputGradient": entry(x.grad), "initialState": by_direction(states),
        "initialStateGradients": by_direction([state.grad for state in states]),
        "mask": entry(mask) if mask is not None else None, "variables": variables, "output": entry(output),
        "outputWeights": entry(output_weights), "state": by_direction(last),
        "stateWeights": by_direction(state_weights)}


def main():
    torch.manual_seed(1)
    cases = [
        case("simple", "simple", 3, 5, 4, 7),
        case("simple, relu", "simple", 2, 4, 3, 18, relu=True),
        case("gru", "gru", 3, 5, 4, 7),
        case("gru, both directions, masked", "gru", 4, 6, 3, 5, bidirectional=True, lengths=[6, 1, 4, 3]),
        case("gru, hard sigmoid", "gru", 2, 4, 3, 5, hard=True),
        case("lstm", "lstm", 3, 5, 4, 7),
        case("lstm, two vectors of units", "lstm", 9, 3, 2, 18),
        case("lstm, both directions, masked", "lstm", 4, 6, 3, 5, bidirectional=True, lengths=[2, 6, 5, 1]),
        case("lstm, hard sigmoid", "lstm", 2, 4, 3, 5, hard=True),
    ]
    print(json.dumps({"torch": torch.__version__, "cases": cases}, separators=(",", ":")))


main()
