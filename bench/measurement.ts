import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BenchCase, Effort } from './cases/case.ts'
import type { Report } from './load/job.ts'
import { Child, freePorts } from './machine/child.ts'
import type { Machine } from './machine/machine.ts'
import type { Peer } from './peers/peer.ts'

const ECHO = new URL('./echo.ts', import.meta.url).pathname
const LOAD = new URL('./load.ts', import.meta.url).pathname

/** What a job takes besides warming up and measuring: connecting, waiting for calm, settling, closing. */
const MARGIN_MS = 60_000

export interface Conditions {
  readonly machine: Machine
  readonly effort: Effort
  /** Folder with our programs. */
  readonly programs: string
}

/**
 * Measures a peer once in one case. Everything is started for it and ended after it, so that nothing is left over from another.
 *
 * @throws where something does not start or does not come to an end, and when `signal` ends it
 */
export async function measureOnce(
  item: BenchCase,
  peer: Peer,
  conditions: Conditions,
  signal: AbortSignal,
): Promise<Report> {
  const { machine, effort, programs } = conditions
  const folder = await mkdtemp(join(tmpdir(), 'ws-operator-bench-'))
  const children: Child[] = []
  try {
    const [appA, appB, ...ports] = (await freePorts(6)) as [number, number, number, number, number, number]
    for (const port of [appA, appB]) {
      children.push(await Child.start([process.execPath, ECHO, String(port)], { core: machine.loadCore }))
    }
    const site = { core: machine.proxyCore, apps: [appA, appB], ports, folder, programs } as const
    const running = await peer.start(site)
    children.push(...running.children)
    for (const [i, port] of [appA, appB].entries()) await children[i]!.listening(port)
    for (const [i, child] of running.children.entries()) await child.listening(running.ports[i]!)
    const pids = running.children.map(({ pid }) => pid)
    const load = await Child.start([process.execPath, LOAD], {
      core: machine.loadCore,
      input: JSON.stringify(item.job({ ports: running.ports, pids }, effort)),
    })
    children.push(load)
    return await reportOf(load, running.children, (effort.warmup + effort.seconds) * 1000 + MARGIN_MS, signal)
  } finally {
    await Promise.all(children.map(child => child.stop()))
    await rm(folder, { recursive: true, force: true })
  }
}

async function reportOf(
  load: Child,
  measured: readonly Child[],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Report> {
  const ends = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
  ends.addEventListener('abort', () => load.kill())
  if (ends.aborted) load.kill()
  const code = await load.ended
  signal.throwIfAborted()
  if (code === 0) return JSON.parse(load.stdout) as Report
  const said = measured.map(child => `; ${child.tail}`).join('')
  throw new Error(`${code < 0 ? `no report after ${timeoutMs} ms` : `the load ${load.tail}`}${said}`)
}
