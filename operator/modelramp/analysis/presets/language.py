"""Servers, proxies and clients of language models: vLLM, TGI, llama.cpp, LiteLLM, OpenTelemetry's gen_ai conventions.

Their series carry the pod's labels.
"""

from modelramp.analysis.presets.preset import Preset, by_revision
from modelramp.analysis.presets.series import (
    POD,
    SERVER_ERROR,
    STATUS,
    mean,
    quantile,
    share,
    share_of_both,
    unaccounted,
)
from modelramp.analysis.presets.shapes import error_rate, p95_latency, per_second, seconds
from modelramp.api.check import Dimension

_BEYOND = "+Inf beyond the largest bucket"
_FIRST_TOKEN = f"Time within which 95 of 100 requests got their first token; {_BEYOND}"
_ANSWERED = f"Time within which 95 of 100 requests are answered; {_BEYOND}"

_VLLM = "https://github.com/vllm-project/vllm/blob/main/vllm/v1/metrics/loggers.py"
_VLLM_HTTP = "https://docs.vllm.ai/en/latest/design/metrics.html"
# What asks the model for something: neither the list of models, which probes read, nor what steers the engine.
_VLLM_HANDLERS = "/(v1|v2|inference)/.+|/(invocations|generate|(de)?tokenize|pooling|classify|score|rerank)"
_VLLM_API = f',method="POST",handler=~"{_VLLM_HANDLERS}"'

_TGI = "https://github.com/huggingface/text-generation-inference/blob/main/docs/source/reference/metrics.md"
_TGI_DONE, _TGI_FAILED = "tgi_request_success", "tgi_request_failure"
_TGI_WAITING = ("tgi_queue_size", "tgi_batch_current_size")
_TGI_QUEUE = mean("tgi_request_queue_duration")
_TGI_PREFILL = mean("tgi_batch_inference_duration", ',method="prefill"')

_LLAMA_CPP = "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md"

_LITELLM = "https://docs.litellm.ai/docs/proxy/prometheus"
_LITELLM_ALL = "litellm_proxy_total_requests_metric_total"
# An exception without a status is "None": a call without a key is one, although it is answered with 500.
_LITELLM_KNOWN = 'status_code!=""'

_GEN_AI = "https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-metrics.md"
_GEN_AI_DURATION = "gen_ai_client_operation_duration_seconds"
_GEN_AI_TOKENS = " or ".join(POD.rate(f"gen_ai_client_token_usage_{ending}sum") for ending in ("", "token_"))


def _litellm_share(name: str, summary: str, codes: str, example: str) -> Preset:
    """Share of the proxy's requests that ended with some codes; what is usual depends on the callers."""
    query = share(_LITELLM_ALL, codes, _LITELLM_KNOWN)
    summary = f"{summary}; no limit of its own"
    return Preset(name, summary, Dimension.OPERATIONAL, "ratio", query, by_revision, _LITELLM, example=example)


