//! What is reached, what is refused, and what ends a call.

use std::time::Duration;

use ferrobase_base::config::{Atom, Cidr};
use ferrobase_egress::{Authorities, Bounds, Client, Error, Message, Realm};

use crate::server::{Behaviour, Identity, Server, page};

const JSON: &str = "application/json";

fn client(allowed: &[&str], identity: Option<&Identity>) -> Client {
    let allowed = allowed.iter().map(|network| Cidr::parse(network).unwrap()).collect();
    let authorities =
        identity.map_or(Authorities::System, |identity| Authorities::Only(vec![identity.authority.clone()]));
    let bounds = Bounds { total: Duration::from_secs(2), body: 64 * 1024, ..Bounds::default() };
    Client::new(allowed, bounds, authorities)
}

fn redirect(to: &str) -> Behaviour {
    page("302 Found", &format!("location: {to}\r\nset-cookie: session=canary\r\n"), "")
}

#[tokio::test]
async fn a_document_comes_over_tls_for_the_name_in_the_url() {
    let identity = Identity::of(&["localhost"]);
    let server = Server::start("127.0.0.1", Some(&identity), page("200 OK", "", "{\"a\":1}")).await;
    let client = client(&["127.0.0.0/8"], Some(&identity));
    let answer = client.get(&format!("https://localhost:{}/keys?x=1", server.address.port()), JSON).await.unwrap();
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"{\"a\":1}"[..]));
    let head = server.heads.lock().unwrap()[0].to_lowercase();
    assert!(head.starts_with("get /keys?x=1 http/1.1\r\n"), "{head}");
    assert!(
        head.contains(&format!("host: localhost:{}\r\n", server.address.port())) && head.contains("accept: "),
        "{head}"
    );
    // The same server under a name that is not in its certificate.
    let error = client.get(&format!("https://127.0.0.1:{}/", server.address.port()), JSON).await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error}");
}

#[tokio::test]
async fn sec_06_a_certificate_of_an_unknown_authority_is_refused() {
    let (identity, stranger) = (Identity::of(&["localhost"]), Identity::of(&["localhost"]));
    let server = Server::start("127.0.0.1", Some(&identity), page("200 OK", "", "{}")).await;
    let error = client(&["127.0.0.1"], Some(&stranger))
        .get(&format!("https://localhost:{}/", server.address.port()), JSON)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error}");
}

#[tokio::test]
async fn sec_06_addresses_are_judged_after_resolution_whatever_they_are_written_like() {
    let server = Server::start("127.0.0.1", None, page("200 OK", "", "{}")).await;
    let port = server.address.port();
    let client = client(&[], None);
    for (host, realm) in [
        ("127.0.0.1", Realm::Loopback),
        ("localhost", Realm::Loopback),
        ("127.1", Realm::Loopback),
        ("2130706433", Realm::Loopback),
        ("0x7f000001", Realm::Loopback),
        ("0.0.0.0", Realm::Unspecified),
        ("[::1]", Realm::Loopback),
        ("[::]", Realm::Unspecified),
        ("[::ffff:127.0.0.1]", Realm::Embedded),
        ("[::ffff:7f00:1]", Realm::Embedded),
        ("[::127.0.0.1]", Realm::Embedded),
        ("169.254.169.254", Realm::LinkLocal),
        ("10.0.0.1", Realm::Private),
        ("224.0.0.1", Realm::Multicast),
    ] {
        match client.get(&format!("http://{host}:{port}/"), JSON).await {
            Err(Error::Refused { realm: found, .. }) => assert_eq!(found, realm, "{host}"),
            other => panic!("{host}: {other:?}"),
        }
    }
    assert_eq!(server.calls(), 0, "nothing was ever connected");
}

#[tokio::test]
async fn sec_06_redirects_are_judged_again() {
    let identity = Identity::of(&["127.0.0.2"]);
    let inner = Server::start("127.0.0.1", None, page("200 OK", "", "secret")).await;
    let inner_url = |host: &str| format!("https://{host}:{}/", inner.address.port());
    let client = client(&["127.0.0.2"], Some(&identity));
    for (to, realm) in [
        ("https://169.254.169.254/latest/meta-data/".to_owned(), Realm::LinkLocal),
        (inner_url("127.0.0.1"), Realm::Loopback),
        (inner_url("[::ffff:127.0.0.1]"), Realm::Embedded),
        (format!("//127.0.0.1:{}/", inner.address.port()), Realm::Loopback),
        ("https://[fd00:ec2::254]/".to_owned(), Realm::Private),
    ] {
        let server = Server::start("127.0.0.2", Some(&identity), redirect(&to)).await;
        match client.get(&format!("https://127.0.0.2:{}/", server.address.port()), JSON).await {
            Err(Error::Refused { realm: found, .. }) => assert_eq!(found, realm, "{to}"),
            other => panic!("{to}: {other:?}"),
        }
    }
    assert_eq!(inner.calls(), 0);
}

