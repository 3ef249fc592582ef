// Two people sign up, each keeps a list, neither sees the other's. Needs @supabase/supabase-js.
// Environment: URL (default http://127.0.0.1:8000), ANON_KEY (`ferrobase keys`).
import { createClient } from "@supabase/supabase-js";

const { URL: url = "http://127.0.0.1:8000", ANON_KEY: key } = process.env;

/** The data of an answer, or its error. */
const ok = ({ data, error }) => {
  if (error) throw error;
  return data;
};

async function person(name) {
  const supabase = createClient(url, key, { auth: { persistSession: false } });
  const email = `${name}-${crypto.randomUUID()}@example.com`;
  ok(await supabase.auth.signUp({ email, password: `${name}'s own secret`, options: { data: { name } } }));
  return supabase;
}

const [ann, bob] = [await person("ann"), await person("bob")];
ok(await ann.from("todos").insert([{ task: "buy milk" }, { task: "call Bob" }]));
ok(await bob.from("todos").insert({ task: "answer the phone" }));
ok(await ann.from("todos").update({ is_complete: true }).eq("task", "buy milk"));

// Nothing of Ann's is Bob's to change: no row is found.
const stolen = ok(await bob.from("todos").update({ task: "gone" }).eq("task", "call Bob").select());

for (const [name, supabase] of Object.entries({ ann, bob })) {
  const rows = ok(await supabase.from("todos").select("task, is_complete").order("id"));
  console.log(`${name}: ${rows.map((row) => (row.is_complete ? `(${row.task})` : row.task)).join(", ")}`);
}
console.log(`bob changed ${stolen.length} of ann's`);

await Promise.all([ann.auth.signOut(), bob.auth.signOut()]);
console.log(`signed out: ${ok(await ann.from("todos").select()).length} rows`);
