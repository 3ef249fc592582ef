// The schema as graphql-js sees it: built from introspection, checked, and the same as the command line prints.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  buildClientSchema,
  buildSchema,
  getIntrospectionQuery,
  lexicographicSortSchema,
  printSchema,
  validateSchema,
} from "graphql";
import { ask, SDL, TOKEN_ANN } from "./server.mjs";

const options = { descriptions: true, specifiedByUrl: true, inputValueDeprecation: true, schemaDescription: true, oneOf: true };

test("introspection gives a schema that graphql-js finds right", async () => {
  for (const token of [undefined, TOKEN_ANN]) {
    const { data, errors } = await ask(getIntrospectionQuery(options), { token });
    assert.equal(errors, undefined, JSON.stringify(errors));
    assert.deepEqual(validateSchema(buildClientSchema(data)), []);
  }
});

test("the command line prints the same schema", async () => {
  const { data } = await ask(getIntrospectionQuery(options));
  const printed = (schema) => printSchema(lexicographicSortSchema(schema));
  const sdl = readFileSync(SDL, "utf8");
  assert.deepEqual(validateSchema(buildSchema(sdl)), []);
  assert.match(printed(buildClientSchema(data)), /^input booksKeyInput @oneOf/m);
  assert.equal(printed(buildSchema(sdl)), printed(buildClientSchema(data)));
});

test("what graphql-js refuses is refused, in its words", async () => {
  const { GraphQLError, parse, validate } = await import("graphql");
  const schema = buildSchema(readFileSync(SDL, "utf8"));
  for (const query of [
    "{ nope }",
    "{ booksByPk(id: 1) { titel } }",
    "query($a: Int) { booksByPk(id: 1) { id } }",
    "{ ...F } fragment G on Query { __typename }",
    "{ booksByPk { id } }",
    "{ booksByPk(id: 1) { id { x } } }",
    "{ a: booksByPk(id: 1) { id } a: booksByPk(id: 2) { id } }",
    "query A { __typename } query A { __typename }",
    "{ booksCollection(filter: {titel: {eq: \"x\"}}) { edges { cursor } } }",
  ]) {
    const expected = validate(schema, parse(query));
    assert.ok(expected[0] instanceof GraphQLError, query);
    const { errors, data } = await ask(query);
    assert.equal(data, undefined, query);
    assert.equal(errors[0].extensions.code, "GRAPHQL_VALIDATION_FAILED", query);
  }
  const { errors } = await ask("{ booksByPk(id: 1) { titel } }");
  assert.equal(errors[0].message, 'Cannot query field "titel" on type "books". Did you mean "title"?');
});
