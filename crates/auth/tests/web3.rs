//! Signing in with wallets (contract 2.2). Wallets are real keys; nobody else is needed.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::Signer as _;
use jiff::{Span, Timestamp};
use serde_json::{Value, json};
use sha3::{Digest as _, Keccak256};

use crate::harness::{Answer, Auth, section, with};

async fn room() -> Auth {
    with(section(|section| {
        section.web3.ethereum = true;
        section.web3.solana = true;
        section.rate_limits.web3 = 1000;
    }))
    .await
}

fn text(chain: &str, address: &str, issued: &str, more: &str) -> String {
    format!(
        "localhost:3000 wants you to sign in with your {chain} account:\n{address}\n\nWelcome.\n\nURI: http://localhost:3000/login\nVersion: 1\nChain ID: 1\nNonce: 8{}\nIssued At: {issued}{more}",
        rand_digits()
    )
}

fn rand_digits() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

fn now() -> String {
    Timestamp::now().to_string()
}

struct Ethereum(k256::ecdsa::SigningKey);

impl Ethereum {
    fn new() -> Self {
        Self(k256::ecdsa::SigningKey::from_slice(&[3; 32]).expect("a key"))
    }

    fn address(&self) -> String {
        let point = self.0.verifying_key().to_encoded_point(false);
        let hash = Keccak256::digest(&point.as_bytes()[1..]);
        hash[12..].iter().fold("0x".to_owned(), |text, byte| format!("{text}{byte:02x}"))
    }

    fn sign(&self, text: &str) -> String {
        let hash = Keccak256::digest(format!("\x19Ethereum Signed Message:\n{}{text}", text.len()));
        let (signature, id) = self.0.sign_prehash_recoverable(&hash).expect("a signature");
        let bytes = [&signature.to_bytes()[..], &[id.to_byte() + 27]].concat();
        bytes.iter().fold("0x".to_owned(), |text, byte| format!("{text}{byte:02x}"))
    }
}

struct Solana(ed25519_dalek::SigningKey);

impl Solana {
    fn new() -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(&[3; 32]))
    }

    fn address(&self) -> String {
        const ALPHABET: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
        let mut digits: Vec<u8> = Vec::new();
        for byte in self.0.verifying_key().as_bytes() {
            let mut carry = u32::from(*byte);
            for digit in &mut digits {
                carry += u32::from(*digit) << 8;
                *digit = (carry % 58) as u8;
                carry /= 58;
            }
            while carry > 0 {
                digits.push((carry % 58) as u8);
                carry /= 58;
            }
        }
        digits.iter().rev().map(|digit| char::from(ALPHABET[usize::from(*digit)])).collect()
    }

    fn sign(&self, text: &str) -> Vec<u8> {
        self.0.sign(text.as_bytes()).to_vec()
    }
}

async fn grant(auth: &Auth, chain: &str, message: &str, signature: &str) -> Answer {
    let body = json!({"chain": chain, "message": message, "signature": signature});
    auth.post("/token?grant_type=web3", body).await
}

#[tokio::test]
async fn a_wallet_signs_in_and_is_known_again() {
    let (auth, ethereum, solana) = (room().await, Ethereum::new(), Solana::new());
    let message = text("Ethereum", &ethereum.address(), &now(), "");
    let first = grant(&auth, "ethereum", &message, &ethereum.sign(&message)).await.ok();
    let user = &first["user"];
    assert_eq!(user["identities"][0]["id"], json!(format!("web3:ethereum:{}", ethereum.address())));
    let custom = &user["user_metadata"]["custom_claims"];
    assert_eq!((&custom["chain"], &custom["network"]), (&json!("ethereum"), &json!("1")));
    assert_eq!((&custom["domain"], &custom["statement"]), (&json!("localhost:3000"), &json!("Welcome.")));
    assert_eq!((&user["email"], &user["app_metadata"]["provider"]), (&json!(""), &json!("web3")));
    assert_eq!(auth.value("select authentication_method from auth.mfa_amr_claims").await, "web3");
    let message = text("Ethereum", &ethereum.address(), &now(), "");
    let again = grant(&auth, "ethereum", &message, &ethereum.sign(&message)).await.ok();
    assert_eq!(again["user"]["id"], user["id"]);
    for encode in [|bytes: &[u8]| STANDARD.encode(bytes), |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes)] {
        let message = text("Solana", &solana.address(), &now(), "");
        let session = grant(&auth, "solana", &message, &encode(&solana.sign(&message))).await.ok();
        assert_eq!(session["user"]["identities"][0]["id"], json!(format!("web3:solana:{}", solana.address())));
    }
    assert_eq!(auth.value("select count(*)::text from auth.users").await, "2");
}

