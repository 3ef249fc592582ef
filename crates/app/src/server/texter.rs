//! Text messages by the provider's HTTP API: the room writes the request and reads the answer, this makes the call.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use ferrobase_auth::Settings;
use ferrobase_auth::sms::{self, Message, Sending, Texter};
use ferrobase_base::error::causes;
use ferrobase_egress::{Authorities, Bounds, Client};
use http::{HeaderMap, HeaderValue, header};

/// Somebody waits for the answer.
const BOUNDS: Bounds =
    Bounds { total: Duration::from_secs(8), connect: Duration::from_secs(3), body: 64 * 1024, redirects: 0 };

/// Sends by the provider of the configuration in force.
pub(super) struct HttpTexter {
    settings: Arc<ArcSwap<Settings>>,
    client: Client,
}

impl HttpTexter {
    pub(super) fn new(settings: Arc<ArcSwap<Settings>>) -> Self {
        // Nobody but the operator chooses any part of the URL.
        Self { settings, client: Client::for_named(BOUNDS, Authorities::System) }
    }
}

impl Texter for HttpTexter {
    fn send(&self, message: Message) -> Sending<'_> {
        Box::pin(async move {
            let request = sms::request(&self.settings.load().section.sms, &message)?;
            let mut fields = HeaderMap::new();
            if let Some(login) = &request.authorization {
                let login = HeaderValue::try_from(login.expose());
                let mut login = login.map_err(|_| sms::failed("its login cannot be written"))?;
                login.set_sensitive(true);
                fields.insert(header::AUTHORIZATION, login);
            }
            let form = ferrobase_egress::Message {
                content_type: "application/x-www-form-urlencoded",
                fields,
                body: Bytes::from(request.body),
            };
            match self.client.post(&request.url, form).await {
                Ok(answer) => sms::answer(request.provider, answer.status, &answer.body),
                Err(error) => {
                    tracing::warn!(error = causes(&error), "the provider of text messages could not be reached");
                    Err(sms::failed("the provider could not be reached"))
                }
            }
        })
    }
}
