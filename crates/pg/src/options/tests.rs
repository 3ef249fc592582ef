//! Connection strings in both forms: what they mean and how they are refused.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> ConnectOptions {
    ConnectOptions::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn refused(text: &str) -> String {
    ConnectOptions::parse(text).expect_err(text).to_string()
}

#[test]
fn a_url_with_everything() {
    let o = parse(
        "postgresql://us%65r:p%40ss%3Aw@db1.example:5433,[::1]:6000,db3/app%20db?sslmode=verify-full&sslrootcert=/ca.pem\
         &sslcert=/c.pem&sslkey=/k.pem&connect_timeout=3&application_name=x&target_session_attrs=read-write\
         &options=-c%20geqo%3Doff&channel_binding=require",
    );
    assert_eq!(o.user(), Some("user"));
    assert_eq!(o.password().unwrap().expose(), "p@ss:w");
    assert_eq!(o.database(), Some("app db"));
    assert_eq!(o.hosts(), [Host::tcp("db1.example", 5433), Host::tcp("::1", 6000), Host::tcp("db3", 5432)]);
    assert_eq!(o.ssl.mode, SslMode::VerifyFull);
    assert_eq!(o.ssl.root_cert, RootCert::File("/ca.pem".into()));
    assert_eq!((o.ssl.cert.unwrap(), o.ssl.key.unwrap()), ("/c.pem".into(), "/k.pem".into()));
    assert_eq!(o.connect_timeout, Duration::from_secs(3));
    assert_eq!(o.application_name, "x");
    assert_eq!(o.target, TargetSessionAttrs::ReadWrite);
    assert_eq!(o.channel_binding, ChannelBinding::Require);
    assert_eq!(o.startup, [("options".to_owned(), "-c geqo=off".to_owned())]);
}

#[test]
fn unix_sockets_in_each_spelling() {
    let socket = [Host::unix("/run/pg", 5433)];
    assert_eq!(parse("postgres://u@%2Frun%2Fpg:5433/d").hosts(), socket);
    assert_eq!(parse("postgres:///d?host=/run/pg&port=5433").hosts(), socket);
    assert_eq!(parse("host=/run/pg port=5433").hosts(), socket);
    assert_eq!(parse("postgres:///d?host=/run/pg&port=5433").to_string(), "/run/pg/.s.PGSQL.5433/d");
}

#[test]
fn keyword_form_with_quotes() {
    let o = parse(r"  host=a,b port = 1,2 user='x y' password='it\'s \\ me' dbname=d connect_timeout=0 ");
    assert_eq!(o.hosts(), [Host::tcp("a", 1), Host::tcp("b", 2)]);
    assert_eq!((o.user(), o.password().unwrap().expose()), (Some("x y"), r"it's \ me"));
    assert_eq!(o.connect_timeout, DEFAULT_CONNECT_TIMEOUT, "0 is no bound in libpq; here every wait has one");
    let o = parse("hostaddr=10.0.0.1 host=name");
    assert_eq!(o.hosts(), [Host::Tcp { name: "name".into(), address: Some("10.0.0.1".parse().unwrap()), port: 5432 }]);
}

#[test]
fn defaults() {
    let o = parse("postgresql://");
    assert!(o.hosts().is_empty() && o.user().is_none() && o.database().is_none());
    assert_eq!((o.ssl.mode, o.application_name.as_str()), (SslMode::Prefer, "ferrobase"));
    assert_eq!(parse("postgres://h,i/d?port=7").hosts(), [Host::tcp("h", 7), Host::tcp("i", 7)]);
}

#[test]
fn refusals_name_the_place() {
    assert!(refused("mysql://h/d").contains("postgresql://"));
    assert!(refused("just words").contains("postgresql://"));
    assert!(refused("postgres://h:0/d").contains("host 1"));
    assert!(refused("postgres://a,h:x/d").contains("host 2"));
    assert!(refused("postgres://[::1/d").contains("bracket"));
    assert!(refused("postgres://u:%zz@h/d").contains("password"));
    assert!(refused("postgres://h/d?sslmode=on").contains("verify-full"));
    assert!(refused("postgres://h/d?colour=red").contains("\"colour\""));
    assert!(refused("postgres://h/d?sslcrl=/x").contains("revocation"));
    assert!(refused("postgres://h/d?client_encoding=latin1").contains("UTF8"));
    assert!(refused("postgres://a,b,c/d?port=1,2").contains("3 hosts and 2 ports"));
    assert!(refused("user='x").contains("quote"));
    assert!(refused("user=x pass word=y").contains("keyword"));
}

#[test]
fn no_output_ever_shows_a_password() {
    let o = parse("postgres://u:geheim@h/d");
    assert!(!format!("{o:?} {o}").contains("geheim"));
    // Characters that had to be encoded move pieces of the password into other places.
    for url in [
        "postgres://u:geheim/x@h/d",
        "postgres://u:geheim#x@h/d",
        "postgres://u:geheim?x@h/d",
        "postgres://u:x?geheim=1@h/d",
        "postgres://u:x?geheim@h/d",
        "postgres://u:[geheim@h/d",
        "postgres://u:%geheim@h/d",
        "postgres://u:a:geheim:b@h:c/d",
        "user=u password=ge geheim",
        "user=u password='geheim",
    ] {
        match ConnectOptions::parse(url) {
            Ok(o) => assert!(!format!("{o:?} {o}").contains("geheim"), "{url}"),
            Err(e) => assert!(!format!("{e:?} {e}").contains("geheim"), "{url}: {e}"),
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(postgres(ql)?://)?.{0,60}") {
        let _ = ConnectOptions::parse(&text);
    }

    #[test]
    fn encoded_parts_come_back(user in "[^\\x00]{1,12}", password in "[^\\x00]{1,12}", database in "[^\\x00]{1,12}") {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let url = format!("postgresql://{}:{}@h/{}", encode(&user), encode(&password), encode(&database));
        let options = parse(&url);
        prop_assert_eq!(options.user(), Some(user.as_str()));
        prop_assert_eq!(options.password().unwrap().expose(), password.as_str());
        prop_assert_eq!(options.database(), Some(database.as_str()));

        let quote = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
        let pairs = format!("user={} password={} dbname={}", quote(&user), quote(&password), quote(&database));
        let options = parse(&pairs);
        prop_assert_eq!(options.password().unwrap().expose(), password.as_str());
        prop_assert_eq!(options.database(), Some(database.as_str()));
    }
}
