// GraphiQL in a browser: it opens, knows the schema, runs what is written, and asks nobody but the server.
// Environment: FERROBASE_URL (a `dev` with the table `books`), CHROMIUM (the browser, else `chromium` on the PATH).
import assert from "node:assert/strict";
import { test } from "node:test";
import { withPage } from "./browser.mjs";

const { FERROBASE_URL } = process.env;
const editor = (part) => `document.querySelector(".graphiql-${part} .CodeMirror")?.CodeMirror`;

test("a query is written, run and answered", async () => {
  await withPage(async (page) => {
    await page.go(`${FERROBASE_URL}/graphql/v1`);
    await page.until(`Boolean(${editor("query-editor")})`);
    await page.value(`{ const it = ${editor("query-editor")}; it.setValue(""); it.focus(); }`);
    await page.type("{ booksCollection(first: 1) { edges { node { title } } } }");
    await page.value(`document.querySelector(".graphiql-execute-button").click()`);
    const answer = JSON.parse(await page.until(`${editor("response")}?.getValue()`));
    assert.deepEqual(answer, { data: { booksCollection: { edges: [{ node: { title: "Compilers" } }] } } });

    // It read the schema: the documentation shows the types, and a name that is wrong is marked.
    await page.value(`document.querySelector('[aria-label="Show Documentation Explorer"]').click()`);
    await page.until(`document.querySelector(".graphiql-doc-explorer")?.innerText.includes("Query")`);
    await page.value(`${editor("query-editor")}.setValue("{ nobodyCollection { edges } }")`);
    await page.until(`Boolean(document.querySelector(".CodeMirror-lint-mark-error"))`);

    const elsewhere = page.requests.filter((url) => !url.startsWith(FERROBASE_URL) && !/^(data|blob|about):/.test(url));
    assert.deepEqual(elsewhere, [], "no request leaves the machine");
    assert.ok(page.requests.length > 5, page.requests.join("\n"));
    assert.deepEqual(page.complaints, []);
  });
});
