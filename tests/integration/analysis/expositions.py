"""What servers and gateways expose, in their own words: names, labels, units and buckets as in their sources.

Counters that a server makes only at their first event are missing here until then.
"""

from dataclasses import dataclass

PYTHON = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
ENVOY = (0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000)
VLLM = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0)
VLLM_FIRST = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0)
TGI = tuple(0.0001 * 1.5**n for n in range(35))
RAY = (1, 2, 5, 10, 20, 50, 100, 200, 300, 400, 500, 1000, 2000, 5000, 10000, 60000)
TENSORFLOW = tuple(10 * 1.8**n for n in range(33))
LITELLM = (0.005, 0.0125, 0.025, 0.05, 0.1, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 15.0, 30.0)
GEN_AI = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
LINKERD = (1, 2, 3, 4, 5, 10, 20, 30, 40, 50, 100, 200, 300, 400, 500, 1000, 2000, 3000, 4000, 5000, 10000)


@dataclass(frozen=True)
class Seen:
    """Requests since the start: answered, failed, and the seconds that each of them took."""

    done: int
    failed: int
    seconds: float

    @property
    def all(self):
        return self.done + self.failed


def counter(name, labels, value, *, lazy=False):
    kind = f"# TYPE {name} counter\n"
    return kind if lazy and not value else f"{kind}{name}{{{labels}}} {value}\n"


def histogram(name, labels, bounds, value, count):
    """`count` observations of one value."""
    comma = "," if labels else ""
    inside = [f'{name}_bucket{{{labels}{comma}le="{le}"}} {count if value <= le else 0}\n' for le in bounds]
    return (
        f"# TYPE {name} histogram\n"
        + "".join(inside)
        + f'{name}_bucket{{{labels}{comma}le="+Inf"}} {count}\n'
        + f"{name}_sum{{{labels}}} {value * count}\n{name}_count{{{labels}}} {count}\n"
    )


def vllm(seen):
    model = 'engine="0",model_name="m"'
    api = 'handler="/v1/chat/completions",method="POST"'
    return (
        counter("http_requests_total", f'{api},status="2xx"', seen.done, lazy=True)
        + counter("http_requests_total", f'{api},status="5xx"', seen.failed, lazy=True)
        + counter("http_requests_total", 'handler="/health",method="GET",status="2xx"', 1000 * seen.all)
        + counter("http_requests_total", 'handler="/v1/models",method="GET",status="2xx"', 1000 * seen.all)
        + counter("http_requests_total", 'handler="/v1/load_lora_adapter",method="GET",status="5xx"', seen.all)
        + counter("vllm:request_success_total", f'{model},finished_reason="stop"', seen.done)
        + counter("vllm:request_success_total", f'{model},finished_reason="length"', seen.failed)
        + counter("vllm:generation_tokens_total", model, 30 * seen.all)
        + histogram("vllm:e2e_request_latency_seconds", model, VLLM, seen.seconds, seen.all)
        + histogram("vllm:time_to_first_token_seconds", model, VLLM_FIRST, seen.seconds / 4, seen.all)
    )


def tgi(seen, *, waiting=0):
    """waiting: requests in the batch, which end later."""
    return (
        counter("tgi_request_count", "", seen.all + waiting)
        + "# TYPE tgi_queue_size gauge\ntgi_queue_size 0\n"
        + f"# TYPE tgi_batch_current_size gauge\ntgi_batch_current_size {waiting}\n"
        + counter("tgi_request_success", "", seen.done, lazy=True)
        + counter("tgi_request_failure", 'err="generation"', seen.failed, lazy=True)
        + counter("tgi_request_failure", 'err="validation"', 7 * seen.all)
        + histogram("tgi_request_duration", "", TGI, seen.seconds, seen.all)
        + histogram("tgi_request_queue_duration", "", TGI, seen.seconds / 4, seen.all)
        + histogram("tgi_batch_inference_duration", 'method="prefill"', TGI, seen.seconds / 8, seen.all)
        + histogram("tgi_batch_inference_duration", 'method="decode"', TGI, seen.seconds, seen.all)
        + histogram("tgi_request_generated_tokens", "", TGI, 30, seen.all)
    )


