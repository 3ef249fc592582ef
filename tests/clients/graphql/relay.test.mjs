// Relay's runtime with what its compiler made (relay/__generated__): pages added to a connection, rows by what names them.
import assert from "node:assert/strict";
import { test } from "node:test";
import relay from "relay-runtime";
import fragment from "./relay/__generated__/notes_list.graphql.js";
import moreQuery from "./relay/__generated__/notesMoreQuery.graphql.js";
import nodeQuery from "./relay/__generated__/notesNodeQuery.graphql.js";
import firstQuery from "./relay/__generated__/notesQuery.graphql.js";
import { ask, TOKEN_ANN, TOKEN_BOB } from "./server.mjs";

const { createOperationDescriptor, Environment, fetchQuery, getSingularSelector, Network, RecordSource, Store } = relay;

function environment(token) {
  const network = Network.create(({ text }, variables) => ask(text, { token, variables }));
  return new Environment({ network, store: new Store(new RecordSource()), getDataID: (row) => row.nodeId });
}

/** The connection as a component would see it. */
function connection(environment, operation) {
  const { data } = environment.lookup(operation.fragment);
  return environment.lookup(getSingularSelector(fragment, data)).data.notesCollection;
}

test("pages are added to a connection until there are no more", async () => {
  const ann = environment(TOKEN_ANN);
  const operation = createOperationDescriptor(firstQuery, {});
  const retained = ann.retain(operation);
  await fetchQuery(ann, firstQuery, {}).toPromise();
  let pages = 1;
  let seen = connection(ann, operation);
  assert.equal(seen.edges.length, 3);
  while (seen.pageInfo.hasNextPage) {
    await fetchQuery(ann, moreQuery, { first: 3, after: seen.pageInfo.endCursor }).toPromise();
    seen = connection(ann, operation);
    pages += 1;
  }
  assert.equal(pages, 3);
  assert.deepEqual(seen.edges.map(({ node }) => node.body), [1, 2, 3, 4, 5, 6, 7].map((n) => `ann ${n}`));
  retained.dispose();
});

test("a row by what names it, for those who may see it", async () => {
  const ann = environment(TOKEN_ANN);
  await fetchQuery(ann, firstQuery, {}).toPromise();
  const [{ node }] = connection(ann, createOperationDescriptor(firstQuery, {})).edges;
  const again = await fetchQuery(ann, nodeQuery, { id: node.nodeId }).toPromise();
  assert.equal(again.node.body, "ann 1");
  const bob = await fetchQuery(environment(TOKEN_BOB), nodeQuery, { id: node.nodeId }).toPromise();
  assert.equal(bob.node, null);
});
