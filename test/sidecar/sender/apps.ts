import type { IncomingMessage } from 'node:http'
import { WebSocket } from 'ws'
import type { App } from '../../helpers/app.ts'

/** What clients write in these tests. */
export interface Command {
  readonly recipientId?: string
  readonly type?: string
  readonly text: string
}

/** An app as users have them: it knows its clients by what they show in the handshake, and nothing of sidecars. */
export interface Kind {
  readonly name: string
  /** What each device of the recipient gets for a message, and what the sender gets. */
  expected(from: string, text: string): string
  answer(from: string, text: string): string[]
  /** What each connection gets at once. */
  greeting(user: string): string[]
  onConnection(socket: WebSocket, request: IncomingMessage, app: App): void
}

type Client = WebSocket & { user?: string }

const json = (value: object) => JSON.stringify(value)

/** The user whose secret is shown; nobody else's name counts. */
const authenticated = ({ headers }: IncomingMessage): string => String(headers.authorization).replace('Bearer ', '')

function clientsOf(app: App, user: string | undefined): Client[] {
  return [...(app.server.clients as Set<Client>)].filter(
    client => client.user === user && client.readyState === WebSocket.OPEN,
  )
}

/** E-mail addresses that clients have set, each for the user that the app takes them for. */
export const emails = new WeakMap<App, string[]>()

function listen(app: App, socket: Client, request: IncomingMessage, on: (command: Command, me: string) => void): void {
  const me = authenticated(request)
  socket.user = me
  socket.on('message', (data: Buffer) => {
    const command = JSON.parse(data.toString()) as Command
    if (command.type === 'set-email') emails.set(app, [...(emails.get(app) ?? []), `${me}: ${command.text}`])
    else on(command, me)
  })
}

export const KINDS: readonly Kind[] = [
  {
    name: 'stamps the sender from the connection',
    expected: (from, text) => json({ from, text }),
    answer: () => [],
    greeting: () => [],
    onConnection: (socket, request, app) =>
      listen(app, socket, request, ({ recipientId, text }, from) => {
        for (const other of clientsOf(app, recipientId)) other.send(json({ from, text }))
      }),
  },
  {
    name: 'fans out per user',
    expected: (_from, text) => json({ text }),
    answer: () => [],
    greeting: () => [],
    onConnection: (socket, request, app) =>
      listen(app, socket, request, ({ recipientId, text }) => {
        for (const other of clientsOf(app, recipientId)) other.send(json({ text }))
      }),
  },
  {
    name: 'answers on the same socket',
    expected: (from, text) => json({ from, text }),
    answer: (_from, text) => [json({ ack: text })],
    greeting: () => [],
    onConnection: (socket, request, app) =>
      listen(app, socket, request, ({ recipientId, text }, from) => {
        for (const other of clientsOf(app, recipientId)) other.send(json({ from, text }))
        socket.send(json({ ack: text }))
      }),
  },
  {
    name: 'greets and broadcasts',
    expected: (from, text) => json({ from, text }),
    answer: (from, text) => [json({ from, text })],
    greeting: user => [json({ hello: user })],
    onConnection(socket, request, app) {
      socket.send(json({ hello: authenticated(request) }))
      listen(app, socket, request, ({ text }, from) => {
        for (const other of app.server.clients) other.send(json({ from, text }))
      })
    },
  },
]
