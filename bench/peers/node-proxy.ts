import { readFileSync } from 'node:fs'
import { Child } from '../machine/child.ts'
import type { Peer } from './peer.ts'

const PROGRAM = new URL('./node-proxy-program.ts', import.meta.url).pathname
const MANIFEST = new URL('../../node_modules/http-proxy-3/package.json', import.meta.url)

/** A popular proxy for Node as its users write it. */
export const nodeProxy: Peer = {
  name: 'http-proxy-3',
  title: 'http-proxy-3',
  shape: 'proxy',
  about() {
    const { version } = JSON.parse(readFileSync(MANIFEST, 'utf8')) as { version: string }
    return `http-proxy-3 ${version} on Node ${process.versions.node}, one process, a hash of the header modulo two`
  },
  async start({ core, apps, ports: [port] }) {
    const child = await Child.start([process.execPath, PROGRAM, String(port), ...apps.map(String)], { core })
    return { children: [child], ports: [port] }
  },
}
