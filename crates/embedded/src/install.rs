//! The one command that installs PostgreSQL on this platform, for error messages.
//!
//! Reads `/etc/os-release` (freedesktop's os-release(5)): `ID`, then `ID_LIKE`, decide the package manager.

use std::fs;

/// The command for this machine; `major` names the version where the platform's packages carry it in their names.
pub(crate) fn command(major: Option<u32>, root: bool) -> String {
    if cfg!(target_os = "macos") {
        return format!("brew install postgresql@{}", major.unwrap_or(17));
    }
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let command = linux_command(&release, major);
    if root { command } else { format!("sudo {command}") }
}

fn linux_command(release: &str, major: Option<u32>) -> String {
    let versioned = |name: &str| major.map_or_else(|| name.to_owned(), |m| format!("{name}{m}"));
    match family(release) {
        Family::Rpm => match major {
            Some(m) => format!("dnf install postgresql{m}-server"),
            None => "dnf install postgresql-server".into(),
        },
        Family::Suse => match major {
            Some(m) => format!("zypper install postgresql{m}-server"),
            None => "zypper install postgresql-server".into(),
        },
        Family::Arch => "pacman -S postgresql".into(),
        Family::Alpine => format!("apk add {}", versioned("postgresql")),
        // Debian's way is also what an unknown Linux is most likely to understand.
        Family::Debian => match major {
            Some(m) => format!("apt-get install postgresql-{m}"),
            None => "apt-get install postgresql".into(),
        },
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Family {
    Debian,
    Rpm,
    Suse,
    Arch,
    Alpine,
}

fn family(release: &str) -> Family {
    let field = |key: &str| {
        release
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .unwrap_or_default()
            .trim_matches('"')
            .to_owned()
    };
    let words = format!("{} {}", field("ID"), field("ID_LIKE"));
    for word in words.split_whitespace() {
        return match word {
            "debian" | "ubuntu" => Family::Debian,
            "fedora" | "rhel" | "centos" | "rocky" | "almalinux" | "amzn" => Family::Rpm,
            "suse" | "opensuse" | "opensuse-leap" | "opensuse-tumbleweed" | "sles" => Family::Suse,
            "arch" => Family::Arch,
            "alpine" => Family::Alpine,
            _ => continue,
        };
    }
    Family::Debian
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_platform_has_its_command() {
        let cases = [
            ("ID=debian\n", None, "apt-get install postgresql"),
            ("ID=debian\n", Some(17), "apt-get install postgresql-17"),
            ("NAME=x\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", None, "apt-get install postgresql"),
            ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", None, "dnf install postgresql-server"),
            ("ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n", Some(16), "zypper install postgresql16-server"),
            ("ID=manjaro\nID_LIKE=arch\n", None, "pacman -S postgresql"),
            ("ID=alpine\n", Some(17), "apk add postgresql17"),
            ("", None, "apt-get install postgresql"),
        ];
        for (release, major, expected) in cases {
            assert_eq!(linux_command(release, major), expected, "{release}");
        }
    }
}
