//! What tells the providers of text messages apart: where they are, how they are asked, and what they answer.
//!
//! Each is asked by one form. Sources: the providers' own references of their message APIs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use url::form_urlencoded;

use super::Message;
use crate::config::SmsProvider;

/// One provider.
pub(super) struct Preset {
    /// Its address, which `auth.sms.url` moves.
    pub(super) place: &'static str,
    /// Its accounts have a name beside the secret.
    pub(super) names_accounts: bool,
    /// Its messages also go through WhatsApp.
    pub(super) has_whatsapp: bool,
    /// Path, `Authorization` and form of a message.
    pub(super) write: fn(&Login<'_>, &Message) -> Written,
    /// The id of a message that it took, or why it did not, for the log.
    pub(super) read: fn(&Value) -> Result<Option<String>, String>,
}

/// Who we are there.
pub(super) struct Login<'a> {
    pub(super) account: &'a str,
    pub(super) token: &'a str,
    pub(super) from: &'a str,
}

/// What is sent.
pub(super) struct Written {
    pub(super) path: String,
    pub(super) authorization: Option<String>,
    pub(super) form: Vec<(&'static str, String)>,
}

pub(super) fn preset(provider: SmsProvider) -> &'static Preset {
    match provider {
        SmsProvider::Twilio => &TWILIO,
        SmsProvider::Messagebird => &MESSAGEBIRD,
        SmsProvider::Textlocal => &TEXTLOCAL,
        SmsProvider::Vonage => &VONAGE,
    }
}

const TWILIO: Preset = Preset {
    place: "https://api.twilio.com",
    names_accounts: true,
    has_whatsapp: true,
    write: |login, message| {
        let is_whatsapp = message.channel == "whatsapp";
        let of_channel = |number: &str| if is_whatsapp { format!("whatsapp:{number}") } else { number.to_owned() };
        // A sender that is a messaging service has an id and no number.
        let sender = match login.from {
            service if service.starts_with("MG") => ("MessagingServiceSid", service.to_owned()),
            number => ("From", of_channel(number)),
        };
        let credentials = STANDARD.encode(format!("{}:{}", login.account, login.token));
        let account: String = form_urlencoded::byte_serialize(login.account.as_bytes()).collect();
        Written {
            path: format!("/2010-04-01/Accounts/{account}/Messages.json"),
            authorization: Some(format!("Basic {credentials}")),
            form: vec![("To", of_channel(&format!("+{}", message.to))), sender, ("Body", message.text.clone())],
        }
    },
    read: |answer| match answer["status"].as_str().unwrap_or_default() {
        state @ ("failed" | "undelivered") => Err(state.to_owned()),
        _ => Ok(answer["sid"].as_str().map(str::to_owned)),
    },
};

const MESSAGEBIRD: Preset = Preset {
    place: "https://rest.messagebird.com",
    names_accounts: false,
    has_whatsapp: false,
    write: |login, message| Written {
        path: "/messages".to_owned(),
        authorization: Some(format!("AccessKey {}", login.token)),
        form: vec![
            ("originator", login.from.to_owned()),
            ("recipients", message.to.clone()),
            ("body", message.text.clone()),
            ("type", "sms".to_owned()),
            // Sends what fits as plain text, and the rest as it is.
            ("datacoding", "auto".to_owned()),
        ],
    },
    read: |answer| {
        let failed = answer["recipients"]["totalDeliveryFailedCount"].as_u64().unwrap_or_default();
        match answer["errors"].as_array().and_then(|errors| errors.first()) {
            Some(error) => Err(error["code"].to_string()),
            None if failed > 0 => Err("delivery failed".to_owned()),
            None => Ok(answer["id"].as_str().map(str::to_owned)),
        }
    },
};

const TEXTLOCAL: Preset = Preset {
    place: "https://api.textlocal.in",
    names_accounts: false,
    has_whatsapp: false,
    write: |login, message| {
        let mut form = vec![
            ("apikey", login.token.to_owned()),
            ("sender", login.from.to_owned()),
            ("numbers", message.to.clone()),
            ("message", message.text.clone()),
        ];
        if !message.text.is_ascii() {
            form.push(("unicode", "true".to_owned()));
        }
        Written { path: "/send/".to_owned(), authorization: None, form }
    },
    read: |answer| match answer["status"].as_str() {
        Some("success") => Ok(answer["messages"][0]["id"].as_str().map(str::to_owned)),
        _ => Err(answer["errors"][0]["code"].to_string()),
    },
};

const VONAGE: Preset = Preset {
    place: "https://rest.nexmo.com",
    names_accounts: true,
    has_whatsapp: false,
    write: |login, message| Written {
        path: "/sms/json".to_owned(),
        authorization: None,
        form: vec![
            ("api_key", login.account.to_owned()),
            ("api_secret", login.token.to_owned()),
            ("from", login.from.to_owned()),
            ("to", message.to.clone()),
            ("text", message.text.clone()),
            ("type", if message.text.is_ascii() { "text" } else { "unicode" }.to_owned()),
        ],
    },
    // Its status is in the answer, whatever that of HTTP is.
    read: |answer| match &answer["messages"][0] {
        sent if sent["status"] == "0" => Ok(sent["message-id"].as_str().map(str::to_owned)),
        refused => Err(refused["status"].to_string()),
    },
};
