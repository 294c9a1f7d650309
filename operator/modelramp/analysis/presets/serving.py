"""Servers of any kind of model: Triton, KServe, Ray Serve, Seldon, MLServer, TorchServe, TensorFlow Serving, BentoML.

Their series carry the pod's labels. What a server does not measure has no preset; its gateway's presets see it.
"""

from modelramp.analysis.presets.preset import Preset
from modelramp.analysis.presets.series import OWN, SERVER_ERROR, mean, quantile, rate, share, total
from modelramp.analysis.presets.shapes import error_rate, mean_latency, p95_latency

_MILLISECONDS = " / 1000"
_MICROSECONDS = " / 1000000"
_BEYOND = "+Inf beyond the largest bucket"

_TRITON = "https://github.com/triton-inference-server/server/blob/main/docs/user_guide/metrics.md"
_TRITON_FAILED = rate("nv_inference_request_failure")
_TRITON_DONE = rate("nv_inference_request_success")
_TRITON_P95 = (
    f"max by ({OWN}) (max_over_time(nv_inference_request_summary_us"
    f'{{modeldeployment!="",quantile="0.95"}}[{{{{window}}}}])){_MICROSECONDS}'
)

_KSERVE = "https://github.com/kserve/kserve/blob/master/python/kserve/kserve/metrics.py"
_KSERVE_BEGUN = rate("request_preprocess_seconds_count")
_KSERVE_ENDED = rate("request_postprocess_seconds_count")

_RAY = "https://docs.ray.io/en/latest/serve/monitoring.html"
_RAY_ALL = rate("ray_serve_deployment_processing_latency_ms_count")

_SELDON = "https://github.com/SeldonIO/seldon-core/blob/v2/scheduler/pkg/metrics/agent.go"
_SELDON_FAILED = ',code=~"5..|Unknown|DeadlineExceeded|ResourceExhausted|Aborted|Internal|Unavailable|DataLoss"'

_MLSERVER = "https://github.com/SeldonIO/MLServer/blob/master/mlserver/handlers/dataplane.py"
_MLSERVER_REST = "https://github.com/SeldonIO/MLServer/blob/master/docs/user-guide/metrics.md"
_MLSERVER_FAILED = rate("model_infer_request_failure_total")
_MLSERVER_DONE = rate("model_infer_request_success_total")
_MLSERVER_INFER = ',path=~".*/(infer|infer_stream|generate|generate_stream)"'

_TORCHSERVE = "https://github.com/pytorch/serve/blob/master/docs/metrics.md"
_TORCHSERVE_FAILED = rate("Requests5XX")

_TENSORFLOW = "https://github.com/tensorflow/serving/blob/master/tensorflow_serving/servables/tensorflow/util.cc"
_TENSORFLOW_FAILED = (
    ',status=~"UNKNOWN|DEADLINE_EXCEEDED|RESOURCE_EXHAUSTED|ABORTED|UNIMPLEMENTED|INTERNAL|UNAVAILABLE|DATA_LOSS"'
)

_BENTOML = "https://github.com/bentoml/BentoML/blob/main/docs/source/build-with-bentoml/observability/metrics.rst"
_BENTOML_API = ',endpoint!~"/(healthz|livez|readyz|metrics)?"'

PRESETS: tuple[Preset, ...] = (
    error_rate(
        "triton",
        "Share of inference requests that Triton failed",
        share(_TRITON_FAILED, total(_TRITON_DONE, _TRITON_FAILED)),
        _TRITON,
    ),
    mean_latency(
        "triton",
        "Mean time of an inference request in Triton, queue included",
        f"{rate('nv_inference_request_duration_us')} / {_TRITON_DONE}{_MICROSECONDS}",
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
        "Share of requests that KServe's Python server began and did not finish; with slow requests in flight use a "
        "long window",
        f"clamp_min(1 - {share(_KSERVE_ENDED, _KSERVE_BEGUN)}, 0)",
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
        "Share of requests on which a Ray Serve deployment raised",
        share(rate("ray_serve_deployment_error_counter_total"), _RAY_ALL),
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
        share(rate("seldon_model_infer_total", OWN, _SELDON_FAILED), rate("seldon_model_infer_total")),
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
        "Share of inference requests that MLServer failed",
        share(_MLSERVER_FAILED, total(_MLSERVER_DONE, _MLSERVER_FAILED)),
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
        "Share of requests answered with 5xx rather than 2xx; TorchServe needs metrics_mode=prometheus",
        share(_TORCHSERVE_FAILED, total(rate("Requests2XX"), _TORCHSERVE_FAILED)),
        _TORCHSERVE,
    ),
    mean_latency(
        "torchserve",
        "Mean time of an inference; TorchServe has no histogram, so take a p95 from the gateway",
        f"{rate('ts_inference_latency_microseconds')} / {rate('ts_inference_requests_total')}{_MICROSECONDS}",
        _TORCHSERVE,
    ),
    error_rate(
        "tf-serving",
        "Share of requests that TensorFlow Serving failed by its own fault",
        share(
            rate(":tensorflow:serving:request_count", OWN, _TENSORFLOW_FAILED),
            rate(":tensorflow:serving:request_count"),
        ),
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
            rate("bentoml_service_request_total", OWN, f'{_BENTOML_API},http_response_code=~"{SERVER_ERROR}"'),
            rate("bentoml_service_request_total", OWN, _BENTOML_API),
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
