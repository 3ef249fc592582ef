//! `observability`: logs, metrics and traces.
//!
//! Consumed by the log writer and the admin listener. The names are those that the dashboards and alert rules of
//! `ops/` expect.

use std::path::PathBuf;
use std::time::Duration;

use ferrobase_base::config::{HttpUrl, Ratio, Report};
use ferrobase_base::{Secret, choice, section};
use http::HeaderValue;

choice! {
    /// The least important line that is written.
    pub enum LogLevel {
        /// Something failed and needs somebody.
        Error = "error",
        /// Something is odd.
        Warn = "warn",
        /// What happened: one line a request.
        Info = "info",
        /// How.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

choice! {
    /// How a line looks.
    pub enum LogFormat {
        /// One JSON object a line.
        Json = "json",
        /// For people.
        Text = "text",
    }
}

section! {
    /// Logs, metrics and traces.
    pub struct ObservabilitySection {
        /// Log lines.
        log: LogSection = LogSection::default();
        /// Prometheus metrics.
        metrics: MetricsSection = MetricsSection::default();
        /// Traces over OTLP.
        tracing: TracingSection = TracingSection::default();
        /// Requests whose transaction takes at least this, waiting included, leave a line in the log that names the
        /// statement; `null` for none.
        slow_query: Option<Duration> = Some(Duration::from_secs(1));
        /// One piece of work that holds up a thread of this process for so long (a busy loop, a call that blocks) leaves a
        /// line in the log and counts in `runtime_stalls_total`.
        stalled_after: Duration = Duration::from_secs(1), in Duration::from_millis(100)..=Duration::from_secs(3600);
        /// Ends the process when a thread that serves connections, or all threads that share the other work, have been held up
        /// for so long, for its supervisor to start it again.
        abort_when_stalled: Option<Duration> = None;
    }
}

section! {
    /// Log lines.
    pub struct LogSection {
        /// The least important line that is written.
        level: LogLevel = LogLevel::Info;
        /// How a line looks.
        format: LogFormat = LogFormat::Json;
        /// File that gets the lines instead of the standard output; opened again on SIGHUP, for rotation.
        file: Option<PathBuf> = None;
    }
}

section! {
    /// Prometheus metrics at `/metrics` of the admin port.
    pub struct MetricsSection {
        /// Answers there.
        enabled: bool = true;
    }
}

section! {
    /// Traces over OTLP/HTTP.
    pub struct TracingSection {
        /// Sends traces.
        enabled: bool = false;
        /// Where an OTLP collector listens, for example `http://localhost:4318`; `/v1/traces` is added. It may be on this
        /// machine or in a private network.
        endpoint: Option<HttpUrl> = None;
        /// Value of the field `Authorization` for the collector.
        authorization: Option<Secret> = None;
        /// Name of this service in traces.
        service_name: String = "ferrobase".to_owned();
        /// Share of requests that are traced when the caller did not decide.
        sample_rate: Ratio = Ratio::ALL;
        /// Traces that callers outside of `server.trusted_proxies` may ask for in each second, all together; what they ask for
        /// beyond that is sampled like any other request.
        caller_sampled_per_second: u32 = 10, in 0..=1_000_000;
    }
}

impl ObservabilitySection {
    /// What only shows when keys are compared.
    pub fn check(&self, report: &mut Report<'_>) {
        let tracing = &self.tracing;
        if tracing.enabled && tracing.endpoint.is_none() {
            report.refuse("tracing.endpoint", "tracing is enabled and nobody would get the traces; name a collector");
        }
        let is_field = |secret: &Secret| HeaderValue::try_from(secret.expose()).is_ok();
        if tracing.authorization.as_ref().is_some_and(|secret| !is_field(secret)) {
            report.refuse("tracing.authorization", "it holds characters that a field cannot have");
        }
        if tracing.authorization.is_some() && tracing.endpoint.as_ref().is_some_and(|url| url.starts_with("http://")) {
            report.warn(
                "tracing.authorization",
                "goes over the network in clear text; give the collector an https address",
            );
        }
        if tracing.endpoint.as_ref().is_some_and(is_jaeger_thrift) {
            report.warn(
                "tracing.endpoint",
                "Jaeger no longer has this endpoint (port 14268, /api/traces); its OTLP endpoint is http://HOST:4318",
            );
        }
    }
}

fn is_jaeger_thrift(url: &HttpUrl) -> bool {
    url.authority().ends_with(":14268") || url.ends_with("/api/traces")
}
