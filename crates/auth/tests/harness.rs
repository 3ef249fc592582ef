//! The room on a database of its own.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ferrobase_auth::config::SignInSection;
use ferrobase_auth::keys::SigningKeys;
use ferrobase_auth::mail::{Mail, MailKind, Mailer, Outbox, Queueing};
use ferrobase_auth::outbound::{Call, CallError, Calling, Outbound, Reply};
use ferrobase_auth::sms::{self, Message, Sending, Texter};
use ferrobase_auth::store::Tx;
use ferrobase_auth::{Deps, Hasher, MIGRATIONS, OWNER, Settings};
use ferrobase_base::Secret;
use ferrobase_base::config::{Atom, Cidr};
use ferrobase_base::ports::NoApiKeys;
use ferrobase_edge::App;
use ferrobase_edge::config::{SecuritySection, ServerSection};
use ferrobase_edge::listener::Peer;
use ferrobase_edge::metrics::Metrics;
use ferrobase_egress::{Authorities, Bounds, Client};
use ferrobase_pg::{ConnectOptions, Pool, PoolOptions};
use ferrobase_request::credentials::{ConfiguredKeys, TokenCache};
use ferrobase_request::exposure::{DefinerViews, Exposure};
use ferrobase_request::install::{InstallOptions, Login, install};
use ferrobase_request::{AuthRules, Authority, Pools, Registry, Target, TargetParts, TransactionRules};
pub use ferrobase_testkit::Answer;
use ferrobase_testkit::{TestDatabase, database_from, token};
use http::{HeaderValue, Request};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tower::ServiceExt;

/// Another issuer signs with it; its key is in `auth.jwks`.
pub const FOREIGN_SECRET: &str = "a secret of somebody else that is long enough";

/// The room with its database.
pub struct Auth {
    pub db: TestDatabase,
    pub mails: Arc<Mails>,
    pub texts: Arc<Texts>,
    pub registry: Arc<Registry>,
    pub settings: Arc<ArcSwap<Settings>>,
    router: Router,
}

/// Mails that were queued.
#[derive(Default)]
pub struct Mails(pub Mutex<Vec<Mail>>);

impl Mailer for Mails {
    fn queue<'a>(&'a self, _tx: &'a mut Tx, mail: Mail) -> Queueing<'a> {
        Box::pin(async move {
            self.0.lock().await.push(mail);
            Ok(())
        })
    }
}

/// Calls this machine, through the client that the binary uses.
struct Loopback(Client);

impl Default for Loopback {
    fn default() -> Self {
        let allowed = vec![Cidr::parse("127.0.0.1/32").expect("a network")];
        Self(Client::new(allowed, Bounds::default(), Authorities::Only(Vec::new())))
    }
}

impl Outbound for Loopback {
    fn call(&self, call: Call) -> Calling<'_> {
        Box::pin(async move {
            let Call { url, fields, body, .. } = call;
            let answer = match body {
                None => self.0.ask(&url, fields).await,
                Some((content_type, body)) => {
                    self.0.post(&url, ferrobase_egress::Message { content_type, fields, body }).await
                }
            };
            let answer = answer.map_err(|error| CallError(Box::new(error)))?;
            Ok(Reply { status: answer.status, body: answer.body, retry_after: answer.retry_after })
        })
    }
}

/// Messages that were sent.
#[derive(Default)]
pub struct Texts {
    pub sent: Mutex<Vec<Message>>,
    /// The provider refuses.
    pub fails: AtomicBool,
}

impl Texter for Texts {
    fn send(&self, message: Message) -> Sending<'_> {
        Box::pin(async move {
            if self.fails.load(Ordering::Relaxed) {
                return Err(sms::failed("the provider refused it"));
            }
            self.sent.lock().await.push(message);
            Ok(Some("SM1".to_owned()))
        })
    }
}