def litellm(seen):
    """LiteLLM 1.108.7; a call without a key has no status, and is answered with 500."""
    model = 'model="m",team="None"'
    total, failed = "litellm_proxy_total_requests_metric_total", "litellm_proxy_failed_requests_metric_total"
    outcomes = {"200": seen.done, "500": seen.failed}
    failures = {("Openai.InternalServerError", "500"): seen.failed}
    return (
        "".join(
            counter(total, f'requested_model="m",status_code="{code}"', n, lazy=True) for code, n in outcomes.items()
        )
        + "".join(
            counter(failed, f'exception_class="{kind}",exception_status="{code}"', n, lazy=True)
            for (kind, code), n in failures.items()
        )
        + counter("litellm_total_tokens_metric_total", model, 30 * seen.all)
        + counter("litellm_spend_metric_total", model, 0.002 * seen.all)
        + histogram("litellm_request_total_latency_metric", model, LITELLM, seen.seconds, seen.all)
        + histogram("litellm_llm_api_time_to_first_token_metric", model, LITELLM, seen.seconds / 4, seen.all)
    )


def gen_ai(seen, *, unit="_token"):
    """Traceloop's library; openai-v2 serves no first tokens, and the tokens without their unit (`unit=""`)."""
    model = 'gen_ai_operation_name="chat",gen_ai_response_model="m"'
    name = "gen_ai_client_operation_duration_seconds"
    text = histogram(name, f'{model},error_type=""', GEN_AI, seen.seconds, seen.done)
    if seen.failed:
        text += histogram(name, f'{model},error_type="InternalServerError"', GEN_AI, seen.seconds, seen.failed)
    usage = f"gen_ai_client_token_usage{unit}"
    return (
        text
        + histogram("gen_ai_server_time_to_first_token_seconds", model, GEN_AI, seen.seconds / 4, seen.all)
        + histogram(usage, f'{model},gen_ai_token_type="output"', (1, 4, 16, 64), 30, seen.all)
    )


def llama_cpp(seen):
    return (
        counter("llamacpp:prompt_tokens_total", "", 5 * seen.all)
        + counter("llamacpp:tokens_predicted_total", "", 30 * seen.all)
        + counter("llamacpp:tokens_predicted_seconds_total", "", seen.seconds * seen.all)
    )


PROBED = 1000
"""Times as many as requests: what probes and scrapes ask would outweigh everything."""


def fastapi(seen):
    """prometheus-fastapi-instrumentator 8.1.0; the same names as vLLM's."""
    api = 'handler="/predict",method="POST"'
    name, duration = "http_requests_total", "http_request_duration_seconds"
    probes = "".join(
        counter(name, f'handler="{path}",method="GET",status="2xx"', PROBED * seen.all)
        for path in ("/metrics", "/healthz", "/ready", "none")
    )
    return (
        counter(name, f'{api},status="2xx"', seen.done, lazy=True)
        + counter(name, f'{api},status="5xx"', seen.failed, lazy=True)
        + probes
        + histogram(duration, api, (0.1, 0.5, 1.0, 5.0, 10.0), seen.seconds, seen.all)
        + histogram(duration, 'handler="/metrics",method="GET"', (0.1, 0.5, 1.0), 0.001, PROBED * seen.all)
    )


