// Middleware that fences: only requests with the highest fencing token seen, or a higher one, reach
// the handler, one at a time. Node 18 or newer.
//
//     http.createServer(fenced('/data/fence', 'shop/orders', async (request, response, body) => …))
//
// A line of the file is a token; the last is the highest. Make it once, with a 0 in it. One process
// has it: run one.
import fs from 'node:fs'

const LIMIT = 1 << 20 // bytes of a body
const TOKEN = /^[1-9][0-9]{0,17}$/

export function fenced(path, scope, handler) {
  const file = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_APPEND) // it must be there
  const content = fs.readFileSync(file, 'utf8')
  const last = content.slice(0, content.lastIndexOf('\n') + 1).trim().split(/\s+/).pop()
  if (last !== '0' && !TOKEN.test(last)) {
    throw new Error(`${path} is damaged: its last line is no token. Put in the highest token that ` +
      'this service may have taken')
  }
  let highest = BigInt(last)
  let turn = Promise.resolve()

  return async (request, response) => {
    const refuse = (status, reason, headers = {}) =>
      response.writeHead(status, { 'Content-Type': 'text/plain', ...headers }).end(reason + '\n')

    const tokens = request.headersDistinct['baton-fencing-token'] ?? []
    const scopes = request.headersDistinct['baton-fencing-scope'] ?? []
    if (tokens.length !== 1 || !TOKEN.test(tokens[0])) {
      return refuse(400, `not one fencing token: [${tokens}]`)
    }
    if (scopes.length !== 1 || scopes[0] !== scope) {
      return refuse(403, `a token of scope [${scopes}]; here it is ${scope}`)
    }
    // All of it before the turn: who stops in its middle keeps nobody waiting.
    const chunks = []
    let length = 0
    try {
      for await (const chunk of request) {
        length += chunk.length
        if (length <= LIMIT) chunks.push(chunk)
      }
    } catch {
      return // the client has gone
    }
    if (length > LIMIT) return refuse(413, `more than ${LIMIT} bytes`)
    const token = BigInt(tokens[0])

    turn = turn.then(async () => { // the handler's work ends within its turn
      if (token < highest) {
        return refuse(409, `stale fencing token ${token}: the highest is ${highest}`,
          { 'Baton-Highest-Token': highest.toString() })
      }
      if (token > highest) {
        fs.writeSync(file, `\n${token}\n`) // on a line of its own also after one cut short by a crash
        fs.fsyncSync(file)
        highest = token
      }
      await handler(request, response, Buffer.concat(chunks))
    }).catch((error) => {
      console.error(error)
      if (!response.headersSent) refuse(500, 'the handler failed')
    })
    await turn
  }
}
