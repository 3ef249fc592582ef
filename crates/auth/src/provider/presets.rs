//! The usual providers, as data: where they are, how they are spoken to, and what of their answer says who somebody is.
//!
//! Providers that speak OpenID Connect need an issuer only; the rest is in their discovery document. `{base}` is the
//! configured `url` where there is one.

/// One provider.
#[derive(Debug)]
pub(crate) struct Preset {
    pub(crate) name: &'static str,
    /// Where it is, for those that have one place; empty where `url` must say so.
    pub(crate) base: &'static str,
    pub(crate) protocol: Protocol,
    pub(crate) scopes: &'static [&'static str],
    /// More parameters of the address that people are sent to.
    pub(crate) extra: &'static [(&'static str, &'static str)],
    /// It takes a PKCE challenge from us.
    pub(crate) pkce: bool,
    /// Its confirmed addresses may link to accounts unless `trust_email` says otherwise.
    pub(crate) trusted: bool,
    /// It sends people back with a POST.
    pub(crate) form_post: bool,
    /// It is no issuer by `protocol`, and gives out ID tokens all the same.
    pub(crate) gives_id_tokens: bool,
}

/// How it speaks.
#[derive(Debug)]
pub(crate) enum Protocol {
    /// OpenID Connect: the issuer.
    Oidc(Issuer),
    /// OAuth 2.0 and a document of its own about the user.
    OAuth(OAuth),
}

/// An issuer and what is peculiar about it.
#[derive(Debug)]
pub(crate) struct Issuer {
    /// The text that tokens must name.
    pub(crate) issuer: &'static str,
    /// Whether an address counts as confirmed.
    pub(crate) verified: Verified,
}

/// Endpoints and the way to the user.
#[derive(Debug)]
pub(crate) struct OAuth {
    pub(crate) authorize: &'static str,
    pub(crate) token: &'static str,
    /// Credentials go in the head, not in the form.
    pub(crate) basic: bool,
    pub(crate) user: UserDocument,
    pub(crate) fields: Fields,
}