def starlette(seen):
    """starlette_exporter 0.24.0."""
    api, probe = 'app_name="starlette",method="POST",path="/predict"', 'app_name="starlette",method="GET",path="/live"'
    name, duration = "starlette_requests_total", "starlette_request_duration_seconds"
    return (
        counter(name, f'{api},status_code="200"', seen.done, lazy=True)
        + counter(name, f'{api},status_code="500"', seen.failed, lazy=True)
        + counter(name, f'{probe},status_code="200"', PROBED * seen.all)
        + histogram(duration, f'{api},status_code="200"', PYTHON, seen.seconds, seen.all)
        + histogram(duration, f'{probe},status_code="200"', PYTHON, 0.001, PROBED * seen.all)
    )


def flask(seen):
    """prometheus-flask-exporter 0.23.2; its counter knows no path."""
    api, duration = 'method="POST",path="/predict"', "flask_http_request_duration_seconds"
    text = counter("flask_http_request_total", 'method="POST",status="200"', PROBED * seen.all)
    text += histogram(duration, 'method="GET",path="/health",status="200"', PYTHON, 0.001, PROBED * seen.all)
    for status, number in (("200", seen.done), ("500", seen.failed)):
        if number:
            text += histogram(duration, f'{api},status="{status}"', PYTHON, seen.seconds, number)
    return text


def triton(seen):
    model = 'model="m",version="1"'
    summary = "nv_inference_request_summary_us"
    return (
        counter("nv_inference_request_success", model, seen.done)
        + counter("nv_inference_request_failure", f'{model},reason="OTHER"', seen.failed)
        + counter("nv_inference_request_duration_us", model, int(seen.seconds * 1e6) * seen.done)
        + f"# TYPE {summary} summary\n"
        + f'{summary}{{{model},quantile="0.5"}} {seen.seconds * 1e5}\n'
        + f'{summary}{{{model},quantile="0.95"}} {seen.seconds * 1e6}\n'
    )


def kserve(seen):
    model = 'model_name="m"'
    text = histogram("request_preprocess_seconds", model, PYTHON, 0.001, seen.all)
    text += histogram("request_predict_seconds", model, PYTHON, seen.seconds, seen.all)
    return text + (histogram("request_postprocess_seconds", model, PYTHON, 0.001, seen.done) if seen.done else "")


def ray_serve(seen, *, ending="_total"):
    """Ray Serve 2.60, and with `ending=""` some of its older releases."""
    where = 'application="app",deployment="M",replica="M#1",route="/"'
    http = 'application="app",method="POST",route="/"'
    latency, requests = "ray_serve_deployment_processing_latency_ms", f"ray_serve_num_http_requests{ending}"
    return (
        counter(f"ray_serve_deployment_request_counter{ending}", where, seen.done, lazy=True)
        + counter(
            f"ray_serve_deployment_error_counter{ending}",
            f'{where},exception_type="ValueError"',
            seen.failed,
            lazy=True,
        )
        + counter(
            f"ray_serve_deployment_error_counter{ending}",
            f'{where},exception_type="CancelledError"',
            3 * seen.all,
            lazy=True,
        )
        + counter(requests, f'{http},status_code="200"', seen.done, lazy=True)
        + counter(requests, f'{http},status_code="503"', seen.failed, lazy=True)
        + counter(requests, 'application="",method="GET",route="/-/healthz",status_code="200"', PROBED * seen.all)
        + histogram(latency, where, RAY, seen.seconds * 1000, seen.all)
    )


def seldon(seen):
    server = 'server="mlserver",server_replica="0"'
    model = f'method_type="rest",model="m",model_internal="m_1",{server}'
    return (
        counter("seldon_model_infer_total", f'{model},code="200"', seen.done, lazy=True)
        + counter("seldon_model_infer_total", f'{model},code="503"', seen.failed, lazy=True)
        + histogram(
            "seldon_model_infer_api_seconds", f'{server},code="200",method="rest"', PYTHON, seen.seconds, seen.all
        )
    )


