//! What comments say: names of relationships and enums, words for values, relationships of views, arguments.

use serde_json::json;

use crate::harness::api;

const NAMED: &str = r#"
    create type level as enum ('low-1', 'HIGH', 'mid dle');
    comment on type level is 'How loud. @graphql({"name": "Loudness", "mappings": {"low-1": "LOW", "mid dle": "MIDDLE"}})';
    create table people (id int primary key, name text);
    create table posts (id int primary key, author int constraint posts_author references people, level level not null default 'HIGH',
        levels level[]);
    comment on constraint posts_author on posts is '@graphql({"foreign_name": "writer", "local_name": "articles"})';
    create view authors as select id as author_id, name, 'low-1'::level as level from people;
    comment on view authors is '@graphql({"primary_key_columns": ["author_id"], "foreign_keys": [{"local_name": "asAuthor",
        "local_columns": ["author_id"], "foreign_name": "person", "foreign_schema": "public", "foreign_table": "people",
        "foreign_columns": ["id"]}]})';
    create function louder(than level, p_names text[] default '{}') returns level language sql stable as
        $$ select case than when 'low-1' then 'mid dle'::level else 'HIGH' end $$;
    comment on function louder is '@graphql({"arguments": {"p_names": "names"}})';
    create function all_levels() returns level[] language sql stable as $$ select enum_range(null::level) $$;
    insert into people values (1, 'Ann'), (2, 'Bob');
    insert into posts values (1, 1, 'low-1', '{low-1,HIGH,NULL}'), (2, 1, 'mid dle', null), (3, 2, 'HIGH', '{}');
"#;

#[tokio::test]
async fn constraints_name_their_fields() {
    let api = api(NAMED).await;
    let data = api
        .data(
            "{ postsByPk(id: 1) { writer { name articles(filter: {level: {neq: HIGH}}) { edges { node { id } } } } } }",
        )
        .await;
    assert_eq!(
        data["postsByPk"]["writer"],
        json!({"name": "Ann", "articles": {"edges": [{"node": {"id": 1}}, {"node": {"id": 2}}]}})
    );
    let data = api
        .data("mutation { insertIntopeopleCollection(objects: [{id: 3, articles: {create: [{id: 4}]}}]) { records { articles { totalCount } } } }")
        .await;
    assert_eq!(data["insertIntopeopleCollection"]["records"][0]["articles"]["totalCount"], 1);
}