/// Where it says who the user is.
#[derive(Debug)]
pub(crate) enum UserDocument {
    /// At this address; these fields go along.
    Get(&'static str, &'static [(&'static str, &'static str)]),
    /// And the addresses at another: a list, each with `email`, whether it is the first, and whether it is confirmed.
    GetWithEmails {
        user: &'static str,
        emails: &'static str,
        list: &'static str,
        primary: &'static str,
        verified: &'static str,
    },
    /// In the answer that has the token, at this pointer.
    InAnswer(&'static str),
}

/// Pointers (RFC 6901) into the document; empty where there is nothing of the kind.
#[derive(Debug)]
pub(crate) struct Fields {
    pub(crate) subject: &'static str,
    pub(crate) email: &'static str,
    pub(crate) verified: Verified,
    pub(crate) name: &'static str,
    pub(crate) user_name: &'static str,
    pub(crate) picture: &'static str,
}

/// What makes an address a confirmed one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verified {
    /// True at this pointer.
    At(&'static str),
    /// The provider gives out none but confirmed addresses.
    Always,
    /// Nobody knows.
    Never,
}

const OIDC: Preset = Preset {
    name: "",
    base: "",
    protocol: Protocol::Oidc(Issuer { issuer: "{base}", verified: Verified::At("/email_verified") }),
    scopes: &["openid", "email", "profile"],
    extra: &[],
    pkce: true,
    trusted: true,
    form_post: false,
    gives_id_tokens: false,
};

const OAUTH: Preset = Preset { scopes: &[], pkce: false, ..OIDC };

/// An issuer that an administrator added. Whether its addresses count, its row says.
pub(super) const CUSTOM_ISSUER: Preset = Preset { name: "custom", scopes: &["openid"], trusted: false, ..OIDC };

/// A provider that an administrator described.
pub(super) const CUSTOM_OAUTH: Preset = Preset {
    name: "custom",
    protocol: Protocol::OAuth(OAuth {
        authorize: "{authorize}",
        token: "{token}",
        basic: true,
        user: UserDocument::Get("{userinfo}", &[]),
        fields: Fields {
            subject: "/sub",
            email: "/email",
            verified: Verified::At("/email_verified"),
            name: "/name",
            user_name: "/preferred_username",
            picture: "/picture",
        },
    }),
    trusted: false,
    ..OAUTH
};

const NO_FIELDS: Fields =
    Fields { subject: "/id", email: "/email", verified: Verified::Never, name: "/name", user_name: "", picture: "" };

/// A provider that the configuration describes by its `url` alone. Nobody knows whom it believes.
pub(crate) const GENERIC: Preset = Preset { trusted: false, ..OIDC };

/// The table.
pub(crate) const PRESETS: &[Preset] = &[
    Preset {
        name: "apple",
        base: "https://appleid.apple.com",
        scopes: &["openid", "email", "name"],
        extra: &[("response_mode", "form_post")],
        form_post: true,
        ..OIDC
    },
    // Addresses of Azure are whatever an administrator of any tenant wrote, unless the token says that the domain's
    // owner was verified. `{tenantid}` stands for any tenant in the document for all of them.
    Preset {
        name: "azure",
        base: "https://login.microsoftonline.com/common",
        protocol: Protocol::Oidc(Issuer { issuer: "{base}/v2.0", verified: Verified::At("/xms_edov") }),
        ..OIDC
    },
    Preset {
        name: "bitbucket",
        base: "https://bitbucket.org",
        protocol: Protocol::OAuth(OAuth {
            authorize: "{base}/site/oauth2/authorize",
            token: "{base}/site/oauth2/access_token",
            basic: true,
            user: UserDocument::GetWithEmails {
                user: "https://api.bitbucket.org/2.0/user",
                emails: "https://api.bitbucket.org/2.0/user/emails",
                list: "/values",
                primary: "is_primary",
                verified: "is_confirmed",
            },
            fields: Fields {
                subject: "/uuid",
                name: "/display_name",
                user_name: "/username",
                picture: "/links/avatar/href",
                ..NO_FIELDS
            },
        }),
        scopes: &["account", "email"],
        ..OAUTH
    },
    Preset {
        name: "discord",
        base: "https://discord.com",
        protocol: Protocol::OAuth(OAuth {
            authorize: "{base}/oauth2/authorize",
            token: "{base}/api/oauth2/token",
            basic: true,
            user: UserDocument::Get("{base}/api/users/@me", &[]),
            fields: Fields {
                verified: Verified::At("/verified"),
                name: "/global_name",
                user_name: "/username",
                ..NO_FIELDS
            },
        }),
        scopes: &["email", "identify"],
        pkce: true,
        ..OAUTH
    },
    Preset {
        name: "facebook",
        base: "https://www.facebook.com",
        protocol: Protocol::OAuth(OAuth {
            authorize: "{base}/dialog/oauth",
            token: "https://graph.facebook.com/oauth/access_token",
            basic: false,
            user: UserDocument::Get("https://graph.facebook.com/me?fields=id,name,email,picture", &[]),
            fields: Fields { verified: Verified::Always, picture: "/picture/data/url", ..NO_FIELDS },
        }),
        scopes: &["email"],
        gives_id_tokens: true,
        ..OAUTH
    },
    Preset {
        name: "figma",
        base: "https://www.figma.com",
        protocol: Protocol::OAuth(OAuth {
            authorize: "{base}/oauth",
            token: "https://api.figma.com/v1/oauth/token",
            basic: true,
            user: UserDocument::Get("https://api.figma.com/v1/me", &[]),
            fields: Fields { verified: Verified::Always, name: "/handle", picture: "/img_url", ..NO_FIELDS },
        }),
        scopes: &["current_user:read"],
        ..OAUTH
    },
    Preset {
        name: "fly",
        base: "https://api.fly.io",
        protocol: Protocol::OAuth(OAuth {
            authorize: "{base}/oauth/authorize",
            token: "{base}/oauth/token",
            basic: false,
            user: UserDocument::Get("{base}/oauth/token/info", &[]),
            fields: Fields {
                subject: "/user_id",
                verified: Verified::Always,
                name: "/user_name",
                user_name: "/user_name",
                ..NO_FIELDS
            },
        }),
        scopes: &["read"],
        ..OAUTH
    },
    Preset {
        name: "github",
        base: "https://github.com",
        protocol: Protocol::OAuth(OAuth {
            authorize: "{base}/login/oauth/authorize",
            token: "{base}/login/oauth/access_token",
            basic: false,
            user: UserDocument::GetWithEmails {
                user: "{api}/user",
                emails: "{api}/user/emails",
                list: "",
                primary: "primary",
                verified: "verified",
            },
            fields: Fields { user_name: "/login", picture: "/avatar_url", ..NO_FIELDS },
        }),
        scopes: &["user:email"],
        pkce: true,
        ..OAUTH
    },
    Preset { name: "gitlab", base: "https://gitlab.com", ..OIDC },
    Preset { name: "google", base: "https://accounts.google.com", ..OIDC },
    Preset {
        name: "kakao",
        base: "https://kauth.kakao.com",
        scopes: &["openid", "account_email", "profile_image", "profile_nickname"],
        ..OIDC
    },
    Preset { name: "keycloak", ..OIDC },
    Preset {
        name: "linkedin",
        base: "https://www.linkedin.com",
        protocol: Protocol::OAuth(OAuth {
            authorize: "{base}/oauth/v2/authorization",
            token: "{base}/oauth/v2/accessToken",
            basic: false,
            user: UserDocument::Get("https://api.linkedin.com/v2/userinfo", &[]),
            fields: Fields {
                subject: "/sub",
                verified: Verified::At("/email_verified"),
                picture: "/picture",
                ..NO_FIELDS
            },
        }),
        scopes: &["openid", "email", "profile"],
        ..OAUTH
    },
    Preset { name: "linkedin_oidc", base: "https://www.linkedin.com/oauth", pkce: false, ..OIDC },
    Preset {
        name: "notion",
        base: "https://api.notion.com",
        protocol: Protocol::OAuth(OAuth {
            authorize: "{base}/v1/oauth/authorize",
            token: "{base}/v1/oauth/token",
            basic: true,
            user: UserDocument::InAnswer("/owner/user"),
            fields: Fields { email: "/person/email", verified: Verified::Always, picture: "/avatar_url", ..NO_FIELDS },
        }),
        extra: &[("owner", "user")],
        ..OAUTH
    },
    Preset {
        name: "slack",
        base: "https://slack.com",
        protocol: Protocol::OAuth(OAuth {
            authorize: "{base}/oauth/authorize",
            token: "{base}/api/oauth.access",
            basic: false,
            user: UserDocument::Get("{base}/api/users.identity", &[]),
            fields: Fields {
                subject: "/user/id",
                email: "/user/email",
                name: "/user/name",
                picture: "/user/image_192",
                ..NO_FIELDS
            },
        }),
        scopes: &["identity.basic", "identity.email", "identity.avatar"],
        ..OAUTH
    },
    Preset { name: "slack_oidc", base: "https://slack.com", ..OIDC },
    Preset {
        name: "snapchat",
        base: "https://accounts.snapchat.com",
        protocol: Protocol::OAuth(OAuth {
            authorize: "{base}/accounts/oauth2/auth",
            token: "{base}/accounts/oauth2/token",
            basic: true,
            user: UserDocument::Get(
                "https://kit.snapchat.com/v1/me?query=%7Bme%7BexternalId%20displayName%20bitmoji%7Bavatar%7D%7D%7D",
                &[],
            ),
            fields: Fields {
                subject: "/data/me/externalId",
                email: "",
                name: "/data/me/displayName",
                picture: "/data/me/bitmoji/avatar",
                ..NO_FIELDS
            },
        }),
        scopes: &[
            "https://auth.snapchat.com/oauth2/api/user.external_id",
            "https://auth.snapchat.com/oauth2/api/user.display_name",
            "https://auth.snapchat.com/oauth2/api/user.bitmoji.avatar",
        ],
        pkce: true,
        ..OAUTH
    },
    Preset {
        name: "spotify",
        base: "https://accounts.spotify.com",
        protocol: Protocol::OAuth(OAuth {
            authorize: "{base}/authorize",
            token: "{base}/api/token",
            basic: true,
            user: UserDocument::Get("https://api.spotify.com/v1/me", &[]),
            fields: Fields { name: "/display_name", picture: "/images/0/url", ..NO_FIELDS },
        }),
        scopes: &["user-read-email"],
        pkce: true,
        ..OAUTH
    },
    Preset {
        name: "twitch",
        base: "https://id.twitch.tv",
        protocol: Protocol::OAuth(OAuth {
            authorize: "{base}/oauth2/authorize",
            token: "{base}/oauth2/token",
            basic: false,
            user: UserDocument::Get("https://api.twitch.tv/helix/users", &[("client-id", "{client_id}")]),
            fields: Fields {
                subject: "/data/0/id",
                email: "/data/0/email",
                verified: Verified::Always,
                name: "/data/0/display_name",
                user_name: "/data/0/login",
                picture: "/data/0/profile_image_url",
            },
        }),
        scopes: &["user:read:email"],
        ..OAUTH
    },
    Preset { name: "vercel_marketplace", base: "https://marketplace.vercel.com", ..OIDC },
    Preset {
        name: "workos",
        base: "https://api.workos.com",
        protocol: Protocol::OAuth(OAuth {
            authorize: "{base}/sso/authorize",
            token: "{base}/sso/token",
            basic: false,
            user: UserDocument::InAnswer("/profile"),
            fields: Fields { verified: Verified::Always, name: "/first_name", ..NO_FIELDS },
        }),
        ..OAUTH
    },
    Preset { name: "x", ..X },
    // The first version of its API needs signatures of another time; its name stands for the second.
    Preset { name: "twitter", ..X },
    Preset {
        name: "zoom",
        base: "https://zoom.us",
        protocol: Protocol::OAuth(OAuth {
            authorize: "{base}/oauth/authorize",
            token: "{base}/oauth/token",
            basic: true,
            user: UserDocument::Get("https://api.zoom.us/v2/users/me", &[]),
            fields: Fields {
                verified: Verified::At("/verified"),
                name: "/display_name",
                picture: "/pic_url",
                ..NO_FIELDS
            },
        }),
        pkce: true,
        ..OAUTH
    },
];

const X: Preset = Preset {
    base: "https://x.com",
    protocol: Protocol::OAuth(OAuth {
        authorize: "{base}/i/oauth2/authorize",
        token: "https://api.x.com/2/oauth2/token",
        basic: true,
        user: UserDocument::Get(
            "https://api.x.com/2/users/me?user.fields=id,name,username,profile_image_url,confirmed_email",
            &[],
        ),
        fields: Fields {
            subject: "/data/id",
            email: "/data/confirmed_email",
            verified: Verified::Always,
            name: "/data/name",
            user_name: "/data/username",
            picture: "/data/profile_image_url",
        },
    }),
    scopes: &["users.email", "tweet.read", "users.read", "offline.access"],
    pkce: true,
    ..OAUTH
};
