import { attackNamed } from './attacks.ts'
import { Client } from './client.ts'

/** What an attacker is told when it starts. */
export interface Job {
  readonly attack: string
  readonly port: number
  readonly clients: number
}

/** What it says: all its clients are connected; and afterwards what it saw. */
export type Said = { readonly connected: number; readonly refused: number } | { readonly open: number }

/** Most handshakes that are under way at once. */
const AT_ONCE = 50
const HALF_HEAD_BYTES = 15_000

const say = (said: Said) => process.send?.(said)

// Attackers are a process of their own: they must not hold up the client whose waits are measured.
process.on('disconnect', () => process.exit())
const abort = new AbortController()
const job = JSON.parse(process.argv[2] ?? '') as Job
const attack = attackNamed(job.attack)
const clients: Client[] = []
let refused = 0
let begun = 0

function begin(client: Client): Promise<Client> {
  if (attack.request !== undefined) return client.ask(attack.request)
  return attack.halfOpen ? client.begin(attack.path, HALF_HEAD_BYTES) : client.open(attack.path)
}

async function connectSome(): Promise<void> {
  while (begun < job.clients) {
    const n = begun++
    const user = attack.oneUser && n > 0 ? 'many' : `attacker-${n}`
    const client = new Client(job.port, user)
    try {
      clients.push(await begin(client))
      client.socket.pause()
      if (attack.path !== '/flood' && attack.request === undefined) client.socket.resume()
    } catch {
      refused++
      client.socket.destroy()
    }
  }
}

await Promise.all(Array.from({ length: AT_ONCE }, connectSome))
say({ connected: clients.length, refused })
process.once('message', async () => {
  process.once('message', () => {
    abort.abort()
    say({ open: clients.filter(client => !client.closed).length })
    for (const { socket } of clients) socket.destroy()
  })
  await attack.run(clients, abort.signal)
})