#[tokio::test]
async fn enums_have_the_words_that_their_comment_gives_them() {
    let api = api(NAMED).await;
    let data = api.data("{ __type(name: \"Loudness\") { description enumValues { name } } }").await;
    assert_eq!(
        data["__type"],
        json!({"description": "How loud.", "enumValues": [{"name": "LOW"}, {"name": "HIGH"}, {"name": "MIDDLE"}]})
    );
    let data = api
        .data(
            "{ postsCollection(filter: {level: {in: [LOW, MIDDLE]}}, orderBy: [{level: DescNullsLast}]) { edges { node { id level levels } } }
               listed: postsCollection(filter: {levels: {contains: [LOW]}}) { edges { node { id } } }
               postsGroups(by: [level], orderBy: [{keys: {level: AscNullsLast}}]) { keys { level } }
               louder(than: LOW, names: [\"x\"]) all_levels }",
        )
        .await;
    assert_eq!(
        data["postsCollection"]["edges"],
        json!([{"node": {"id": 2, "level": "MIDDLE", "levels": null}}, {"node": {"id": 1, "level": "LOW", "levels": ["LOW", "HIGH", null]}}])
    );
    assert_eq!(data["listed"]["edges"], json!([{"node": {"id": 1}}]));
    assert_eq!(
        data["postsGroups"],
        json!([{"keys": {"level": "LOW"}}, {"keys": {"level": "HIGH"}}, {"keys": {"level": "MIDDLE"}}])
    );
    assert_eq!((&data["louder"], &data["all_levels"]), (&json!("MIDDLE"), &json!(["LOW", "HIGH", "MIDDLE"])));
    let query = "mutation M($level: Loudness!) { insertIntopostsCollection(objects: [{id: 9, level: $level, levels: [LOW, $level]}])
        { records { level levels } } updatepostsCollection(set: {level: LOW}, filter: {id: {eq: 9}}) { records { level } } }";
    let answer = api.ask_with(&[], query, json!({"level": "MIDDLE"})).await.json();
    assert_eq!(
        answer["data"],
        json!({"insertIntopostsCollection": {"records": [{"level": "MIDDLE", "levels": ["LOW", "MIDDLE"]}]},
               "updatepostsCollection": {"records": [{"level": "LOW"}]}}),
        "{answer}"
    );
    assert_eq!(api.value("select levels from posts where id = 9").await, "{low-1,\"mid dle\"}");
}

#[tokio::test]
async fn views_have_the_relationships_that_their_comment_declares() {
    let api = api(NAMED).await;
    let data = api
        .data(
            "{ authorsByPk(author_id: 1) { level person { name asAuthor { edges { node { author_id } } } } }
               authorsCollection(filter: {person: {name: {eq: \"Bob\"}}}) { edges { node { author_id } } } }",
        )
        .await;
    assert_eq!(
        data,
        json!({"authorsByPk": {"level": "LOW", "person": {"name": "Ann", "asAuthor": {"edges": [{"node": {"author_id": 1}}]}}},
               "authorsCollection": {"edges": [{"node": {"author_id": 2}}]}})
    );
}

#[tokio::test]
async fn words_for_values_name_rows_as_keys_too() {
    let api = api(r#"create type size as enum ('x-s', 'x-l');
         comment on type size is '@graphql({"mappings": {"x-s": "SMALL", "x-l": "LARGE"}})';
         create table shelves (size size primary key, name text unique);
         create table boxes (size size references shelves, place int, primary key (size, place));
         insert into shelves values ('x-s', 'one'), ('x-l', 'two'); insert into boxes values ('x-s', 1), ('x-l', 1);
         comment on schema public is '@graphql({"federation": true})';"#)
    .await;
    let data = api
        .data(
            r#"{ shelvesByPk(size: SMALL) { name } boxesByPk(size: LARGE, place: 1) { size } shelvesBy(key: {size: LARGE}) { name }
                 _entities(representations: [{__typename: "shelves", size: "LARGE"}]) { ... on shelves { name } } }"#,
        )
        .await;
    assert_eq!(
        data,
        json!({"shelvesByPk": {"name": "one"}, "boxesByPk": {"size": "LARGE"}, "shelvesBy": {"name": "two"},
               "_entities": [{"name": "two"}]})
    );
    let unknown =
        r#"{ _entities(representations: [{__typename: "shelves", size: "x-l"}]) { ... on shelves { name } } }"#;
    assert_eq!(api.ask(unknown).await.code(), "BAD_USER_INPUT");
    let data = api
        .data(
            r#"mutation { updateshelvesByPk(size: SMALL, set: {name: "new"}) { size name }
                 tree: updateshelvesByPk(size: LARGE, related: {boxesCollection: {create: [{place: 2}], update: [
                   {set: {place: 3}, filter: {place: {eq: 1}}}], connect: [{size_place: {size: LARGE, place: 2}}]}}) {
                     boxesCollection { edges { node { place } } } }
                 deleteFromboxesByPk(size: SMALL, place: 1) { size } }"#,
        )
        .await;
    assert_eq!(
        data,
        json!({"updateshelvesByPk": {"size": "SMALL", "name": "new"}, "deleteFromboxesByPk": {"size": "SMALL"},
               "tree": {"boxesCollection": {"edges": [{"node": {"place": 2}}, {"node": {"place": 3}}]}}})
    );
    // More than once: a plan that is kept takes words for values too.
    let read = "query($size: size!) { shelvesByPk(size: $size) { name } }";
    for (word, name) in [("SMALL", "new"), ("LARGE", "two"), ("SMALL", "new"), ("LARGE", "two")] {
        let answer = api.ask_with(&[], read, json!({"size": word})).await.json();
        assert_eq!(answer["data"]["shelvesByPk"]["name"], name, "{answer}");
    }
}

#[tokio::test]
async fn what_comments_say_in_vain_is_told_with_its_place() {
    let api = api(NAMED).await;
    assert_eq!(api.mistakes(), [""; 0]);
    api.db
        .script(
            r#"comment on schema public is '@graphql({"inflect_name": true})';
               comment on table people is 'People @graphql({"totalcount": {"enabled": true}, "max_rows": "all"})';
               comment on column people.name is '@graphql({name: "x"})';
               comment on constraint posts_author on posts is '@graphql({"name": "writer"})';
               comment on view authors is '@graphql({"primary_key_columns": ["author_id", "nope"], "foreign_keys": [
                   {"local_columns": ["author_id", "gone"], "foreign_table": "people", "foreign_columns": ["ids"], "foreign_nam": "x"},
                   {"local_columns": ["author_id"], "foreign_table": "persons", "foreign_columns": ["id"]}]})';
               comment on function louder is '@graphql({"arguments": {"names": "words"}})';
               comment on type level is '@graphql({"mappings": {"low": "LOW"}})';
               create function shout(people) returns text language sql stable as 'select upper($1.name)';
               comment on function shout is '@graphql({"nme": "loud"})';
               create table "posts-" (id int primary key); create table b (id int primary key);
               comment on table b is '@graphql({"name": "posts"})';
               create table columns (id int primary key, "a b" int); comment on column columns.id is '@graphql({"name": "nodeId"})';
               create function "postsCollection"() returns int language sql stable as 'select 1';"#,
        )
        .await;
    api.reload().await;
    let expected = [
        "schema public: the key `inflect_name` means nothing on a schema; did you mean `inflect_names`?",
        "column public.people.name: its @graphql(...) is no JSON: key must be a string at line 1 column 2",
        "table public.people: its @graphql(...) cannot be read: invalid type: string \"all\", expected u64",
        "table public.people: the key `totalcount` means nothing on a table or view; did you mean `totalCount`?",
        "constraint posts_author on public.posts: the key `name` means nothing on a constraint",
        "view public.authors: the key `foreign_nam` means nothing in `foreign_keys`; did you mean `foreign_name`?",
        "view public.authors: `primary_key_columns` names the column `nope`, which public.authors does not have",
        "view public.authors: `foreign_keys.local_columns` names the column `gone`, which public.authors does not have",
        "view public.authors: `foreign_keys.foreign_columns` names the column `ids`, which public.people does not have",
        "view public.authors: `foreign_keys` needs as many `local_columns` as `foreign_columns`, at least one",
        "view public.authors: `foreign_keys` names the relation `public.persons`, which is not exposed",
        "function public.louder: `arguments` names `names`, which is no parameter",
        "function public.shout: the key `nme` means nothing on a function; did you mean `name`?",
        "type public.level: `mappings` names `low`, which is no value of it",
        "public.posts: its name for GraphQL, `posts`, is no name or not free: it is left out",
        "public.posts-: its name for GraphQL, `posts-`, is no name or not free: it is left out",
        "public.columns.id: its name for GraphQL, `nodeId`, is no name or not free: it is left out",
        "public.columns.a b: its name for GraphQL, `a b`, is no name or not free: it is left out",
        "public.postsCollection: its name for GraphQL, `postsCollection`, is not free: it is left out",
    ];
    let mut told = api.mistakes();
    let mut expected = expected.map(str::to_owned);
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_schema_switches_off_what_its_tables_add_up_to() {
    let api = api("create table counted (id int primary key); create table plain (id int primary key);
         comment on schema public is '@graphql({\"aggregate\": {\"enabled\": false}, \"totalCount\": {\"enabled\": false}})';
         comment on table counted is '@graphql({\"totalCount\": {\"enabled\": true}, \"aggregate\": {\"enabled\": true}})'")
    .await;
    let data = api
        .data("{ countedCollection { totalCount aggregate { count } } countedGroups(by: [id]) { keys { id } } }")
        .await;
    assert_eq!(data["countedCollection"], json!({"totalCount": 0, "aggregate": {"count": 0}}));
    for gone in [
        "plainCollection { totalCount }",
        "plainCollection { aggregate { count } }",
        "plainGroups(by: [id]) { keys { id } }",
    ] {
        assert_eq!(api.ask(&format!("{{ {gone} }}")).await.code(), "GRAPHQL_VALIDATION_FAILED", "{gone}");
    }
    assert_eq!(api.mistakes(), [""; 0]);
}
