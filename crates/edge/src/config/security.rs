//! `security`: how often somebody may call, what answers tell browsers, what is refused outright.
//!
//! Rate limits and response fields are the edge's own; `require_api_key` and the rules about views go to `request`
//! and the rooms through `app`.

use ferrobase_base::config::{Cidr, HeaderText, RelationPattern, Report};
use ferrobase_base::{choice, section};

choice! {
    /// What happens to views that read row-secured tables with their owner's rights.
    pub enum DefinerViews {
        /// Hidden: 404 with a code and a hint.
        Refuse = "refuse",
        /// Served, with a warning at start.
        Warn = "warn",
        /// Served.
        Allow = "allow",
    }
}

section! {
    /// Rate limits, response fields, keys and views.
    pub struct SecuritySection {
        /// How often somebody may call.
        rate_limit: RateLimitSection = RateLimitSection::default();
        /// Fields of every answer.
        headers: HeadersSection = HeadersSection::default();
        /// Networks that this server may call (`auth.jwks_url`) although they are not public.
        egress_allow: Vec<Cidr> = Vec::new();
        /// Refuses calls without an API key with 401.
        require_api_key: bool = false;
        /// Views over row-secured tables without `security_invoker`.
        definer_views: DefinerViews = DefinerViews::Refuse;
        /// Such views that are served all the same.
        definer_views_allow: Vec<RelationPattern> = Vec::new();
    }
}

section! {
    /// Requests per minute; the next one is answered 429 with `Retry-After`.
    pub struct RateLimitSection {
        /// Counts and refuses.
        enabled: bool = false;
        /// Per address, for callers without credentials.
        anonymous: u32 = 100, in 1..=10_000_000;
        /// Per user.
        authenticated: u32 = 500, in 1..=10_000_000;
        /// Per service key.
        api_key: u32 = 1000, in 1..=10_000_000;
    }
}

section! {
    /// Fields of every answer; none leaves a field out.
    pub struct HeadersSection {
        /// `Content-Security-Policy`.
        content_security_policy: Option<HeaderText> = None;
        /// `X-Frame-Options`.
        x_frame_options: Option<HeaderText> = Some(HeaderText::from_static("DENY"));
        /// `X-Content-Type-Options`.
        x_content_type_options: Option<HeaderText> = Some(HeaderText::from_static("nosniff"));
    }
}

impl SecuritySection {
    /// What only shows when keys are compared.
    pub fn check(&self, report: &mut Report<'_>) {
        if self.egress_allow.iter().any(Cidr::is_everything) {
            report.warn("egress_allow", "with every network allowed, a URL or a redirect reaches this machine too");
        }
        if self.definer_views_allow.contains(&RelationPattern::All) {
            report.warn("definer_views_allow", "`*` lets every view read past row security");
        }
    }
}
