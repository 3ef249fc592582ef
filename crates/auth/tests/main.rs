//! The room `auth` over HTTP messages and a real PostgreSQL: as `serve` composes it, without a socket.

mod admin;
mod attacks;
mod bearer;
mod device;
mod errors;
mod harness;
mod hooks;
mod import;
mod keys;
mod logout;
mod mfa;
mod mfa_attacks;
mod oauth;
mod outside;
mod passkeys;
mod passwords;
mod pkce;
mod refresh;
mod schema;
mod service;
mod signup;
mod user;
