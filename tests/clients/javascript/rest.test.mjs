// supabase-js against a running server: what an app does with `.from()` and `.rpc()`.
// Environment: FERROBASE_URL, ANON_KEY, SERVICE_KEY, TOKEN_ANN, TOKEN_BOB (two users' access tokens).
import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "@supabase/supabase-js";

const { FERROBASE_URL, ANON_KEY, SERVICE_KEY, TOKEN_ANN, TOKEN_BOB } = process.env;
const options = { auth: { persistSession: false, autoRefreshToken: false } };
const anon = createClient(FERROBASE_URL, ANON_KEY, options);
const service = createClient(FERROBASE_URL, SERVICE_KEY, options);
const as = (token) => createClient(FERROBASE_URL, ANON_KEY, { ...options, accessToken: async () => token });

/** The data of an answer that must not be an error. */
function ok({ data, error, status, ...rest }) {
  assert.equal(error, null, JSON.stringify(error));
  return { data, status, ...rest };
}

test("select: columns, filters, order, limit", async () => {
  const { data, status } = ok(
    await anon.from("books").select("title, price").gte("published", 1843).order("published", { ascending: false }).limit(1),
  );
  assert.equal(status, 200);
  assert.deepEqual(data, [{ title: "Compilers", price: 30.0 }]);
});

test("select: every classic filter", async () => {
  const ids = async (build) => ok(await build(anon.from("books").select("id").order("id"))).data.map((row) => row.id);
  assert.deepEqual(await ids((q) => q.eq("title", "Notes")), [3]);
  assert.deepEqual(await ids((q) => q.neq("title", "Notes")), [1, 2]);
  assert.deepEqual(await ids((q) => q.gt("published", 1843)), [2]);
  assert.deepEqual(await ids((q) => q.lt("published", 1843)), [3]);
  assert.deepEqual(await ids((q) => q.lte("published", 1843)), [1, 3]);
  assert.deepEqual(await ids((q) => q.like("title", "%o%")), [2, 3]);
  assert.deepEqual(await ids((q) => q.ilike("title", "n%")), [3]);
  assert.deepEqual(await ids((q) => q.is("editor_id", null)), [2, 3]);
  assert.deepEqual(await ids((q) => q.in("title", ["Notes", "a,b", 'quo"te'])), [3]);
  assert.deepEqual(await ids((q) => q.contains("details", { lang: "en" })), [1, 2]);
  assert.deepEqual(await ids((q) => q.or("title.eq.Notes,and(price.gt.20,published.gt.1900)")), [2, 3]);
  assert.deepEqual(await ids((q) => q.not("title", "eq", "Notes")), [1, 2]);
  assert.deepEqual(await ids((q) => q.gt("details->pages", 50)), [1, 2]);
  assert.deepEqual(await ids((q) => q.eq("details->>lang", "fr")), [3]);
  assert.deepEqual(await ids((q) => q.textSearch("title", "engine", { type: "plain", config: "english" })), [1]);
  assert.deepEqual(await ids((q) => q.match({ published: 1842, author_id: 1 })), [3]);
});

test("embedding: to-one with a hint, to-many, many-to-many, nested, inner", async () => {
  const { data: books } = ok(
    await anon.from("books").select("title, author:authors!author_id(name), editor:authors!editor_id(name), tags(label)").order("id"),
  );
  assert.deepEqual(books[0], { title: "Engines", author: { name: "Ada" }, editor: { name: "Grace" }, tags: [{ label: "classic" }] });
  assert.equal(books[1].editor, null);

  const { data: authors } = ok(
    await anon
      .from("authors")
      .select("name, books!author_id(title, tags(label))")
      .order("id")
      .order("published", { referencedTable: "books", ascending: true })
      .eq("books.tags.label", "short"),
  );
  assert.deepEqual(authors[0].books.map((b) => [b.title, b.tags.length]), [["Notes", 1], ["Engines", 0]]);
  assert.deepEqual(authors[2].books, []);

  const { data: only } = ok(await anon.from("authors").select("name, books!author_id!inner(title)").eq("books.title", "Compilers"));
  assert.deepEqual(only, [{ name: "Grace", books: [{ title: "Compilers" }] }]);
});

test("an ambiguous embed says which hints there are", async () => {
  const { error, status } = await anon.from("books").select("authors(name)");
  assert.equal(status, 300);
  assert.equal(error.code, "PGRST201");
  assert.equal(error.details.length, 2);
});

