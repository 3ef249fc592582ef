//! `auth`, the part about signing in. Which tokens are valid at all is `request::config`'s part of the same section.
//!
//! Names follow what the contract makes configurable; defaults are its. Flows that are not built yet have their keys
//! here too, and `app` says so when one is set.

use std::collections::BTreeMap;
use std::time::Duration;

use ferrobase_base::config::{ByteSize, HttpUrl, Report, SecretJson};
use ferrobase_base::{Secret, choice, section};

use crate::hooks::{HookTarget, NoHook};
use crate::mail::Templates;

section! {
    /// Signing in.
    pub struct SignInSection {
        /// Where the auth API lies.
        path: String = "/auth/v1".to_owned();
        /// The application's address: where people land after signing in, and the host that redirects may go to.
        site_url: Option<HttpUrl> = None;
        /// Other addresses that redirects may go to; `*` within a part, `**` anything, `?` one character.
        redirect_urls: Vec<String> = Vec::new();
        /// New accounts may be made.
        enable_signup: bool = true;
        /// People may sign in without any proof.
        enable_anonymous_sign_ins: bool = false;
        /// A signed-in user may add another provider to the account.
        enable_manual_linking: bool = false;
        /// Each refresh gives a new refresh token; using an old one again ends the session.
        refresh_token_rotation: bool = true;
        /// An old refresh token is still taken for so long.
        refresh_token_reuse_interval: Duration = Duration::from_secs(10), in Duration::ZERO..=Duration::from_secs(3600);
        /// Private keys that sign tokens, a JWK set; without them `jwt_secret` signs.
        signing_keys: Option<SecretJson> = None;
        /// Passwords.
        password: PasswordSection = PasswordSection::default();
        /// How long sessions live.
        sessions: SessionsSection = SessionsSection::default();
        /// Accounts by e-mail address.
        email: EmailSection = EmailSection::default();
        /// Accounts by telephone number.
        sms: SmsSection = SmsSection::default();
        /// The server that sends mail.
        mailer: MailerSection = MailerSection::default();
        /// Second factors.
        mfa: MfaSection = MfaSection::default();
        /// Passkeys.
        passkeys: PasskeysSection = PasskeysSection::default();
        /// Signing in with a wallet.
        web3: Web3Section = Web3Section::default();
        /// SAML 2.0.
        saml: SamlSection = SamlSection::default();
        /// This installation as an OAuth server for other applications.
        oauth_server: OauthServerSection = OauthServerSection::default();
        /// Proof that a person is there.
        captcha: CaptchaSection = CaptchaSection::default();
        /// Calls made while people sign in.
        hooks: HooksSection = HooksSection::default();
        /// How often one address may try.
        rate_limits: AuthRateLimitsSection = AuthRateLimitsSection::default();
        /// Other sign-in providers (`google`, `github`, `keycloak`, ...).
        external: BTreeMap<String, ExternalProviderSection> = BTreeMap::new();
    }
}

section! {
    /// Passwords.
    pub struct PasswordSection {
        /// Fewest characters.
        min_length: u32 = 6, in 6..=72;
        /// Each of these sets must give a character.
        required_characters: Vec<String> = Vec::new();
        /// Refuses passwords that are known from leaks.
        check_leaked: bool = false;
        /// Another service that lists leaked passwords by the beginning of their hash; Have I Been Pwned when absent.
        leaked_url: Option<HttpUrl> = None;
        /// A change needs a recent sign-in or a code.
        reauthenticate: bool = false;
        /// Memory of one hash (argon2id).
        hash_memory: ByteSize = ByteSize::kib(19_456), in ByteSize::kib(8192)..=ByteSize::mib(1024);
        /// Passes over it.
        hash_passes: u32 = 2, in 1..=20;
        /// Most hashes at once; 0 is half of the processors. More wait, so that people who sign in never take the
        /// processors from everybody else.
        hash_parallel: u32 = 0, in 0..=1024;
    }
}

section! {
    /// How long sessions live.
    pub struct SessionsSection {
        /// Longest life of a session: none is refreshed after it. An access token lasts until its own end.
        timebox: Option<Duration> = None;
        /// A session ends when it was not refreshed for so long.
        inactivity_timeout: Option<Duration> = None;
        /// After a new sign-in the user's other sessions are not refreshed any more.
        single_per_user: bool = false;
        /// How long a user with a second factor may go without it.
        low_aal_timeout: Option<Duration> = None;
    }
}

