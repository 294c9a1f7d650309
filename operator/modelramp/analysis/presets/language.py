"""Servers and proxies of language models: vLLM, TGI, LiteLLM, and whatever speaks OpenTelemetry's gen_ai conventions.

Their series carry the pod's labels.
"""

from modelramp.analysis.presets.preset import Preset, by_revision
from modelramp.analysis.presets.series import OWN, SERVER_ERROR, mean, quantile, rate, share, total
from modelramp.analysis.presets.shapes import error_rate, p95_latency, per_second, seconds
from modelramp.api.check import Dimension

_BEYOND = "+Inf beyond the largest bucket"
_FIRST_TOKEN = f"Time within which 95 of 100 requests got their first token; {_BEYOND}"
_ANSWERED = f"Time within which 95 of 100 requests are answered; {_BEYOND}"

_VLLM = "https://github.com/vllm-project/vllm/blob/main/vllm/v1/metrics/loggers.py"
_VLLM_HTTP = "https://docs.vllm.ai/en/latest/design/metrics.html"
_VLLM_API = ',handler=~"/v1/.+"'

_TGI = "https://github.com/huggingface/text-generation-inference/blob/main/docs/source/reference/metrics.md"
_TGI_FAILED = rate("tgi_request_failure", OWN, ',err=~"generation|incomplete|overloaded"')
_TGI_DONE = rate("tgi_request_success")
_TGI_QUEUE = mean("tgi_request_queue_duration")
_TGI_PREFILL = mean("tgi_batch_inference_duration", OWN, ',method="prefill"')

_LITELLM = "https://docs.litellm.ai/docs/proxy/prometheus"
_GEN_AI = "https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-metrics.md"
_GEN_AI_DURATION = "gen_ai_server_request_duration_seconds"

PRESETS: tuple[Preset, ...] = (
    error_rate(
        "vllm",
        "Share of API requests that vLLM answered with 5xx",
        share(
            rate("http_requests_total", OWN, f'{_VLLM_API},status=~"{SERVER_ERROR}"'),
            rate("http_requests_total", OWN, _VLLM_API),
        ),
        _VLLM_HTTP,
    ),
    p95_latency("vllm", _ANSWERED, quantile(0.95, "vllm:e2e_request_latency_seconds"), _VLLM),
    seconds("vllm-p95-time-to-first-token", _FIRST_TOKEN, quantile(0.95, "vllm:time_to_first_token_seconds"), _VLLM),
    per_second("vllm-tokens-per-second", "Generated tokens a second", rate("vllm:generation_tokens_total"), _VLLM),
    Preset(
        name="vllm-cut-off-rate",
        summary="Share of answers that ended at the length limit instead of by themselves; no limit of its own",
        dimension=Dimension.TECHNICAL,
        unit="ratio",
        query=share(
            rate("vllm:request_success_total", OWN, ',finished_reason="length"'), rate("vllm:request_success_total")
        ),
        pick=by_revision,
        example='max: "0.1"',
        source=_VLLM,
    ),
    error_rate(
        "tgi",
        "Share of requests that TGI failed; refused input and callers who left do not count",
        share(_TGI_FAILED, total(_TGI_DONE, _TGI_FAILED)),
        _TGI,
    ),
    p95_latency("tgi", _ANSWERED, quantile(0.95, "tgi_request_duration"), _TGI),
    seconds(
        "tgi-mean-time-to-first-token",
        "Mean time in the queue and of a prefill together, as TGI does not measure the first token itself",
        f"{_TGI_QUEUE} + {_TGI_PREFILL}",
        _TGI,
    ),
    per_second("tgi-tokens-per-second", "Generated tokens a second", rate("tgi_request_generated_tokens_sum"), _TGI),
    error_rate(
        "litellm",
        "Share of requests to which the LiteLLM proxy gave no successful answer",
        share(rate("litellm_proxy_failed_requests_metric_total"), rate("litellm_proxy_total_requests_metric_total")),
        _LITELLM,
    ),
    p95_latency("litellm", _ANSWERED, quantile(0.95, "litellm_request_total_latency_metric"), _LITELLM),
    seconds(
        "litellm-p95-time-to-first-token",
        f"{_FIRST_TOKEN}; streamed answers only",
        quantile(0.95, "litellm_llm_api_time_to_first_token_metric"),
        _LITELLM,
    ),
    per_second(
        "litellm-tokens-per-second",
        "Tokens a second, read and written",
        rate("litellm_total_tokens_metric_total"),
        _LITELLM,
    ),
    Preset(
        name="litellm-cost-per-request",
        summary="What a request costs in US dollars, by LiteLLM's price list; no limit of its own",
        dimension=Dimension.BUSINESS,
        unit="USD",
        query=f"{rate('litellm_spend_metric_total')} / {rate('litellm_proxy_total_requests_metric_total')}",
        pick=by_revision,
        example='max: "0.02"',
        source=_LITELLM,
    ),
    error_rate(
        "gen-ai",
        "Share of requests that ended with an error.type",
        share(rate(f"{_GEN_AI_DURATION}_count", OWN, ',error_type!=""'), rate(f"{_GEN_AI_DURATION}_count")),
        _GEN_AI,
    ),
    p95_latency("gen-ai", _ANSWERED, quantile(0.95, _GEN_AI_DURATION), _GEN_AI),
    seconds(
        "gen-ai-p95-time-to-first-token",
        _FIRST_TOKEN,
        quantile(0.95, "gen_ai_server_time_to_first_token_seconds"),
        _GEN_AI,
    ),
    per_second(
        "gen-ai-tokens-per-second",
        "Tokens a second, read and written",
        rate("gen_ai_client_token_usage_sum"),
        _GEN_AI,
    ),
)