test("insert, update, upsert and delete return what was asked", async () => {
  const inserted = ok(await anon.from("tags").insert([{ label: "new" }, { label: "newer" }]).select());
  assert.equal(inserted.status, 201);
  assert.equal(inserted.data.length, 2);

  const minimal = ok(await anon.from("tags").insert({ label: "silent" }));
  assert.equal(minimal.data, null);

  const updated = ok(await anon.from("tags").update({ label: "renamed" }).eq("label", "new").select("label"));
  assert.deepEqual(updated.data, [{ label: "renamed" }]);

  const id = inserted.data[1].id;
  const upserted = ok(await anon.from("tags").upsert([{ id, label: "upserted" }, { id: id + 1000, label: "added" }]).select("label"));
  assert.deepEqual(upserted.data.map((row) => row.label), ["upserted", "added"]);

  const kept = ok(await anon.from("tags").upsert({ label: "classic" }, { onConflict: "label", ignoreDuplicates: true }).select());
  assert.deepEqual(kept.data, []);

  const gone = ok(await anon.from("tags").delete().in("label", ["renamed", "silent", "upserted", "added"]).select("label"));
  assert.equal(gone.data.length, 4);
  assert.equal(ok(await anon.from("tags").delete().eq("label", "never there")).status, 204);
});

test("single and maybeSingle", async () => {
  assert.deepEqual(ok(await anon.from("tags").select("label").eq("id", 1).single()).data, { label: "classic" });
  const none = await anon.from("tags").select().eq("id", -1).single();
  assert.equal(none.status, 406);
  assert.equal(none.error.code, "PGRST116");
  assert.equal(ok(await anon.from("tags").select().eq("id", -1).maybeSingle()).data, null);
  assert.equal((await anon.from("tags").select().single()).error.code, "PGRST116");
});

test("a write that single refuses is rolled back", async () => {
  const { error } = await anon.from("tags").insert([{ label: "one" }, { label: "two" }]).select().single();
  assert.equal(error.code, "PGRST116");
  assert.deepEqual(ok(await anon.from("tags").select().in("label", ["one", "two"])).data, []);
});

test("count and range", async () => {
  const page = ok(await anon.from("books").select("id", { count: "exact" }).order("id").range(1, 1));
  assert.deepEqual([page.count, page.data, page.status], [3, [{ id: 2 }], 206]);
  const head = ok(await anon.from("books").select("*", { count: "exact", head: true }));
  assert.deepEqual([head.count, head.data], [3, null]);
});

test("rpc: scalar, set, void, by GET, errors", async () => {
  assert.equal(ok(await anon.rpc("add", { a: 2, b: 3 })).data, 5);
  assert.equal(ok(await anon.rpc("add", { a: 2, b: 3 }, { get: true })).data, 5);
  const set = ok(await anon.rpc("books_of", { author: "Ada" }).select("title, tags(label)").order("title").limit(1));
  assert.deepEqual(set.data, [{ title: "Engines", tags: [{ label: "classic" }] }]);
  assert.equal(ok(await anon.rpc("nothing")).status, 204);
  const raised = await anon.rpc("refuse");
  assert.equal(raised.status, 400);
  assert.deepEqual(
    { code: raised.error.code, message: raised.error.message, details: raised.error.details, hint: raised.error.hint },
    { code: "P0001", message: "not today", details: "because", hint: "tomorrow" },
  );
  const unknown = await anon.rpc("ad", { a: 1 });
  assert.equal(unknown.status, 404);
  assert.equal(unknown.error.code, "PGRST202");
});

test("error shapes", async () => {
  const shape = async (answer) => {
    const { error, status, statusText } = await answer;
    assert.deepEqual(["code", "details", "hint", "message"].filter((key) => !(key in error)), []);
    return [status, statusText, error.code];
  };
  assert.deepEqual(await shape(anon.from("nowhere").select()), [404, "Not Found", "PGRST205"]);
  assert.deepEqual(await shape(anon.from("books").select("nothing")), [400, "Bad Request", "42703"]);
  assert.deepEqual(await shape(anon.from("books").select().eq("id", "x")), [400, "Bad Request", "22P02"]);
  assert.deepEqual(await shape(anon.from("tags").insert({ label: "classic" })), [409, "Conflict", "23505"]);
  assert.deepEqual(await shape(anon.from("books").insert({ title: "x", author_id: -1 })), [409, "Conflict", "23503"]);
  assert.deepEqual(await shape(anon.from("books").insert({ title: "x", author_id: 1, price: -1 })), [400, "Bad Request", "23514"]);
  assert.deepEqual(await shape(anon.from("unprotected").select()), [404, "Not Found", "PGRST205"]);
  assert.deepEqual(await shape(as("not.a.token").from("books").select()), [401, "Unauthorized", "PGRST301"]);
});

