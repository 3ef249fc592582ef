//! The `ferrobase` binary. Everything is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    ferrobase_app::cli::run()
}
