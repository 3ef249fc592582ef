//! Signing in with a wallet (contract 2.2): a text that names the application and the time, signed with the wallet's key.
//!
//! `message` reads the text (EIP-4361 and its sister for Solana), `ethereum` and `solana` check who signed it, [`grant`] decides
//! whether it was meant for this application and now. The address is the subject; nobody has an e-mail address here.
//! Invariant: a signature is checked over the bytes that came, never over a text that was put together again.

mod ethereum;
mod message;
mod solana;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::caller::Flow;
use crate::error::{Error, ErrorCode, Result};
use crate::limit::Limit;
use crate::oauth::{Arrival, Arrived, arrive};
use crate::provider::Profile;
use crate::redirect;
use crate::session::{self, Tokens};
use crate::store::{audit, web3_messages};
use message::Message;

/// Name of the provider in identities and metadata.
const PROVIDER: &str = "web3";
/// Shortest and longest text, in bytes.
const LENGTH: std::ops::RangeInclusive<usize> = 64..=20 * 1024;
/// A text may be older or newer by so many seconds.
const VALIDITY: i64 = 600;

/// The body.
#[derive(Deserialize)]
pub(crate) struct Web3Grant {
    chain: Option<String>,
    message: Option<String>,
    signature: Option<String>,
}

/// Whether any wallet may sign in.
pub(crate) fn is_enabled(flow: &Flow) -> bool {
    let section = &flow.settings.section.web3;
    section.ethereum || section.solana
}

/// Opens a session for the wallet that signed.
pub(crate) async fn grant(flow: &Flow, body: &Web3Grant) -> Result<Tokens> {
    flow.count(Limit::Web3).await?;
    let section = &flow.settings.section.web3;
    let text = body.message.as_deref().unwrap_or_default();
    let signature = body.signature.as_deref().unwrap_or_default();
    let chain = body.chain.as_deref().unwrap_or_default();
    let message = match chain {
        "ethereum" if section.ethereum => signed(text, || ethereum::check(text, signature))?,
        "solana" if section.solana => signed(text, || solana::check(text, signature))?,
        "ethereum" | "solana" => return Err(disabled()),
        _ => return Err(Error::bad_request(ErrorCode::Web3UnsupportedChain, "Unsupported chain")),
    };
    check(flow, &message, Timestamp::now())?;
    let profile = profile(chain, &message);
    let mut tx = flow.begin().await?;
    if !web3_messages::take(&mut tx, text, 2 * VALIDITY).await? {
        return Err(refused("Message was used already"));
    }
    let arrival = Arrival {
        provider: PROVIDER,
        is_trusted: false,
        email_optional: true,
        profile: &profile,
        linking_target: None,
        landing: None,
    };
    let user = match arrive(flow, &mut tx, &arrival).await? {
        Arrived::At(user) => *user,
        Arrived::Unproved(error) => {
            tx.commit().await?;
            return Err(error);
        }
    };
    let traits = json!({"provider": PROVIDER, "chain": chain});
    audit::note(&mut tx, "login", &user, flow.client.ip, Some(traits)).await?;
    let tokens = session::open(flow, &mut tx, &user, PROVIDER).await?;
    tx.commit().await?;
    Ok(tokens)
}

fn signed(text: &str, check: impl FnOnce() -> std::result::Result<Message, &'static str>) -> Result<Message> {
    if !LENGTH.contains(&text.len()) {
        return Err(refused("message must have 64 to 20480 bytes"));
    }
    check().map_err(refused)
}

/// Whether the text was meant for this application, and now.
fn check(flow: &Flow, message: &Message, now: Timestamp) -> Result<()> {
    let host = message::host_of(&message.uri).ok_or_else(|| refused("URI must be https, or http on this machine"))?;
    if !host.eq_ignore_ascii_case(&message.domain) {
        return Err(refused("Domain does not match the host of the URI"));
    }
    let settings = &flow.settings;
    if !redirect::is_allowed(&settings.site_url, &settings.section.redirect_urls, &message.uri) {
        return Err(refused("URI is not allowed"));
    }
    let second = now.as_second();
    let is_far = message.issued_at.is_none_or(|at| (at.as_second() - second).abs() > VALIDITY);
    if is_far {
        return Err(refused("Message was issued too long ago, or is from the future"));
    }
    if message.not_before.is_some_and(|at| at > now) {
        return Err(refused("Message is not valid yet"));
    }
    if message.expiration.is_some_and(|at| at <= now) {
        return Err(refused("Message has expired"));
    }
    Ok(())
}

fn profile(chain: &str, message: &Message) -> Profile {
    let subject = format!("{PROVIDER}:{chain}:{}", message.address);
    let custom = json!({
        "address": message.address,
        "chain": chain,
        "network": message.chain_id,
        "domain": message.domain,
        "statement": message.statement,
    });
    let claims = json!({"sub": subject, "custom_claims": custom, "phone_verified": false, "email_verified": false});
    let claims: Map<String, Value> = claims.as_object().cloned().unwrap_or_default();
    Profile { subject, email: None, claims }
}

pub(crate) fn disabled() -> Error {
    Error::unprocessable(ErrorCode::Web3ProviderDisabled, "Web3 provider is disabled")
}

fn refused(reason: &'static str) -> Error {
    Error::OAuth { error: "invalid_grant", description: reason.into() }
}
