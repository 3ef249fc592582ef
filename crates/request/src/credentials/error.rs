//! Why a caller's credentials were refused. Codes and texts `PGRST3xx` are those that PostgREST's clients know; `FB3xx`
//! are ours, for what PostgREST does not have (API keys, allowed roles).

use ferrobase_base::scope::Needed;
use ferrobase_base::{Kind, PublicError};

use super::claims::ClaimsError;
use super::signature::TokenError;

/// Why there is no identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// A token came, and no key is configured that could check it.
    #[error("Server lacks JWT secret")]
    NoKeys,
    /// The token is malformed or not signed by one of our keys.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Nobody proved anything and anonymous access is off.
    #[error("Anonymous access is disabled")]
    TokenRequired,
    /// The token is genuine but not valid here and now.
    #[error(transparent)]
    Claims(#[from] ClaimsError),
    /// `apikey` is none of ours.
    #[error("Invalid API key")]
    InvalidApiKey,
    /// `security.require_api_key` is on and no key came.
    #[error("No API key found in request")]
    MissingApiKey,
    /// The role that the credential names may not be used for requests.
    #[error("Role \"{role}\" may not be used here")]
    RoleNotAllowed {
        /// The role as the credential names it.
        role: String,
    },
    /// The API key is limited to something else.
    #[error("This API key may not be used for this")]
    OutOfScope {
        /// What it lacks.
        needed: Needed,
    },
}

impl AuthError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoKeys => "PGRST300",
            Self::Token(_) => "PGRST301",
            Self::TokenRequired => "PGRST302",
            Self::Claims(_) => "PGRST303",
            Self::InvalidApiKey => "FB301",
            Self::MissingApiKey => "FB302",
            Self::RoleNotAllowed { .. } => "FB303",
            Self::OutOfScope { .. } => "FB305",
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::NoKeys => Kind::Internal,
            Self::RoleNotAllowed { .. } | Self::OutOfScope { .. } => Kind::Forbidden,
            _ => Kind::Unauthenticated,
        }
    }

    /// RFC 6750: what a 401 asks for.
    fn challenge(&self) -> Option<String> {
        match self {
            Self::Token(_) | Self::Claims(_) => {
                // None of our messages has a quote or backslash in it, so quoting is enough.
                Some(format!("Bearer error=\"invalid_token\", error_description=\"{self}\""))
            }
            Self::TokenRequired | Self::InvalidApiKey | Self::MissingApiKey => Some("Bearer".to_owned()),
            Self::NoKeys | Self::RoleNotAllowed { .. } | Self::OutOfScope { .. } => None,
        }
    }
}

impl From<&AuthError> for PublicError {
    fn from(error: &AuthError) -> Self {
        let mut public = PublicError::new(error.kind(), error.code(), error.to_string());
        if let AuthError::Token(token) = error
            && let Some(details) = token.details()
        {
            public = public.details(details);
        }
        if let AuthError::InvalidApiKey = error {
            public = public.hint("Use the anon or service key that `ferrobase keys` prints for this project.");
        }
        if let AuthError::OutOfScope { needed } = error
            && !needed.room.is_empty()
        {
            public = public.details(format!("It lacks the scope {needed}"));
        }
        match error.challenge() {
            Some(challenge) => public.header("WWW-Authenticate", challenge),
            None => public,
        }
    }
}

impl From<AuthError> for PublicError {
    fn from(error: AuthError) -> Self {
        Self::from(&error)
    }
}