/// What a test changes of the configuration.
pub fn section(change: impl FnOnce(&mut SignInSection)) -> SignInSection {
    let mut section = SignInSection::default();
    section.email.autoconfirm = true;
    section.enable_anonymous_sign_ins = true;
    // Tests are about what a hash does, not about how long it takes.
    section.password.hash_passes = 1;
    section.rate_limits.sign_in = 1000;
    section.rate_limits.token = 1000;
    section.rate_limits.verify = 1000;
    section.mailer.rate_per_hour = 1000;
    section.rate_limits.anonymous_per_hour = 1000;
    section.rate_limits.mfa_per_minute = 1000;
    section.rate_limits.passkey = 1000;
    change(&mut section);
    section
}

/// The room with the usual configuration.
pub async fn auth() -> Auth {
    with(section(|_| {})).await
}

/// The room with this configuration. Mails are handed over to the test.
pub async fn with(section: SignInSection) -> Auth {
    composed(section, |_| None).await
}

/// The room with this configuration, and where its mails go.
pub async fn composed(section: SignInSection, outbox: impl FnOnce(&Arc<ArcSwap<Settings>>) -> Option<Outbox>) -> Auth {
    judged(section, AuthRules::default(), outbox).await
}

/// The same, with these rules for tokens.
pub async fn judged(
    section: SignInSection,
    rules: AuthRules,
    outbox: impl FnOnce(&Arc<ArcSwap<Settings>>) -> Option<Outbox>,
) -> Auth {
    let options = || InstallOptions {
        rooms: [InstallOptions::default().rooms, vec![MIGRATIONS]].concat(),
        ..InstallOptions::default()
    };
    let db = database_from("auth_1", |url| async move {
        install(&ConnectOptions::parse(&url).expect("a URL"), &options()).await.expect("installed");
    })
    .await;
    let owner = ConnectOptions::parse(db.url()).expect("a URL");
    let logins = install(&owner, &options()).await.expect("installed").logins;
    let pool = |login: &Login| {
        let options = PoolOptions { max_connections: 4, ..PoolOptions::default() };
        Pool::new(owner.clone().with_login(&login.user, login.password.clone()), options)
    };
    let listed = section.signing_keys.as_ref().map(|keys| SigningKeys::read(keys.expose()).expect("keys"));
    let foreign = json!({"kty": "oct", "kid": "foreign", "k": URL_SAFE_NO_PAD.encode(FOREIGN_SECRET)});
    let keys = ConfiguredKeys::new(Some(&Secret::new(token::SECRET)), false, Some(&foreign)).expect("keys");
    let keys = keys.signed_with(listed.unwrap_or_default().verification_keys());
    let authority = Arc::new(Authority {
        keys: Arc::new(keys),
        api_keys: Arc::new(NoApiKeys),
        rules,
        cache: TokenCache::new(TokenCache::DEFAULT_CAPACITY),
    });
    let target = Target::new(TargetParts {
        name: "test".to_owned(),
        pools: Pools {
            request: pool(&logins.request),
            service: pool(&logins.service),
            owner: Pool::new(owner.clone(), PoolOptions::default()),
            rooms: HashMap::from([(OWNER.schema, pool(&logins.rooms[OWNER.schema]))]),
            replicas: None,
        },
        catalog: Default::default(),
        authority: Arc::clone(&authority),
        transaction: TransactionRules::default(),
        exposure: Exposure::guarded(vec!["public".to_owned()], true, Vec::new(), DefinerViews::Refuse, Vec::new()),
        epoch: 1,
    });
    let secret = Some(token::SECRET.as_bytes());
    let external = "http://localhost:8000/auth/v1".to_owned();
    let audience = authority.rules.audience.clone();
    let settings = Settings { audience, ..Settings::new(&section, Duration::from_secs(3600), external, secret) };
    let (mails, texts) = (Arc::<Mails>::default(), Arc::<Texts>::default());
    let (registry, settings) = (Arc::new(Registry::of(target)), Arc::new(ArcSwap::from_pointee(settings)));
    let own = || Arc::clone(&mails) as Arc<dyn Mailer>;
    let deps = Deps {
        registry: Arc::clone(&registry),
        settings: Arc::clone(&settings),
        hasher: Hasher::new(&section.password).expect("a hasher"),
        outbound: Arc::new(Loopback::default()),
        mailer: outbox(&settings).map_or_else(own, |outbox| Arc::new(outbox) as Arc<dyn Mailer>),
        texter: Arc::clone(&texts) as Arc<dyn Texter>,
        counts: None,
    };
    let edge =
        ferrobase_edge::Settings::from_sections(&ServerSection::default(), &SecuritySection::default(), authority);
    let app = App::builder(edge.expect("settings"), Metrics::new().http())
        .room(ferrobase_auth::room("/auth/v1", deps))
        .build();
    Auth { db, mails, texts, registry, settings, router: app.into_router() }
}

