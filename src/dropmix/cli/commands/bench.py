"""The command bench: how fast this machine trains, compared with its measured limits."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from dropmix.cli.app import Device, app

MOST_FLOPS = 2e11  # largest step that is timed on a CPU: some seconds


@app.command()
def bench(
    recipe: Annotated[str, typer.Argument(help="A recipe, e.g. cifar100-wrn28-2.")] = "cifar100-wrn28-2",
    method: Annotated[
        str, typer.Option(help="Method to time beside vanilla, e.g. puzzlemix or cutmix(alpha=0.2).")
    ] = "mixup",
    rate: Annotated[float, typer.Option(min=0, max=1, help="DropMix rate of the method.")] = 0.4,
    batch: Annotated[int | None, typer.Option(min=2, help="Images per step.")] = None,
    precision: Annotated[str | None, typer.Option(help="fp32 or bf16.")] = None,
    device: Device = "auto",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Setting, e.g. network=wrn10-1; may be repeated.")
    ] = None,
) -> None:
    """Measure training speed beside this machine's limits."""
    from dropmix.cli.options import grid_of
    from dropmix.grid.estimate import Sizes
    from dropmix.train.device import is_slow_in_bf16, keep_freed_memory, make_deterministic, resolve_device

    settings = [f"train.batch={batch}"] * (batch is not None) + [f"train.precision={precision}"] * bool(precision)
    grid = grid_of({"recipe": recipe, "methods": method, "rates": "0"}, [*(set_ or []), *settings], {})
    target = resolve_device(device)
    keep_freed_memory()
    make_deterministic()
    sizes, train = Sizes.known(grid.base.data), grid.base.train
    images, where = "x".join(map(str, sizes.shape)), "one thread of the CPU" if target.type == "cpu" else str(target)
    print(f"{grid.base.network}, {train.precision}, batch {train.batch}, {images} images, {where}")
    if train.precision == "bf16" and is_slow_in_bf16(target):
        print("bf16 is emulated here.")
    for line in _lines(grid, rate, sizes, target):
        print(line, flush=True)


def _lines(grid: Any, rate: float, sizes: Any, device: Any) -> Iterator[str]:
    import torch

    from dropmix.grid.estimate import forward_flops, images_of, look_seconds, step_seconds, timed_spec
    from dropmix.grid.limits import measure_limits, traffic
    from dropmix.grid.view import duration

    timed = [timed_spec(grid.base.model_copy(update={"arm": arm}), sizes, device, MOST_FLOPS) for arm in grid.arms]
    batch, precision = timed[0].train.batch, grid.base.train.precision
    if batch < grid.base.train.batch:
        yield f"Timed on batches of {batch}, since the network is large for a CPU."
    plain, *mixed = (seconds / batch for seconds in step_seconds(timed, sizes, device))
    look, (trained, looked) = look_seconds(timed[0], sizes, device), images_of(grid.base, sizes)
    steps = {"vanilla": plain}
    for arm, full in zip(grid.arms[1:], mixed):  # a dropped batch is a vanilla one
        steps |= {arm.name: full, f"{arm.name} r={rate:g}": full + rate * (plain - full)}
    yield f"{'':<34}{'images/s':>10}{'per run':>10}"
    for name, step in steps.items():
        yield f"{name:<34}{_number(1 / step):>10}{duration(step * trained + look * looked):>10}"
    limits = measure_limits(device, torch.bfloat16 if precision == "bf16" else torch.float32)
    work, moved = 3 * forward_flops(grid.base.network, sizes), traffic(grid.base.network, sizes, batch, precision)
    bounds = {
        f"arithmetic, {work / 1e9:.3g} GFLOP per image": limits.flops / work,
        f"memory, fused, {moved.fused / 1e6:.3g} MB": limits.bytes / moved.fused,
        f"memory, eager, {moved.eager / 1e6:.3g} MB": limits.bytes / moved.eager,
    }
    both = "arithmetic, then memory, eager"
    bounds[both] = 1 / (work / limits.flops + moved.eager / limits.bytes)
    yield f"Limits, from {limits.flops / 1e9:,.0f} GFLOP/s and {limits.bytes / 1e9:,.1f} GB/s measured on this machine:"
    for name, bound in bounds.items():
        yield f"{name:<34}{_number(bound):>10}{'vanilla at ' + format(1 / plain / bound, '.0%'):>18}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
