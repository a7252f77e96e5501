import { openSync, writeSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { type WebSocket, WebSocketServer } from 'ws'
import type { AppEvent } from './events.ts'
import { userOf } from './events.ts'
import {
  type EchoNote,
  type HandedNote,
  type Note,
  now,
  type PushNote,
  padding,
  readNote,
  type UpNote,
} from './messages.ts'
import { Random } from './random.ts'

/**
 * A WebSocket app that knows nothing of sidecars: it answers what its clients write, pushes numbered messages, and passes on to
 * a client what was addressed to its user. It writes what it sees into a file at once, so that nothing is forgotten when it is killed.
 *
 * Environment: HOST, PORT, NAME (of this start of it), EVENTS (path of that file), PUSH_MS (mean pause between pushes), ON_TERM
 * (`exit` at once, as a program without a handler; `close` its connections with 1001 first), DELIVER (`sender`: it takes a message's
 * sender from the connection, and passes the message on to all connections of the recipient), FAULT (what it does wrong, to
 * see that the run notices; see FAULTS).
 */

/** Deliberate faults, each of which one check of a run has to find. */
export const FAULTS = ['none', 'lose', 'double', 'reorder', 'misroute', 'damage', 'close'] as const
export type Fault = (typeof FAULTS)[number]

/** Every so many messages the fault shows. */
const FAULT_EVERY = 25
const CLOSE_LIMIT_MS = 1000

/** A client that has gone meanwhile is no error. */
function send(socket: WebSocket, note: Note, binary: boolean): void {
  socket.send(JSON.stringify(note), { binary }, () => {})
}

class App {
  readonly #server: WebSocketServer
  readonly #file: number
  readonly #name: string
  readonly #pushMs: number
  readonly #fault: Fault
  readonly #deliver: string
  /** By user. */
  readonly #sockets = new Map<string, Set<WebSocket>>()
  readonly #random = new Random(process.pid)
  #links = 0
  #replies = 0

  constructor(
    server: WebSocketServer,
    { NAME = 'app', EVENTS = '', PUSH_MS, FAULT = 'none', DELIVER = '' }: NodeJS.ProcessEnv,
  ) {
    this.#deliver = DELIVER
    this.#server = server
    this.#file = openSync(EVENTS, 'a')
    this.#name = NAME
    this.#pushMs = Number(PUSH_MS)
    this.#fault = FAULT as Fault
    server.on('connection', (socket, request) => this.#connected(socket, request))
  }

  #write(event: AppEvent): void {
    writeSync(this.#file, `${JSON.stringify(event)}\n`)
  }

  #connected(socket: WebSocket, request: IncomingMessage): void {
    const c = new URL(request.url ?? '', 'ws://app').searchParams.get('c') ?? ''
    const user = userOf(c)
    const link = `${this.#name}#${++this.#links}`
    const isShadow = request.headers['x-ws-operator-shadow'] !== undefined
    this.#write({ e: 'app-open', at: now(), link, c, ...(isShadow && { shadow: true }) })
    const sockets = this.#sockets.get(user) ?? new Set()
    this.#sockets.set(user, sockets.add(socket))
    const stray = (what: string, damaged = false) => this.#write({ e: 'app-stray', at: now(), link, c, what, damaged })
    if (request.headers['ws-user-id'] !== user) stray(`the handshake names the user ${request.headers['ws-user-id']}`)
    socket.on('error', () => {})
    socket.on('message', (data: Buffer, binary: boolean) => {
      const note = readNote(data)
      if (note?.t === 'up' && note.c === c) {
        this.#write({ e: 'app-up', at: now(), link, c, n: note.n })
        this.#answer(socket, note, binary)
      } else if (this.#deliver === 'sender' && note?.t === 'direct' && note.c === c && note.recipientId !== user) {
        const to = note.recipientId
        this.#write({ e: 'app-direct', at: now(), link, c: `${to}/${this.#name}`, from: c, n: note.n })
        const handed: HandedNote = { t: 'handed', to, c, n: note.n, pad: note.pad }
        for (const other of this.#sockets.get(to) ?? []) this.#reply(other, handed, false)
      } else if (this.#deliver !== 'sender' && note?.t === 'direct' && note.recipientId === user) {
        this.#write({ e: 'app-direct', at: now(), link, c, from: note.c, n: note.n })
        const handed: HandedNote = { t: 'handed', to: user, c: note.c, n: note.n, pad: note.pad }
        this.#reply(socket, handed, false)
      } else stray(data.toString('latin1', 0, 120), note === undefined)
    })
    const pushing = this.#push(socket, link, c, 0)
    socket.on('close', code => {
      clearTimeout(pushing.timer)
      sockets.delete(socket)
      this.#write({ e: 'app-close', at: now(), link, c, code })
    })
  }

  #answer(socket: WebSocket, { c, n, late, pad }: UpNote, binary: boolean): void {
    const echo: EchoNote = { t: 'echo', c, n, late: late !== undefined, pad }
    if (late === undefined) this.#reply(socket, echo, binary)
    else setTimeout(() => send(socket, echo, binary), late)
  }

  /** Writes to a client, now and then not as it should. */
  #reply(socket: WebSocket, note: EchoNote | HandedNote, binary: boolean): void {
    const fault = ++this.#replies % FAULT_EVERY === 0 ? this.#fault : 'none'
    const other = [...this.#server.clients].find(client => client !== socket) ?? socket
    if (fault === 'lose') return
    if (fault === 'close') socket.close(1000)
    else if (fault === 'reorder') setTimeout(() => send(socket, note, binary), 2000)
    else if (fault === 'damage') send(socket, { ...note, pad: `${note.pad}!` }, binary)
    else send(fault === 'misroute' ? other : socket, note, binary)
    if (fault === 'double') send(socket, note, binary)
  }

  #push(socket: WebSocket, link: string, c: string, n: number, state: { timer?: NodeJS.Timeout } = {}) {
    state.timer = setTimeout(
      () => {
        // As apps do: what is closing is no longer written to.
        if (socket.readyState !== socket.OPEN) return
        const large = this.#random.chance(0.03)
        const note: PushNote = { t: 'push', c, link, n, pad: padding(n, large ? 70_000 : this.#random.int(0, 200)) }
        this.#write({ e: 'app-push', at: now(), link, c, n })
        const text = JSON.stringify(note)
        const binary = this.#random.chance(0.1)
        if (this.#random.chance(0.1)) {
          socket.send(text.slice(0, 30), { binary, fin: false }, () => {})
          socket.send(text.slice(30), { binary, fin: true }, () => {})
        } else socket.send(text, { binary }, () => {})
        this.#push(socket, link, c, n + 1, state)
      },
      this.#pushMs * (0.5 + this.#random.next()),
    )
    return state
  }

  /** Says goodbye to everybody, then ends. */
  close(): void {
    for (const socket of this.#server.clients) socket.close(1001)
    setTimeout(() => process.exit(0), CLOSE_LIMIT_MS)
    setInterval(() => this.#server.clients.size === 0 && process.exit(0), 10)
  }
}

if (import.meta.main) {
  const http = createServer()
  const app = new App(new WebSocketServer({ server: http }), process.env)
  http.listen(Number(process.env['PORT']), process.env['HOST'])
  if (process.env['ON_TERM'] === 'close') {
    process.on('SIGTERM', () => {
      http.close()
      app.close()
    })
  }
}
