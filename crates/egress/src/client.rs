//! One call: follow redirects, exchange one request and one answer on a connection of its own, within bounds.
//!
//! Connections are not kept: calls are rare, and a connection that is not reused cannot carry anything over.

use std::time::Duration;

use bytes::Bytes;
use ferrobase_base::config::Cidr;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION, RETRY_AFTER, USER_AGENT};
use http::request::Builder;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;

use crate::connect;
use crate::error::Error;
use crate::guard::Guard;
use crate::target::Target;
use crate::tls::{Authorities, Tls};

/// How we call ourselves.
const AGENT: &str = concat!("ferrobase/", env!("CARGO_PKG_VERSION"));
/// Most bytes of an answer's head, and most fields in it.
const HEAD: usize = 64 * 1024;
const FIELDS: usize = 100;

/// How far a call may go.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The whole call, redirects and body included.
    pub total: Duration,
    /// Connecting to one address.
    pub connect: Duration,
    /// Bytes of the answer's body.
    pub body: usize,
    /// Redirects that are followed.
    pub redirects: u8,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { total: Duration::from_secs(10), connect: Duration::from_secs(3), body: 1024 * 1024, redirects: 3 }
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status; never a redirect that was followed.
    pub status: StatusCode,
    /// The body, whole.
    pub body: Bytes,
    /// `Retry-After`, where it is a number of seconds.
    pub retry_after: Option<Duration>,
}

/// What is sent with a POST.
#[derive(Clone, Debug)]
pub struct Message {
    /// `Content-Type`.
    pub content_type: &'static str,
    /// Further fields: credentials, the trace that the call belongs to.
    pub fields: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Makes calls.
#[derive(Debug)]
pub struct Client {
    guard: Guard,
    bounds: Bounds,
    tls: Tls,
}

/// Ends the task that drives a connection together with the call that it was for.
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Client {
    /// A client that reaches public addresses and these networks.
    pub fn new(allowed: Vec<Cidr>, bounds: Bounds, authorities: Authorities) -> Self {
        Self { guard: Guard::allowing(allowed), bounds, tls: Tls::trusting(authorities) }
    }

    /// A client for one host that the operator named in the configuration: it may be on this machine or in a private
    /// network. Only for URLs of which nobody else chose any part, or a host that is trusted with more than this call (a member of a
    /// cluster, whose database is connected to), and without redirects, which others choose.
    pub fn for_named(bounds: Bounds, authorities: Authorities) -> Self {
        let bounds = Bounds { redirects: 0, ..bounds };
        Self { guard: Guard::for_named(), bounds, tls: Tls::trusting(authorities) }
    }

    /// Gets a document. The status is for the caller to judge.
    ///
    /// # Errors
    /// A URL that cannot or may not be called, and everything that goes wrong on the way.
    pub async fn get(&self, url: &str, accept: &'static str) -> Result<Answer, Error> {
        let target = Target::parse(url)?;
        let host = target.host.clone();
        let limit = self.bounds.total;
        // On the heap: the future of a TLS handshake is large, and whoever calls may be a task among thousands.
        let call = Box::pin(self.follow(target, accept));
        tokio::time::timeout(limit, call).await.unwrap_or(Err(Error::Timeout { host, limit }))
    }

    /// Gets a document with these fields, credentials perhaps: no redirect is followed, so that they stay where they were
    /// meant for. The status is for the caller to judge.
    ///
    /// # Errors
    /// A URL that cannot or may not be called, and everything that goes wrong on the way.
    pub async fn ask(&self, url: &str, fields: HeaderMap) -> Result<Answer, Error> {
        let target = Target::parse(url)?;
        let host = target.host.clone();
        let limit = self.bounds.total;
        let call = Box::pin(async {
            let mut request = Request::builder().method(Method::GET);
            if let Some(own) = request.headers_mut() {
                *own = fields;
            }
            let (response, _driver) = self.exchange(&target, finished(&target, request, Bytes::new())?).await?;
            self.read(&target, response).await
        });
        tokio::time::timeout(limit, call).await.unwrap_or(Err(Error::Timeout { host, limit }))
    }

    /// Sends a message, once: no redirect is followed. The status is for the caller to judge.
    ///
    /// # Errors
    /// A URL that cannot or may not be called, and everything that goes wrong on the way.
    pub async fn post(&self, url: &str, message: Message) -> Result<Answer, Error> {
        let target = Target::parse(url)?;
        let host = target.host.clone();
        let limit = self.bounds.total;
        let call = Box::pin(async {
            let (response, _driver) = self.exchange(&target, posting(&target, message)?).await?;
            self.read(&target, response).await
        });
        tokio::time::timeout(limit, call).await.unwrap_or(Err(Error::Timeout { host, limit }))
    }

    async fn follow(&self, mut target: Target, accept: &'static str) -> Result<Answer, Error> {
        for _ in 0..=self.bounds.redirects {
            let (response, _driver) = self.exchange(&target, getting(&target, accept)?).await?;
            if !is_redirect(response.status()) {
                return self.read(&target, response).await;
            }
            let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            target = target.join(location.ok_or_else(|| Error::NoLocation { host: target.host.clone() })?)?;
        }
        Err(Error::Redirects { limit: self.bounds.redirects })
    }

    async fn exchange(
        &self,
        target: &Target,
        request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Driver), Error> {
        let failed = |source| Error::Http { host: target.host.clone(), source };
        let stream = connect::open(target, &self.guard, &self.tls, self.bounds.connect).await?;
        let mut settings = http1::Builder::new();
        settings.max_buf_size(HEAD).max_headers(FIELDS);
        let (mut sender, connection) = settings.handshake(TokioIo::new(stream)).await.map_err(failed)?;
        let driver = Driver(tokio::spawn(connection).abort_handle());
        let response = sender.send_request(request).await.map_err(failed)?;
        Ok((response, driver))
    }

    async fn read(&self, target: &Target, response: Response<Incoming>) -> Result<Answer, Error> {
        let limit = self.bounds.body;
        let too_large = || Error::TooLarge { host: target.host.clone(), limit };
        let announced = response.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: u64| length > limit as u64) {
            return Err(too_large());
        }
        let status = response.status();
        let retry_after =
            response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let retry_after = retry_after.map(Duration::from_secs);
        let mut incoming = response.into_body();
        let mut body = Vec::new();
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|source| Error::Http { host: target.host.clone(), source })?;
            let Ok(data) = frame.into_data() else { continue };
            if body.len() + data.len() > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&data);
        }
        Ok(Answer { status, body: body.into(), retry_after })
    }
}

/// Everything that is sent; nothing of it says more about us than what we are.
fn getting(target: &Target, accept: &'static str) -> Result<Request<Full<Bytes>>, Error> {
    let request = Request::builder().method(Method::GET).header(ACCEPT, accept);
    finished(target, request, Bytes::new())
}

fn posting(target: &Target, message: Message) -> Result<Request<Full<Bytes>>, Error> {
    let mut request = Request::builder().method(Method::POST);
    if let Some(fields) = request.headers_mut() {
        *fields = message.fields;
        fields.insert(CONTENT_TYPE, HeaderValue::from_static(message.content_type));
    }
    finished(target, request, message.body)
}

fn finished(target: &Target, request: Builder, body: Bytes) -> Result<Request<Full<Bytes>>, Error> {
    request
        .uri(&target.path)
        .header(HOST, &target.authority)
        .header(USER_AGENT, AGENT)
        .body(Full::new(body))
        .map_err(|_| Error::Url { reason: "it is malformed" })
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}
