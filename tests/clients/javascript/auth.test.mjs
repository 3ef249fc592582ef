// supabase-js and @supabase/ssr signing in at a running server whose addresses count as confirmed at once.
// Environment: FERROBASE_URL, ANON_KEY, SERVICE_KEY. Table `todos`: everybody sees their own.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createServerClient } from "@supabase/ssr";
import { createClient } from "@supabase/supabase-js";

const { FERROBASE_URL, ANON_KEY, SERVICE_KEY } = process.env;
const options = { auth: { persistSession: false, autoRefreshToken: false } };
const client = (key = ANON_KEY) => createClient(FERROBASE_URL, key, options);
const address = () => `js-${crypto.randomUUID()}@example.com`;
const password = "correct horse battery";

/** The data of an answer that must not be an error. */
function ok({ data, error }) {
  assert.equal(error, null, JSON.stringify(error));
  return data;
}

/** The error of an answer that must be one. */
function refused({ error }) {
  assert.notEqual(error, null);
  return [error.status, error.code];
}

test("sign up, work, sign out, sign in again", async () => {
  const [supabase, email] = [client(), address()];
  const { user, session } = ok(await supabase.auth.signUp({ email, password, options: { data: { name: "Ann" } } }));
  assert.equal(user.email, email);
  assert.equal(user.user_metadata.name, "Ann");
  assert.equal(user.app_metadata.provider, "email");
  assert.equal(session.token_type, "bearer");
  const [row] = ok(await supabase.from("todos").insert({ task: "first" }).select());
  assert.equal(row.user_id, user.id);
  ok(await supabase.auth.signOut());
  assert.deepEqual(ok(await supabase.from("todos").select()), []);
  assert.deepEqual(refused(await supabase.auth.signInWithPassword({ email, password: "wrong" })), [400, "invalid_credentials"]);
  ok(await supabase.auth.signInWithPassword({ email, password }));
  assert.deepEqual(ok(await supabase.from("todos").select("task")), [{ task: "first" }]);
});

test("a refresh gives new tokens of the same session; claims say who it is", async () => {
  const supabase = client();
  const { session } = ok(await supabase.auth.signUp({ email: address(), password }));
  const { session: next } = ok(await supabase.auth.refreshSession());
  assert.notEqual(next.refresh_token, session.refresh_token);
  const { claims } = ok(await supabase.auth.getClaims());
  assert.equal(claims.sub, session.user.id);
  assert.equal(claims.role, "authenticated");
  assert.equal(claims.aal, "aal1");
  assert.equal(claims.amr[0].method, "password");
});

test("users change themselves, and nothing that is not theirs", async () => {
  const supabase = client();
  ok(await supabase.auth.signUp({ email: address(), password }));
  const { user } = ok(await supabase.auth.updateUser({ data: { colour: "blue" } }));
  assert.equal(user.user_metadata.colour, "blue");
  assert.deepEqual(refused(await supabase.auth.updateUser({ password })), [422, "same_password"]);
  ok(await supabase.auth.updateUser({ password: "another password" }));
  ok(await supabase.auth.signInWithPassword({ email: user.email, password: "another password" }));
});

test("people without an account have one that is theirs", async () => {
  const supabase = client();
  const { user } = ok(await supabase.auth.signInAnonymously());
  assert.equal(user.is_anonymous, true);
  ok(await supabase.from("todos").insert({ task: "nobody's" }));
  assert.equal(ok(await supabase.from("todos").select()).length, 1);
});

test("administrators make, find, ban and delete users; users do not", async () => {
  const [admin, email] = [client(SERVICE_KEY).auth.admin, address()];
  const { user } = ok(await admin.createUser({ email, password, email_confirm: true, app_metadata: { tenant_id: "7" } }));
  assert.equal(ok(await admin.getUserById(user.id)).user.app_metadata.tenant_id, "7");
  assert.ok(ok(await admin.listUsers({ perPage: 1000 })).users.some((listed) => listed.id === user.id));
  const supabase = client();
  ok(await supabase.auth.signInWithPassword({ email, password }));
  assert.deepEqual(refused(await supabase.auth.admin.listUsers()), [403, "not_admin"]);
  ok(await admin.updateUserById(user.id, { ban_duration: "1h" }));
  assert.deepEqual(refused(await supabase.auth.refreshSession()), [400, "user_banned"]);
  ok(await admin.deleteUser(user.id));
  assert.deepEqual(refused(await admin.getUserById(user.id)), [404, "user_not_found"]);
});

/** A browser as far as a server sees it: its cookies, and a client for each request. */
function browser() {
  const cookies = new Map();
  const set = [];
  const request = () =>
    createServerClient(FERROBASE_URL, ANON_KEY, {
      cookies: {
        getAll: () => [...cookies].map(([name, value]) => ({ name, value })),
        setAll: (all) =>
          all.forEach(({ name, value, options }) => {
            set.push(name);
            options.maxAge === 0 ? cookies.delete(name) : cookies.set(name, value);
          }),
      },
    });
  return { cookies, set, request };
}

test("server-side rendering: the session lives in cookies", async () => {
  const { cookies, request } = browser();
  const signIn = request();
  const { user } = ok(await signIn.auth.signUp({ email: address(), password }));
  assert.ok(cookies.size > 0, "cookies are set");
  // Another request of the same browser.
  const page = request();
  assert.equal(ok(await page.auth.getUser()).user.id, user.id);
  ok(await page.from("todos").insert({ task: "rendered" }));
  assert.deepEqual(ok(await request().from("todos").select("task")), [{ task: "rendered" }]);
  assert.deepEqual(ok(await browser().request().from("todos").select()), [], "another browser sees nothing");
  ok(await request().auth.signOut());
  assert.equal(cookies.size, 0, [...cookies.keys()].join());
  assert.equal((await request().auth.getUser()).error.name, "AuthSessionMissingError");
});

test("server-side rendering: a session that expired is refreshed and its cookies are set again", async () => {
  const { cookies, set, request } = browser();
  const { user } = ok(await request().auth.signUp({ email: address(), password }));
  // The browser comes back after an hour.
  const [name, value] = [...cookies].find(([name]) => name.endsWith("-auth-token"));
  const session = JSON.parse(Buffer.from(value.replace(/^base64-/, ""), "base64url"));
  session.expires_at = Math.floor(Date.now() / 1000) - 60;
  cookies.set(name, `base64-${Buffer.from(JSON.stringify(session)).toString("base64url")}`);
  set.length = 0;
  const page = request();
  assert.equal(ok(await page.auth.getUser()).user.id, user.id);
  assert.ok(set.includes(name), "the new session is in the cookies");
  assert.deepEqual(ok(await page.from("todos").select()), []);
});
