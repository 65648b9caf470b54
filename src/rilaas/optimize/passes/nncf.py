"""NNCF's post-training quantization, on its ONNX backend, which needs neither PyTorch nor a compiler."""

from __future__ import annotations

import contextlib
import io
import logging
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from rilaas.core import InvalidInput, MissingDependency, did_you_mean
from rilaas.infer.openvino_session import without_telemetry
from rilaas.optimize.network import Network
from rilaas.optimize.passes.contract import Context
from rilaas.optimize.passes.fold import FoldNormalization
from rilaas.optimize.passes.graph import Graph
from rilaas.optimize.passes.qdq import check_float

RANGES = ("minmax", "mean")


@dataclass(frozen=True)
class QuantizeNncf:
    """Static int8 by NNCF: float fallback, and biases corrected by what rounding shifts on average.

    NNCF's own default is the mean over samples of each sample's extremes, made for classifiers; it multiplied the
    error of a regression by 13. The default here is the extremes of all samples. Source: Intel, Neural Network
    Compression Framework, ``nncf.quantize``.

    Attributes:
        ranges: ``minmax``, or NNCF's ``mean``.
        samples: Samples of the calibration part that are looked at.
        bias_correction: Whether biases are corrected.
        keep_float: Names of layers that stay in float.
        min_macs: Layers with fewer multiplications for one sample stay in float; see ``quantize.static``.
    """

    name: ClassVar[str] = "quantize.nncf"
    needs: ClassVar[frozenset[str]] = frozenset({"calibration"})
    version: ClassVar[int] = 1

    ranges: str = "minmax"
    samples: int = 256
    bias_correction: bool = True
    keep_float: tuple[str, ...] = ()
    min_macs: int = 1000

    def __post_init__(self) -> None:
        if self.ranges not in RANGES:
            raise InvalidInput(f"There are no ranges {self.ranges!r}.", did_you_mean(self.ranges, RANGES))
        if self.samples < 1:
            raise InvalidInput(f"samples = {self.samples}: at least one is needed.")
        if self.min_macs < 0:
            raise InvalidInput(f"min_macs = {self.min_macs}: it is at least 0.")

    def apply(self, network: Network, context: Context) -> Network:
        """See ``Pass``."""
        nncf = _import_nncf()
        network = FoldNormalization().apply(network, context)
        graph = Graph(network.to_onnx())
        check_float(graph)
        graph.check_layers(self.keep_float, self.name)
        samples = context.part("calibration", self.name)
        count = min(self.samples, len(samples))
        rows = np.unique(np.linspace(0, len(samples) - 1, count).round().astype(np.int64))

        def inputs(row: int) -> dict[str, Any]:
            context.tell(0.5, f"{self.name} looks at sample {row + 1}")
            return {name: np.asarray(array) for name, array in samples.inputs([row]).items()}

        with _quiet(nncf):
            made = nncf.quantize(
                graph.model,
                nncf.Dataset(rows.tolist(), inputs),
                subset_size=len(rows),
                ignored_scope=nncf.IgnoredScope(names=sorted({*self.keep_float} | graph.small_layers(self.min_macs))),
                advanced_parameters=self._parameters(),
            )
        return Network.of_onnx(made)

    def _parameters(self) -> Any:
        from nncf.quantization import advanced_parameters, range_estimator

        if self.ranges == "minmax":
            lowest, highest = (
                range_estimator.StatisticsCollectorParameters(
                    statistics_type=getattr(range_estimator.StatisticsType, end),
                    aggregator_type=getattr(range_estimator.AggregatorType, end),
                )
                for end in ("MIN", "MAX")
            )
            ranges = range_estimator.RangeEstimatorParameters(min=lowest, max=highest)
        else:
            ranges = range_estimator.RangeEstimatorParametersSet.MEAN_MINMAX
        return advanced_parameters.AdvancedQuantizationParameters(
            disable_bias_correction=not self.bias_correction, activations_range_estimator_params=ranges
        )


def _import_nncf() -> Any:
    """The module nncf, without its telemetry."""
    without_telemetry()
    try:
        import nncf
    except ImportError as error:
        raise MissingDependency(
            "The pass quantize.nncf needs NNCF, which is not installed.",
            "Install it in an environment of its own, without the hub: pip install 'rilaas[nncf]'; "
            "or use quantize.static.",
        ) from error
    return nncf


@contextlib.contextmanager
def _quiet(nncf: Any) -> Any:
    """Keep its progress bars and its log away from standard output."""
    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()):
        yield
