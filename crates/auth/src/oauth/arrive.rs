//! Whose account it is when somebody comes from a provider.
//!
//! The provider's subject decides. Only where nobody has come under that name before, an address may: one that a provider
//! which is trusted calls confirmed belongs to who comes. An account that has that address without ever having proved it
//! was made by somebody else, perhaps in wait for its owner: what that person put into it goes (security 6).
//! Invariant: an address from a provider that is not trusted never opens, confirms or changes an account that is there.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::account::merged;
use crate::caller::Flow;
use crate::error::{Error, ErrorCode, Result};
use crate::hooks;
use crate::proof::{Proof, Purpose, send, take_turn};
use crate::provider::Profile;
use crate::store::users::NewUser;
use crate::store::{Tx, audit, identities, is_duplicate, one_time_tokens, sessions, users};
use crate::user::{User, address};

/// Somebody comes.
pub(crate) struct Arrival<'a> {
    pub(crate) provider: &'a str,
    /// Its confirmed addresses count.
    pub(crate) is_trusted: bool,
    /// An account needs no address.
    pub(crate) email_optional: bool,
    pub(crate) profile: &'a Profile,
    /// The account that gets this way in.
    pub(crate) linking_target: Option<Uuid>,
    /// Where a mail about it leads.
    pub(crate) landing: Option<&'a str>,
}

/// What came of it.
pub(crate) enum Arrived {
    /// At this account.
    At(Box<User>),
    /// The account is there, and its address must be proved first; what to tell. To be committed.
    Unproved(Error),
}

/// Finds or makes the account. Everything is in the caller's transaction.
pub(crate) async fn arrive(flow: &Flow, tx: &mut Tx, arrival: &Arrival<'_>) -> Result<Arrived> {
    let known = identities::find_by_subject(tx, arrival.provider, &arrival.profile.subject).await?;
    let user = match (arrival.linking_target, known) {
        (Some(target), Some(identity)) => {
            let message = if identity.user_id == target {
                "Identity is already linked"
            } else {
                "Identity is already linked to another user"
            };
            return Err(Error::unprocessable(ErrorCode::IdentityAlreadyExists, message));
        }
        (Some(target), None) => link(flow, tx, arrival, target).await?,
        (None, Some(identity)) => {
            identities::used(tx, identity.id, &arrival.profile.claims).await?;
            usable(users::lock(tx, identity.user_id).await?)?
        }
        (None, None) => Box::pin(by_email(flow, tx, arrival)).await?,
    };
    let metadata = merged(user.row.raw_user_meta_data.as_ref(), &arrival.profile.claims);
    users::set_metadata(tx, user.id(), None, Some(&metadata)).await?;
    remember_provider(tx, &user, arrival.provider).await?;
    let user = reread(tx, user.id()).await?;
    let is_unproved = !user.email().is_empty() && user.row.confirmed_at.is_none();
    if is_unproved && arrival.linking_target.is_none() {
        return unproved(flow, tx, &user, arrival).await;
    }
    Ok(Arrived::At(Box::new(user)))
}

/// Gives an account one more way in.
async fn link(flow: &Flow, tx: &mut Tx, arrival: &Arrival<'_>, target: Uuid) -> Result<User> {
    let user = usable(users::lock(tx, target).await?)?;
    insert_identity(tx, user.id(), arrival).await?;
    if let Some(email) = proved_email(arrival)
        && user.email().is_empty()
        && users::find_by_email(tx, &email).await?.is_none()
    {
        let set = users::set_email(tx, user.id(), &email).await;
        set.map_err(|error| if is_duplicate(&error, "users_email_partial_key") { again() } else { error })?;
        users::confirm_email(tx, user.id()).await?;
    } else if user.row.is_anonymous {
        users::set_known(tx, user.id()).await?;
    }
    let traits = json!({"provider": arrival.provider});
    audit::note(tx, "user_identity_linked", &user, flow.client.ip, Some(traits)).await?;
    reread(tx, user.id()).await
}

/// Nobody has come under this name before.
async fn by_email(flow: &Flow, tx: &mut Tx, arrival: &Arrival<'_>) -> Result<User> {
    let told = arrival.profile.email.as_ref().and_then(|(email, _)| address::email(email).ok());
    let proved = proved_email(arrival);
    if told.is_none() && !arrival.email_optional {
        let message = "Error getting user email from external provider";
        return Err(Error::unprocessable(ErrorCode::EmailAddressNotProvided, message));
    }
    let holder = match &told {
        Some(email) => users::find_by_email(tx, email).await?,
        None => None,
    };
    match (proved, holder) {
        (Some(_), Some(holder)) if holder.row.email_confirmed_at.is_some() => {
            let user = usable(users::lock(tx, holder.id()).await?)?;
            insert_identity(tx, user.id(), arrival).await?;
            reread(tx, user.id()).await
        }
        (Some(_), Some(holder)) if holder.row.phone_confirmed_at.is_none() && is_bare(&holder) => {
            let user = usable(users::lock(tx, holder.id()).await?)?;
            take_over(tx, &user).await?;
            insert_identity(tx, user.id(), arrival).await?;
            users::confirm_email(tx, user.id()).await?;
            reread(tx, user.id()).await
        }
        (Some(email), Some(holder)) => {
            // Somebody else's account, with an address that it never proved: it goes on without.
            identities::delete_all(tx, holder.id(), "email").await?;
            users::release_email(tx, holder.id()).await?;
            create(flow, tx, arrival, Some(email), true).await
        }
        (Some(email), None) => create(flow, tx, arrival, Some(email), true).await,
        // The address is taken, and this provider's word is not enough to have it.
        (None, Some(_)) => create(flow, tx, arrival, None, false).await,
        (None, None) => create(flow, tx, arrival, told, false).await,
    }
}

