//! Rows on the other side of a table that only joins.

use serde_json::{Value, json};

use crate::harness::{Api, api};

const LIBRARY: &str = "
    create table books (id int primary key, title text not null, main_tag int);
    create table tags (id int primary key, word text not null, weight int not null);
    alter table books add foreign key (main_tag) references tags;
    create table book_tags (book_id int references books, tag_id int references tags, at timestamptz not null default now(),
        primary key (book_id, tag_id));
    create table reads (book_id int references books, tag_id int references tags, note text not null, primary key (book_id, tag_id));
    create table friends (a int references tags, b int references tags, primary key (a, b));
    insert into tags values (1, 'db', 3), (2, 'web', 1), (3, 'old', 2);
    insert into books values (1, 'Queries', 1), (2, 'Pages', 2), (3, 'Empty', null);
    insert into book_tags values (1, 1), (1, 3), (2, 1), (2, 2); insert into friends values (1, 2), (1, 3);
";

fn words(page: &Value) -> Vec<&str> {
    page["edges"].as_array().expect("rows").iter().map(|edge| edge["node"]["word"].as_str().expect("rows")).collect()
}

#[tokio::test]
async fn rows_lead_through_a_table_that_only_joins() {
    let api = api(LIBRARY).await;
    let before = through(&api).await;
    // The same where rows are made into JSON here.
    api.prove().await;
    assert_eq!(through(&api).await, before);
    assert_eq!(through(&api).await, before, "by a plan that is kept");
}

/// What is behind a table that joins, however it is asked for.
async fn through(api: &Api) -> Value {
    let data = api
        .data(
            "{ booksByPk(id: 1) { tagsCollection(orderBy: [{weight: DescNullsLast}]) { totalCount edges { cursor node { word
                 booksCollectionThroughBookTags(orderBy: [{id: AscNullsLast}]) { edges { node { title } } } } }
                 aggregate { count sum { weight } } } }
               first: booksByPk(id: 1) { tagsCollection(first: 1, filter: {weight: {lt: 3}}) { edges { node { word } } pageInfo { hasNextPage } } } }",
        )
        .await;
    let tags = &data["booksByPk"]["tagsCollection"];
    assert_eq!(words(tags), ["db", "old"]);
    assert_eq!((&tags["totalCount"], &tags["aggregate"]), (&json!(2), &json!({"count": 2, "sum": {"weight": "5"}})));
    assert_eq!(
        tags["edges"][0]["node"]["booksCollectionThroughBookTags"]["edges"],
        json!([{"node": {"title": "Queries"}}, {"node": {"title": "Pages"}}])
    );
    let first = &data["first"]["tagsCollection"];
    assert_eq!((words(first), &first["pageInfo"]["hasNextPage"]), (vec!["old"], &json!(false)));
    // The next page goes on behind a row of the other side.
    let after = tags["edges"][0]["cursor"].as_str().expect("a cursor");
    let query = format!(
        "{{ booksByPk(id: 1) {{ tagsCollection(orderBy: [{{weight: DescNullsLast}}], after: \"{after}\") {{ edges {{ node {{ word }} }} }} }} }}"
    );
    assert_eq!(words(&api.data(&query).await["booksByPk"]["tagsCollection"]), ["old"]);
    data
}

#[tokio::test]
async fn what_is_joined_filters_and_orders() {
    let api = api(LIBRARY).await;
    let titles = async |arguments: &str| {
        let data = api.data(&format!("{{ booksCollection({arguments}) {{ edges {{ node {{ title }} }} }} }}")).await;
        let edges = data["booksCollection"]["edges"].as_array().unwrap().clone();
        edges.iter().map(|edge| edge["node"]["title"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for (arguments, expected) in [
        ("filter: {tagsCollection: {some: {word: {eq: \"web\"}}}}", &["Pages"][..]),
        ("filter: {tagsCollection: {none: {word: {eq: \"web\"}}}}", &["Queries", "Empty"]),
        ("filter: {tagsCollection: {every: {weight: {gt: 1}}}}", &["Queries", "Empty"]),
        ("filter: {tagsCollection: {exists: false}}", &["Empty"]),
        ("filter: {tagsCollection: {sum: {weight: {gt: 4}}}}", &["Queries"]),
        ("orderBy: [{tagsCollection: {count: DescNullsLast}}, {id: DescNullsLast}]", &["Pages", "Queries", "Empty"]),
        ("orderBy: [{tagsCollection: {sum: {weight: DescNullsLast}}}]", &["Queries", "Pages", "Empty"]),
    ] {
        assert_eq!(titles(arguments).await, expected, "{arguments}");
    }
}

#[tokio::test]
async fn what_is_more_than_a_join_leads_nowhere_and_neither_does_what_a_comment_closes() {
    let api = api(LIBRARY).await;
    let fields = async |name: &str| {
        let told = api.data(&format!("{{ __type(name: \"{name}\") {{ fields {{ name }} }} }}")).await;
        let fields = told["__type"]["fields"].as_array().unwrap().clone();
        let names = fields.iter().map(|field| field["name"].as_str().unwrap().to_owned());
        names.filter(|name| name.contains("Collection")).collect::<Vec<_>>()
    };
    // A read has a note. A tag has two sorts of friends.
    assert_eq!(fields("books").await, ["book_tagsCollection", "readsCollection", "tagsCollection"]);
    assert_eq!(
        fields("tags").await,
        [
            "book_tagsCollection",
            "booksCollection",
            "friendsCollection",
            "friendsCollectionByB",
            "readsCollection",
            "booksCollectionThroughBookTags",
            "tagsCollection",
            "tagsCollectionThroughFriends"
        ]
    );
    api.db.script(r#"comment on table book_tags is '@graphql({"many_to_many": {"enabled": false}})'"#).await;
    api.reload().await;
    assert_eq!(fields("books").await, ["book_tagsCollection", "readsCollection"]);
    assert_eq!(api.mistakes(), [""; 0]);
}

#[tokio::test]
async fn sec_11_a_join_that_the_role_cannot_read_leads_nowhere() {
    let api = api(LIBRARY).await;
    let query = "{ booksByPk(id: 1) { tagsCollection { edges { node { word } } } } }";
    assert_eq!(words(&api.data(query).await["booksByPk"]["tagsCollection"]), ["db", "old"]);
    for revoked in ["select on book_tags", "select (tag_id) on book_tags"] {
        let grants = "grant select on book_tags to anon; revoke select on book_tags from anon; grant select (book_id) on book_tags to anon;";
        api.db.script(&format!("{grants} revoke {revoked} from anon")).await;
        api.reload().await;
        assert_eq!(api.ask(query).await.code(), "GRAPHQL_VALIDATION_FAILED", "{revoked}");
    }
    // Policies of the table that joins hold.
    api.db
        .script(
            "grant select on book_tags to anon; alter table book_tags enable row level security;
             create policy few on book_tags to anon using (tag_id = 3)",
        )
        .await;
    api.reload().await;
    assert_eq!(words(&api.data(query).await["booksByPk"]["tagsCollection"]), ["old"]);
}
