//! What identifies an answer: every input by a pair of requests that differ in nothing else, and everything that leaves an answer
//! without a key.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ferrobase_catalog::{
    Catalog, Depends, Proven, QualifiedName, ReloadOptions, Reloader, Scope, SettingsRead, Stands, connect_with,
    dependencies,
};
use ferrobase_pg::Session;
use ferrobase_query::plan::{
    Arguments, Call, Change, Columns, Comparison, Condition, Content, Delete, Document, Field, Guard, Join, Member,
    Mutation, One, Operation, Operator, Query, Read, Returned, Select, Source,
};
use ferrobase_query::{Reads, TypeName, compile, prove, prove_document, reads, reads_of_document};
use ferrobase_request::answers::{AnswerKey, Epoch};
use ferrobase_request::{Identity, RequestContext, TransactionRules, Work, run};
use ferrobase_testkit::token;
use serde_json::json;
use tokio::sync::{Mutex, watch};

use crate::support::{Fixture, Options, context, owner, path, statement};

/// A target with proofs that stand until the test says otherwise: nobody listens.
pub struct Known {
    pub fixture: Fixture,
    pub catalog: Arc<Catalog>,
    pub proven: Arc<Proven>,
    /// Knows its way after the first question.
    session: Mutex<Session>,
}

impl Known {
    pub async fn new(sql: &'static str) -> Self {
        Self::with(Options { sql, ..Options::default() }).await
    }