section! {
    /// Accounts by e-mail address.
    pub struct EmailSection {
        /// People may sign in so.
        enabled: bool = true;
        /// Addresses count as confirmed without a mail.
        autoconfirm: bool = false;
        /// A change of address needs a yes from both.
        double_confirm_changes: bool = true;
        /// Shortest time between two mails to one address.
        max_frequency: Duration = Duration::from_secs(60), in Duration::ZERO..=Duration::from_secs(86_400);
        /// Digits of a code.
        otp_length: u8 = 6, in 6..=10;
        /// Lifetime of a code or link.
        otp_expiry: Duration = Duration::from_secs(86_400), in Duration::from_secs(10)..=Duration::from_secs(86_400);
    }
}

choice! {
    /// Who delivers text messages.
    pub enum SmsProvider {
        /// Twilio.
        Twilio = "twilio",
        /// MessageBird.
        Messagebird = "messagebird",
        /// Textlocal.
        Textlocal = "textlocal",
        /// Vonage.
        Vonage = "vonage",
    }
}

section! {
    /// Accounts by telephone number.
    pub struct SmsSection {
        /// People may sign in so.
        enabled: bool = false;
        /// Numbers count as confirmed without a message.
        autoconfirm: bool = false;
        /// Who delivers messages.
        provider: Option<SmsProvider> = None;
        /// Account at the provider: Twilio's SID, Vonage's key; the others have none.
        account: Option<String> = None;
        /// Secret of the account: Twilio's token, Vonage's secret, the key of the others.
        token: Option<Secret> = None;
        /// Sender: a number, a name where the provider takes names, or the id of Twilio's messaging service.
        from: Option<String> = None;
        /// Another address that speaks the provider's protocol.
        url: Option<HttpUrl> = None;
        /// Text; `{{ .Code }}` is the code.
        template: String = "Your code is {{ .Code }}".to_owned();
        /// Shortest time between two messages to one number.
        max_frequency: Duration = Duration::from_secs(60), in Duration::ZERO..=Duration::from_secs(86_400);
        /// Digits of a code.
        otp_length: u8 = 6, in 6..=10;
        /// Lifetime of a code.
        otp_expiry: Duration = Duration::from_secs(60), in Duration::from_secs(10)..=Duration::from_secs(86_400);
        /// Numbers with a fixed code, for tests: nothing is sent to them.
        test_otp: BTreeMap<String, Secret> = BTreeMap::new();
    }
}

choice! {
    /// How a connection to the mail server is encrypted.
    pub enum MailerTls {
        /// It begins in the clear and must change to TLS (usually port 587).
        Starttls = "starttls",
        /// From its beginning (usually port 465).
        Tls = "tls",
        /// Not at all.
        None = "none",
    }
}

section! {
    /// The server that sends mail.
    pub struct MailerSection {
        /// Host name or address; without it no mail is sent.
        host: Option<String> = None;
        /// Port.
        port: u16 = 587, in 1..=65535;
        /// Encryption; without it no login is sent to another machine.
        tls: MailerTls = MailerTls::Starttls;
        /// Login.
        user: Option<String> = None;
        /// Password.
        password: Option<Secret> = None;
        /// Sender's address.
        from: Option<String> = None;
        /// Sender's name.
        sender_name: Option<String> = None;
        /// Most mails and messages in an hour.
        rate_per_hour: u32 = 30, in 0..=1_000_000;
        /// Subjects by mail (`confirmation`, `recovery`, `invite`, `magic_link`, `email_change`, `reauthentication`).
        subjects: BTreeMap<String, String> = BTreeMap::new();
        /// HTML files by mail; the text part is the file of the same name with `.txt`, if there is one.
        templates: BTreeMap<String, String> = BTreeMap::new();
        /// Keeps mails instead of sending them, for development: `ferrobase auth mails` lists them.
        catch: bool = false;
    }
}

section! {
    /// Second factors.
    pub struct MfaSection {
        /// Most factors of one user.
        max_factors: u32 = 10, in 1..=100;
        /// Lifetime of a challenge.
        challenge_expiry: Duration = Duration::from_secs(300), in Duration::from_secs(10)..=Duration::from_secs(3600);
        /// An enrolment that was not verified ends after so long.
        enrolment_expiry: Duration = Duration::from_secs(300), in Duration::from_secs(10)..=Duration::from_secs(86_400);
        /// Codes from an application.
        totp: FactorSection = FactorSection::on();
        /// Codes by text message.
        phone: FactorSection = FactorSection::default();
        /// Security keys.
        webauthn: FactorSection = FactorSection::default();
    }
}

section! {
    /// One kind of second factor.
    pub struct FactorSection {
        /// New ones may be set up.
        enroll_enabled: bool = false;
        /// Existing ones may be used.
        verify_enabled: bool = false;
    }
}