def mlserver(seen):
    """MLServer 1.7.1: a failure is served at 0 from the first request on."""
    rest = 'app_name="mlserver",method="POST",path="/v2/models/{model_name}/infer"'
    health = 'app_name="mlserver",method="GET",path="/v2/models/{model_name}/ready",status_code="200"'
    duration, requests = "model_infer_request_duration", "rest_server_requests_total"
    inferences = ("success", seen.done), ("failure", seen.failed)
    return (
        "".join(
            counter(f"model_infer_request_{how}_total", 'model="m",version="v1"', n)
            for how, n in inferences
            if seen.all
        )
        + counter(requests, f'{rest},status_code="200"', seen.done, lazy=True)
        + counter(requests, f'{rest},status_code="500"', seen.failed, lazy=True)
        + counter(requests, health, PROBED * seen.all, lazy=True)
        + f'# TYPE {duration} summary\n{duration}_count{{model="m",version="v1"}} {seen.all}\n'
        + f'{duration}_sum{{model="m",version="v1"}} {seen.all * seen.seconds}\n'
        + histogram("rest_server_request_duration_seconds", f'{rest},status_code="200"', PYTHON, seen.seconds, seen.all)
        + histogram("rest_server_request_duration_seconds", health, PYTHON, 0.001, PROBED * seen.all)
    )


def torchserve(seen):
    """TorchServe 0.12.0: what Prometheus and probes ask for is among Requests2XX."""
    host, model = 'Level="Host",Hostname="h",', 'model_name="m",model_version="default",hostname="h",'
    return (
        counter("Requests2XX", host, seen.done + PROBED)
        + counter("Requests5XX", host, seen.failed, lazy=True)
        + counter("ts_inference_requests_total", model, seen.all, lazy=True)
        + counter("ts_inference_latency_microseconds", model, seen.seconds * 1e6 * seen.all, lazy=True)
    )


def tf_serving(seen):
    name, latency = ":tensorflow:serving:request_count", ":tensorflow:serving:request_latency"
    return (
        counter(name, 'model_name="m",status="OK"', seen.done, lazy=True)
        + counter(name, 'model_name="m",status="INTERNAL"', seen.failed, lazy=True)
        + histogram(
            latency, 'model_name="m",API="predict",entrypoint="REST"', TENSORFLOW, seen.seconds * 1e6, seen.done
        )
    )


def bentoml(seen):
    service = 'runner_name="M",service_name="m",service_version="1"'
    api, health = f'endpoint="/predict",{service}', f'endpoint="/livez",{service}'
    total, duration = "bentoml_service_request_total", "bentoml_service_request_duration_seconds"
    return (
        counter(total, f'{api},http_response_code="200"', seen.done)
        + counter(total, f'{api},http_response_code="500"', seen.failed)
        + counter(total, f'endpoint="/",{service},http_response_code="200"', 0)
        + counter(total, f'{health},http_response_code="200"', 1000 * seen.all)
        + histogram(duration, f'{api},http_response_code="200"', PYTHON, seen.seconds, seen.all)
        + histogram(duration, f'{health},http_response_code="200"', PYTHON, 0.001, 1000 * seen.all)
    )


def linkerd(seen):
    user = 'direction="inbound",route_name="default",target_addr="10.0.0.1:8080"'
    probe = 'direction="inbound",route_name="probe",target_addr="10.0.0.1:8080"'
    return (
        counter("response_total", f'{user},classification="success",status_code="200"', seen.done, lazy=True)
        + counter("response_total", f'{user},classification="failure",status_code="500"', seen.failed, lazy=True)
        + counter("response_total", f'{probe},classification="success",status_code="200"', 1000 * seen.all)
        + counter("response_total", 'direction="outbound",classification="success"', 1000 * seen.all)
        + counter("response_total", 'direction="inbound",srv_port="4191",classification="success"', 1000 * seen.all)
        + histogram("response_latency_ms", f'{user},status_code="200"', LINKERD, seen.seconds * 1000, seen.all)
        + histogram("response_latency_ms", f'{probe},status_code="200"', LINKERD, 1, 1000 * seen.all)
    )