    pub async fn with(options: Options) -> Self {
        let fixture = Fixture::with(options).await;
        let handle = fixture.target.catalog.clone();
        handle.listens(true);
        let login = Some(fixture.installed.logins.request.user.clone());
        let (_scope, seen) = watch::channel(Scope { request_login: login, ..Scope::exposing(["public"]) });
        let options = ReloadOptions { proves: true, ..Default::default() };
        let reloader = Reloader::spawn(connect_with(owner(&fixture.db)), seen, handle.clone(), options);
        reloader.first_load().await.unwrap();
        for _ in 0..2000 {
            if let Some(proven) = handle.proven() {
                let session = Mutex::new(fixture.db.connect().await);
                return Self { catalog: handle.get().unwrap(), proven, session, fixture };
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("nothing was proven within ten seconds")
    }

    /// What the plan's answer depends on.
    pub async fn depends(&self, reads: &Reads) -> Option<Depends> {
        let mut session = self.session.lock().await;
        let limit = Duration::from_secs(10);
        let known = dependencies(&mut session, &self.proven, &reads.relations, &reads.functions, limit).await.unwrap();
        known.of(&reads.relations, &reads.functions)
    }

    /// The work of a plan and what it depends on, if that is known.
    pub async fn work(&self, query: &Query) -> Option<(Work, Depends)> {
        let reads = reads(query, &self.catalog, &self.proven)?;
        let depends = self.depends(&reads).await?;
        let compiled = compile(query).unwrap();
        Some((Work { proof: Some(reads.proof), ..Work::read(path(), compiled.statement) }, depends))
    }

    /// The key of what the request answers.
    async fn key(&self, asked: &Asked) -> Option<AnswerKey> {
        let (work, depends) = self.work(&asked.query).await?;
        AnswerKey::of(&self.fixture.target, &asked.context, &asked.change(work), &depends, asked.shape)
    }

    /// The answer itself.
    async fn answer(&self, asked: &Asked) -> String {
        let (work, _) = self.work(&asked.query).await.unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        let context = RequestContext { deadline, ..asked.context.clone() };
        let reply = run(&self.fixture.target, &context, asked.change(work)).await.unwrap();
        reply.results[0].rows.first().unwrap().values().map(|value| format!("{value:?}")).collect()
    }
}

/// A request.
#[derive(Clone)]
struct Asked {
    context: RequestContext,
    query: Query,
    timezone: Option<&'static str>,
    extra_path: Option<&'static str>,
    shape: &'static str,
}

impl Asked {
    fn by(identity: Identity, relation: &str) -> Self {
        let query = Query::list(all_of(relation));
        Self { context: context(identity), query, timezone: None, extra_path: None, shape: "GET application/json" }
    }

    fn change(&self, work: Work) -> Work {
        let timezone = self.timezone.map(str::to_owned);
        let search_path = self.extra_path.map_or_else(path, |extra| ["public", extra].into_iter().collect());
        Work { timezone, search_path, ..work }
    }
}

fn all_of(relation: &str) -> Read {
    Read::from(Source::Table(QualifiedName::new("public", relation)), relation)
}

fn where_is(relation: &str, column: &str, value: &str) -> Query {
    let operation = Operation::Binary { operator: Operator::Less, quantifier: None, value: value.to_owned() };
    let condition = Condition::Compare(Comparison { field: Field::column(column), negated: false, operation });
    Query::list(Read { filters: vec![condition], ..all_of(relation) })
}

const FIXTURE: &str = "
    create table open (id int, at timestamptz, day date);
    insert into open values (1, '2020-06-01 12:00+00', '2020-06-01'), (2, 'yesterday', 'yesterday');
    create table mine (id int, who text);
    insert into mine values (1, 'u-1'), (2, 'u-2');
    alter table mine enable row level security;
    create policy own on mine using (who = app.user_id());
    create table roles (id int);
    insert into roles values (1);
    alter table roles enable row level security;
    create policy these on roles to authenticated using (true);
    create view method as select current_setting('request.method', true) as told;
    create view path as select current_setting('request.path', true) as told;
    create view headers as select current_setting('request.headers', true) as told;
    create view cookies as select current_setting('request.cookies', true) as told;
    create view claims as select auth.jwt() as told;
    create view tenant as select current_setting('app.tenant_id', true) as told;
    create view address as select current_setting('app.client_ip', true) as told;
    create view id as select current_setting('request.id', true) as told;
    create view search as select current_setting('search_path') as told;
    create view days as select day::text as day from open where id = 1;
    grant select on all tables in schema public to anon, authenticated;";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_23_requests_that_differ_in_one_input_have_different_keys_and_may_have_different_answers() {
    let known = Known::new(FIXTURE).await;
    let user = |sub: &str, tenant: u32| {
        let claims = json!({"role": "authenticated", "sub": sub, "tenant_id": tenant, "exp": 4_000_000_000_u64});
        known.fixture.bearer(&token::with_claims(&claims))
    };
    let one = |relation: &str| Asked::by(user("u-1", 1), relation);
    let of = |relation: &str, change: &dyn Fn(&mut Asked)| {
        let mut changed = one(relation);
        change(&mut changed);
        (one(relation), changed)
    };
    let pairs = [
        ("statement", of("open", &|asked| asked.query = Query::list(all_of("mine")))),
        ("statement by its form", of("open", &|asked| asked.query.read.window.limit = Some(1))),
        ("role", of("roles", &|asked| asked.context.identity = known.fixture.anonymous())),
        ("user", of("mine", &|asked| asked.context.identity = user("u-2", 1))),
        ("tenant", of("tenant", &|asked| asked.context.identity = user("u-1", 2))),
        ("claims", of("claims", &|asked| asked.context.identity = user("u-1", 2))),
        ("method", of("method", &|asked| asked.context.method = "HEAD".into())),
        ("path", of("path", &|asked| asked.context.path = "/elsewhere".into())),
        ("headers", of("headers", &|asked| asked.context.headers = r#"{"x":"1"}"#.into())),
        ("cookies", of("cookies", &|asked| asked.context.cookies = r#"{"x":"1"}"#.into())),
        ("address", of("address", &|asked| asked.context.client_ip = None)),
        ("id", of("id", &|asked| asked.context.request_id = "req-2".into())),
        ("time zone", of("open", &|asked| asked.timezone = Some("Europe/Vienna"))),
        ("search path", of("search", &|asked| asked.extra_path = Some("app"))),
    ];
    for (what, (asked, changed)) in &pairs {
        let key = known.key(asked).await.unwrap_or_else(|| panic!("{what} has a key"));
        assert_eq!(Some(key), known.key(asked).await, "{what}: the same again");
        assert_ne!(Some(key), known.key(changed).await, "{what}");
        assert_ne!(known.answer(asked).await, known.answer(changed).await, "{what} decides the answer");
    }
    let (two, three) = (where_is("open", "id", "2"), where_is("open", "id", "3"));
    let (two, three) = (Asked { query: two, ..one("open") }, Asked { query: three, ..one("open") });
    assert_ne!(known.key(&two).await.unwrap(), known.key(&three).await.unwrap(), "parameter");
    assert_ne!(known.answer(&two).await, known.answer(&three).await);
    // What becomes of the rows is the caller's to say.
    let shaped = Asked { shape: "GET text/csv", ..one("open") };
    assert_ne!(known.key(&shaped).await.unwrap(), known.key(&one("open")).await.unwrap(), "shape");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_23_targets_and_settings_of_roles_are_part_of_the_key() {
    let known = Known::new(FIXTURE).await;
    let asked = Asked::by(known.fixture.anonymous(), "days");
    let (key, answer) = (known.key(&asked).await.unwrap(), known.answer(&asked).await);
    // As if a load had found this.
    let mut catalog = (*known.catalog).clone();
    catalog.roles.get_mut("anon").unwrap().settings = vec![("DateStyle".to_owned(), "German".to_owned())];
    known.fixture.target.catalog.set(catalog);
    assert_ne!(Some(key), known.key(&asked).await, "a setting of the role");
    assert_ne!(answer, known.answer(&asked).await);

    let mut other = Known::new(FIXTURE).await;
    other.fixture.db.script("update open set id = 7 where id = 2").await;
    let asked = Asked::by(other.fixture.anonymous(), "open");
    assert_ne!(known.answer(&asked).await, other.answer(&asked).await);
    let same_name = other.key(&asked).await.unwrap();
    other.fixture.target.id = "other#1".into();
    assert_ne!(same_name, other.key(&asked).await.unwrap(), "the target");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_23_whom_the_code_treats_alike_shares_a_key() {
    let known = Known::new(FIXTURE).await;
    let (one, other) = (known.fixture.user("u-1"), known.fixture.user("u-2"));
    for (relation, shares) in [("open", true), ("roles", true), ("mine", false), ("claims", false)] {
        let mut asked = [Asked::by(one.clone(), relation), Asked::by(other.clone(), relation)];
        asked[1].context.request_id = "another".into();
        asked[1].context.headers = r#"{"user-agent":"another"}"#.into();
        let keys = (known.key(&asked[0]).await.unwrap(), known.key(&asked[1]).await.unwrap());
        assert_eq!(keys.0 == keys.1, shares, "{relation}");
        assert_eq!(known.answer(&asked[0]).await == known.answer(&asked[1]).await, shares, "{relation}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_23_a_view_over_policies_and_functions_depends_on_all_they_read() {
    let known = Known::new(
        "create table members (org int, who text);
         create function orgs() returns setof int stable security definer
           begin atomic select org from members where who = app.user_id(); end;
         create table docs (id int, org int);
         alter table docs enable row level security;
         create policy own on docs using (org in (select orgs()));
         create view shown with (security_invoker) as select id from docs;
         create table beside (id int);
         grant select on all tables in schema public to authenticated;",
    )
    .await;
    let (_, depends) = known.work(&Query::list(all_of("shown"))).await.unwrap();
    let oids = depends.tables.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    let names = format!("select string_agg(relname, ' ' order by relname) from pg_class where oid in ({oids})");
    assert_eq!(known.fixture.db.value(&names).await, "docs members");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_23_there_is_no_key_where_anything_is_unknown() {
    let known = Known::new(
        "create table plain (id int, at timestamptz default now(), note text);
         insert into plain values (1, 'yesterday', 'today');
         create function age_of(plain) returns interval stable return now() - $1.at;
         create function unknown() returns int language plpgsql as 'begin return 1; end';
         create function chance() returns float8 return random();
         create function counted() returns bigint stable begin atomic select count(*) from plain; end;
         create table of_unknown (id int);
         alter table of_unknown enable row level security;
         create policy own on of_unknown using (id = unknown());
         create table of_now (id int, until timestamptz);
         alter table of_now enable row level security;
         create policy own on of_now using (until > now());
         create view at_now as select id, now() from plain;
         create view at_random as select id, random() from plain;
         create view named as select current_setting('app.' || id, true) from plain;
         create extension if not exists file_fdw;
         create server files foreign data wrapper file_fdw;
         create foreign table remote (line text) server files options (filename '/dev/null');
         grant select on all tables in schema public to anon;",
    )
    .await;
    let asked = |query: Query| Asked { query, ..Asked::by(known.fixture.anonymous(), "plain") };
    let call = |name: &str| {
        let (function, returned) = (QualifiedName::new("public", name), Returned { scalar: true, set: false });
        let call = Call { function, arguments: Arguments::Named(Vec::new()), returned, columns: Columns::All };
        Query::list(Read::from(Source::Function(Box::new(call)), name))
    };
    let list = |relation: &str| Query::list(all_of(relation));
    let mut estimated = list("plain");
    estimated.count.estimate = true;
    let cast = |to: &str| {
        let select = vec![Select { cast: Some(TypeName::from_caller(to)), ..Select::column("note") }];
        Query::list(Read { select, ..all_of("plain") })
    };
    assert!(prove(&cast("date"), &known.catalog, &known.proven).is_some(), "it runs known code");
    for (query, has_key) in [
        (list("plain"), true),
        (cast("text"), true),
        (cast("jsonb"), true),
        (cast("date"), false),
        (cast("timestamp with time zone"), false),
        (where_is("plain", "id", "2"), true),
        (where_is("plain", "at", "2020-01-01"), true),
        (where_is("plain", "at", "today"), false),
        (where_is("plain", "age_of", "1 day"), false),
        (list("of_unknown"), false),
        (list("of_now"), false),
        (list("at_now"), false),
        (list("at_random"), false),
        (list("named"), false),
        (list("remote"), false),
        (list("there_is_none"), false),
        (estimated, false),
        (call("counted"), true),
        (call("chance"), false),
        (call("unknown"), false),
    ] {
        let key = known.key(&asked(query.clone())).await;
        assert_eq!(key.is_some(), has_key, "{query:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_23_a_plan_names_what_all_its_parts_read_and_one_that_writes_names_nothing() {
    let known = Known::new(FIXTURE).await;
    let oid = |name| known.catalog.relation("public", name).unwrap().oid;
    let of = |document: &Document| reads_of_document(document, &known.catalog, &known.proven);
    let rows = |relation: &str, members| One { join: None, read: all_of(relation), members };
    let member = |key: &str, value| Member { key: key.to_owned(), value };
    let inner = One { join: Some(Join::Columns(vec![("id".to_owned(), "id".to_owned())])), ..rows("mine", Vec::new()) };
    let members = vec![
        member("open", Content::List(Box::new(rows("open", vec![member("mine", Content::One(Box::new(inner)))])))),
        member("roles", Content::List(Box::new(rows("roles", Vec::new())))),
    ];
    let read = of(&Document { members }).unwrap();
    let mut expected = vec![oid("open"), oid("mine"), oid("roles")];
    expected.sort_unstable();
    assert_eq!((read.relations.clone(), read.functions.len()), (expected, 0));
    assert_eq!(read.proof.settings, SettingsRead::Only(vec!["app.user_id".into()]));
    assert!(known.depends(&read).await.is_some());

    let delete = Delete { table: QualifiedName::new("public", "open"), filters: Vec::new(), returning: Columns::All };
    let (mutation, guard) = (Mutation::Delete(delete), Guard::default());
    let query = Query { mutation: Some(mutation.clone()), ..Query::list(all_of("open")) };
    assert!(prove(&query, &known.catalog, &known.proven).is_some());
    assert_eq!(reads(&query, &known.catalog, &known.proven), None);
    let change = Change { mutation, guard, read: Read::from(Source::Derived, "open"), members: Vec::new() };
    let document = Document { members: vec![member("gone", Content::Change(Box::new(change)))] };
    assert!(prove_document(&document, &known.catalog, &known.proven).is_some());
    assert_eq!(of(&document), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_23_there_is_no_key_for_other_work_than_proven_reads() {
    let known = Known::new("create table plain (id int); grant select on plain to anon").await;
    let (work, depends) = known.work(&Query::list(all_of("plain"))).await.unwrap();
    let asked = context(known.fixture.anonymous());
    let key = |work: &Work, depends: &Depends| AnswerKey::of(&known.fixture.target, &asked, work, depends, "");
    assert!(key(&work, &depends).is_some());
    assert!(key(&Work { proof: None, ..work.clone() }, &depends).is_none(), "not proven");
    assert!(key(&Work { read_only: false, ..work.clone() }, &depends).is_none(), "may write");
    let hides_own = ["public", "pg_catalog"].into_iter().collect();
    assert!(key(&Work { search_path: hides_own, ..work.clone() }, &depends).is_none(), "names mean something else");
    let mut anything = work.clone();
    anything.proof.as_mut().unwrap().settings = SettingsRead::Any;
    assert!(key(&anything, &depends).is_none(), "may look at anything");
    let of_another = Depends { stands: Stands::default(), ..depends.clone() };
    assert!(key(&work, &of_another).is_none(), "dependencies of another schema");
    let stranger = context(Identity::internal("postgres"));
    assert!(AnswerKey::of(&known.fixture.target, &stranger, &work, &depends, "").is_none(), "no caller's role");
    known.proven.stands().flag().store(false, Ordering::Release);
    assert!(key(&work, &depends).is_none(), "the schema changed");

    let pre_request = Some(QualifiedName::new("public", "check_it"));
    let transaction = TransactionRules { pre_request, ..TransactionRules::default() };
    let sql = "create table plain (id int); grant select on plain to anon";
    let known = Known::with(Options { sql, transaction, ..Options::default() }).await;
    let (work, depends) = known.work(&Query::list(all_of("plain"))).await.unwrap();
    assert!(AnswerKey::of(&known.fixture.target, &asked, &work, &depends, "").is_none(), "code runs before it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_epoch_comes_with_the_answer_of_its_moment() {
    let known = Known::new(FIXTURE).await;
    let asked = context(known.fixture.anonymous());
    let (work, depends) = known.work(&Query::list(all_of("open"))).await.unwrap();
    let alone = run(&known.fixture.target, &asked, work.clone()).await.unwrap();
    let beside = Epoch::beside(work.clone(), &depends, "anon").unwrap();
    let mut reply = run(&known.fixture.target, &asked, beside.clone()).await.unwrap();
    let epoch = Epoch::take(&mut reply).unwrap();
    assert_eq!(reply.results.len(), 1);
    assert_eq!(reply.results[0].rows.first().unwrap().text(2), alone.results[0].rows.first().unwrap().text(2));
    // The statement alone, which asks whether the epoch is what it was.
    let settings = work.proof.as_ref().unwrap().settings.clone();
    let question = Epoch::statement(&depends, "anon", &settings).unwrap();
    let read = Work { proof: work.proof.clone(), ..Work::read(path(), question) };
    let now = run(&known.fixture.target, &asked, read).await.unwrap();
    assert_eq!(Epoch::read(&now.results[0]), Some(epoch.clone()));
    // What is asked after the epoch, in its snapshot, does not see what was committed in between.
    let mut both = beside;
    let count = "select count(*) from pg_policy where polname = 'late'";
    both.statements = vec![both.statements.remove(0), statement("select pg_sleep(0.5)"), statement(count)];
    let meanwhile = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        known.fixture.db.script("create policy late on open using (false)").await;
    };
    let (reply, ()) = tokio::join!(run(&known.fixture.target, &asked, both), meanwhile);
    let mut reply = reply.unwrap();
    assert_eq!(Epoch::take(&mut reply), Some(epoch.clone()));
    assert_eq!(reply.results[1].rows.first().unwrap().text(0), Some("0"));
    let mut later = run(&known.fixture.target, &asked, Epoch::beside(work, &depends, "anon").unwrap()).await.unwrap();
    assert_ne!(Epoch::take(&mut later), Some(epoch));
    assert_eq!(Epoch::statement(&depends, "anon", &SettingsRead::Any), None);
}
