// A mail server that begins in the clear and changes to TLS when it is asked to (RFC 3207), for the tests of the mail sender.
//
//   node starttls.mjs PORT CERTIFICATE KEY [plain]
//
// With `plain` it does not offer TLS. Takes logins and mails over TLS only, unless it is plain, and writes a line of JSON for
// everything that it is told.
import { readFileSync } from "node:fs"
import { SMTPServer } from "smtp-server"

const [port, cert, key, plain] = process.argv.slice(2)
const say = (event) => console.log(JSON.stringify(event))

const server = new SMTPServer({
  cert: readFileSync(cert),
  key: readFileSync(key),
  disabledCommands: plain ? ["STARTTLS"] : [],
  allowInsecureAuth: Boolean(plain),
  onAuth({ username, password }, session, done) {
    say({ login: username, password, secure: session.secure })
    done(null, { user: username })
  },
  onData(stream, session, done) {
    const chunks = []
    stream.on("data", (chunk) => chunks.push(chunk))
    stream.on("end", () => {
      say({ mail: Buffer.concat(chunks).toString(), secure: session.secure })
      done()
    })
  },
})
// Whoever does not trust the certificate ends the connection in the middle of a greeting.
server.on("error", (error) => say({ error: error.message }))
server.listen(Number(port), "127.0.0.1", () => say("listening"))