impl Auth {
    /// Sends a request line (`POST /signup` below the room) with fields and a body.
    pub async fn send(&self, line: &str, fields: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        self.send_from(IpAddr::V4(Ipv4Addr::LOCALHOST), line, fields, body).await
    }

    /// The same from another address.
    pub async fn send_from(&self, ip: IpAddr, line: &str, fields: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let (method, target) = line.split_once(' ').expect("METHOD target");
        let mut request = Request::builder().method(method).uri(format!("/auth/v1{target}"));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let mut request = request.body(body.into()).expect("a request");
        // Whatever comes over a connection names its host.
        request.headers_mut().entry("host").or_insert(HeaderValue::from_static("localhost:8000"));
        request.extensions_mut().insert(Peer { address: Some(ip), tls: false });
        let (parts, body) = self.router.clone().oneshot(request).await.expect("an answer").into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
        Answer { status: parts.status, headers: parts.headers, body: String::from_utf8_lossy(&body).into_owned() }
    }

    /// The same as clients of today send it.
    pub async fn call(&self, line: &str, bearer: Option<&str>, body: Value) -> Answer {
        let authorization = bearer.map(|token| format!("Bearer {token}"));
        let mut fields = vec![("x-supabase-api-version", "2024-01-01"), ("content-type", "application/json")];
        if let Some(authorization) = &authorization {
            fields.push(("authorization", authorization));
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(line, &fields, body).await
    }

    /// Without a token.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(&format!("POST {path}"), None, body).await
    }

    /// With a service key.
    pub async fn admin(&self, line: &str, body: Value) -> Answer {
        self.call(line, Some(&token::of_role("service_role")), body).await
    }

    /// Somebody new with this address; the password is `password`.
    pub async fn sign_up(&self, email: &str) -> Value {
        self.post("/signup", json!({"email": email, "password": "password"})).await.ok()
    }

    /// The token endpoint with the password.
    pub async fn sign_in(&self, email: &str, password: &str) -> Answer {
        self.post("/token?grant_type=password", json!({"email": email, "password": password})).await
    }

    /// The token endpoint with a refresh token.
    pub async fn refresh(&self, token: &str) -> Answer {
        self.post("/token?grant_type=refresh_token", json!({"refresh_token": token})).await
    }

    /// The last mail; there must be one of this kind to this address.
    pub async fn mail(&self, kind: MailKind, to: &str) -> Mail {
        let mails = self.mails.0.lock().await;
        let mail = mails.iter().rev().find(|mail| mail.kind == kind && mail.to == to);
        mail.unwrap_or_else(|| panic!("no {kind:?} to {to} in {mails:?}")).clone()
    }

    /// The digits of the last message.
    pub async fn texted(&self) -> String {
        let sent = self.texts.sent.lock().await;
        let text = &sent.last().expect("a message").text;
        text.chars().filter(char::is_ascii_digit).collect()
    }

    /// Follows a link as a browser does, and gives where it leads.
    pub async fn follow(&self, link: &str) -> String {
        let path = link.strip_prefix("http://localhost:8000/auth/v1").expect("a link to here");
        let answer = self.send(&format!("GET {path}"), &[], "").await;
        assert_eq!(answer.status, 303, "{answer:?}");
        assert_eq!((answer.field("cache-control"), answer.field("referrer-policy")), ("no-store", "no-referrer"));
        answer.field("location").to_owned()
    }

    /// Asks the database as its owner for one value.
    pub async fn value(&self, sql: &str) -> String {
        self.db.value(sql).await
    }
}

/// A text of an answer.
pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// What a token says.
pub fn claims(session: &Value) -> Value {
    let payload = text(session, "access_token").split('.').nth(1).expect("a payload");
    let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&payload).expect("claims")
}
