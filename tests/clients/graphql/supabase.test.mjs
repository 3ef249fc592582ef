// As users of supabase-js call GraphQL: by hand, with their key and the token of a session.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "@supabase/supabase-js";
import { ANON_KEY, ask, FERROBASE_URL, SERVICE_KEY, TOKEN_ANN, URL } from "./server.mjs";

const COUNT = "{ notesCollection(first: 100) { edges { node { body } } } }";
const bodies = ({ data }) => data.notesCollection.edges.map(({ node }) => node.body);

test("keys and tokens decide what is seen", async () => {
  assert.deepEqual(bodies(await ask(COUNT)), []);
  assert.equal(bodies(await ask(COUNT, { token: TOKEN_ANN })).filter((body) => body.startsWith("bob")).length, 0);
  assert.ok(bodies(await ask(COUNT, { token: SERVICE_KEY })).some((body) => body.startsWith("bob")));
  const keyOnly = await fetch(URL, {
    method: "POST",
    headers: { "content-type": "application/json", apikey: SERVICE_KEY },
    body: JSON.stringify({ query: COUNT }),
  });
  assert.ok(bodies(await keyOnly.json()).some((body) => body.startsWith("bob")), "a key alone is a role too");
});

test("a session's token", async () => {
  const supabase = createClient(FERROBASE_URL, ANON_KEY, { auth: { persistSession: false, autoRefreshToken: false } });
  const { data: { session }, error } = await supabase.auth.signUp({ email: "gql@example.com", password: "correct horse battery" });
  assert.equal(error, null);
  const token = session.access_token;
  const mine = "mutation { insertIntonotesCollection(objects: [{body: \"mine\"}]) { records { body } } }";
  const inserted = await ask(mine, { token });
  assert.deepEqual(inserted.data.insertIntonotesCollection.records, [{ body: "mine" }], JSON.stringify(inserted));
  assert.deepEqual(bodies(await ask(COUNT, { token })), ["mine"]);
  const { data: rows } = await supabase.from("notes").select("body");
  assert.deepEqual(rows, [{ body: "mine" }], "the same rows as REST's");
});
