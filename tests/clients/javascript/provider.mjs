// A real OpenID provider for the test of `auth.jwks_url`: discovery, key set, and signed tokens by client credentials.
// Usage: node provider.mjs PORT
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const port = Number(process.argv[2]);
const signing = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });
const api = { scope: "", audience: "ferrobase", accessTokenFormat: "jwt", jwt: { sign: { alg: "RS256" } } };

const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: { keys: [{ ...signing, kid: "of-this-run", use: "sig", alg: "RS256" }] },
  cookies: { keys: ["of this run"] },
  clients: [{
    client_id: "app",
    client_secret: "the secret of the app",
    grant_types: ["client_credentials"],
    redirect_uris: [],
    response_types: [],
  }],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => "urn:ferrobase",
      getResourceServerInfo: () => api,
      useGrantedResource: () => true,
    },
  },
  extraTokenClaims: () => ({ role: "authenticated", sub: "00000000-0000-4000-8000-00000000000a" }),
});

provider.listen(port, "127.0.0.1", () => console.log("listening"));