test("row-level security: two users, one anonymous, one service key", async () => {
  const [ann, bob] = [as(TOKEN_ANN), as(TOKEN_BOB)];
  ok(await ann.from("notes").insert([{ body: "ann 1" }, { body: "ann 2" }]));
  ok(await bob.from("notes").insert({ body: "bob 1" }));
  const bodies = async (client) => ok(await client.from("notes").select("body").order("body")).data.map((row) => row.body);
  assert.deepEqual(await bodies(ann), ["ann 1", "ann 2"]);
  assert.deepEqual(await bodies(bob), ["bob 1"]);
  assert.deepEqual(await bodies(anon), []);
  assert.deepEqual(await bodies(service), ["ann 1", "ann 2", "bob 1"]);

  assert.deepEqual(ok(await bob.from("notes").update({ body: "mine now" }).eq("body", "ann 1").select()).data, []);
  assert.deepEqual(ok(await bob.from("notes").delete().eq("body", "ann 1").select()).data, []);
  const stolen = await bob.from("notes").insert({ body: "for ann", user_id: "00000000-0000-4000-8000-00000000000a" });
  assert.deepEqual([stolen.status, stolen.error.code], [403, "42501"]);
  const nobody = await anon.from("notes").insert({ body: "who?" });
  assert.equal(nobody.status, 401);
  assert.deepEqual(await bodies(ann), ["ann 1", "ann 2"]);
  ok(await service.from("notes").delete().neq("id", 0));
});

test("beyond PostgREST: columns, keys, paths, groups, jsonb updates", async () => {
  const ids = async (build) => ok(await build(anon.from("books").select("id").order("id"))).data.map((row) => row.id);
  assert.deepEqual(await ids((q) => q.filter("editor_id", "gt(col)", "author_id")), [1]);
  assert.deepEqual(await ids((q) => q.filter("details", "has", "pages")), [1, 2, 3]);
  assert.deepEqual(await ids((q) => q.filter("details", "hasany", "(none,lang)")), [1, 2, 3]);
  assert.deepEqual(await ids((q) => q.filter("details", "jsonpath", '$.lang ? (@ == "fr")')), [3]);
  assert.deepEqual(await ids((q) => q.or("editor_id.gt(col).author_id,details.has.nothing")), [1]);
  const groups = ok(await anon.from("books").select("author_id, count:id.count()").order("count", { ascending: false }));
  assert.deepEqual(groups.data, [{ author_id: 1, count: 2 }, { author_id: 2, count: 1 }]);
  const size = ok(await anon.from("books").update({ "details->size->w": 12 }).eq("id", 3).select("details->size"));
  assert.deepEqual(size.data, [{ size: { w: 12 } }]);
  ok(await anon.from("books").update({ details: { pages: 40, lang: "fr" } }).eq("id", 3));
});

test("pages by cursor, followed by their links", async () => {
  const headers = { apikey: ANON_KEY };
  const seen = [];
  let query = "?select=title&order=price.desc&limit=1&cursor=first";
  while (query) {
    const answer = await fetch(`${FERROBASE_URL}/rest/v1/books${query}`, { headers });
    assert.equal(answer.status, 200);
    seen.push(...(await answer.json()).map((row) => row.title));
    query = /<([^>]+)>; rel="next"/.exec(answer.headers.get("link") ?? "")?.[1];
  }
  assert.deepEqual(seen, ["Compilers", "Engines", "Notes"]);
});

test("csv", async () => {
  const { data } = ok(await anon.from("tags").select("id,label").lte("id", 2).order("id").csv());
  assert.equal(data, "id,label\n1,classic\n2,short");
});

test("an aborted request leaves the server well", async () => {
  const controller = new AbortController();
  const pending = anon.from("books").select().abortSignal(controller.signal);
  controller.abort();
  assert.notEqual((await pending).error, null);
  ok(await anon.from("books").select("id"));
});
