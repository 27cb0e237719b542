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


HARD_SLOPE = 0.2


def hard_gated(kind, x, state, weights, mask):
    """An LSTM or a GRU step by step with hard sigmoids, which PyTorch's layers lack; PyTorch's layout.

    Zeros are the output of masked steps, as of a packed sequence; the third result are the gates' sums."""
    w, r, b, c = weights
    h, outputs, sums = state[0], [], []
    cells = state[1] if kind == "lstm" else None

    def gate(total):
        sums.append(HARD_SLOPE * total.detach() + 0.5)
        return torch.clamp(HARD_SLOPE * total + 0.5, 0, 1)

    for step in range(x.shape[1]):
        from_input, from_state = x[:, step] @ w.t() + b, h @ r.t() + c
        next_cells = cells
        if kind == "lstm":
            i, f, g, o = (from_input + from_state).chunk(4, 1)
            next_cells = gate(f) * cells + gate(i) * torch.tanh(g)
            next_h = gate(o) * torch.tanh(next_cells)
        else:
            (reset, update, candidate), parts = from_input.chunk(3, 1), from_state.chunk(3, 1)
            update = gate(update + parts[1])
            next_h = update * h + (1 - update) * torch.tanh(candidate + gate(reset + parts[0]) * parts[2])
        shown = torch.ones(x.shape[0], 1) if mask is None else mask[:, step, None]
        h = torch.where(shown != 0, next_h, h)
        cells = next_cells if next_cells is None else torch.where(shown != 0, next_cells, cells)
        outputs.append(h * shown)
    return torch.stack(outputs, 1), [h, cells] if kind == "lstm" else [h], torch.cat(sums)


def hard(kind, x, states, module, mask):
    """`hard_gated` in as many directions as `module` has. At least a tenth of the sums is clipped on either side."""
    outputs, lasts = [], []
    for direction, suffix in enumerate(["", "_reverse"] if module.bidirectional else [""]):
        weights = [getattr(module, f"{name}_l0{suffix}") for name in ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]]
        turned = (lambda a: a.flip(1)) if direction else (lambda a: a)
        output, last, sums = hard_gated(
            kind, turned(x), [state[direction] for state in states], weights, None if mask is None else turned(mask))
        assert (sums < 0).double().mean() > 0.1 and (sums > 1).double().mean() > 0.1 and (
            (sums > 0) & (sums < 1)).double().mean() > 0.2
        outputs.append(turned(output))
        lasts.append(last)
    return torch.cat(outputs, -1), [torch.stack(parts) for parts in zip(*lasts)]


MERGES = {"sum": lambda a, b: a + b, "multiply": lambda a, b: a * b, "average": lambda a, b: (a + b) / 2}


def case(name, kind, batch, steps, features, units, bidirectional=False, lengths=None, is_hard=False, relu=False,
         backwards=False, merge="concatenate"):
    gates = {"simple": 1, "gru": 3, "lstm": 4}[kind]
    directions = 2 if bidirectional else 1
    # Hard gates are to be clipped on both sides: their sums reach beyond 0.5 / HARD_SLOPE.
    scale = units ** -0.5 * (6 if is_hard else 1)
    make = {"simple": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[kind]
    settings = {"nonlinearity": "relu"} if relu else {}
    module = make(features, units, batch_first=True, bidirectional=bidirectional, **settings)
    for parameter in module.parameters():
        parameter.data = draw(*parameter.shape, scale=scale)
    if kind != "gru":  # Apus has one bias where PyTorch has two.
        for parameter in [value for key, value in module.named_parameters() if key.startswith("bias_hh")]:
            parameter.data.zero_()
    x = draw(batch, steps, features, scale=2.0 if is_hard else 1.0).requires_grad_()
    states = [draw(directions, batch, units, scale=0.5).requires_grad_() for _ in range(2 if kind == "lstm" else 1)]

    mask = None
    if lengths:
        mask = torch.tensor([[1.0 if step < length else 0.0 for step in range(steps)] for length in lengths])
    if is_hard:
        output, last = hard(kind, x, states, module, mask)
    else:
        given = x.flip(1) if backwards else x
        if lengths:
            given = torch.nn.utils.rnn.pack_padded_sequence(given, lengths, batch_first=True, enforce_sorted=False)
        output, last = module(given, tuple(states) if kind == "lstm" else states[0])
        if lengths:
            output, _ = torch.nn.utils.rnn.pad_packed_sequence(output, batch_first=True, total_length=steps)
        if backwards:  # Each output beside its input.
            output = output.flip(1)
        last = list(last) if kind == "lstm" else [last]
    if merge != "concatenate":
        output = MERGES[merge](*output.chunk(2, -1))
    output_weights = draw(*output.shape)
    if mask is not None and not bidirectional:
        # PyTorch has zeros at the steps left out, and so has Bidirectional; a plain layer has the states before.
        output_weights = output_weights * mask[..., None]
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
        "name": name, "cell": kind, "units": units, "isBidirectional": bidirectional, "isHard": is_hard, "isReLU": relu,
        "goesBackwards": backwards, "merge": merge,
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
        case("gru, hard sigmoid", "gru", 2, 4, 3, 5, is_hard=True),
        case("lstm", "lstm", 3, 5, 4, 7),
        case("lstm, two vectors of units", "lstm", 9, 3, 2, 18),
        case("lstm, both directions, masked", "lstm", 4, 6, 3, 5, bidirectional=True, lengths=[2, 6, 5, 1]),
        case("lstm, hard sigmoid", "lstm", 2, 4, 3, 5, is_hard=True),
        case("lstm, hard sigmoid, two vectors of units", "lstm", 5, 3, 4, 18, is_hard=True),
        case("gru, both directions, hard sigmoid", "gru", 3, 4, 3, 5, bidirectional=True, is_hard=True),
        case("lstm, both directions, hard sigmoid, masked", "lstm", 4, 5, 3, 5, bidirectional=True, is_hard=True,
             lengths=[5, 2, 1, 4]),
        case("simple, backwards", "simple", 3, 5, 4, 7, backwards=True),
        case("gru, backwards", "gru", 3, 5, 4, 7, backwards=True),
        case("lstm, backwards", "lstm", 3, 5, 4, 7, backwards=True),
        case("gru, masked", "gru", 4, 6, 3, 5, lengths=[6, 1, 4, 3]),
        case("simple, both directions, sum", "simple", 2, 4, 3, 5, bidirectional=True, merge="sum"),
        case("gru, both directions, multiply, masked", "gru", 3, 5, 3, 4, bidirectional=True, merge="multiply",
             lengths=[5, 2, 4]),
        case("lstm, both directions, average", "lstm", 2, 4, 3, 5, bidirectional=True, merge="average"),
        case("gru, hard sigmoid, many samples", "gru", 17, 3, 4, 5, is_hard=True),
        case("lstm, hard sigmoid, many samples", "lstm", 17, 3, 4, 5, is_hard=True),
    ]
    print(json.dumps({"torch": torch.__version__, "cases": cases}, separators=(",", ":")))


main()
