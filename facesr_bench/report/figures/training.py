"""How a network was trained: validation PSNR and losses over the samples seen."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from facesr_bench.base.errors import ResultsError
from facesr_bench.report.figures.form import NARROW, form
from facesr_bench.report.figures.style import PALETTE, WIDTH, finished, new_figure, plain, style, wide
from facesr_bench.results.training import Training

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def training(found: Training) -> Figure:
    """Two panels over the samples seen in all stages: PSNR of the held-out faces (bicubic's dashed), and the losses.

    A vertical line stands where a stage begins; losses are drawn on a logarithmic axis.

    Raises:
        ResultsError: the logs hold no point.
    """
    stages = [stage for stage in found.stages if stage.samples]
    if not stages:
        raise ResultsError("the log of the training holds no point yet, so there is nothing to draw")
    starts = [0, *accumulate(stage.samples for stage in stages)]
    from matplotlib.ticker import MaxNLocator

    panels = [panel for panel in (_validation, _losses) if _has(panel, found)]
    with style():
        width, beside = wide(WIDTH * len(panels) / 2), len(panels)
        if width < NARROW:
            beside = 1
        below = len(panels) // beside
        figure, axes = new_figure(width, 2.4 * below, below, beside)
        for axis, panel in zip(axes, panels, strict=True):
            panel(axis, Training(stages=tuple(stages)), starts)
            for start in starts[1:-1]:
                axis.axvline(start, color=form().ink.rule, linewidth=0.8, zorder=0)
            axis.set_xlabel("samples seen" + (f" ({len(stages)} stages)" if len(stages) > 1 else ""))
            axis.set_xlim(0, starts[-1])
            axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
            axis.xaxis.set_major_locator(MaxNLocator(5))
        return finished(figure)


def _has(panel: object, found: Training) -> bool:
    return any(stage.psnr if panel is _validation else stage.losses for stage in found.stages)


def _validation(axis: Axes, found: Training, starts: list[int]) -> None:
    colour = PALETTE[0]
    for number, (stage, start) in enumerate(zip(found.stages, starts, strict=False)):
        points = [(start + at, value) for at, value in stage.psnr]
        label = "this network" if number == 0 else None
        axis.plot(*zip(*points, strict=True), color=colour, marker="o", markersize=2.5, label=label) if points else None
    bicubic = [stage.bicubic for stage in found.stages if stage.bicubic is not None]
    if bicubic:
        words, colour = f"bicubic, {bicubic[-1]:.2f} dB", form().ink.quiet
        axis.axhline(bicubic[-1], color=colour, linestyle="--", linewidth=1, label=words)
    axis.set_ylabel("PSNR of held-out faces (dB)")
    axis.legend(loc="lower right")


def _losses(axis: Axes, found: Training, starts: list[int]) -> None:
    from matplotlib.ticker import LogLocator

    names = list(dict.fromkeys(name for stage in found.stages for name in stage.losses))
    for number, name in enumerate(names):
        points = [
            (start + at, value)
            for stage, start in zip(found.stages, starts, strict=False)
            for at, value in stage.losses.get(name, ())
        ]
        axis.plot(*zip(*points, strict=True), color=PALETTE[number % len(PALETTE)], linewidth=1, label=plain(name))
    # A hinge loss may be 0 or less.
    positive = all(v > 0 for stage in found.stages for points in stage.losses.values() for _, v in points)
    if positive:
        axis.set_yscale("log")
        axis.yaxis.set_minor_locator(LogLocator(subs=(2, 3, 5)))
        for which in (axis.yaxis.set_major_formatter, axis.yaxis.set_minor_formatter):
            which(lambda value, _: f"{value:g}")
    axis.set_ylabel("loss")
    axis.legend(loc="upper right", frameon=True, framealpha=0.8, edgecolor="none")
