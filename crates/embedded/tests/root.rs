//! Started by root: an unprivileged account, data under `/var/lib/ferrobase`, and folders that other users may own.
//!
//! Every test here returns at once when the tests do not run as root.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use ferrobase_embedded::{Embedded, Error, Options, Profile};
use nix::unistd::User;

use crate::project::{Project, is_root, options_of, sql};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[tokio::test]
async fn sec_30_root_keeps_everything_but_the_data_to_itself() {
    if !is_root() {
        return;
    }
    let project = Project::new();
    let running = project.start().await;
    let pointer = project.path().join(".ferrobase/pg");
    assert!(fs::symlink_metadata(&pointer).unwrap().is_file());
    let home = project.home();
    assert!(home.starts_with("/var/lib/ferrobase"), "{}", home.display());
    assert_eq!((fs::metadata(&home).unwrap().uid(), mode(&home)), (0, 0o711));
    for file in ["cluster.json", "postgres.log", "lock"] {
        let meta = fs::metadata(home.join(file)).unwrap();
        assert_eq!((meta.uid(), meta.mode() & 0o777), (0, 0o600), "{file}");
    }
    let data_owner = fs::metadata(project.data()).unwrap().uid();
    assert_ne!(data_owner, 0);
    // Root's supplementary groups are gone too.
    let status = fs::read_to_string(format!("/proc/{}/status", project.postmaster())).unwrap();
    let field = |name: &str| status.lines().find_map(|l| l.strip_prefix(name)).unwrap().trim().to_owned();
    assert!(field("Uid:").split_whitespace().all(|uid| uid == data_owner.to_string()), "{status}");
    assert!(!field("Gid:").split_whitespace().any(|gid| gid == "0"), "{status}");
    assert_eq!(field("Groups:"), "");
    // SQL of the superuser cannot replace what root writes.
    let attack = format!("copy (select 1) to '{}/cluster.json'", home.display());
    assert!(crate::project::try_sql(&running.url(), &attack).unwrap_err().contains("Permission denied"));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_moved_project_keeps_its_database_and_a_copied_one_gets_its_own() {
    if !is_root() {
        return;
    }
    let outer = Project::new();
    let at = |name: &str| outer.path().join(name);
    let options = |name: &str| Options { profile: Profile::Test, ..options_of(&at(name)) };
    fs::create_dir(at("one")).unwrap();
    let running = Embedded::start(options("one")).await.unwrap();
    sql(&running.url(), "create table kept(x int)");
    let first_data = running.data_dir().to_owned();
    running.stop().await.unwrap();

    fs::rename(at("one"), at("two")).unwrap();
    let running = Embedded::start(options("two")).await.unwrap();
    assert_eq!(running.data_dir(), first_data);
    assert_eq!(sql(&running.url(), "select count(*) from kept"), "0");
    running.stop().await.unwrap();

    assert!(Command::new("cp").arg("-a").args([at("two"), at("three")]).status().unwrap().success());
    let running = Embedded::start(options("three")).await.unwrap();
    assert_ne!(running.data_dir(), first_data);
    assert!(running.created());
    let copy_data = running.data_dir().to_owned();
    running.stop().await.unwrap();

    for data in [first_data, copy_data] {
        fs::remove_dir_all(data.parent().unwrap()).unwrap();
    }
}

#[tokio::test]
async fn a_copy_whose_original_is_away_says_whose_database_it_has_and_never_deletes_it() {
    if !is_root() {
        return;
    }
    let outer = Project::new();
    let at = |name: &str| outer.path().join(name);
    let told = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let options = |name: &str| {
        let told = std::sync::Arc::clone(&told);
        let listen = move |step: &ferrobase_embedded::Progress| told.lock().unwrap().push_str(&format!("{step}\n"));
        Options { progress: Some(std::sync::Arc::new(listen)), profile: Profile::Test, ..options_of(&at(name)) }
    };
    let says = |text: &str| {
        let told = std::mem::take(&mut *told.lock().unwrap());
        assert!(told.contains(text), "no {text:?} in {told}");
    };
    fs::create_dir(at("one")).unwrap();
    let running = Embedded::start(options("one")).await.unwrap();
    sql(&running.url(), "create table kept(x int)");
    let first = running.data_dir().to_owned();
    running.stop().await.unwrap();
    let copy = |name: &str| Command::new("cp").arg("-a").args([at("one"), at(name)]).status().unwrap().success();
    assert!(copy("two") && copy("three"));
    fs::rename(at("one"), at("away")).unwrap();

    Embedded::reset(&options("two")).await.unwrap();
    says(&format!("is not deleted: it was the database of {}", at("one").display()));
    assert!(first.exists());
    let running = Embedded::start(options("two")).await.unwrap();
    assert!(running.created());
    let second = running.data_dir().to_owned();
    running.stop().await.unwrap();

    let running = Embedded::start(options("three")).await.unwrap();
    assert_eq!((running.data_dir(), running.created()), (first.as_path(), false));
    says(&format!("takes over the database of {}", at("one").display()));
    running.stop().await.unwrap();
    // The original comes back, and does not share it.
    fs::rename(at("away"), at("one")).unwrap();
    let running = Embedded::start(options("one")).await.unwrap();
    assert!(running.created());
    says(&format!("is that of {}; this folder gets a new one", at("three").display()));
    let third = running.data_dir().to_owned();
    running.stop().await.unwrap();
    assert_eq!(std::collections::BTreeSet::from([&first, &second, &third]).len(), 3);
    for data in [first, second, third] {
        fs::remove_dir_all(data.parent().unwrap()).unwrap();
    }
}

/// A project was deleted together with its pointer; its data lie in the system's folder.
#[tokio::test]
async fn a_new_project_at_a_deleted_ones_path_gets_a_database_of_its_own() {
    if !is_root() {
        return;
    }
    let project = Project::new();
    let running = project.start().await;
    sql(&running.url(), "create table old(x int)");
    let old = running.data_dir().to_owned();
    running.stop().await.unwrap();
    fs::remove_dir_all(project.path().join(".ferrobase")).unwrap();

    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let listener = std::sync::Arc::clone(&told);
    let progress: ferrobase_embedded::ProgressFn =
        std::sync::Arc::new(move |step: &_| listener.lock().unwrap().push(format!("{step}")));
    let running = Embedded::start(Options { progress: Some(progress), ..project.options() }).await.unwrap();
    assert!(running.created());
    assert_ne!(running.data_dir(), old);
    assert_eq!(sql(&running.url(), "select count(*) from pg_class where relname = 'old'"), "0");
    running.stop().await.unwrap();
    assert!(told.lock().unwrap()[0].contains(old.parent().unwrap().to_str().unwrap()), "{told:?}");

    // The second start finds the second home again.
    let running = project.start().await;
    assert!(!running.created());
    running.stop().await.unwrap();
    fs::remove_dir_all(old.parent().unwrap()).unwrap();
}

#[tokio::test]
async fn a_database_of_another_user_is_left_alone() {
    if !is_root() {
        return;
    }
    // A user's own project, later started by root.
    let project = Project::new();
    let nobody = User::from_name("nobody").unwrap().unwrap().uid.as_raw();
    let pg = project.path().join(".ferrobase/pg");
    fs::create_dir_all(pg.join("data")).unwrap();
    for path in [project.path(), &project.path().join(".ferrobase"), &pg, &pg.join("data")] {
        chown(path, Some(nobody), None).unwrap();
    }
    let error = Embedded::start(project.options()).await.unwrap_err();
    assert!(matches!(&error, Error::OtherOwner { owner, .. } if owner == "nobody"), "{error}");
    assert!(error.hint().unwrap().contains("run as nobody"));
}

/// Run as a user by the next test, in a folder where root has been before.
#[tokio::test]
async fn a_project_that_root_runs() {
    let dir = std::env::current_dir().unwrap();
    if is_root() || !dir.join(".ferrobase/pg").exists() {
        return;
    }
    let error = Embedded::start(Options::new(&dir)).await.unwrap_err();
    assert!(matches!(&error, Error::OtherOwner { owner, .. } if owner == "root"), "{error}");
}

#[tokio::test]
async fn sec_30_a_pointer_cannot_lead_root_elsewhere() {
    if !is_root() {
        return;
    }
    let project = Project::new();
    let dot = project.path().join(".ferrobase");
    fs::create_dir(&dot).unwrap();
    let pointer = dot.join("pg");
    for target in
        ["/etc", "/var/lib/ferrobase/../../../etc", "/var/lib/ferrobase/abc/..", "/var/lib/ferrobase/", "x", ""]
    {
        fs::write(&pointer, target).unwrap();
        let error = Embedded::start(project.options()).await.unwrap_err();
        assert!(matches!(error, Error::UnsafeFolder { .. }), "{target}: {error}");
    }
    fs::remove_file(&pointer).unwrap();
    symlink("/etc/hostname", &pointer).unwrap();
    let error = Embedded::start(project.options()).await.unwrap_err();
    assert!(matches!(error, Error::UnsafeFolder { .. }), "{error}");
    fs::remove_file(&pointer).unwrap();
    // A link in place of `.ferrobase` itself would have root write into a folder of somebody's choice.
    fs::remove_dir(&dot).unwrap();
    let target = tempfile::tempdir_in("/tmp").unwrap();
    symlink(target.path(), &dot).unwrap();
    let error = Embedded::start(project.options()).await.unwrap_err();
    assert!(matches!(error, Error::UnsafeFolder { .. }), "{error}");
    assert_eq!(fs::read_dir(target.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_data_dir_for_root_must_be_roots_and_reachable() {
    if !is_root() {
        return;
    }
    let project = Project::new();
    fs::set_permissions(project.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let with = |dir: PathBuf| Options { data_dir: Some(dir), ..project.options() };
    let error = Embedded::start(with("db".into())).await.unwrap_err();
    assert!(matches!(&error, Error::Unreachable { path, .. } if path == project.path()), "{error}");
    assert!(error.hint().unwrap().contains("chmod o+x"));

    fs::set_permissions(project.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let open = project.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(Embedded::start(with(open)).await, Err(Error::UnsafeFolder { .. })));
    let foreign = project.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    chown(&foreign, Some(12345), None).unwrap();
    assert!(matches!(Embedded::start(with(foreign)).await, Err(Error::UnsafeFolder { .. })));

    let running = Embedded::start(with("db".into())).await.unwrap();
    assert_eq!(running.data_dir(), project.path().join("db/data"));
    assert_eq!(sql(&running.url(), "select 1"), "1");
    running.stop().await.unwrap();
}

/// A small file system of its own, where the machine lets root mount one.
struct SmallDisk {
    dir: tempfile::TempDir,
}

impl SmallDisk {
    fn of_megabytes(size: u32) -> Option<Self> {
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let options = format!("size={size}m,mode=755");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir.path()).output();
        if mounted.is_ok_and(|o| o.status.success()) {
            Some(Self { dir })
        } else {
            eprintln!("cannot mount a tmpfs here: the test of a full disk is left out");
            None
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.dir.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_called_a_full_disk() {
    if !is_root() {
        return;
    }
    let project = Project::new();
    let Some(tiny) = SmallDisk::of_megabytes(20) else { return };
    let options = Options { data_dir: Some(tiny.dir.path().join("db")), ..project.options() };
    let error = Embedded::start(options).await.unwrap_err();
    assert!(matches!(error, Error::DiskFull { needed: Some(_), .. }), "{error}");
    assert!(error.to_string().contains("MB free"));

    let Some(small) = SmallDisk::of_megabytes(220) else { return };
    let options = Options { data_dir: Some(small.dir.path().join("db")), ..project.options() };
    let running = Embedded::start(options.clone()).await.unwrap();
    sql(&running.url(), "create table kept(x int)");
    running.stop().await.unwrap();
    let filler = small.dir.path().join("filler");
    let _ = Command::new("dd").args(["if=/dev/zero", "bs=1M"]).arg(format!("of={}", filler.display())).output();
    let error = Embedded::start(options.clone()).await.unwrap_err();
    assert!(matches!(error, Error::DiskFull { .. }), "{error}");
    fs::remove_file(filler).unwrap();
    let running = Embedded::start(options).await.unwrap();
    assert_eq!(sql(&running.url(), "select count(*) from kept"), "0");
    running.stop().await.unwrap();
}

/// Runs two starts on a copy of this machine's `/etc` without a `postgres` user, in a mount namespace of their own.
#[test]
fn a_user_is_made_once_when_there_is_none() {
    if !is_root() {
        return;
    }
    let etc = tempfile::tempdir_in("/tmp").unwrap();
    let script = r#"
        mount --make-rprivate / && cp -a /etc/. "$1" && mount --bind "$1" /etc || exit 77
        sed -i '/^postgres:/d;/^ferrobase:/d' /etc/passwd /etc/group /etc/shadow
        "$2" --exact root::two_starts_without_a_postgres_user --nocapture
    "#;
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(etc.path())
        .arg(std::env::current_exe().unwrap())
        .env("EMBEDDED_TEST_NO_POSTGRES_USER", "yes")
        .output()
        .unwrap();
    if output.status.code() == Some(77) {
        eprintln!("cannot mount here: the test of making a user is left out");
        return;
    }
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
async fn two_starts_without_a_postgres_user() {
    if std::env::var_os("EMBEDDED_TEST_NO_POSTGRES_USER").is_none() {
        return;
    }
    assert!(User::from_name("postgres").unwrap().is_none());
    let (one, two) = (Project::new(), Project::new());
    let (a, b) = tokio::join!(one.start(), two.start());
    let made = User::from_name("ferrobase").unwrap().unwrap();
    assert_eq!(fs::metadata(a.data_dir()).unwrap().uid(), made.uid.as_raw());
    assert_eq!(fs::metadata(b.data_dir()).unwrap().uid(), made.uid.as_raw());
    assert_eq!(sql(&a.url(), "select 1") + &sql(&b.url(), "select 2"), "12");
    a.stop().await.unwrap();
    b.stop().await.unwrap();

    // The package of PostgreSQL is installed later: the data stays with its user.
    let line = "postgres:x:4242:4242::/nonexistent:/bin/false\n";
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    fs::write("/etc/passwd", passwd + line).unwrap();
    assert!(User::from_name("postgres").unwrap().is_some());
    let a = one.start().await;
    assert_eq!(fs::metadata(a.data_dir()).unwrap().uid(), made.uid.as_raw());
    assert_eq!(sql(&a.url(), "select 1"), "1");
    a.stop().await.unwrap();
}

#[tokio::test]
async fn a_user_is_told_that_root_runs_the_project() {
    if !is_root() {
        return;
    }
    let project = Project::new();
    project.start().await.stop().await.unwrap();
    // Everybody may look into this project's folder.
    for path in [project.path().to_owned(), project.path().join(".ferrobase")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    crate::project::run_as_user_in(project.path(), "root::a_project_that_root_runs");
}