impl FactorSection {
    fn on() -> Self {
        Self { enroll_enabled: true, verify_enabled: true }
    }
}

section! {
    /// Passkeys.
    pub struct PasskeysSection {
        /// People may sign in so.
        enabled: bool = false;
        /// Relying party: the domain for which keys are made.
        rp_id: Option<String> = None;
        /// Name that devices show.
        rp_name: Option<String> = None;
        /// Origins that may use them.
        origins: Vec<HttpUrl> = Vec::new();
    }
}

section! {
    /// Signing in with a wallet.
    pub struct Web3Section {
        /// Ethereum.
        ethereum: bool = false;
        /// Solana.
        solana: bool = false;
    }
}

section! {
    /// SAML 2.0.
    pub struct SamlSection {
        /// People may sign in so.
        enabled: bool = false;
        /// Private key, PEM or base64.
        private_key: Option<Secret> = None;
    }
}

section! {
    /// This installation as an OAuth server for other applications.
    pub struct OauthServerSection {
        /// Answers there.
        enabled: bool = false;
        /// Applications may register themselves.
        allow_dynamic_registration: bool = false;
        /// Path of the consent page below `site_url`.
        authorization_path: String = "/oauth/consent".to_owned();
    }
}

choice! {
    /// Who checks for persons.
    pub enum CaptchaProvider {
        /// hCaptcha.
        Hcaptcha = "hcaptcha",
        /// Turnstile.
        Turnstile = "turnstile",
    }
}

section! {
    /// Proof that a person is there.
    pub struct CaptchaSection {
        /// Asks for it.
        enabled: bool = false;
        /// Who checks.
        provider: CaptchaProvider = CaptchaProvider::Hcaptcha;
        /// Secret of the account there.
        secret: Option<Secret> = None;
        /// Another address to ask, for a provider that speaks the same way.
        url: Option<HttpUrl> = None;
    }
}

section! {
    /// Calls made while people sign in.
    pub struct HooksSection {
        /// May change the claims of a token.
        customize_access_token: HookSection = HookSection::default();
        /// Sends mail instead of the mailer.
        send_email: HookSection = HookSection::default();
        /// Sends text messages instead of the provider.
        send_sms: HookSection = HookSection::default();
        /// Judges each attempt with a password.
        password_verification: HookSection = HookSection::default();
        /// Judges each attempt with a second factor.
        mfa_verification: HookSection = HookSection::default();
        /// May refuse a new account.
        before_user_created: HookSection = HookSection::default();
        /// Hears of a new account.
        after_user_created: HookSection = HookSection::default();
    }
}

section! {
    /// One call: an address or a function.
    pub struct HookSection {
        /// Makes it.
        enabled: bool = false;
        /// `http(s)://...` without a login, or `pg-functions://postgres/schema/function`.
        uri: Option<String> = None;
        /// Signing secrets of an address, `v1,whsec_...`; the first signs.
        secrets: Vec<Secret> = Vec::new();
    }
}

section! {
    /// How often one address may try, in five minutes unless the key says otherwise.
    pub struct AuthRateLimitsSection {
        /// Sign-ups, codes, links and recoveries.
        sign_in: u32 = 30, in 1..=1_000_000;
        /// Checks of a code.
        verify: u32 = 30, in 1..=1_000_000;
        /// Tokens and refreshes.
        token: u32 = 150, in 1..=1_000_000;
        /// Anonymous accounts, in an hour.
        anonymous_per_hour: u32 = 30, in 1..=1_000_000;
        /// Second factors, in a minute.
        mfa_per_minute: u32 = 15, in 1..=1_000_000;
        /// Single sign-on.
        sso: u32 = 30, in 1..=1_000_000;
        /// Wallets.
        web3: u32 = 30, in 1..=1_000_000;
        /// Passkeys.
        passkey: u32 = 30, in 1..=1_000_000;
    }
}

section! {
    /// Another sign-in provider.
    pub struct ExternalProviderSection {
        /// People may sign in so.
        enabled: bool = true;
        /// Our ids there; the first is used, all are accepted as audience.
        client_id: Vec<String> = Vec::new();
        /// Our secret there.
        secret: Option<Secret> = None;
        /// Where it sends people back; the callback of this installation when absent.
        redirect_uri: Option<HttpUrl> = None;
        /// Its address, for providers that people run themselves.
        url: Option<HttpUrl> = None;
        /// More scopes to ask for.
        scopes: Vec<String> = Vec::new();
        /// Takes ID tokens without comparing the nonce.
        skip_nonce_check: bool = false;
        /// Its confirmed addresses may link to existing accounts; without this key only those of the providers that are
        /// known by name.
        trust_email: Option<bool> = None;
        /// People may sign in without telling an address.
        email_optional: bool = false;
    }
}

