// supabase-js: every method of its query builders that rest.test.mjs does not use.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "@supabase/supabase-js";

const { FERROBASE_URL, ANON_KEY } = process.env;
const anon = createClient(FERROBASE_URL, ANON_KEY, { auth: { persistSession: false, autoRefreshToken: false } });

function ok({ data, error, status, ...rest }) {
  assert.equal(error, null, JSON.stringify(error));
  return { data, status, ...rest };
}
const ids = async (build) => ok(await build(anon.from("slots").select("id").order("id"))).data.map((row) => row.id);

test("filters: patterns over lists, regular expressions, distinct, not in", async () => {
  assert.deepEqual(await ids((q) => q.likeAllOf("note", ["%short%", "%early"])), [1]);
  assert.deepEqual(await ids((q) => q.likeAnyOf("note", ["short%", "long"])), [1]);
  assert.deepEqual(await ids((q) => q.ilikeAllOf("note", ["L%", "%G"])), [2]);
  assert.deepEqual(await ids((q) => q.ilikeAnyOf("note", ["SHORT%", "long"])), [1, 2]);
  assert.deepEqual(await ids((q) => q.regexMatch("note", "^L.*g$")), [2]);
  assert.deepEqual(await ids((q) => q.regexIMatch("note", "^l")), [2]);
  assert.deepEqual(await ids((q) => q.isDistinct("note", "Long")), [1, 3]);
  assert.deepEqual(await ids((q) => q.notIn("id", [1, 3])), [2]);
  assert.deepEqual(await ids((q) => q.filter("id", "in", "(1,2)")), [1, 2]);
  assert.deepEqual(await ids((q) => q.not("id", "in", "(1,2)")), [3]);
  assert.deepEqual(await ids((q) => q.is("done", true)), [1]);
  assert.deepEqual(await ids((q) => q.is("done", null)), [3]);
});

test("filters: arrays and ranges", async () => {
  assert.deepEqual(await ids((q) => q.contains("people", ["bob"])), [1, 2]);
  assert.deepEqual(await ids((q) => q.containedBy("people", ["bob", "cid"])), [2, 3]);
  assert.deepEqual(await ids((q) => q.overlaps("people", ["ann", "cid"])), [1]);
  assert.deepEqual(await ids((q) => q.contains("during", "[2,3)")), [1]);
  assert.deepEqual(await ids((q) => q.containedBy("during", "[0,10)")), [1, 2]);
  assert.deepEqual(await ids((q) => q.overlaps("during", "[4,6)")), [1, 2]);
  assert.deepEqual(await ids((q) => q.rangeGt("during", "[1,9)")), [3]);
  assert.deepEqual(await ids((q) => q.rangeGte("during", "[5,7)")), [2, 3]);
  assert.deepEqual(await ids((q) => q.rangeLt("during", "[20,30)")), [1, 2]);
  assert.deepEqual(await ids((q) => q.rangeLte("during", "[1,9)")), [1, 2]);
  assert.deepEqual(await ids((q) => q.rangeAdjacent("during", "[9,20)")), [2, 3]);
});

test("full text: four ways to read a query", async () => {
  assert.deepEqual(await ids((q) => q.textSearch("note", "short & early")), [1]);
  assert.deepEqual(await ids((q) => q.textSearch("note", "early short", { type: "plain" })), [1]);
  assert.deepEqual(await ids((q) => q.textSearch("note", "early short", { type: "phrase" })), []);
  assert.deepEqual(await ids((q) => q.textSearch("note", "long or early", { type: "websearch", config: "english" })), [1, 2]);
});

test("order, limit and range of an embed, and nulls first", async () => {
  const { data } = ok(
    await anon
      .from("authors")
      .select("name, books!author_id(title)")
      .order("name", { ascending: false })
      .order("title", { referencedTable: "books", ascending: false })
      .limit(1, { referencedTable: "books" }),
  );
  assert.deepEqual(data.map((row) => row.books), [[], [{ title: "Compilers" }], [{ title: "Notes" }]]);
  const ranged = ok(await anon.from("authors").select("books!author_id(title)").eq("id", 1).order("title", { referencedTable: "books" }).range(1, 1, { referencedTable: "books" }));
  assert.deepEqual(ranged.data, [{ books: [{ title: "Notes" }] }]);
  const first = ok(await anon.from("slots").select("id").order("note", { nullsFirst: true }).limit(1));
  assert.deepEqual(first.data, [{ id: 3 }]);
});