PRESETS: tuple[Preset, ...] = (
    error_rate(
        "vllm",
        "Share of API requests that vLLM answered with 5xx; an engine that died is not scraped: add a gateway's preset",
        share("http_requests_total", f'status=~"{SERVER_ERROR}"', f'status=~"{STATUS}"', _VLLM_API),
        _VLLM_HTTP,
    ),
    p95_latency("vllm", _ANSWERED, quantile(0.95, "vllm:e2e_request_latency_seconds"), _VLLM),
    seconds("vllm-p95-time-to-first-token", _FIRST_TOKEN, quantile(0.95, "vllm:time_to_first_token_seconds"), _VLLM),
    per_second("vllm-tokens-per-second", "Generated tokens a second", POD.rate("vllm:generation_tokens_total"), _VLLM),
    Preset(
        name="vllm-cut-off-rate",
        summary="Share of answers that ended at the length limit instead of by themselves; no limit of its own",
        dimension=Dimension.TECHNICAL,
        unit="ratio",
        query=share("vllm:request_success_total", 'finished_reason="length"', 'finished_reason!=""'),
        pick=by_revision,
        example="max: 0.1",
        source=_VLLM,
    ),
    error_rate(
        "tgi",
        "Share of requests that TGI failed; refused input and callers who left do not count",
        share_of_both(
            _TGI_FAILED,
            _TGI_DONE,
            ',err=~"generation|incomplete|overloaded"',
            otherwise=unaccounted(_TGI_FAILED, _TGI_DONE, "tgi_request_count", waiting=_TGI_WAITING),
        ),
        _TGI,
    ),
    p95_latency("tgi", _ANSWERED, quantile(0.95, "tgi_request_duration"), _TGI),
    seconds(
        "tgi-mean-time-to-first-token",
        "Mean time in the queue and of a prefill together, as TGI does not measure the first token itself",
        f"{_TGI_QUEUE} + {_TGI_PREFILL}",
        _TGI,
    ),
    per_second(
        "tgi-tokens-per-second", "Generated tokens a second", POD.rate("tgi_request_generated_tokens_sum"), _TGI
    ),
    per_second(
        "llama-cpp-tokens-per-second",
        "Generated tokens a second; llama.cpp counts no requests and no errors, so take those from the gateway",
        POD.rate("llamacpp:tokens_predicted_total"),
        _LLAMA_CPP,
    ),
    seconds(
        "llama-cpp-time-per-token",
        "Mean time of a generated token; start llama.cpp with --metrics",
        f"{POD.rate('llamacpp:tokens_predicted_seconds_total')} / {POD.rate('llamacpp:tokens_predicted_total')}",
        _LLAMA_CPP,
    ),
    error_rate(
        "litellm",
        "Share of requests that the LiteLLM proxy or the model behind it failed with 5xx; callers' mistakes and "
        "exhausted limits do not count",
        share(_LITELLM_ALL, f'status_code=~"{SERVER_ERROR}"', _LITELLM_KNOWN),
        _LITELLM,
    ),
    _litellm_share(
        "litellm-rate-limited-rate",
        "Share of requests that met an exhausted limit, of a key or of the model behind the LiteLLM proxy (429)",
        'status_code="429"',
        "max: 0.05",
    ),
    _litellm_share(
        "litellm-unanswered-rate",
        "Share of requests to which the LiteLLM proxy gave no successful answer, whoever is to blame",
        'status_code!~"2.."',
        "max: 0.2",
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
        POD.rate("litellm_total_tokens_metric_total"),
        _LITELLM,
    ),
    Preset(
        name="litellm-cost-per-request",
        summary="What a request costs in US dollars, by LiteLLM's price list; no limit of its own",
        dimension=Dimension.BUSINESS,
        unit="USD",
        query=f"{POD.rate('litellm_spend_metric_total')} / {POD.rate(_LITELLM_ALL)}",
        pick=by_revision,
        example="max: 0.02",
        source=_LITELLM,
    ),
    error_rate(
        "gen-ai",
        "Share of calls to a model that ended with an error.type, as the caller's OpenTelemetry library counts them",
        share(f"{_GEN_AI_DURATION}_count", 'error_type!=""', 'gen_ai_operation_name!=""'),
        _GEN_AI,
    ),
    p95_latency(
        "gen-ai", f"Time within which 95 of 100 calls end; {_BEYOND}", quantile(0.95, _GEN_AI_DURATION), _GEN_AI
    ),
    seconds(
        "gen-ai-p95-time-to-first-token",
        f"{_FIRST_TOKEN}; Traceloop's library serves it, opentelemetry-instrumentation-openai-v2 does not",
        quantile(0.95, "gen_ai_server_time_to_first_token_seconds"),
        _GEN_AI,
    ),
    per_second(
        "gen-ai-tokens-per-second",
        "Tokens a second, read and written; some libraries leave out those of streamed answers",
        _GEN_AI_TOKENS,
        _GEN_AI,
    ),
)
