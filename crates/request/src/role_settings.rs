//! `ALTER ROLE ... SET`: which of a role's own settings a request gets, and how far.
//!
//! A role can change its own settings without any privilege, so code that runs as `anon` could lift every limit of
//! all anonymous requests. Therefore only a list of settings is taken, clamped to what the server's configuration
//! allows; `role`, `search_path`, `row_security`, `request.*` and `app.*` never. `ferrobase postgrest` takes all
//! settings, as PostgREST does.

use std::time::Duration;

/// The most that a role may give itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleLimits {
    /// Upper bound of `statement_timeout`; 0 in the role's setting means none and becomes this.
    pub statement_timeout: Option<Duration>,
    /// Upper bound of `work_mem`, in kB.
    pub work_mem_kb: u64,
}

impl Default for RoleLimits {
    fn default() -> Self {
        Self { statement_timeout: None, work_mem_kb: 64 * 1024 }
    }
}

/// How a setting of the list is clamped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clamp {
    /// A time that must end at the server's bound.
    StatementTime,
    /// Any time: it only makes the role's own requests fail earlier.
    Time,
    /// Memory for one operation.
    Memory,
    /// How values look or how a plan is made; harmless in any value that PostgreSQL accepts.
    Harmless,
}

const ALLOWED: &[(&str, Clamp)] = &[
    ("statement_timeout", Clamp::StatementTime),
    ("lock_timeout", Clamp::Time),
    ("idle_in_transaction_session_timeout", Clamp::Time),
    ("work_mem", Clamp::Memory),
    ("timezone", Clamp::Harmless),
    ("datestyle", Clamp::Harmless),
    ("intervalstyle", Clamp::Harmless),
    ("extra_float_digits", Clamp::Harmless),
    ("bytea_output", Clamp::Harmless),
    ("default_text_search_config", Clamp::Harmless),
    ("lc_messages", Clamp::Harmless),
    ("lc_monetary", Clamp::Harmless),
    ("lc_numeric", Clamp::Harmless),
    ("lc_time", Clamp::Harmless),
    ("jit", Clamp::Harmless),
    ("plan_cache_mode", Clamp::Harmless),
    ("plan_filter.statement_cost_limit", Clamp::Harmless),
];

/// The part of a role's settings that a request gets, names in lower case.
pub(crate) fn clamp(settings: &[(String, String)], limits: &RoleLimits) -> Vec<(String, String)> {
    settings.iter().filter_map(|(name, value)| clamp_one(name, value, limits)).collect()
}

fn clamp_one(name: &str, value: &str, limits: &RoleLimits) -> Option<(String, String)> {
    let name = name.to_ascii_lowercase();
    let (_, how) = ALLOWED.iter().find(|(allowed, _)| *allowed == name)?;
    let value = match how {
        Clamp::Harmless => value.to_owned(),
        Clamp::Time => format!("{}ms", milliseconds(value)?),
        Clamp::StatementTime => format!("{}ms", shortest(milliseconds(value)?, limits.statement_timeout)),
        Clamp::Memory => format!("{}kB", kilobytes(value)?.clamp(64, limits.work_mem_kb.max(64))),
    };
    Some((name, value))
}

/// The shorter of two timeouts in milliseconds, where 0 is none.
pub(crate) fn shortest(milliseconds: u64, bound: Option<Duration>) -> u64 {
    let bound = bound.map_or(0, |bound| u64::try_from(bound.as_millis()).unwrap_or(u64::MAX));
    match (milliseconds, bound) {
        (0, bound) => bound,
        (time, 0) => time,
        (time, bound) => time.min(bound),
    }
}

/// A time as PostgreSQL writes it: a number with `us`, `ms`, `s`, `min`, `h` or `d`; milliseconds without a unit.
/// A value under one millisecond is one, because 0 would mean none.
pub(crate) fn milliseconds(value: &str) -> Option<u64> {
    let (number, unit) = split(value)?;
    let factor = match unit {
        "us" => 0.001,
        "" | "ms" => 1.0,
        "s" => 1000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    let time = number * factor;
    // PostgreSQL keeps these in 32 bits with a sign.
    Some(if number == 0.0 { 0 } else { (time.round() as u64).clamp(1, 2_147_483_647) })
}

/// A size as PostgreSQL writes it: a number with `B`, `kB`, `MB`, `GB` or `TB`; kB without a unit.
fn kilobytes(value: &str) -> Option<u64> {
    let (number, unit) = split(value)?;
    let factor = match unit {
        "B" => 1.0 / 1024.0,
        "" | "kB" => 1.0,
        "MB" => 1024.0,
        "GB" => 1024.0 * 1024.0,
        "TB" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some((number * factor).round() as u64)
}

/// A number that is not negative, and its unit.
fn split(value: &str) -> Option<(f64, &str)> {
    let value = value.trim().trim_matches('\'').trim();
    let end = value.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(value.len());
    Some((value[..end].parse().ok()?, value[end..].trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clamped(name: &str, value: &str) -> Option<String> {
        let limits = RoleLimits { statement_timeout: Some(Duration::from_secs(10)), work_mem_kb: 8192 };
        clamp(&[(name.to_owned(), value.to_owned())], &limits).pop().map(|(_, value)| value)
    }

    #[test]
    fn sec_21_role_settings_are_a_list_and_clamped() {
        assert_eq!(clamped("statement_timeout", "0").as_deref(), Some("10000ms"));
        assert_eq!(clamped("statement_timeout", "1h").as_deref(), Some("10000ms"));
        assert_eq!(clamped("statement_timeout", "3s").as_deref(), Some("3000ms"));
        assert_eq!(clamped("work_mem", "64GB").as_deref(), Some("8192kB"));
        assert_eq!(clamped("work_mem", "1MB").as_deref(), Some("1024kB"));
        assert_eq!(clamped("TimeZone", "Europe/Vienna").as_deref(), Some("Europe/Vienna"));
        for refused in [
            "role",
            "search_path",
            "row_security",
            "request.jwt.claims",
            "app.user_id",
            "session_authorization",
            "default_transaction_read_only",
            "session_replication_role",
            "temp_file_limit",
            "client_encoding",
        ] {
            assert_eq!(clamped(refused, "1"), None, "{refused}");
        }
        assert_eq!(clamped("statement_timeout", "soon"), None);
        assert_eq!(clamped("statement_timeout", "-1"), None);
    }

    #[test]
    fn times_and_sizes_have_units() {
        assert_eq!(milliseconds("1500us"), Some(2));
        assert_eq!(milliseconds("1us"), Some(1));
        assert_eq!(milliseconds("2 min"), Some(120_000));
        assert_eq!(milliseconds("100d"), Some(2_147_483_647));
        assert_eq!(milliseconds("0"), Some(0));
        assert_eq!(kilobytes("2048B"), Some(2));
        assert_eq!(kilobytes("1.5MB"), Some(1536));
        assert_eq!(shortest(0, None), 0);
        assert_eq!(shortest(5, None), 5);
    }
}