impl HooksSection {
    /// Whether each hook that is on could be called.
    fn check(&self, report: &mut Report<'_>) {
        let named = [
            ("customize_access_token", &self.customize_access_token),
            ("send_email", &self.send_email),
            ("send_sms", &self.send_sms),
            ("password_verification", &self.password_verification),
            ("mfa_verification", &self.mfa_verification),
            ("before_user_created", &self.before_user_created),
            ("after_user_created", &self.after_user_created),
        ];
        for (name, hook) in named {
            let target = hook.uri.as_deref().map(HookTarget::parse);
            // A hook that is off is printed like one that is on.
            if !hook.enabled && target != Some(Err(NoHook::Login)) {
                continue;
            }
            match target {
                None => report.refuse(&format!("hooks.{name}.uri"), "a hook that is enabled needs one"),
                Some(Err(fault)) => report.refuse(&format!("hooks.{name}.uri"), fault.to_string()),
                Some(Ok(HookTarget::Function { .. })) => {}
                Some(Ok(HookTarget::Address(_))) => {
                    let key = hook.secrets.first().and_then(|secret| crate::hooks::secret_key(secret.expose()));
                    if key.is_none() {
                        let reason = "the first must be `v1,whsec_` and base64: calls to an address are signed";
                        report.refuse(&format!("hooks.{name}.secrets"), reason);
                    }
                }
            }
        }
    }
}

/// Whether requests can come under it, spelled as it stands.
fn is_path(path: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~');
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.chars().all(is_plain);
    path.strip_prefix('/').is_some_and(|segments| segments.split('/').all(is_segment))
}

impl SignInSection {
    /// What only shows when keys are compared.
    pub fn check(&self, report: &mut Report<'_>) {
        if !is_path(&self.path) {
            report.refuse("path", "must be like `/auth/v1`, of letters, digits, `-`, `_`, `.` and `~` between slashes");
        }
        if let Some(Err(fault)) = self.signing_keys.as_ref().map(|keys| crate::keys::SigningKeys::read(keys.expose())) {
            report.refuse("signing_keys", fault.to_string());
        }
        self.check_mailer(report);
        if let Some(provider) = self.sms.provider {
            if self.sms.token.is_none() || self.sms.from.is_none() {
                report.refuse("sms.provider", "a provider needs token and from");
            }
            if crate::sms::names_accounts(provider) && self.sms.account.is_none() {
                report.refuse("sms.account", "this provider needs one");
            }
        }
        if self.captcha.enabled && self.captcha.secret.is_none() {
            report.refuse("captcha.secret", "nothing can be checked without it");
        }
        if self.saml.enabled && self.saml.private_key.is_none() {
            report.refuse("saml.private_key", "SAML cannot sign without it");
        }
        self.hooks.check(report);
        if self.passkeys.enabled && self.passkeys.rp_id.is_none() {
            report.refuse("passkeys.rp_id", "passkeys are made for a domain");
        }
        for (name, provider) in &self.external {
            if provider.enabled && provider.client_id.is_empty() {
                report.refuse(&format!("external.{name}.client_id"), "a provider that is enabled needs one");
            }
            if provider.enabled && provider.url.is_none() && !crate::provider::has_a_place(name) {
                report.refuse(&format!("external.{name}.url"), "nobody knows where this provider is");
            }
            if provider.scopes.iter().any(|scope| !crate::provider::is_scope(scope)) {
                report
                    .refuse(&format!("external.{name}.scopes"), "a scope is printable ASCII without spaces and quotes");
            }
        }
    }

    fn check_mailer(&self, report: &mut Report<'_>) {
        let mailer = &self.mailer;
        if mailer.host.is_some() && mailer.from.is_none() {
            report.refuse("mailer.from", "mails need a sender");
        }
        if mailer.from.as_deref().is_some_and(|from| crate::user::address::email(from).is_err()) {
            report.refuse("mailer.from", "is no address");
        }
        let is_here = mailer.host.as_deref().is_some_and(|host| {
            host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
        });
        if mailer.tls == MailerTls::None && mailer.password.is_some() && !is_here {
            report.refuse("mailer.tls", "the password would go over the network in the clear");
        }
        let subjects = MailerSection { subjects: mailer.subjects.clone(), ..MailerSection::default() };
        if let Err(error) = Templates::load(&subjects) {
            report.refuse("mailer.subjects", error.to_string());
        } else if let Err(error) = Templates::load(mailer) {
            report.refuse("mailer.templates", error.to_string());
        }
    }
}