#[tokio::test]
async fn sec_texts_that_prove_nothing_are_refused() {
    let (auth, ethereum, solana) = (room().await, Ethereum::new(), Solana::new());
    let ago = |minutes: i64| (Timestamp::now() - Span::new().minutes(minutes)).to_string();
    let good = text("Ethereum", &ethereum.address(), &now(), "");
    let field = |more: String| text("Ethereum", &ethereum.address(), &now(), &more);
    for (message, why) in [
        (good.replace("localhost:3000 wants", "evil.example wants"), "another domain"),
        (good.replace("http://localhost:3000/", "https://evil.example/"), "another address"),
        (good.replace("localhost:3000", "evil.example").replace("http:", "https:"), "another application"),
        (good.replace("http://localhost:3000/", "http://app.example.com/"), "no https"),
        (text("Ethereum", &ethereum.address(), &ago(11), ""), "old"),
        (text("Ethereum", &ethereum.address(), &ago(-11), ""), "from the future"),
        (good.split("\nIssued At").next().expect("a part").to_owned(), "of no time"),
        (field(format!("\nExpiration Time: {}", ago(1))), "expired"),
        (field(format!("\nNot Before: {}", ago(-5))), "not yet"),
        (text("Ethereum", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", &now(), ""), "another address"),
        (text("Ethereum", "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", &now(), ""), "a wrong checksum"),
        ("short".to_owned(), "short"),
        ("x".repeat(21_000), "long"),
    ] {
        let refused = grant(&auth, "ethereum", &message, &ethereum.sign(&message)).await;
        assert_eq!((refused.status.as_u16(), refused.json()["error"].as_str()), (400, Some("invalid_grant")), "{why}");
    }
    let other = text("Ethereum", &ethereum.address(), &now(), "");
    for signature in ["", "0x", "0x00", &ethereum.sign(&other), &format!("0x{}", "0".repeat(130)), &"f".repeat(132)] {
        assert_eq!(grant(&auth, "ethereum", &good, signature).await.status, 400, "{signature}");
    }
    let message = text("Solana", &solana.address(), &now(), "");
    let signature = STANDARD.encode(solana.sign(&message));
    assert_eq!(grant(&auth, "solana", &message.replace("Welcome", "welcome"), &signature).await.status, 400);
    // Keys of low order, for which signatures can be made without a secret.
    for weak in ["11111111111111111111111111111111", "1111111111111111111111111111111F"] {
        let message = text("Solana", weak, &now(), "");
        assert_eq!(grant(&auth, "solana", &message, &STANDARD.encode([0; 64])).await.status, 400, "{weak}");
    }
    assert_eq!(auth.value("select count(*)::text from auth.users").await, "0");
}

#[tokio::test]
async fn sec_a_text_opens_one_session() {
    let (auth, ethereum) = (room().await, Ethereum::new());
    let message = text("Ethereum", &ethereum.address(), &now(), "");
    let signature = ethereum.sign(&message);
    grant(&auth, "ethereum", &message, &signature).await.ok();
    // Nor with the other signature that the same key and text have.
    for signature in [signature.clone(), signature.to_uppercase().replacen("0X", "0x", 1)] {
        let replayed = grant(&auth, "ethereum", &message, &signature).await;
        assert_eq!((replayed.status.as_u16(), replayed.json()["error"].as_str()), (400, Some("invalid_grant")));
    }
    assert_eq!(auth.value("select count(*)::text from auth.sessions").await, "1");
}

#[tokio::test]
async fn chains_are_switched_one_by_one() {
    let off = crate::harness::auth().await;
    let refused = grant(&off, "ethereum", "x", "x").await.error();
    assert_eq!(refused, (422, "web3_provider_disabled".into(), "Web3 provider is disabled".into()));
    // Whatever was sent: clients turn a signature that is no text into an object.
    let odd = json!({"chain": "ethereum", "message": "x", "signature": {"0": 1}});
    let refused = off.post("/token?grant_type=web3", odd).await.error();
    assert_eq!((refused.0, refused.1.as_str()), (422, "web3_provider_disabled"));
    let one = with(section(|section| section.web3.solana = true)).await;
    assert_eq!(grant(&one, "ethereum", "x", "x").await.error().1, "web3_provider_disabled");
    assert_eq!(grant(&one, "dogecoin", "x", "x").await.error().1, "web3_unsupported_chain");
    let body = json!({"message": Value::Null});
    assert_eq!(one.post("/token?grant_type=web3", body).await.error().1, "web3_unsupported_chain");
}