/// The address that counts as proved by this arrival.
fn proved_email(arrival: &Arrival<'_>) -> Option<String> {
    let (email, verified) = arrival.profile.email.as_ref()?;
    (*verified && arrival.is_trusted).then(|| address::email(email).ok())?
}

/// Whether nothing but the unproved address leads into it.
fn is_bare(user: &User) -> bool {
    user.identities.iter().all(|identity| identity.provider == "email")
}

/// Drops what somebody put into an account before its owner came. What administrators and the server wrote stays.
async fn take_over(tx: &mut Tx, user: &User) -> Result<()> {
    users::set_password(tx, user.id(), "").await?;
    if user.row.invited_at.is_none() {
        users::set_metadata(tx, user.id(), None, Some(&Map::new())).await?;
    }
    users::drop_ways_in(tx, user.id()).await?;
    one_time_tokens::delete_all(tx, user.id()).await?;
    users::release_phone(tx, user.id()).await?;
    sessions::delete_all(tx, user.id()).await
}

async fn create(
    flow: &Flow,
    tx: &mut Tx,
    arrival: &Arrival<'_>,
    email: Option<String>,
    is_proved: bool,
) -> Result<User> {
    let section = &flow.settings.section;
    if !section.enable_signup {
        return Err(Error::unprocessable(ErrorCode::SignupDisabled, "Signups not allowed for this instance"));
    }
    let confirms = email.is_some() && (is_proved || section.email.autoconfirm);
    let app = json!({"provider": arrival.provider, "providers": [arrival.provider]});
    let new = NewUser {
        email,
        app_metadata: app.as_object().cloned().unwrap_or_default(),
        user_metadata: arrival.profile.claims.clone(),
        ..NewUser::default()
    };
    hooks::before_user_created(flow, tx, &new, None).await?;
    let made = users::insert(tx, &new).await;
    let id = made.map_err(|error| if is_duplicate(&error, "users_email_partial_key") { again() } else { error })?;
    insert_identity(tx, id, arrival).await?;
    if confirms {
        users::confirm_email(tx, id).await?;
    }
    let user = reread(tx, id).await?;
    hooks::after_user_created(flow, tx, &user).await?;
    let traits = json!({"provider": arrival.provider});
    audit::note(tx, "user_signedup", &user, flow.client.ip, Some(traits)).await?;
    Ok(user)
}

async fn insert_identity(tx: &mut Tx, user: Uuid, arrival: &Arrival<'_>) -> Result<()> {
    let profile = arrival.profile;
    let made = identities::insert(tx, user, arrival.provider, &profile.subject, &profile.claims).await;
    made.map_err(|error| if is_duplicate(&error, "identities_provider_id_provider_unique") { again() } else { error })
}

/// `app_metadata` names the first provider and all of them.
async fn remember_provider(tx: &mut Tx, user: &User, provider: &str) -> Result<()> {
    let mut app = user.row.raw_app_meta_data.clone().unwrap_or_default();
    let mut providers: Vec<Value> = app.get("providers").and_then(Value::as_array).cloned().unwrap_or_default();
    if app.contains_key("provider") && providers.iter().any(|known| known == provider) {
        return Ok(());
    }
    if !providers.iter().any(|known| known == provider) {
        providers.push(provider.into());
    }
    app.entry("provider").or_insert_with(|| provider.into());
    app.insert("providers".to_owned(), Value::Array(providers));
    users::set_metadata(tx, user.id(), Some(&app), None).await
}

/// Asks for a proof by mail.
async fn unproved(flow: &Flow, tx: &mut Tx, user: &User, arrival: &Arrival<'_>) -> Result<Arrived> {
    let mut flow = flow.clone();
    flow.client.redirect_to = arrival.landing.map(str::to_owned);
    take_turn(&flow, tx, Purpose::Confirmation, user.email()).await?;
    send(&flow, tx, user, Proof::of_address(user.email(), None)).await?;
    let message = "Unverified email with the provider. A confirmation email has been sent to your email";
    Ok(Arrived::Unproved(Error::forbidden(ErrorCode::ProviderEmailNeedsVerification, message)))
}

async fn reread(tx: &mut Tx, id: Uuid) -> Result<User> {
    users::find(tx, id).await?.ok_or_else(|| Error::internal("reading an account")("it is gone"))
}

/// An account that may be signed in to.
fn usable(user: Option<User>) -> Result<User> {
    let gone = || Error::forbidden(ErrorCode::UserNotFound, "The account does not exist any more");
    let user = user.filter(|user| user.row.deleted_at.is_none()).ok_or_else(gone)?;
    if user.is_banned() {
        return Err(Error::forbidden(ErrorCode::UserBanned, "User is banned"));
    }
    Ok(user)
}

/// Somebody did the same at the same time.
pub(super) fn again() -> Error {
    Error::refused(http::StatusCode::CONFLICT, ErrorCode::Conflict, "The account is being changed, please try again")
}
