"""Servers of any kind of model: Triton, KServe, Ray Serve, Seldon, MLServer, TorchServe, TensorFlow Serving, BentoML.

Their series carry the pod's labels. What a server does not measure has no preset; its gateway's presets see it.
"""

from dataclasses import replace

from modelramp.analysis.presets.preset import Preset
from modelramp.analysis.presets.series import (
    POD,
    SERVER_ERROR,
    STATUS,
    Origin,
    mean,
    quantile,
    share,
    share_of_both,
    unaccounted,
)
from modelramp.analysis.presets.shapes import error_rate, mean_latency, p95_latency
from modelramp.analysis.stats.counters import WINDOW

_MILLISECONDS = " / 1000"
_MICROSECONDS = " / 1000000"
_BEYOND = "+Inf beyond the largest bucket"

_TRITON = "https://github.com/triton-inference-server/server/blob/main/docs/user_guide/metrics.md"
_TRITON_DONE = POD.rate("nv_inference_request_success")
_TRITON_SUMMARY = POD.select("nv_inference_request_summary_us", ',quantile="0.95"')
_TRITON_P95 = f"max by ({POD.by}) (max_over_time({_TRITON_SUMMARY}{WINDOW})){_MICROSECONDS}"

_KSERVE = "https://github.com/kserve/kserve/blob/master/python/kserve/kserve/metrics.py"
_KSERVE_BEGUN = "request_preprocess_seconds_count"
_KSERVE_ENDED = POD.increase("request_postprocess_seconds_count", witness=POD.select(_KSERVE_BEGUN))
_KSERVE_SHARE = f"({_KSERVE_ENDED} or {POD.alive(_KSERVE_BEGUN)} * 0) / {POD.increase(_KSERVE_BEGUN)}"

_RAY = "https://docs.ray.io/en/latest/serve/monitoring.html"
# Ray up to 2.5x serves some counters under names without _total, as gauges, beside the others or alone.
_OLD_RAY = replace(POD, births=False)
# Routes that no application has are counted without an application.
_RAY_HTTP = ',application!=""'
# A caller who leaves cancels the task.
_RAY_RAISED = ',exception_type!="CancelledError"'

_SELDON = "https://github.com/SeldonIO/seldon-core/blob/v2/scheduler/pkg/metrics/agent.go"
_SELDON_FAILED = 'code=~"5..|Unknown|DeadlineExceeded|ResourceExhausted|Aborted|Internal|Unavailable|DataLoss"'

_MLSERVER = "https://github.com/SeldonIO/MLServer/blob/master/mlserver/handlers/dataplane.py"
_MLSERVER_REST = "https://github.com/SeldonIO/MLServer/blob/master/docs/user-guide/metrics.md"
_MLSERVER_INFER = ',path=~".*/(infer|infer_stream|generate|generate_stream)"'

_TORCHSERVE = "https://github.com/pytorch/serve/blob/master/docs/metrics.md"
_TORCHSERVE_ALL = "ts_inference_requests_total"
_TORCHSERVE_FAILED = POD.increase("Requests5XX", witness=POD.select(_TORCHSERVE_ALL))
_TORCHSERVE_REFUSED = POD.increases("Requests4XX", witness=POD.select("Requests2XX"))
# Scrapes and probes are among Requests2XX.
_TORCHSERVE_OTHERWISE = POD.summed(
    f'{POD.increases("Requests2XX")} or label_replace({_TORCHSERVE_REFUSED}, "counter", "refused", "", "")'
)
_TORCHSERVE_REQUESTS = POD.increase(_TORCHSERVE_ALL)

_TENSORFLOW = "https://github.com/tensorflow/serving/blob/master/tensorflow_serving/servables/tensorflow/util.cc"
_TENSORFLOW_FAILED = (
    'status=~"UNKNOWN|DEADLINE_EXCEEDED|RESOURCE_EXHAUSTED|ABORTED|UNIMPLEMENTED|INTERNAL|UNAVAILABLE|DATA_LOSS"'
)

_BENTOML = "https://github.com/bentoml/BentoML/blob/main/docs/source/build-with-bentoml/observability/metrics.rst"
_BENTOML_API = ',endpoint!~"/(healthz|livez|readyz|metrics)"'


def _ray_http(ending: str, of: Origin) -> str:
    """Share of 5xx among the answers of Ray Serve's HTTP proxies."""
    bad, known = (f'status_code=~"{codes}"' for codes in (SERVER_ERROR, STATUS))
    return share(f"ray_serve_num_http_requests{ending}", bad, known, _RAY_HTTP, of)


def _ray_raised(ending: str, of: Origin) -> str:
    """Share of the requests of Ray Serve's deployments on which they raised."""
    failed, done = (f"ray_serve_deployment_{each}_counter{ending}" for each in ("error", "request"))
    processed = "ray_serve_deployment_processing_latency_ms_count"
    return share_of_both(failed, done, _RAY_RAISED, of, unaccounted(failed, done, processed, of))


