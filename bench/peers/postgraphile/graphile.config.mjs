// PostGraphile as its documentation starts it, with the role and the claims of the caller as settings. Tokens are only read,
// not verified: that is less than what it is compared with does.
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { makePgService } from "postgraphile/adaptors/pg";

const port = Number(process.env.PORT);

function claims(authorization) {
  return Buffer.from((authorization ?? "").split(".")[1] ?? "", "base64url").toString();
}

export default {
  extends: [PostGraphileAmberPreset],
  pgServices: [
    makePgService({ connectionString: process.env.DATABASE_URL, schemas: ["public"], poolConfig: { max: 20 } }),
  ],
  grafserv: { host: "127.0.0.1", port, watch: false, graphiql: false },
  grafast: {
    explain: false,
    context: (request) => ({
      pgSettings: {
        role: "authenticated",
        "request.jwt.claims": claims(request.node?.req.headers.authorization),
      },
    }),
  },
};
