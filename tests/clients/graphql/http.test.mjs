// GraphQL over HTTP: the public audit of graphql-http.
import assert from "node:assert/strict";
import { test } from "node:test";
import { auditServer } from "graphql-http";
import { ANON_KEY, URL } from "./server.mjs";

// What is not passed, and why.
const KNOWN = {};

test("the audit of graphql-http passes", async () => {
  const fetchFn = (url, options = {}) => fetch(url, { ...options, headers: { ...options.headers, apikey: ANON_KEY } });
  const results = await auditServer({ url: URL, fetchFn });
  const failed = results.filter((result) => result.status !== "ok");
  assert.ok(results.length > 50);
  assert.deepEqual(
    Object.fromEntries(failed.map(({ id, name, reason }) => [id, `${name}: ${reason}`])),
    KNOWN,
  );
});