def istio(namespace, service, seen):
    where = f'reporter="source",destination_service_name="{service}",destination_service_namespace="{namespace}"'
    inside = where.replace("source", "destination", 1)
    return (
        counter("istio_requests_total", f'{where},response_code="200"', seen.done, lazy=True)
        + counter("istio_requests_total", f'{where},response_code="503"', seen.failed, lazy=True)
        + counter("istio_requests_total", f'{inside},response_code="200"', 1000 * seen.all)
        + histogram(
            "istio_request_duration_milliseconds", f'{where},response_code="200"', ENVOY, seen.seconds * 1000, seen.all
        )
    )


def contour(namespace, service, seen):
    return envoy_cluster(f"{namespace}_{service}_80", seen)


def envoy_gateway(namespace, service, seen, *, merged=True):
    """`merged`: each Service has a cluster of its own, besides what other rules have; else there is only the rule's."""
    rule = Seen(1000 * seen.all, 0, 0.001)
    return envoy_cluster(f"httproute/{namespace}/{service}/rule/0", rule) + (
        envoy_cluster(f"service/{namespace}/{service}/80/http", seen) if merged else ""
    )


def envoy_cluster(name, seen):
    cluster = f'envoy_cluster_name="{name}"'
    name = "envoy_cluster_upstream_rq_xx"
    return (
        counter(name, f'envoy_response_code_class="2",{cluster}', seen.done, lazy=True)
        + counter(name, f'envoy_response_code_class="5",{cluster}', seen.failed, lazy=True)
        + histogram("envoy_cluster_upstream_rq_time", cluster, ENVOY, seen.seconds * 1000, seen.all)
    )


def ingress_nginx(namespace, stable, service, seen, *, honor=True):
    """`honor`: Prometheus keeps the labels that the controller exposes, else it renames them."""
    old = "" if honor else "exported_"
    canary = "" if service == stable else f"{namespace}-{service}-80"
    labels = f'{old}namespace="{namespace}",{old}service="{stable}",ingress="m",canary="{canary}",path="/"'
    labels += "" if honor else ',namespace="infra",service="ingress-nginx-controller-metrics"'
    name, duration = "nginx_ingress_controller_requests", "nginx_ingress_controller_request_duration_seconds"
    return (
        counter(name, f'{labels},status="200"', seen.done, lazy=True)
        + counter(name, f'{labels},status="502"', seen.failed, lazy=True)
        + histogram(duration, f'{labels},status="200"', PYTHON, seen.seconds, seen.all)
    )


def judged(revision, seen):
    """modelramp's own names: of 10 conversations 8 are settled when all is well, 6 when not."""
    by = f'answered_by="{revision}"'
    bad = seen.failed > 0
    return (
        counter("model_feedback_total", by, seen.all)
        + counter("model_prediction_excess_total", by, seen.all * (5 if bad else 2))
        + counter("model_prediction_shortfall_total", by, seen.all)
        + counter("model_answers_judged_total", by, seen.all)
        + counter("model_hallucinations_total", by, seen.failed)
        + counter("conversations_ended_total", by, seen.all)
        + counter("conversations_resolved_total", by, seen.all * (0.6 if bad else 0.8))
        + counter("conversations_deflected_total", by, seen.all * 0.5)
        + counter("conversations_abandoned_total", by, seen.all * 0.2 if bad else 0)
        + counter("conversation_cost_total", by, seen.all * (0.02 if bad else 0.005))
        + histogram("model_absolute_percentage_error", by, (0.1, 1.0), 0.3 if bad else 0.05, seen.all)
        + histogram("conversation_turns", by, (1, 10, 100), 40 if bad else 4, seen.all)
        + histogram("conversation_rating", by, (1, 2, 3, 4, 5), 3 if bad else 5, seen.all)
    )