test("forms of an answer: stripped nulls, csv, plan", async () => {
  const stripped = ok(await anon.from("slots").select("id,note,setting").eq("id", 1).stripNulls());
  assert.deepEqual(stripped.data, [{ id: 1, note: "short and early", setting: { a: 1 } }]);
  const one = ok(await anon.from("slots").select("id,note").eq("id", 3).single().stripNulls());
  assert.deepEqual(one.data, { id: 3 });
  const plan = ok(await anon.from("slots").select("id").explain({ format: "json", analyze: true }));
  assert.equal(plan.data[0].Plan["Node Type"], "Aggregate");
  assert.match(ok(await anon.from("slots").select("id").explain()).data, /Aggregate/);
});

test("writes: counts, columns, defaults, rows that must not be too many", async () => {
  const inserted = ok(await anon.from("slots").insert([{ id: 10, during: "[1,2)" }, { id: 11, during: "[2,3)", people: ["x"] }], { count: "exact", defaultToNull: false }).select("id,people"));
  assert.deepEqual([inserted.count, inserted.data], [2, [{ id: 10, people: [] }, { id: 11, people: ["x"] }]]);
  const nulls = await anon.from("slots").insert([{ id: 12, during: "[1,2)" }, { id: 13, during: "[2,3)", people: ["x"] }]);
  assert.equal(nulls.error.code, "23502");
  const upserted = ok(await anon.from("slots").upsert([{ id: 10, during: "[1,4)" }], { onConflict: "id", count: "exact", defaultToNull: false }));
  assert.deepEqual([upserted.count, upserted.status], [1, 200]);
  const updated = ok(await anon.from("slots").update({ note: "x" }, { count: "exact" }).gte("id", 10));
  assert.deepEqual([updated.count, updated.status], [2, 204]);
  const refused = await anon.from("slots").update({ note: "y" }).gte("id", 10).maxAffected(1);
  assert.deepEqual([refused.status, refused.error.code], [400, "PGRST124"]);
  const undone = ok(await anon.from("slots").delete().eq("id", 10).rollback().select("id"));
  assert.deepEqual(undone.data, [{ id: 10 }]);
  assert.deepEqual(await ids((q) => q.gte("id", 10)), [10, 11]);
  const deleted = ok(await anon.from("slots").delete({ count: "exact" }).gte("id", 10));
  assert.equal(deleted.count, 2);
});

test("counts: planned and estimated", async () => {
  for (const count of ["planned", "estimated"]) {
    const answer = ok(await anon.from("slots").select("id", { count }));
    assert.equal(typeof answer.count, "number", count);
  }
});

test("rpc: sets by GET with lists, head with a count, a document, filters on the result", async () => {
  assert.deepEqual(ok(await anon.rpc("slots_of", { who: "bob", ids: [1, 2] }, { get: true }).select("id").order("id")).data, [{ id: 1 }, { id: 2 }]);
  const head = ok(await anon.rpc("slots_of", { who: "bob" }, { head: true, count: "exact" }));
  assert.deepEqual([head.data, head.count], [null, 2]);
  assert.equal(ok(await anon.rpc("total", { item: { a: 41 } })).data, 42);
  assert.deepEqual(ok(await anon.rpc("slots_of", { who: "bob" }).select("id").gt("id", 1).maybeSingle()).data, { id: 2 });
});

test("schemas, throwing, extra fields", async () => {
  assert.equal(ok(await anon.schema("public").from("slots").select("id").eq("id", 1)).data.length, 1);
  const other = await anon.schema("private").from("slots").select("id");
  assert.deepEqual([other.status, other.error.code], [406, "PGRST106"]);
  await assert.rejects(async () => await anon.from("nowhere").select().throwOnError(), { code: "PGRST205" });
  assert.equal(ok(await anon.from("slots").select("id").eq("id", 1).setHeader("x-test", "1")).data.length, 1);
});
