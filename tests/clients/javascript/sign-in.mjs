// A real OpenID provider that people sign in with: whoever `login_hint` names is signed in, and agrees to everything.
// Accounts that begin with "unproved" have an address that nobody confirmed; those with "nameless" have none.
// Usage: node sign-in.mjs PORT CALLBACK...
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const port = Number(process.argv[2]);
const redirect_uris = process.argv.slice(3);
const signing = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });
const code = { grant_types: ["authorization_code", "refresh_token"], response_types: ["code"], redirect_uris };

function claims(accountId) {
  const known = { sub: accountId, name: `${accountId} of the provider`, preferred_username: accountId };
  if (accountId.startsWith("nameless")) return known;
  return { ...known, email: `${accountId}@example.com`, email_verified: !accountId.startsWith("unproved") };
}

const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: { keys: [{ ...signing, kid: "of-this-run", use: "sig", alg: "RS256" }] },
  cookies: { keys: ["of this run"] },
  clients: [
    { client_id: "web", client_secret: "the secret: of %the app", ...code },
    { client_id: "phone", token_endpoint_auth_method: "none", application_type: "web", ...code },
  ],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "preferred_username"] },
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_ctx, accountId) => ({ accountId, claims: () => claims(accountId) }),
});

provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith("/interaction/")) return next();
  const { prompt, params, session, grantId } = await provider.interactionDetails(ctx.req, ctx.res);
  if (params.login_hint === "refuses") {
    const refused = { error: "access_denied", error_description: "The user refused" };
    ctx.respond = false;
    return provider.interactionFinished(ctx.req, ctx.res, refused);
  }
  let result = { login: { accountId: params.login_hint ?? "ada" } };
  if (prompt.name === "consent") {
    const grant = grantId
      ? await provider.Grant.find(grantId)
      : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    result = { consent: { grantId: await grant.save() } };
  }
  ctx.respond = false;
  return provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: true });
});

provider.listen(port, "127.0.0.1", () => console.log("listening"));
