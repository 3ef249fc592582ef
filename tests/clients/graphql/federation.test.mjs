// A subgraph of a federation: composed with another service, asked through Apollo's gateway.
import assert from "node:assert/strict";
import { test } from "node:test";
import { composeServices } from "@apollo/composition";
import { ApolloGateway, LocalGraphQLDataSource, RemoteGraphQLDataSource } from "@apollo/gateway";
import { buildSubgraphSchema } from "@apollo/subgraph";
import { parse } from "graphql";
import { ANON_KEY, ask, URL } from "./server.mjs";

const shop = { headers: { "content-profile": "shop" } };
const sdl = async () => (await ask("{ _service { sdl } }", shop)).data._service.sdl;

// Another service, which knows products by their key and adds something.
const reviews = parse(`
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@shareable"])
  type products @key(fields: "sku") { sku: String! stars: Int! }
  type Review { product: products! text: String! }
  type Query { reviews: [Review!]! }
`);
const resolvers = {
  Query: { reviews: () => ["b", "a"].map((sku) => ({ product: { sku }, text: `about ${sku}` })) },
  products: { __resolveReference: ({ sku }) => ({ sku, stars: sku.charCodeAt(0) - 96 }), stars: ({ sku }) => sku.charCodeAt(0) - 96 },
};

test("rows by their keys, in order, null where there is none", async () => {
  const query = `query($r: [_Any!]!) { _entities(representations: $r) {
    __typename ... on products { sku name stockCollection(orderBy: [{warehouse: AscNullsLast}]) { edges { node { amount } } } } ... on stock { amount products { name } } } }`;
  const { data: { node } } = await ask('{ node: productsByPk(sku: "c") { nodeId } }', shop);
  const variables = {
    r: [
      { __typename: "products", sku: "b" },
      { __typename: "stock", sku: "a", warehouse: 2 },
      { __typename: "products", sku: "none" },
      { __typename: "products", nodeId: node.nodeId },
    ],
  };
  const { data, errors } = await ask(query, { ...shop, variables });
  assert.equal(errors, undefined, JSON.stringify(errors));
  assert.deepEqual(data._entities, [
    { __typename: "products", sku: "b", name: "Bread", stockCollection: { edges: [{ node: { amount: 0 } }] } },
    { __typename: "stock", amount: 5, products: { name: "Apple" } },
    null,
    { __typename: "products", sku: "c", name: "Cheese", stockCollection: { edges: [] } },
  ]);
  for (const bad of [{ __typename: "nope", sku: "a" }, { sku: "a" }, { __typename: "products" }, { __typename: "stock", sku: "a" }]) {
    const refused = await ask(query, { ...shop, variables: { r: [bad] } });
    assert.equal(refused.errors[0].extensions.code, "BAD_USER_INPUT", JSON.stringify(bad));
  }
  assert.deepEqual((await ask(query, { ...shop, variables: { r: [] } })).data, { _entities: [] });
});

test("it is off where nobody asks for it", async () => {
  const { errors } = await ask("{ _service { sdl } }");
  assert.equal(errors[0].extensions.code, "GRAPHQL_VALIDATION_FAILED");
});

test("a supergraph is composed, and a gateway answers from both services", async () => {
  const composed = composeServices([
    { name: "shop", typeDefs: parse(await sdl()), url: URL },
    { name: "reviews", typeDefs: reviews, url: "http://127.0.0.1:1/in-this-process" },
  ]);
  assert.equal(composed.errors, undefined, String(composed.errors?.map((error) => error.message).join("\n")));
  const gateway = new ApolloGateway({
    supergraphSdl: composed.supergraphSdl,
    buildService: ({ name, url }) =>
      name === "reviews"
        ? new LocalGraphQLDataSource(buildSubgraphSchema([{ typeDefs: reviews, resolvers }]))
        : new RemoteGraphQLDataSource({
            url,
            willSendRequest: ({ request }) => {
              request.http.headers.set("content-profile", "shop");
              request.http.headers.set("apikey", ANON_KEY);
            },
          }),
  });
  const { executor } = await gateway.load();
  const query = "{ reviews { text product { name stars price } } productsCollection(first: 1) { edges { node { name stars } } } }";
  const { data, errors } = await executor({
    document: parse(query),
    request: { query },
    queryHash: "1",
    context: {},
    cache: new Map(),
    schema: gateway.schema,
    metrics: {},
    overallCachePolicy: { restrict() {}, policyIfCacheable: () => null },
  });
  await gateway.stop();
  assert.equal(errors, undefined, JSON.stringify(errors));
  assert.deepEqual(JSON.parse(JSON.stringify(data)), {
    reviews: [
      { text: "about b", product: { name: "Bread", stars: 2, price: "3.00" } },
      { text: "about a", product: { name: "Apple", stars: 1, price: "1.50" } },
    ],
    productsCollection: { edges: [{ node: { name: "Apple", stars: 1 } }] },
  });
});
