// Where the server is, and requests to it.
// Environment: FERROBASE_URL, ANON_KEY, SERVICE_KEY, TOKEN_ANN, TOKEN_BOB (two users' access tokens), SDL (a file: the
// schema as `ferrobase graphql schema` prints it for the anonymous role).
export const { FERROBASE_URL, ANON_KEY, SERVICE_KEY, TOKEN_ANN, TOKEN_BOB, SDL } = process.env;
export const URL = `${FERROBASE_URL}/graphql/v1`;

/** The answer to an operation, as a supabase-js user asks it. */
export async function ask(query, { token = ANON_KEY, variables, headers = {} } = {}) {
  const answer = await fetch(URL, {
    method: "POST",
    headers: { "content-type": "application/json", apikey: ANON_KEY, authorization: `Bearer ${token}`, ...headers },
    body: JSON.stringify({ query, variables }),
  });
  return answer.json();
}
