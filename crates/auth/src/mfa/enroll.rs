//! `POST /factors`: a new factor, which counts for nothing until it was verified.

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Kind, qr, totp};
use crate::caller::{Json, SignedIn};
use crate::config::MfaSection;
use crate::error::{Error, ErrorCode, Result};
use crate::limit::Limit;
use crate::store::factors::NewFactor;
use crate::store::{Tx, audit, factors, users};
use crate::user::{User, address};
use crate::webauthn::host;

/// Longest name of a factor or issuer.
const LONGEST_NAME: usize = 120;

/// The body.
#[derive(Deserialize)]
pub(super) struct Enroll {
    factor_type: Option<String>,
    friendly_name: Option<String>,
    issuer: Option<String>,
    phone: Option<String>,
}

pub(super) async fn enroll(caller: SignedIn, Json(body): Json<Enroll>) -> Result<Json<Value>> {
    let flow = &caller.flow;
    flow.count(Limit::Mfa).await?;
    let section = &flow.settings.section.mfa;
    if caller.user.row.is_anonymous || caller.session.is_none() {
        let message = "Anonymous user not allowed to perform these actions";
        return Err(Error::forbidden(ErrorCode::NoAuthorization, message));
    }
    let wrong = || Error::invalid("factor_type needs to be totp, phone, or webauthn");
    let kind = body.factor_type.as_deref().and_then(Kind::of).ok_or_else(wrong)?;
    kind.check_enroll(section)?;
    let name = body.friendly_name.as_deref().unwrap_or_default();
    let issuer = body.issuer.as_deref().filter(|issuer| !issuer.is_empty());
    let issuer = issuer.unwrap_or_else(|| host(&flow.settings.site_url));
    if name.chars().count() > LONGEST_NAME || issuer.chars().count() > LONGEST_NAME {
        return Err(Error::invalid(format!("Names cannot be longer than {LONGEST_NAME} characters")));
    }
    let phone = match kind {
        Kind::Phone => Some(address::phone(body.phone.as_deref().unwrap_or_default())?),
        _ => None,
    };
    let secret = (kind == Kind::Totp).then(totp::new_secret);
    let new = NewFactor {
        id: Uuid::new_v4(),
        user: caller.user.id(),
        kind: kind.name(),
        name,
        secret: secret.as_deref(),
        phone: phone.as_deref(),
    };
    let user = keep(&caller, &new).await?;
    let mut answer = json!({"id": new.id, "type": new.kind, "friendly_name": name});
    if let Some(phone) = &phone {
        answer["phone"] = phone.as_str().into();
    }
    if let Some(secret) = &secret {
        let uri = totp::uri(issuer, account(&user), secret);
        answer["totp"] = json!({"qr_code": qr::svg(&uri)?, "secret": secret, "uri": uri});
    }
    Ok(Json(answer))
}

/// Writes the factor, if the user may have it.
async fn keep(caller: &SignedIn, new: &NewFactor<'_>) -> Result<User> {
    let (flow, section) = (&caller.flow, &caller.flow.settings.section.mfa);
    let gone = || Error::forbidden(ErrorCode::UserNotFound, "User from sub claim in JWT does not exist");
    let mut tx = flow.begin().await?;
    let locked = users::lock(&mut tx, new.user).await?.ok_or_else(gone)?;
    if locked.has_verified_factor() && caller.lacks_second_factor() {
        return Err(Error::forbidden(ErrorCode::InsufficientAal, "AAL2 required to enroll a new factor"));
    }
    factors::delete_expired(&mut tx, new.user, section.enrolment_expiry.as_secs_f64()).await?;
    let user = users::find(&mut tx, new.user).await?.ok_or_else(gone)?;
    check(&mut tx, &user, new, section).await?;
    factors::insert(&mut tx, new).await?;
    audit::note(&mut tx, "factor_in_progress", &user, flow.client.ip, Some(json!({"factor_type": new.kind}))).await?;
    tx.commit().await?;
    Ok(user)
}

async fn check(tx: &mut Tx, user: &User, new: &NewFactor<'_>, section: &MfaSection) -> Result<()> {
    let mut count = user.factors.len();
    for factor in &user.factors {
        if new.phone.is_some() && factor.phone.as_deref() == new.phone {
            if factor.status == "verified" {
                let message = "A verified phone factor already exists, unenroll the existing factor to continue";
                return Err(Error::unprocessable(ErrorCode::MfaVerifiedFactorExists, message));
            }
            // The earlier attempt is given up.
            factors::delete(tx, factor.id).await?;
            count -= 1;
        } else if factor.friendly_name.as_deref().unwrap_or_default() == new.name {
            let message = format!("A factor with the friendly name \"{}\" for this user already exists", new.name);
            return Err(Error::unprocessable(ErrorCode::MfaFactorNameConflict, message));
        }
    }
    if count >= section.max_factors as usize {
        let message = "Maximum number of verified factors reached, unenroll to continue";
        return Err(Error::unprocessable(ErrorCode::TooManyEnrolledMfaFactors, message));
    }
    Ok(())
}

/// What an application shows beside the code.
fn account(user: &User) -> &str {
    match (user.email(), user.phone()) {
        ("", "") => "account",
        ("", phone) => phone,
        (email, _) => email,
    }
}
