// A service behind examples/fencing/http/fence.mjs, and its unfenced twin. usage: server.mjs DIR PORT
import fs from 'node:fs'
import http from 'node:http'
import { fenced } from '../../../examples/fencing/http/fence.mjs'

const [folder, port] = process.argv.slice(2)

const effect = (kind) => async (request, response, body) => {
  await fs.promises.appendFile(`${folder}/${kind}.journal`, body)
  response.writeHead(200, { 'Content-Length': 0 }).end()
}

const throughFence = fenced(`${folder}/fence`, 'shop/orders', effect('fenced'))
const twin = async (request, response) => {
  const chunks = []
  try {
    for await (const chunk of request) chunks.push(chunk)
  } catch {
    return // the client has gone
  }
  await effect('twin')(request, response, Buffer.concat(chunks))
}

http.createServer((request, response) => {
  (request.url === '/twin' ? twin : throughFence)(request, response)
}).listen(Number(port), '127.0.0.1')
