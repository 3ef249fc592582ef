//! Makes an account together with its first way in.

use serde_json::{Map, Value, json};

use crate::error::{Error, ErrorCode, Result};
use crate::store::users::NewUser;
use crate::store::{Tx, identities, is_duplicate, users};
use crate::user::User;

/// What became of making an account.
pub enum Made {
    /// It is new.
    New(Box<User>),
    /// Somebody else was faster with this address or number; nothing was made.
    Taken,
}

/// Makes an account and its identity at `provider` (`email` or `phone`, whose subject is the account itself).
pub async fn create_with_identity(tx: &mut Tx, mut new: NewUser, provider: &str) -> Result<Made> {
    // What an administrator says of the account goes before what is known from how it was made.
    new.app_metadata.entry("provider").or_insert_with(|| provider.into());
    new.app_metadata.entry("providers").or_insert_with(|| json!([provider]));
    let data = new.user_metadata.clone();
    // To the index another spelling is another address.
    if let Some(email) = &new.email
        && users::find_by_email(tx, email).await?.is_some()
    {
        return Ok(Made::Taken);
    }
    tx.savepoint().await?;
    let id = match users::insert(tx, &new).await {
        Ok(id) => id,
        Err(error) if ["users_email_partial_key", "users_phone_key"].iter().any(|key| is_duplicate(&error, key)) => {
            tx.rollback_to_savepoint();
            return Ok(Made::Taken);
        }
        Err(error) if is_duplicate(&error, "users_pkey") => {
            return Err(Error::unprocessable(ErrorCode::UserAlreadyExists, "A user with this id already exists"));
        }
        Err(error) => return Err(error),
    };
    tx.release_savepoint();
    let subject = id.to_string();
    let data = identity_data(&subject, new.email.as_deref(), new.phone.as_deref(), &data);
    identities::insert(tx, id, provider, &subject, &data).await?;
    let user = users::find(tx, id).await?;
    user.map(Box::new).map(Made::New).ok_or_else(|| Error::internal("making an account")("it is not there"))
}

/// What the identity of an address or number says; the user's own data never replace what the server knows.
pub fn identity_data(
    subject: &str,
    email: Option<&str>,
    phone: Option<&str>,
    data: &Map<String, Value>,
) -> Map<String, Value> {
    let mut out = data.clone();
    for protected in ["sub", "email", "phone", "email_verified", "phone_verified"] {
        out.remove(protected);
    }
    out.insert("sub".to_owned(), subject.into());
    if let Some(email) = email {
        out.insert("email".to_owned(), email.into());
    }
    if let Some(phone) = phone {
        out.insert("phone".to_owned(), phone.into());
    }
    out.insert("email_verified".to_owned(), false.into());
    out.insert("phone_verified".to_owned(), false.into());
    out
}