PRESETS: tuple[Preset, ...] = (
    error_rate(
        "triton",
        "Share of inference requests that Triton failed",
        share_of_both("nv_inference_request_failure", "nv_inference_request_success"),
        _TRITON,
    ),
    mean_latency(
        "triton",
        "Mean time of an inference request in Triton, queue included",
        f"{POD.rate('nv_inference_request_duration_us')} / {_TRITON_DONE}{_MICROSECONDS}",
        _TRITON,
    ),
    p95_latency(
        "triton",
        "Highest 95 % quantile among the pods and models; start Triton with --metrics-config summary_latencies=true",
        _TRITON_P95,
        _TRITON,
    ),
    error_rate(
        "kserve",
        "Share of requests that KServe's Python server began and did not finish. It counts no status: what predict and "
        "preprocess refuse as invalid counts too, so a gateway's preset is closer to the truth; with slow requests in "
        "flight use a long window; one worker a pod",
        f"clamp_min(1 - {_KSERVE_SHARE}, 0)",
        _KSERVE,
    ),
    p95_latency(
        "kserve",
        f"Time within which KServe's Python server made 95 of 100 predictions; {_BEYOND}",
        quantile(0.95, "request_predict_seconds"),
        _KSERVE,
    ),
    mean_latency("kserve", "Mean time of a prediction", mean("request_predict_seconds"), _KSERVE),
    error_rate(
        "ray-serve",
        "Share of requests to applications that Ray Serve's HTTP proxies answered with 5xx",
        f"{_ray_http('_total', POD)} or {_ray_http('', _OLD_RAY)}",
        _RAY,
    ),
    error_rate(
        "ray-serve-deployment",
        "Share of requests on which a Ray Serve deployment raised, callers who left apart; 5xx that it returned is not "
        "seen",
        f"{_ray_raised('_total', POD)} or {_ray_raised('', _OLD_RAY)}",
        _RAY,
    ),
    p95_latency(
        "ray-serve",
        f"Time within which a Ray Serve deployment processed 95 of 100 requests; {_BEYOND}",
        quantile(0.95, "ray_serve_deployment_processing_latency_ms", scale=_MILLISECONDS),
        _RAY,
    ),
    error_rate(
        "seldon",
        "Share of inference calls that Seldon Core 2's agent saw fail; the model server is the revision's own pods",
        share("seldon_model_infer_total", _SELDON_FAILED, 'code!=""'),
        _SELDON,
    ),
    p95_latency(
        "seldon",
        f"Time within which Seldon Core 2's agent saw 95 of 100 calls answered; {_BEYOND}",
        quantile(0.95, "seldon_model_infer_api_seconds"),
        _SELDON,
    ),
    error_rate(
        "mlserver",
        "Share of REST inference requests that MLServer answered with 5xx",
        share(
            "rest_server_requests_total", f'status_code=~"{SERVER_ERROR}"', f'status_code=~"{STATUS}"', _MLSERVER_INFER
        ),
        _MLSERVER_REST,
    ),
    error_rate(
        "mlserver-inference",
        "Share of inferences, over gRPC or REST, that raised, callers' mistakes included: MLServer counts no other "
        "failures of gRPC",
        share_of_both("model_infer_request_failure_total", "model_infer_request_success_total"),
        _MLSERVER,
    ),
    mean_latency("mlserver", "Mean time of an inference", mean("model_infer_request_duration"), _MLSERVER),
    p95_latency(
        "mlserver",
        f"Time within which MLServer answered 95 of 100 REST inference requests; {_BEYOND}",
        quantile(0.95, "rest_server_request_duration_seconds", matchers=_MLSERVER_INFER),
        _MLSERVER_REST,
    ),
    error_rate(
        "torchserve",
        "Share of inference requests that were answered with 5xx; TorchServe needs metrics_mode=prometheus",
        f"clamp_max(({_TORCHSERVE_FAILED} or clamp_max({_TORCHSERVE_OTHERWISE} - {_TORCHSERVE_REQUESTS}, 0))"
        f" / {_TORCHSERVE_REQUESTS}, 1)",
        _TORCHSERVE,
    ),
    mean_latency(
        "torchserve",
        "Mean time of an inference; TorchServe has no histogram, so take a p95 from the gateway",
        f"{POD.rate('ts_inference_latency_microseconds')} / {POD.rate('ts_inference_requests_total')}{_MICROSECONDS}",
        _TORCHSERVE,
    ),
    error_rate(
        "tf-serving",
        "Share of requests that TensorFlow Serving failed by its own fault",
        share(":tensorflow:serving:request_count", _TENSORFLOW_FAILED, 'status!=""'),
        _TENSORFLOW,
    ),
    p95_latency(
        "tf-serving",
        f"Time within which 95 of 100 successful requests were answered; {_BEYOND}",
        quantile(0.95, ":tensorflow:serving:request_latency", scale=_MICROSECONDS),
        _TENSORFLOW,
    ),
    error_rate(
        "bentoml",
        "Share of requests to the service's endpoints that were answered with 5xx",
        share(
            "bentoml_service_request_total",
            f'http_response_code=~"{SERVER_ERROR}"',
            f'http_response_code=~"{STATUS}"',
            _BENTOML_API,
        ),
        _BENTOML,
    ),
    p95_latency(
        "bentoml",
        f"Time within which 95 of 100 requests to the service's endpoints were answered; {_BEYOND}",
        quantile(0.95, "bentoml_service_request_duration_seconds", matchers=_BENTOML_API),
        _BENTOML,
    ),
)
