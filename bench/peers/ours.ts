import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ENV_PREFIX } from '../../lib/service/names.ts'
import { Child } from '../machine/child.ts'
import { NODE_FLAGS } from '../machine/node-flags.ts'
import type { Peer, Site } from './peer.ts'

const MANIFEST = new URL('../../package.json', import.meta.url)

function about(what: string): string {
  const { version } = JSON.parse(readFileSync(MANIFEST, 'utf8')) as { version: string }
  return `ws-operator ${version} on Node ${process.versions.node} with ${NODE_FLAGS.join(' ')}, ${what}`
}

/** Starts one of our programs with its defaults, except where it listens. */
function startProgram(
  name: 'balancer' | 'sidecar',
  { core, programs }: Site,
  settings: Record<string, string | number>,
): Promise<Child> {
  const all = { HOST: '127.0.0.1', ADMIN_HOST: '127.0.0.1', ADMIN_PORT: 0, SHUTDOWN_SECONDS: 2, ...settings }
  const env = Object.fromEntries(Object.entries(all).map(([key, value]) => [ENV_PREFIX + key, String(value)]))
  return Child.start([process.execPath, ...NODE_FLAGS, join(programs, `${name}.js`)], { core, env })
}

/** A sidecar before an app. */
const startSidecar = (
  site: Site,
  [port, appPort]: readonly [number, number],
  members: readonly number[],
  settings: Record<string, string> = {},
) =>
  startProgram('sidecar', site, {
    PORT: port,
    APP_PORT: appPort,
    SELF: `127.0.0.1:${port}`,
    MEMBERS: memberList(members),
    ...settings,
  })

const memberList = (ports: readonly number[]) => ports.map(port => `127.0.0.1:${port}`).join(',')

/** Our balancer before the apps, where the other proxies are. */
export const balancer: Peer = {
  name: 'ours',
  title: 'our balancer',
  shape: 'proxy',
  about: () => about('balancer as one process'),
  async start(site) {
    const [port] = site.ports
    const child = await startProgram('balancer', site, { PORT: port, WORKERS: 1, MEMBERS: memberList(site.apps) })
    return { children: [child], ports: [port] }
  },
}

/** Our sidecar before one app: it looks for a recipient in each text message of a client. */
export const sidecar: Peer = {
  name: 'sidecar',
  title: 'our sidecar',
  shape: 'proxy',
  about: () => about('sidecar before one app; messages are not addressed, but each is looked at'),
  async start(site) {
    const [port] = site.ports
    return { children: [await startSidecar(site, [port, site.apps[0]], [port])], ports: [port] }
  },
}

/** Two of our sidecars, each before an app. */
const twoPods = (name: string, title: string, transport: 'link' | 'http'): Peer => ({
  name,
  title,
  shape: 'pods',
  about: () =>
    about(
      `two sidecars before an app each, transport ${transport}; every message is addressed to a user of the other one`,
    ),
  async start(site) {
    const [portA, portB] = site.ports
    const members = [portA, portB]
    // The app echoes: as the recipient's own, a message comes back to the recipient.
    const settings = { TRANSPORT: transport, DELIVER: 'app' }
    return {
      children: [
        await startSidecar(site, [portA, site.apps[0]], members, settings),
        await startSidecar(site, [portB, site.apps[1]], members, settings),
      ],
      ports: members,
    }
  },
})

export const pods = twoPods('pods', 'our two sidecars', 'link')

export const podsOverHttp = twoPods('pods-http', 'our two sidecars over HTTP', 'http')
