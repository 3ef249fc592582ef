//! The room `auth` over HTTP messages and a real PostgreSQL: as `serve` composes it, without a socket.

mod admin;
mod attacks;
mod attacks_on_proofs;
mod bearer;
mod errors;
mod harness;
mod keys;
mod logout;
mod mails;
mod oauth;
mod oauth_server;
mod passwords;
mod pkce;
mod proofs;
mod refresh;
mod schema;
mod service;
mod signup;
mod user;
mod verify;
mod web3;
