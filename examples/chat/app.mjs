// A chat server as many are: it keeps its sockets in memory, so it works with one process and breaks with two. It knows nothing
// of ws-operator.
//
//   ws://…/?user=alice      who is connecting; the header ws-user-id says it as well
//   {"recipientId": "bob", "from": "alice", "text": "hi"}   goes to all sockets of bob, or nowhere
import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'

/** Sockets by user: one user may have several. */
const sockets = new Map()

const server = createServer((request, response) => {
  const found = request.url === '/healthz'
  response.writeHead(found ? 200 : 404, { 'content-type': 'text/plain' }).end(found ? 'ok\n' : 'not found\n')
})

const wss = new WebSocketServer({ server, maxPayload: 1024 * 1024 })

wss.on('connection', (socket, request) => {
  const user = userOf(request)
  const mine = sockets.get(user) ?? new Set()
  sockets.set(user, mine.add(socket))
  socket.on('message', (data, isBinary) => {
    if (isBinary) return
    for (const recipient of sockets.get(recipientOf(String(data))) ?? []) recipient.send(String(data))
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    mine.delete(socket)
    if (mine.size === 0) sockets.delete(user)
  })
})

/** @param {import('node:http').IncomingMessage} request */
function userOf({ headers, url }) {
  const header = headers['ws-user-id']
  // Node reads headers as Latin-1; users have names in UTF-8.
  if (header) return Buffer.from(String(header), 'latin1').toString()
  return new URL(url ?? '/', 'http://chat').searchParams.get('user') ?? 'nobody'
}

/** @param {string} text */
function recipientOf(text) {
  try {
    return JSON.parse(text)?.recipientId
  } catch {
    return undefined
  }
}

server.listen(Number(process.env.PORT ?? 3001), process.env.HOST ?? '0.0.0.0', () => {
  const { address, port } = server.address()
  console.log(`chat listens on ${address}:${port}`)
})

process.on('SIGTERM', () => {
  for (const socket of wss.clients) socket.close(1001)
  server.close(() => process.exit(0))
  setTimeout(() => process.exit(0), 5000).unref()
})
