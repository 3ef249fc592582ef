// What `relay-compiler` reads. Its output in `__generated__` is committed, because the compiler is 118 MB. To renew it:
//   ferrobase graphql schema --role authenticated > schema.graphql && npx relay-compiler@21.0.1 relay.config.json
// and add `.js` to the name that `notes_list.graphql.js` imports, as Node wants it.
graphql`
  query notesQuery {
    ...notes_list
  }
`;
graphql`
  fragment notes_list on Query
  @refetchable(queryName: "notesMoreQuery")
  @argumentDefinitions(first: { type: "Int", defaultValue: 3 }, after: { type: "Cursor" }) {
    notesCollection(first: $first, after: $after, orderBy: [{ id: AscNullsLast }]) @connection(key: "notes_notesCollection") {
      edges { node { nodeId body } }
    }
  }
`;
graphql`
  query notesNodeQuery($id: ID!) {
    node(nodeId: $id) { nodeId ... on notes { body } }
  }
`;
