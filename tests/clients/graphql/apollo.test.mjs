// Apollo Client: pages by its helper, persisted queries, errors; tokens of users.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApolloClient, ApolloLink, CombinedGraphQLErrors, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { relayStylePagination } from "@apollo/client/utilities";
import { createHash, randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { ANON_KEY, TOKEN_ANN, TOKEN_BOB, URL } from "./server.mjs";

const NOTES = gql`
  query Notes($first: Int!, $after: Cursor) {
    notesCollection(first: $first, after: $after, orderBy: [{ id: AscNullsLast }]) {
      edges { cursor node { nodeId id body } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
`;

function client(token, link = []) {
  const headers = { apikey: ANON_KEY, authorization: `Bearer ${token}` };
  const cache = new InMemoryCache({
    dataIdFromObject: (row) => row.nodeId,
    typePolicies: { Query: { fields: { notesCollection: relayStylePagination(["orderBy", "filter"]) } } },
  });
  return new ApolloClient({ cache, link: ApolloLink.from([...link, new HttpLink({ uri: URL, headers })]) });
}

test("fetchMore adds page to page, and nobody sees another's", async () => {
  const ann = client(TOKEN_ANN);
  const watched = ann.watchQuery({ query: NOTES, variables: { first: 3 } });
  const seen = [];
  const subscription = watched.subscribe(({ data }) => data && seen.push(data.notesCollection.edges.length));
  let { data: page } = await watched.refetch();
  for (let pages = 1; page.notesCollection.pageInfo.hasNextPage && pages < 10; pages += 1) {
    ({ data: page } = await watched.fetchMore({ variables: { after: page.notesCollection.pageInfo.endCursor } }));
  }
  for (let waits = 0; seen.at(-1) < 7 && waits < 100; waits += 1) await setTimeout(20);
  const { data } = watched.getCurrentResult();
  subscription.unsubscribe();
  const bodies = data.notesCollection.edges.map(({ node }) => node.body);
  assert.deepEqual(bodies, [1, 2, 3, 4, 5, 6, 7].map((n) => `ann ${n}`));
  assert.equal(seen.at(-1), 7, "whoever watches is told");
  assert.equal(new Set(data.notesCollection.edges.map(({ node }) => node.nodeId)).size, 7);
  const bob = await client(TOKEN_BOB).query({ query: NOTES, variables: { first: 10 } });
  assert.deepEqual(bob.data.notesCollection.edges.map(({ node }) => node.body), ["bob 8", "bob 9"]);
  const anybody = await client(ANON_KEY).query({ query: NOTES, variables: { first: 10 } });
  assert.deepEqual(anybody.data.notesCollection.edges, []);
});

test("persisted queries: named by their hash, sent once, GET", async () => {
  const sent = [];
  const note = new ApolloLink((operation, forward) => {
    sent.push(operation.getContext().http);
    return forward(operation);
  });
  const sha256 = (text) => createHash("sha256").update(text).digest("hex");
  const persisted = () => new PersistedQueryLink({ sha256, useGETForHashedQueries: true });
  // One that this server has never seen.
  const query = gql(`query Q${randomUUID().replaceAll("-", "")} { notesCollection(first: 2) { edges { node { body } } } }`);
  const asked = async () => {
    const ann = client(TOKEN_ANN, [persisted(), note]);
    const { data } = await ann.query({ query });
    assert.equal(data.notesCollection.edges.length, 2);
  };
  await asked();
  assert.deepEqual(sent.map((http) => http?.includeQuery), [false, true], "unknown, so it is sent");
  await asked();
  assert.equal(sent.length, 3, "known, so it is not");
  assert.equal(sent[2].includeQuery, false);
});

test("errors come as Apollo's, with codes", async () => {
  const asked = client(ANON_KEY).query({ query: gql`{ booksByPk(id: "1") { titel } }` });
  await assert.rejects(asked, (error) => {
    assert.ok(CombinedGraphQLErrors.is(error));
    assert.equal(error.errors[0].extensions.code, "GRAPHQL_VALIDATION_FAILED");
    return true;
  });
});

test("a mutation changes what the cache shows", async () => {
  const ann = client(TOKEN_ANN);
  const ADD = gql`mutation Add($body: String!) {
    insertIntonotesCollection(objects: [{ body: $body }]) { affectedCount records { nodeId id body } }
  }`;
  const added = await ann.mutate({ mutation: ADD, variables: { body: "ann new" } });
  const [{ id }] = added.data.insertIntonotesCollection.records;
  const CHANGE = gql`mutation Change($id: BigInt!, $body: String!) {
    updatenotesCollection(set: { body: $body }, filter: { id: { eq: $id } }) { records { nodeId id body } }
  }`;
  await ann.mutate({ mutation: CHANGE, variables: { id, body: "ann changed" } });
  const rows = Object.values(ann.cache.extract()).filter((row) => row.id === id);
  assert.deepEqual(rows.map((row) => row.body), ["ann changed"], "one row, by what names it");
  const REMOVE = gql`mutation Remove($id: BigInt!) { deleteFromnotesCollection(filter: { id: { eq: $id } }) { affectedCount } }`;
  const removed = await ann.mutate({ mutation: REMOVE, variables: { id } });
  assert.equal(removed.data.deleteFromnotesCollection.affectedCount, 1);
});
