"""Model folders that bring a torch module: safetensors and ``network()`` in hooks.py."""

import textwrap

import torch
from safetensors.torch import save_file
from torch import nn

HOOKS = """
    import torch
    from torch import nn

    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, stride=2)
            self.head = nn.Linear(4 * 3 * 4, 2)

        def forward(self, image, speed):
            x = torch.relu(self.conv(image)).flatten(1)
            return self.head(x) + speed

    def network():
        return Small()
"""
INPUTS = {"image": ("FP32", [-1, 3, 8, 10]), "speed": ("FP32", [-1, 1])}
OUTPUTS = {"command": ("FP32", [-1, 2])}


def weights(seed=0):
    """Tensors of the module in ``HOOKS``."""
    torch.manual_seed(seed)
    modules = nn.ModuleDict({"conv": nn.Conv2d(3, 4, 3, stride=2), "head": nn.Linear(48, 2)})
    return {name: tensor.detach().clone() for name, tensor in modules.state_dict().items()}


def write_torch_model(folder, *, hooks=HOOKS, tensors=None, inputs=None, outputs=None, backend="torch", toml=""):
    """A model folder with weights.safetensors.

    Args:
        folder: Made here.
        hooks: Text of hooks.py.
        tensors: By name; those of ``HOOKS`` where None.
        inputs: (datatype, shape) by name.
        outputs: The same.
        backend: Of model.toml.
        toml: Text added before the tables.
    """
    folder.mkdir(parents=True)
    save_file(weights() if tensors is None else tensors, folder / "weights.safetensors")
    lines = ['name = "small"', 'task = "test"', f'backend = "{backend}"', 'weights = "weights.safetensors"']
    lines += ['hooks = "hooks.py"', textwrap.dedent(toml)]
    for side, tables in (("inputs", inputs or INPUTS), ("outputs", outputs or OUTPUTS)):
        for name, (datatype, shape) in tables.items():
            lines += [f"[{side}.{name}]", f'datatype = "{datatype}"', f"shape = {shape}"]
    (folder / "model.toml").write_text("\n".join(lines))
    (folder / "hooks.py").write_text(textwrap.dedent(hooks))
    return folder
