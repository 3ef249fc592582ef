//! The two text forms that scrapers ask for.
//!
//! The library writes OpenMetrics. Older scrapers and people with curl get the classic form, which differs in few
//! lines: a counter's head carries the full name, there is no unit line and no end mark.

use std::collections::HashSet;
use std::fmt;

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

/// A form of the metrics page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// `text/plain; version=0.0.4`.
    Classic,
    /// `application/openmetrics-text; version=1.0.0`.
    OpenMetrics,
}

impl Exposition {
    /// The form for an `Accept` field.
    pub fn for_accept(accept: Option<&str>) -> Self {
        match accept {
            Some(accept) if accept.contains("application/openmetrics-text") => Self::OpenMetrics,
            _ => Self::Classic,
        }
    }

    /// Its content type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

pub(super) fn encode(registry: &Registry, form: Exposition) -> Result<String, fmt::Error> {
    let mut page = String::with_capacity(16 * 1024);
    text::encode(&mut page, registry)?;
    Ok(match form {
        Exposition::OpenMetrics => page,
        Exposition::Classic => classic(&page),
    })
}

fn classic(page: &str) -> String {
    let counters: HashSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut out = String::with_capacity(page.len() + 256);
    for line in page.lines() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        match head_of(line) {
            Some((keyword, name, rest)) if counters.contains(name) => {
                out.push_str(&format!("# {keyword} {name}_total {rest}"));
            }
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

/// Keyword, name and rest of a `# HELP` or `# TYPE` line.
fn head_of(line: &str) -> Option<(&str, &str, &str)> {
    let (keyword, rest) = line.strip_prefix("# ")?.split_once(' ')?;
    let (name, rest) = rest.split_once(' ')?;
    matches!(keyword, "HELP" | "TYPE").then_some((keyword, name, rest))
}

#[cfg(test)]
mod tests {
    use super::super::{Metrics, PoolSample, Sample};
    use super::*;

    #[test]
    fn counters_are_spelled_once_in_both_forms() {
        let metrics = Metrics::new();
        metrics.http().prepare(&crate::metrics::RouteCounts::new("/rest/v1"));
        metrics.pools(|| vec![PoolSample { pool: "request", active: 3, max: 10, ..PoolSample::default() }]);
        metrics.collect(|| vec![Sample::counter("jwt_cache_hits_total", "Hits", 5.0)]);
        let classic = metrics.expose(Exposition::Classic).unwrap();
        assert!(classic.contains("# TYPE http_requests_total counter\n"), "{classic}");
        assert!(
            classic.contains("http_requests_total{method=\"GET\",status=\"500\",route=\"/rest/v1\"} 0\n"),
            "{classic}"
        );
        assert!(classic.contains("database_connections_active{pool=\"request\"} 3.0\n"), "{classic}");
        assert!(classic.contains("database_connections_max{pool=\"request\"} 10.0\n"));
        assert!(classic.contains("# TYPE jwt_cache_hits_total counter\njwt_cache_hits_total 5.0\n"), "{classic}");
        assert!(!classic.contains("_total_total") && !classic.contains("# EOF"));
        let open = metrics.expose(Exposition::OpenMetrics).unwrap();
        assert!(open.ends_with("# EOF\n") && open.contains("# TYPE jwt_cache_hits counter\njwt_cache_hits_total 5"));
    }
}
