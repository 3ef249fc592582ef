//! An address as a hook: JSON by POST, signed as Standard Webhooks says, within five seconds.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ferrobase_base::Secret;
use hmac::{Hmac, KeyInit, Mac};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::time::Instant;
use uuid::Uuid;

use crate::error::{Error, ErrorCode, Result};
use crate::outbound::{Call, Outbound, Reply};

/// The whole call, all tries together.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Shortest time between tries.
const PAUSE: Duration = Duration::from_secs(2);
const TRIES: u32 = 3;
/// Longest answer in bytes.
const LARGEST: usize = 200 * 1024;
const SECRET_PREFIX: &str = "v1,whsec_";

/// Sends the input and gives the answer.
pub(super) async fn call(outbound: &dyn Outbound, url: &str, secrets: &[Secret], input: &Value) -> Result<Value> {
    let key = secrets.first().and_then(|secret| key(secret.expose()));
    let key = key.ok_or_else(|| Error::internal("signing a call to a hook")("there is no secret"))?;
    let body = Bytes::from(input.to_string());
    let tries = Box::pin(tries(outbound, url, &key, &body));
    match tokio::time::timeout(TIMEOUT, tries).await {
        Ok(answer) => read(&answer?),
        Err(_) => {
            let message = format!("Failed to reach hook within maximum time of {} seconds", TIMEOUT.as_secs());
            Err(Error::unprocessable(ErrorCode::HookTimeout, message))
        }
    }
}

/// Asks again whoever says when to come again, not sooner than they say.
async fn tries(outbound: &dyn Outbound, url: &str, key: &[u8], body: &Bytes) -> Result<Reply> {
    let ends = Instant::now() + TIMEOUT;
    for attempt in 1..=TRIES {
        let reply = outbound.call(signed(url, key, body)).await;
        let reply = reply.map_err(Error::internal("calling a hook's address"))?;
        let is_busy = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&reply.status);
        let Some(wait) = reply.retry_after.filter(|_| is_busy) else { return Ok(reply) };
        let again = Instant::now() + wait.max(PAUSE);
        // Nobody waits for a try that would come too late.
        if attempt == TRIES || again >= ends {
            break;
        }
        tokio::time::sleep_until(again).await;
    }
    Err(Error::unprocessable(ErrorCode::HookTimeoutAfterRetry, "Failed to reach hook after maximum retries"))
}

/// Every try is signed for its own moment.
fn signed(url: &str, key: &[u8], body: &Bytes) -> Call {
    let (id, timestamp) = (Uuid::new_v4().to_string(), Timestamp::now().as_second().to_string());
    let signature = signature(key, &id, &timestamp, body);
    // All tries together have a bound.
    let longest = Duration::MAX;
    let call = Call { url: url.to_owned(), body: Some(("application/json", body.clone())), longest, ..Call::default() };
    call.with("webhook-id", &id).with("webhook-timestamp", &timestamp).with("webhook-signature", &signature)
}

fn signature(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// The bytes of a secret.
pub(crate) fn key(secret: &str) -> Option<Vec<u8>> {
    let key = STANDARD.decode(secret.strip_prefix(SECRET_PREFIX)?).ok()?;
    (!key.is_empty()).then_some(key)
}

fn read(reply: &Reply) -> Result<Value> {
    if reply.body.len() > LARGEST {
        let message = format!("Payload size exceeded size limit of {LARGEST} bytes");
        return Err(Error::unprocessable(ErrorCode::HookPayloadOverSizeLimit, message));
    }
    let parsed = serde_json::from_slice::<Value>(&reply.body);
    match reply.status {
        StatusCode::NO_CONTENT => Ok(json!({})),
        StatusCode::OK | StatusCode::ACCEPTED if reply.body.is_empty() => Ok(json!({})),
        StatusCode::OK | StatusCode::ACCEPTED => parsed.map_err(|_| {
            Error::unprocessable(ErrorCode::HookPayloadInvalidContentType, "The hook did not answer with JSON")
        }),
        // A refusal that says so is for the caller.
        status => match parsed {
            Ok(body) if body["error"].is_object() => Ok(body),
            _ => {
                let message = format!("The hook answered with status {}", status.as_u16());
                Err(Error::refused(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::UnexpectedFailure, message))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        // The example of the specification's reference libraries.
        let key = key("v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(super::key("whsec_MfKQ").is_none() && super::key("v1,whsec_").is_none());
    }
}
