//! Epochs: every change of what decides an answer, made by SQL, is another one, and nothing else is.

use ferrobase_catalog::{Depends, SettingsRead};
use ferrobase_pg::Session;
use ferrobase_query::plan::{Query, Read, Source};
use ferrobase_request::answers::Epoch;

use crate::answers::Known;
use crate::support::ask;

/// A schema of every sort of object through which a role is told something. Roles are the cluster's, so these are this
/// database's own, and gone at the end.
const FIXTURE: &str = "
    create type mood as enum ('good', 'bad');
    create table members (org int, who text);
    create table docs (id int, org int, mood mood, body text, size int generated always as (org * 2) stored);
    create table parts (id int) partition by range (id);
    create function orgs() returns setof int stable security definer
      begin atomic select org from members where who = app.user_id(); end;
    alter table docs enable row level security;
    create policy own on docs using (org in (select orgs()));
    create view shown with (security_invoker) as select d.id, d.mood from docs d left join parts p on p.id = d.id;
    create table unrelated (id int);
    create function about_nothing() returns int return 1;";

struct Watched {
    known: Known,
    session: Session,
    depends: Depends,
    role: String,
}

impl Watched {
    async fn new() -> Self {
        let known = Known::new(FIXTURE).await;
        let shown = Source::Table(ferrobase_catalog::QualifiedName::new("public", "shown"));
        let (_, depends) = known.work(&Query::list(Read::from(shown, "shown"))).await.unwrap();
        let role = format!("asks_{}", known.fixture.db.name());
        let session = known.fixture.db.connect().await;
        let mut watched = Self { known, session, depends, role };
        watched
            .script(
                "create role ROLE; create role ROLE_above; create role ROLE_top; create role ROLE_owner; create role ROLE_named;
                 create role ROLE_other; grant ROLE_above to ROLE; grant ROLE_top to ROLE_above; grant select on shown to ROLE;
                 grant create on schema public to ROLE_owner;
                 alter table members owner to ROLE_owner;
                 create policy named on docs to ROLE_named using (true)",
            )
            .await;
        watched
    }

    async fn script(&mut self, sql: &str) {
        let sql = sql.replace("ROLE", &self.role).replace("BASE", self.known.fixture.db.name());
        self.session.script(&sql).await.unwrap_or_else(|error| panic!("{error}\nin {sql}"));
    }

    /// As the role itself sees it, which may do nothing but ask.
    async fn epoch(&mut self) -> Epoch {
        self.epoch_of(&SettingsRead::Only(vec!["app.stage".into()])).await
    }

    async fn epoch_of(&mut self, settings: &SettingsRead) -> Epoch {
        let question = Epoch::statement(&self.depends, &self.role, settings).unwrap();
        let values: Vec<_> =
            question.params.iter().flatten().map(|value| std::str::from_utf8(value).unwrap()).collect();
        let values: Vec<_> = values.into_iter().map(Some).collect();
        self.session.script(&format!("set role {}", self.role)).await.unwrap();
        let answer = self.session.query(&question.sql, &values).await.unwrap();
        self.session.script("reset role").await.unwrap();
        Epoch::read(&answer).unwrap()
    }

    async fn end(mut self) {
        let roles = ["ROLE", "ROLE_above", "ROLE_top", "ROLE_owner", "ROLE_named", "ROLE_other"];
        for role in roles {
            self.script(&format!("reassign owned by {role} to postgres; drop owned by {role}; drop role {role}")).await;
        }
    }
}

