//! A browser: follows redirects between the room and a provider, and keeps cookies.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;
use reqwest::redirect::Policy;

use super::EXTERNAL;
use crate::harness::{Answer, Auth};

/// Most redirects of one way.
const MOST: usize = 12;

pub struct Browser<'a> {
    auth: &'a Auth,
    client: reqwest::Client,
    cookies: HashMap<String, String>,
    /// Every address of the way, the last one included.
    pub seen: Vec<String>,
}

impl<'a> Browser<'a> {
    pub fn new(auth: &'a Auth) -> Self {
        let client = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().expect("a client");
        Self { auth, client, cookies: HashMap::new(), seen: Vec::new() }
    }

    /// Goes to an address, and on until nobody here serves what comes next: the application, or `stop`.
    pub async fn go_until(&mut self, url: &str, stop: &str) -> String {
        let mut url = url.to_owned();
        for _ in 0..MOST {
            self.seen.push(url.clone());
            if !url.starts_with(EXTERNAL) && !url.starts_with("http://127.0.0.1:") || url.starts_with(stop) {
                return url;
            }
            let next = if url.starts_with(EXTERNAL) { self.ask_room(&url).await } else { self.ask(&url).await };
            url = if next.starts_with('/') { format!("{}{next}", origin(&url)) } else { next };
        }
        panic!("too many redirects: {:?}", self.seen);
    }

    /// Goes to the application.
    pub async fn go(&mut self, url: &str) -> String {
        self.go_until(url, "http://localhost:3000").await
    }

    /// What the room answers to this browser.
    pub async fn room(&mut self, url: &str) -> Answer {
        let target = url.strip_prefix(EXTERNAL).expect("an address of the room").split('#').next().expect("a part");
        let cookies = self.cookies_of("room");
        let fields = [("host", "localhost:8000"), ("cookie", cookies.as_str())];
        let answer = self.auth.send(&format!("GET {target}"), &fields, "").await;
        for value in answer.headers.get_all("set-cookie") {
            self.keep("room", value.to_str().expect("text"));
        }
        answer
    }

    async fn ask_room(&mut self, url: &str) -> String {
        let answer = self.room(url).await;
        assert_eq!(answer.status, 302, "{url}: {answer:?}");
        answer.field("location").to_owned()
    }

    async fn ask(&mut self, url: &str) -> String {
        let origin = origin(url);
        let answer = self.client.get(url).header("cookie", self.cookies_of(&origin)).send().await.expect("an answer");
        for value in answer.headers().get_all("set-cookie") {
            self.keep(&origin, value.to_str().expect("text"));
        }
        let status = answer.status();
        let location = answer.headers().get("location").map(|value| value.to_str().expect("text").to_owned());
        let body = answer.text().await.unwrap_or_default();
        location.unwrap_or_else(|| panic!("{url} answers {status}: {body}"))
    }

    fn cookies_of(&self, site: &str) -> String {
        let prefix = format!("{site} ");
        let own = self.cookies.iter().filter_map(|(name, value)| Some((name.strip_prefix(&prefix)?, value)));
        own.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep(&mut self, site: &str, cookie: &str) {
        let (name, value) = cookie.split(';').next().and_then(|pair| pair.split_once('=')).expect("a cookie");
        self.cookies.insert(format!("{site} {name}"), value.to_owned());
    }
}

fn origin(url: &str) -> String {
    let rest = url.split_once("://").expect("an address").1;
    format!("http://{}", rest.split('/').next().expect("a host"))
}

/// A parameter of an address, in its query or in its fragment.
pub fn param(url: &str, separator: char, wanted: &str) -> Option<String> {
    let part = match separator {
        '#' => url.split_once('#')?.1,
        _ => url.split('#').next()?.split_once('?')?.1,
    };
    let found = part.split('&').find_map(|pair| pair.strip_prefix(&format!("{wanted}=")))?;
    Some(percent_decode_str(&found.replace('+', " ")).decode_utf8().expect("text").into_owned())
}
