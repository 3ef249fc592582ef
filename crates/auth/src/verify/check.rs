//! Whether a secret is right. The account is locked before anything is compared, so that tries made at once count one by one.

use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use super::request::{Ask, Secret, Type};
use crate::caller::Flow;
use crate::error::{Error, ErrorCode, Result};
use crate::mail::Code;
use crate::sms;
use crate::store::one_time_tokens::{self, Token, TokenType};
use crate::store::{Tx, users, verify_limits};
use crate::user::User;

/// A secret that is right.
pub(super) struct Right {
    pub(super) user: User,
    pub(super) proved: TokenType,
    /// `None` for fixed codes of tests.
    pub(super) token: Option<Token>,
    /// Where it was sent to.
    pub(super) address: String,
}

pub(super) enum Checked {
    Right(Box<Right>),
    Wrong(Error),
}

pub(super) async fn check(flow: &Flow, tx: &mut Tx, ask: &Ask) -> Result<Checked> {
    let found = match &ask.secret {
        Secret::Link(link) => by_link(flow, tx, ask.kind, link).await?,
        Secret::Code { address, digits } => match by_test_code(flow, tx, ask.kind, address, digits).await? {
            Some(right) => Some(right),
            None => by_code(flow, tx, ask.kind, address, digits).await?,
        },
    };
    Ok(match found {
        None => Checked::Wrong(ask.refusal()),
        Some(right) if right.user.is_banned() => {
            Checked::Wrong(Error::forbidden(ErrorCode::UserBanned, "User is banned"))
        }
        Some(right) => Checked::Right(Box::new(right)),
    })
}

async fn by_link(flow: &Flow, tx: &mut Tx, kind: Type, link: &str) -> Result<Option<Right>> {
    let Some(seen) = one_time_tokens::find_by_link(tx, link, kind.tokens()).await? else { return Ok(None) };
    let Some(user) = account(tx, seen.user_id).await? else { return Ok(None) };
    let token = one_time_tokens::lock(tx, seen.id).await?;
    Ok(token.filter(|token| is_good(flow, kind, &user, token)).map(|token| right(user, token)))
}

async fn by_code(flow: &Flow, tx: &mut Tx, kind: Type, address: &str, digits: &str) -> Result<Option<Right>> {
    let hash = Code::hash_of(address, digits);
    for id in one_time_tokens::owners(tx, address, kind.tokens()).await? {
        let Some(user) = account(tx, id).await? else { continue };
        if verify_limits::is_exhausted(tx, id).await? {
            continue;
        }
        let tokens = one_time_tokens::lock_of(tx, id, address, kind.tokens()).await?;
        if tokens.is_empty() {
            // Used, replaced or dead since it was looked for: there is nothing that could be guessed.
            continue;
        }
        let good = tokens.into_iter().find(|token| {
            let stored = token.code_hash.as_deref().unwrap_or_default();
            is_good(flow, kind, &user, token) && bool::from(stored.as_bytes().ct_eq(hash.as_bytes()))
        });
        if let Some(token) = good {
            return Ok(Some(right(user, token)));
        }
        one_time_tokens::note_wrong(tx, id, address, kind.tokens()).await?;
        verify_limits::note_wrong(tx, id).await?;
    }
    Ok(None)
}

/// Fixed codes of tests are right whenever the number has an account.
async fn by_test_code(flow: &Flow, tx: &mut Tx, kind: Type, number: &str, digits: &str) -> Result<Option<Right>> {
    let test = sms::test_code(&flow.settings.section.sms, number).filter(|_| kind.is_by_phone());
    if !test.is_some_and(|test| bool::from(test.as_bytes().ct_eq(digits.as_bytes()))) {
        return Ok(None);
    }
    let owner = match kind {
        Type::PhoneChange => one_time_tokens::owners(tx, number, kind.tokens()).await?.first().copied(),
        _ => users::find_by_phone(tx, number).await?.map(|user| user.id()),
    };
    let user = match owner {
        Some(owner) => account(tx, owner).await?,
        None => None,
    };
    let proved = if kind == Type::PhoneChange { TokenType::PhoneChange } else { TokenType::Confirmation };
    Ok(user.map(|user| Right { user, proved, token: None, address: number.to_owned() }))
}

async fn account(tx: &mut Tx, id: Uuid) -> Result<Option<User>> {
    Ok(users::lock(tx, id).await?.filter(|user| user.row.deleted_at.is_none() && !user.row.is_sso_user))
}

fn right(user: User, token: Token) -> Right {
    Right { user, proved: token.token_type, address: token.relates_to.clone(), token: Some(token) }
}

/// In time, and sent to where the account still is or is about to be.
fn is_good(flow: &Flow, kind: Type, user: &User, token: &Token) -> bool {
    let section = &flow.settings.section;
    let life = if kind.is_by_phone() { section.sms.otp_expiry } else { section.email.otp_expiry };
    let place = match token.token_type {
        TokenType::EmailChangeNew => user.row.email_change.as_deref().unwrap_or_default(),
        TokenType::PhoneChange => user.row.phone_change.as_deref().unwrap_or_default(),
        _ if kind.is_by_phone() => user.phone(),
        _ => user.email(),
    };
    token.age <= life.as_secs_f64() && !place.is_empty() && place == token.relates_to
}
