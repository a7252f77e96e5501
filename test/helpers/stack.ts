import { once } from 'node:events'
import { mkdtemp, rename, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildApp as buildBalancer } from '../../balancer/app.ts'
import { loadBalancerConfig } from '../../balancer/config.ts'
import type { Confirm } from '../../lib/routing/discovery/dns/confirm.ts'
import { MemberWatch } from '../../lib/routing/discovery/member-watch.ts'
import type { MemberSink, MemberSource } from '../../lib/routing/discovery/source.ts'
import { createLogger } from '../../lib/service/log/log.ts'
import { Metrics } from '../../lib/service/metrics.ts'
import type { Service } from '../../lib/service/program.ts'
import { buildApp as buildSidecar } from '../../sidecar/app.ts'
import { loadSidecarConfig } from '../../sidecar/config.ts'
import { waitFor } from './wait.ts'

/** What tests need of tap's `t`: to clean up in the end. */
export interface Scope {
  teardown(action: () => unknown): void
}

/** A program of ours that listens, in this process. */
export interface Running {
  readonly service: Service
  readonly metrics: Metrics
  readonly port: number
  /** host:port, as a member's name. */
  readonly name: string
  /** Lines that it has logged, parsed. */
  readonly logs: Record<string, unknown>[]
  /** The value of one metric, by name without prefix and labels. */
  metric(name: string, labels?: Record<string, string>): Promise<number>
}

type Env = Record<string, string | number>

/** Answers say which balancer, pod and member they came from. */
export const EXPOSED = { balancer: { EXPOSE_TOPOLOGY: 'true' }, sidecar: { EXPOSE_TOPOLOGY: 'true' } } as const

/** The apps of the tests know a client by its handshake. */
const TRANSPARENT = { REHOME: 'transparent' }

const prefixed = (env: Env) =>
  Object.fromEntries(Object.entries(env).map(([name, value]) => [`WS_OPERATOR_${name}`, String(value)]))

/** A port that is free now. Another process may take it before we do, so callers try again. */
export function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

async function run(
  t: Scope,
  name: string,
  build: (
    env: Env,
    deps: { log: ReturnType<typeof createLogger>; metrics: Metrics; instance: string },
  ) => Promise<Service>,
): Promise<Running> {
  for (let attempt = 0; ; attempt++) {
    const port = await freePort()
    const logs: Record<string, unknown>[] = []
    const log = createLogger(name, `${name}-${port}`, 'debug', { write: line => void logs.push(JSON.parse(line)) })
    const metrics = new Metrics()
    const service = await build({ SELF: `127.0.0.1:${port}` }, { log, metrics, instance: `${name}-${port}` })
    try {
      await service.app.listen({ host: '127.0.0.1', port })
    } catch (error) {
      await service.app.close()
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE' && attempt < 5) continue
      throw error
    }
    t.teardown(async () => {
      await service.drain(Date.now() + 200)
      await service.app.close()
    })
    return {
      service,
      metrics,
      port,
      name: `127.0.0.1:${port}`,
      logs,
      async metric(metric, labels = {}) {
        const found = await metrics.registry.getSingleMetric(`ws_operator_${metric}`)?.get()
        const value = found?.values.find(entry =>
          Object.entries(labels).every(([key, wanted]) => (entry.labels as Env)[key] === wanted),
        )
        return value?.value ?? 0
      },
    }
  }
}

/** A members file that tests can change; both programs watch it. */
export interface MembersFile {
  readonly path: string
  set(...members: string[]): Promise<void>
}

export async function membersFile(...members: string[]): Promise<MembersFile> {
  const folder = await mkdtemp(join(tmpdir(), 'ws-operator-members-'))
  const path = join(folder, 'members.json')
  const set = async (...names: string[]) => {
    await writeFile(`${path}.new`, JSON.stringify(names))
    await rename(`${path}.new`, path)
  }
  await set(...members)
  return { path, set }
}

/** A sidecar before an app on a port of this machine. */
export function startSidecar(
  t: Scope,
  appPort: number,
  members: MembersFile,
  env: Env = {},
  /** Where requests come from, for tests in which that is no address of this machine. */
  addressOf?: (request: IncomingMessage) => string,
  /** Whether a host that the list does not have is a member. */
  confirm?: Confirm,
): Promise<Running> {
  return run(t, 'sidecar', (own, deps) =>
    buildSidecar(
      loadSidecarConfig(prefixed({ DISCOVERY: 'file', MEMBERS_FILE: members.path, APP_PORT: appPort, ...own, ...env })),
      { ...deps, ...(addressOf && { addressOf }), ...(confirm && { confirm }) },
    ),
  )
}

export function startBalancer(t: Scope, members: MembersFile, env: Env = {}): Promise<Running> {
  return run(t, 'balancer', (_own, deps) =>
    buildBalancer(
      loadBalancerConfig(prefixed({ DISCOVERY: 'file', MEMBERS_FILE: members.path, ...TRANSPARENT, ...env })),
      deps,
    ),
  )
}

/** A balancer whose source of members is the test, which says as much as one in a cluster does. */
export async function startToldBalancer(
  t: Scope,
  env: Env = {},
): Promise<Running & { readonly tell: MemberSink['answer']; readonly fail: (message: string) => void }> {
  let sink: MemberSink | undefined
  const source: MemberSource = async (given, signal) => {
    sink = given
    given.answer([])
    await once(signal, 'abort')
  }
  const running = await run(t, 'balancer', (_own, deps) =>
    buildBalancer(
      loadBalancerConfig(prefixed({ DISCOVERY: 'kubernetes', SERVICE: 'team-a/chat', ...TRANSPARENT, ...env })),
      {
        ...deps,
        discovery: new MemberWatch(source, { ...deps, source: 'test', graceMs: 50 }),
      },
    ),
  )
  return {
    ...running,
    tell: (...answer) => sink?.answer(...answer),
    fail: message => sink?.failed(new Error(message)),
  }
}

/** Pods (an app with its sidecar) behind one balancer, all knowing each other. */
export async function startStack(
  t: Scope,
  apps: readonly { port: number }[],
  env: { sidecar?: Env; balancer?: Env } = {},
): Promise<{ sidecars: Running[]; balancer: Running; members: MembersFile; ownerOf: (user: string) => number }> {
  const members = await membersFile()
  const sidecars = await Promise.all(apps.map(app => startSidecar(t, app.port, members, env.sidecar)))
  await members.set(...sidecars.map(sidecar => sidecar.name))
  const balancer = await startBalancer(t, members, env.balancer)
  for (const program of [...sidecars, balancer]) {
    await waitFor(async () => (await program.metric('members')) === sidecars.length, 'all members are known')
  }
  const { MemberSet } = await import('../../lib/routing/rendezvous.ts')
  const { parseMember } = await import('../../lib/routing/members.ts')
  const set = MemberSet.of(sidecars.map(sidecar => parseMember(sidecar.name)))
  return {
    sidecars,
    balancer,
    members,
    ownerOf: user => sidecars.findIndex(sidecar => sidecar.name === set.owner(user)?.name),
  }
}

/** A user name whose owner is the given pod. */
export function userOn(ownerOf: (user: string) => number, pod: number, prefix = 'user'): string {
  for (let n = 0; ; n++) if (ownerOf(`${prefix}-${n}`) === pod) return `${prefix}-${n}`
}