/// Changes, each with what undoes it: neither gives what was just before.
const CHANGES: [(&str, &str); 40] = [
    ("create policy more on docs for select using (true)", "drop policy more on docs"),
    ("alter policy own on docs using (true)", "alter policy own on docs using (org in (select orgs()))"),
    ("alter policy own on docs rename to owned", "alter policy owned on docs rename to own"),
    ("alter policy own on docs to ROLE", "alter policy own on docs to public"),
    ("create policy more on members for select using (true)", "drop policy more on members"),
    ("alter table docs disable row level security", "alter table docs enable row level security"),
    ("alter table members enable row level security", "alter table members disable row level security"),
    ("alter table docs force row level security", "alter table docs no force row level security"),
    ("alter table docs owner to ROLE_owner", "alter table docs owner to postgres"),
    ("alter view shown owner to ROLE_owner", "alter view shown owner to postgres"),
    ("alter function orgs() owner to ROLE_owner", "alter function orgs() owner to postgres"),
    ("grant select on docs to ROLE", "revoke select on docs from ROLE"),
    ("grant select (id) on docs to ROLE", "revoke select (id) on docs from ROLE"),
    ("grant select on docs to public", "revoke select on docs from public"),
    ("revoke select on shown from ROLE", "grant select on shown to ROLE"),
    ("revoke execute on function orgs() from public", "grant execute on function orgs() to public"),
    ("grant usage on schema public to ROLE", "revoke usage on schema public from ROLE"),
    ("revoke usage on type mood from public", "grant usage on type mood to public"),
    ("alter function orgs() security invoker", "alter function orgs() security definer"),
    ("alter function orgs() set app.user_id = 'u'", "alter function orgs() reset all"),
    ("alter view shown reset (security_invoker)", "alter view shown set (security_invoker)"),
    (
        "create or replace view shown with (security_invoker) as select d.id, d.mood from docs d",
        "create or replace view shown with (security_invoker) as
           select d.id, d.mood from docs d left join parts p on p.id = d.id",
    ),
    ("create table part_one partition of parts for values from (0) to (9)", "drop table part_one"),
    ("alter type mood rename value 'good' to 'well'", "alter type mood rename value 'well' to 'good'"),
    ("grant ROLE_other to ROLE", "revoke ROLE_other from ROLE"),
    ("grant ROLE_other to ROLE_top", "revoke ROLE_other from ROLE_top"),
    ("revoke ROLE_top from ROLE_above", "grant ROLE_top to ROLE_above"),
    ("grant ROLE_other to ROLE_named", "revoke ROLE_other from ROLE_named"),
    ("grant ROLE_other to ROLE_owner", "revoke ROLE_other from ROLE_owner"),
    ("alter role ROLE bypassrls", "alter role ROLE nobypassrls"),
    ("alter role ROLE_owner superuser", "alter role ROLE_owner nosuperuser"),
    ("alter role ROLE noinherit", "alter role ROLE inherit"),
    ("alter role ROLE set datestyle = 'German'", "alter role ROLE reset datestyle"),
    ("alter role ROLE in database BASE set app.stage = '1'", "alter role ROLE in database BASE reset app.stage"),
    ("alter role ROLE_above rename to ROLE_renamed", "alter role ROLE_renamed rename to ROLE_above"),
    ("alter role ROLE_named rename to ROLE_renamed", "alter role ROLE_renamed rename to ROLE_named"),
    ("set timezone = 'Europe/Vienna'", "reset timezone"),
    ("set app.stage = '1'", "set app.stage = '2'"),
    ("set default_text_search_config = 'simple'", "reset default_text_search_config"),
    ("set row_security = off", "reset row_security"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_26_every_change_that_no_row_tells_of_is_another_epoch() {
    let mut watched = Watched::new().await;
    let mut before = watched.epoch().await;
    for sql in CHANGES.iter().flat_map(|(change, undo)| [*change, *undo]) {
        watched.script(sql).await;
        let after = watched.epoch().await;
        assert_ne!(after, before, "{sql}");
        before = after;
    }
    watched.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_26_what_is_gone_and_there_again_is_another_one() {
    let mut watched = Watched::new().await;
    let before = watched.epoch().await;
    watched.script("drop policy own on docs; create policy own on docs using (org in (select orgs()))").await;
    let after = watched.epoch().await;
    assert_ne!(before, after, "a policy with the same text");
    watched.script("begin; drop policy own on docs; create policy own on docs using (true); rollback").await;
    assert_eq!(watched.epoch().await, after, "it did not happen");
    // A role that is not there has no rights, and no members.
    watched.role.push_str("_gone");
    let role = watched.role.clone();
    let question = Epoch::statement(&watched.depends, &role, &SettingsRead::default()).unwrap();
    let values: Vec<_> = question.params.iter().map(|v| std::str::from_utf8(v.as_deref().unwrap()).ok()).collect();
    let gone = Epoch::read(&watched.session.query(&question.sql, &values).await.unwrap()).unwrap();
    watched.script("create role ROLE").await;
    let there = Epoch::read(&watched.session.query(&question.sql, &values).await.unwrap()).unwrap();
    assert_ne!(gone, there);
    watched.script("drop role ROLE").await;
    watched.role.truncate(role.len() - "_gone".len());
    watched.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_epoch_outlasts_everything_else() {
    let mut watched = Watched::new().await;
    let epoch = watched.epoch().await;
    for sql in [
        "insert into docs values (1, 1, 'good', 'a'); update docs set body = 'b'; delete from docs",
        "insert into members values (1, 'u')",
        "analyze docs; analyze members",
        "vacuum docs",
        "create index on docs (org)",
        "alter table unrelated enable row level security",
        "create policy own on unrelated using (true)",
        "grant select on unrelated to ROLE",
        "create or replace function about_nothing() returns int return 2",
        "grant ROLE to ROLE_other",
        "alter role ROLE_other set datestyle = 'German'",
        "set app.other = '1'",
        "set work_mem = '1MB'",
    ] {
        watched.script(sql).await;
        assert_eq!(watched.epoch().await, epoch, "{sql}");
    }
    let other = watched.known.fixture.db.connect().await;
    watched.session = other;
    watched.script("set app.stage = ''").await;
    let unset = watched.epoch_of(&SettingsRead::default()).await;
    watched.script("set app.stage = '1'").await;
    assert_eq!(watched.epoch_of(&SettingsRead::default()).await, unset, "nobody looks at it");
    assert!(ask(&mut watched.session, "select count(*) from docs").await.is_some());
    watched.end().await;
}

/// Servers of before August 2026 go on with the policies of a plan that was made before memberships or attributes of roles changed
/// (CVE-2026-14666). Then an answer of old rights would come with the new epoch; this is what helps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_26_plans_that_are_discarded_follow_roles_and_grants() {
    let mut watched = Watched::new().await;
    watched.script("insert into docs values (1, 1, 'good', 'a'); grant select on docs to ROLE, ROLE_named").await;
    let asked = watched.known.fixture.db.connect().await;
    let mut changes = std::mem::replace(&mut watched.session, asked);
    watched.script("set role ROLE; prepare asked as select count(*) from docs").await;
    let role = watched.role.clone();
    let rows = async |watched: &mut Watched| {
        watched.script("discard plans").await;
        // More than once, so that the plan is one that is kept.
        for _ in 0..7 {
            watched.session.query("execute asked", &[]).await.unwrap();
        }
        ask(&mut watched.session, "execute asked").await
    };
    assert_eq!(rows(&mut watched).await.as_deref(), Some("0"));
    for (change, expected) in [
        ("grant ROLE_named to ROLE", "1"),
        ("revoke ROLE_named from ROLE", "0"),
        ("alter role ROLE bypassrls", "1"),
        ("alter role ROLE nobypassrls", "0"),
        ("alter policy named on docs to ROLE", "1"),
    ] {
        changes.script(&change.replace("ROLE", &role)).await.unwrap();
        assert_eq!(rows(&mut watched).await.as_deref(), Some(expected), "{change}");
    }
    changes.script(&format!("revoke select on docs from {role}")).await.unwrap();
    let refused = watched.session.query("execute asked", &[]).await.unwrap_err();
    assert!(refused.to_string().contains("permission denied"), "{refused}");
    watched.session = changes;
    watched.end().await;
}

/// In a small catalog PostgreSQL may well look at a whole table; there has to be another way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_of_an_epoch_is_found_by_an_index() {
    let mut watched = Watched::new().await;
    watched.script("set enable_seqscan = off").await;
    // The numbers go on from one transaction to the next; the first look makes the session acquainted with the catalog.
    watched.epoch().await;
    watched.script("begin").await;
    let looked = "select coalesce(sum(seq_tup_read), 0) from pg_stat_xact_sys_tables";
    let before = ask(&mut watched.session, looked).await;
    watched.epoch().await;
    assert_eq!(ask(&mut watched.session, looked).await, before);
    watched.script("rollback").await;
    watched.end().await;
}
