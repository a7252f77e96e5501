import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Child } from '../machine/child.ts'
import type { Peer } from './peer.ts'

const configuration = (port: number, apps: readonly number[]) => `
global
  nbthread 1
  maxconn 9000
defaults
  mode http
  timeout connect 10s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
frontend clients
  bind 127.0.0.1:${port}
  default_backend apps
backend apps
  balance hdr(ws-user-id)
  hash-type consistent
${apps.map((app, i) => `  server app${i} 127.0.0.1:${app}`).join('\n')}
`

export const haproxy: Peer = {
  name: 'haproxy',
  title: 'HAProxy',
  shape: 'proxy',
  needs: { command: 'haproxy', package: 'haproxy' },
  about() {
    const version = /version (\S+)/.exec(execFileSync('haproxy', ['-v'], { encoding: 'utf8' }))?.[1]
    return `HAProxy ${version}, one thread, \`balance hdr(ws-user-id)\`, \`hash-type consistent\``
  },
  async start({ core, apps, ports: [port], folder }) {
    const file = join(folder, 'haproxy.cfg')
    await writeFile(file, configuration(port, apps))
    return { children: [await Child.start(['haproxy', '-db', '-f', file], { core })], ports: [port] }
  },
}
