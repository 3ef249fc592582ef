//! Where a hook is: `pg-functions://postgres/schema/function`, or `http(s)://...`.

use ferrobase_base::config::has_login;

/// An address of a hook, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HookTarget<'a> {
    /// A function of the database.
    Function {
        /// Its schema.
        schema: &'a str,
        /// Its name.
        function: &'a str,
    },
    /// Somewhere else.
    Address(&'a str),
}

/// Why a text is no hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoHook {
    /// Nothing that is called.
    #[error("a hook is `http(s)://...` or `pg-functions://postgres/schema/function`")]
    Unknown,
    /// A user or a password in the address, which everybody would see who sees the configuration.
    #[error("a login in the address is not taken: calls are signed with `secrets`")]
    Login,
}

impl<'a> HookTarget<'a> {
    /// Takes a text apart.
    pub(crate) fn parse(text: &'a str) -> Result<Self, NoHook> {
        if has_login(text) {
            return Err(NoHook::Login);
        }
        if text.starts_with("https://") || text.starts_with("http://") {
            return Ok(Self::Address(text));
        }
        let path = text.strip_prefix("pg-functions://").ok_or(NoHook::Unknown)?;
        let mut parts = path.split('/');
        let (_, schema, function, rest) = (parts.next(), parts.next(), parts.next(), parts.next());
        match (schema.filter(|name| is_name(name)), function.filter(|name| is_name(name)), rest) {
            (Some(schema), Some(function), None) => Ok(Self::Function { schema, function }),
            _ => Err(NoHook::Unknown),
        }
    }
}

/// A name that needs no quotes: quoting it is then always right.
fn is_name(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    begins && text.len() < 64 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_addresses_are_http() {
        let function = HookTarget::Function { schema: "public", function: "my_hook" };
        assert_eq!(HookTarget::parse("pg-functions://postgres/public/my_hook"), Ok(function));
        assert_eq!(HookTarget::parse("https://a.example/x"), Ok(HookTarget::Address("https://a.example/x")));
        assert_eq!(HookTarget::parse("https://u:p@a.example/x"), Err(NoHook::Login));
        assert!(HookTarget::parse("https://a.example/@x").is_ok());
        for wrong in [
            "",
            "ftp://a.example",
            "pg-functions://postgres/public",
            "pg-functions://postgres/public/f/g",
            "pg-functions://postgres/public/f\"(); drop table x; --",
            "pg-functions://postgres/Public/f",
        ] {
            assert_eq!(HookTarget::parse(wrong), Err(NoHook::Unknown), "{wrong}");
        }
    }
}