#[tokio::test]
async fn sec_06_redirects_keep_their_scheme_carry_nothing_and_end() {
    let identity = Identity::of(&["127.0.0.1"]);
    let plain = Server::start("127.0.0.1", None, page("200 OK", "", "plain")).await;
    let to_plain = format!("http://{}/", plain.address);
    let client = client(&["127.0.0.1"], Some(&identity));
    let secure = Server::start("127.0.0.1", Some(&identity), redirect(&to_plain)).await;
    let error = client.get(&format!("https://{}/", secure.address), JSON).await.unwrap_err();
    assert!(matches!(error, Error::Downgrade { .. }), "{error}");
    assert_eq!(plain.calls(), 0);

    let from_plain = Server::start("127.0.0.1", None, redirect(&to_plain)).await;
    let answer = client.get(&format!("http://{}/", from_plain.address), JSON).await.unwrap();
    assert_eq!(&answer.body[..], b"plain");
    assert!(!plain.heads.lock().unwrap()[0].contains("canary"), "a cookie travelled along");

    let around = Server::start("127.0.0.1", None, redirect("/again")).await;
    let error = client.get(&format!("http://{}/", around.address), JSON).await.unwrap_err();
    assert!(matches!(error, Error::Redirects { limit: 3 }), "{error}");
    assert_eq!(around.calls(), 4, "the first call and three redirects");
    for location in ["ftp://127.0.0.1/", "https://user:password@127.0.0.1/"] {
        let server = Server::start("127.0.0.1", None, redirect(location)).await;
        let error = client.get(&format!("http://{}/", server.address), JSON).await.unwrap_err();
        assert!(matches!(error, Error::Url { .. }), "{location}: {error}");
    }
    let nowhere = Server::start("127.0.0.1", None, page("302 Found", "", "")).await;
    let error = client.get(&format!("http://{}/", nowhere.address), JSON).await.unwrap_err();
    assert!(matches!(error, Error::NoLocation { .. }), "{error}");
}

#[tokio::test]
async fn sec_06_credentials_stay_where_they_were_meant_for() {
    let other = Server::start("127.0.0.1", None, page("200 OK", "", "{}")).await;
    let server = Server::start("127.0.0.1", None, redirect(&format!("http://{}/", other.address))).await;
    let fields = http::HeaderMap::from_iter([(http::header::AUTHORIZATION, "Bearer canary".parse().unwrap())]);
    let answer = client(&["127.0.0.1"], None).ask(&format!("http://{}/me", server.address), fields).await.unwrap();
    assert_eq!((answer.status.as_u16(), other.calls()), (302, 0));
    assert!(server.heads.lock().unwrap()[0].to_lowercase().contains("authorization: bearer canary"));
}

#[tokio::test]
async fn sec_06_a_slow_server_ends_the_call() {
    let client = client(&["127.0.0.1"], None);
    for start in ["HTTP/1.1 200 OK\r\nx-slow: ", "HTTP/1.1 200 OK\r\n\r\n", ""] {
        let server = Server::start("127.0.0.1", None, Behaviour::Drips(start)).await;
        let error = client.get(&format!("http://{}/", server.address), JSON).await.unwrap_err();
        // The empty start never becomes HTTP, which may be noticed before the time is over.
        assert!(matches!(error, Error::Timeout { .. }) || start.is_empty(), "{start:?}: {error}");
    }
}

#[tokio::test]
async fn sec_06_a_large_answer_ends_the_call() {
    let client = client(&["127.0.0.1"], None);
    for start in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n"] {
        let server = Server::start("127.0.0.1", None, Behaviour::Floods(start)).await;
        let error = client.get(&format!("http://{}/", server.address), JSON).await.unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{start:?}: {error}");
    }
    let server = Server::start("127.0.0.1", None, Behaviour::Floods("HTTP/1.1 200 OK\r\nx-large: ")).await;
    let error = client.get(&format!("http://{}/", server.address), JSON).await.unwrap_err();
    assert!(matches!(error, Error::Http { .. }), "an endless head: {error}");
}

#[tokio::test]
async fn what_cannot_be_reached_is_an_error() {
    let client = client(&["127.0.0.1"], None);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = client.get(&format!("http://{closed}/"), JSON).await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error}");
    let error = client.get("http://no-such-name.invalid/", JSON).await.unwrap_err();
    assert!(matches!(error, Error::Resolve { .. } | Error::Timeout { .. }), "{error}");
    let server = Server::start("127.0.0.1", None, page("500 Oh", "", "broken")).await;
    assert_eq!(client.get(&format!("http://{}/", server.address), JSON).await.unwrap().status, 500);
}

#[tokio::test]
async fn a_message_is_posted_once_with_its_fields() {
    let server = Server::start("127.0.0.1", None, redirect("http://127.0.0.1/elsewhere")).await;
    let url = format!("http://127.0.0.1:{}/v1/traces", server.address.port());
    let fields =
        [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("authorization", "mine")];
    let fields = fields.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    let message = Message { content_type: "application/x-protobuf", fields, body: "bytes".into() };
    let client = Client::for_named(Bounds { total: Duration::from_secs(2), ..Bounds::default() }, Authorities::System);
    let answer = client.post(&url, message.clone()).await.unwrap();
    assert_eq!(answer.status.as_u16(), 302, "what others choose is not followed");
    let heads = server.heads.lock().unwrap().clone();
    assert_eq!(heads.len(), 1);
    let head = heads[0].to_lowercase();
    for line in [
        "post /v1/traces http/1.1",
        "content-type: application/x-protobuf",
        "content-length: 5",
        "authorization: mine",
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ] {
        assert!(head.lines().any(|found| found == line), "{line} in {head}");
    }
    // A client of somebody else's URLs does not get there.
    let refused = self::client(&[], None).post(&url, message).await.unwrap_err();
    assert!(matches!(refused, Error::Refused { realm: Realm::Loopback, .. }), "{refused}");
}
